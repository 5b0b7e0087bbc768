"""The command line: results on stdout or in files, progress on stderr and only for a person.

Each module holds a group of commands. Its function ``add`` says which options they take, and one function runs each
command. :mod:`linkcore.cli.options` has the options that commands share, and :mod:`linkcore.cli.opening` opens what the
options name: the programme, keys, the audit log.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

from linkcore.cli import (
    auditing,
    destruction,
    exits,
    first_hour,
    keys,
    linking,
    objecting,
    pseudonymising,
    releasing,
    reviewing,
)
from linkcore.errors import LinkcoreError
from linkcore.private_memory import close_memory

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    arguments = _parser().parse_args(argv)
    # For every command: those without keys hold identifiers.
    close_memory()
    try:
        arguments.run(arguments)
    except LinkcoreError as error:
        sys.stderr.write(f"linkcore {arguments.command}: {error}\n")
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has closed it.
        sys.stderr.close()
        return 0
    except Exception as error:
        # Show where the error happened, and not its message: another library's message may quote an identifier.
        traceback.print_tb(error.__traceback__)
        sys.stderr.write(f"linkcore {arguments.command}: unexpected {type(error).__name__}; please report it\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="linkcore", description="Record linkage and pseudonymisation for NHS ICSs.")
    parser.add_argument("--version", action="version", version=f"linkcore {version('linkcore')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (
        first_hour,
        linking,
        releasing,
        objecting,
        exits,
        reviewing,
        pseudonymising,
        keys,
        auditing,
        destruction,
    ):
        group.add(commands)
    return parser
