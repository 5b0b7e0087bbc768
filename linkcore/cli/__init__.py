"""The command line: results on stdout or in files, progress on stderr for a person only.

A module holds the commands of one kind, a function a command; it says in ``add`` what they take. What they share is in
:mod:`linkcore.cli.options` (what is asked) and :mod:`linkcore.cli.opening` (what that leads to).
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

from linkcore.cli import auditing, destruction, exits, keys, linking, objecting, pseudonymising, releasing, reviewing
from linkcore.errors import LinkcoreError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command."""
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except LinkcoreError as error:
        print(f"linkcore {chosen.command}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        sys.stderr.close()
        return 0
    except Exception as error:
        # Where it happened, and never what the error says: another library's message may quote an identifier.
        traceback.print_tb(error.__traceback__)
        print(f"linkcore {chosen.command}: unexpected {type(error).__name__}; please report it", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="linkcore", description="Record linkage and pseudonymisation for NHS ICSs.")
    parser.add_argument("--version", action="version", version=f"linkcore {version('linkcore')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (linking, releasing, objecting, exits, reviewing, pseudonymising, keys, auditing, destruction):
        group.add(commands)
    return parser
