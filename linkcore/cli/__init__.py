"""The command line: results on stdout or in files, progress on stderr for a person only.

A module holds the commands of one kind, a function a command; it says in ``add`` what they take. What they share is in
:mod:`linkcore.cli.options` (what is asked) and :mod:`linkcore.cli.opening` (what that leads to).
"""

import argparse
import sys
import traceback
from collections.abc import Sequence

from linkcore import __version__
from linkcore.cli import auditing, destruction, exits, keys, linking, objecting, pseudonymising, releasing, reviewing
from linkcore.errors import LinkcoreError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code: 0 done; 1 an error of linkcore itself; 2 wrong usage or programme file; 3 input data cannot be
        used; 4 refused.
    """
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
    parser.add_argument("--version", action="version", version=f"linkcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (linking, releasing, objecting, exits, reviewing, pseudonymising, keys, auditing, destruction):
        group.add(commands)
    return parser
