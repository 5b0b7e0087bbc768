"""The command line: results on stdout or in files, progress on stderr and only for a person.

Each module holds a group of commands. Its function ``add`` says which options they take, and one function runs each
command. :mod:`linkcore.cli.options` has the options that commands share, and :mod:`linkcore.cli.opening` opens what the
options name: the programme, keys, the audit log.
"""

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version

from linkcore.cli import (
    auditing,
    completion,
    destruction,
    exits,
    first_hour,
    keys,
    linking,
    objecting,
    options,
    pseudonymising,
    releasing,
    reviewing,
)
from linkcore.cli.reporting import RunLog, Stopped, captured, document, stoppable
from linkcore.cli.saying import say
from linkcore.errors import LinkcoreError
from linkcore.private_memory import close_memory

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    arguments = _parsed(_parser(), argv)
    # For every command: those without keys hold identifiers.
    close_memory()
    arguments.run_log = arguments.result = None
    with stoppable(), captured(arguments) as said:
        code, faults = _outcome(arguments)
    for fault in faults:
        sys.stderr.write(f"linkcore {arguments.command}: {fault}\n")
    if arguments.json:
        with suppress(BrokenPipeError):  # the reader has closed our output
            say(document(arguments.prog.removeprefix("linkcore "), code, faults, said.getvalue(), arguments.result))
    return code


def _outcome(arguments: argparse.Namespace) -> tuple[int, tuple[str, ...]]:
    """Run a command, and return its exit code and what is wrong."""
    code = 1
    faults: tuple[str, ...] = ()
    try:
        arguments.run_log = RunLog(arguments.log_file, arguments.prog)
        arguments.run(arguments)
        code = 0
    except LinkcoreError as error:
        code, faults = error.exit_code, error.faults
    except BrokenPipeError:
        # The reader of our output has closed it.
        sys.stderr.close()
        code = 0
    except KeyboardInterrupt:
        code, faults = 128 + signal.SIGINT, ("interrupted; nothing half written is left",)
    except Stopped:
        code, faults = 128 + signal.SIGTERM, ("told to end; nothing half written is left",)
    except Exception as error:
        # Show where the error happened, and not its message: another library's message may quote an identifier.
        traceback.print_tb(error.__traceback__)
        faults = (f"unexpected {type(error).__name__}; please report it",)
    if arguments.run_log is not None:
        with suppress(LinkcoreError):
            arguments.run_log.write("end", exit_code=code, errors=faults)
    return code, faults


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; an unknown option is an error of its command, which knows the options that were meant."""
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        options.refuse_unknown(arguments.parser, unknown)
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = options.Parser(
        prog="linkcore", description="Record linkage and pseudonymisation for NHS ICSs."
    )
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
    completion.add(commands, parser)
    return parser
