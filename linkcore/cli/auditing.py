"""Commands on the audit log: check that it is intact, and print its head, which another person notes down."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.saying import say
from linkcore.errors import RefusedError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.governance.audit.chain import Head

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``audit verify`` and ``audit head``."""
    actions = commands.add_parser("audit", help="check the audit log").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    verify = options.command(actions, "verify", _verify, "find every line that was altered, removed, moved or cut off")
    head = options.command(
        actions, "head", _head, "print the number of lines and the last digest, for another person to note down"
    )
    for parser in (verify, head):
        parser.add_argument("log", type=Path, metavar="LOG", help="audit log; its head is beside it, in LOG.head")
    verify.add_argument("--noted", type=_noted, metavar="LINES:DIGEST", help="what `audit head` printed earlier")


def _noted(text: str) -> "Head":
    from linkcore.governance.audit.chain import Head

    lines, _, digest = text.partition(":")
    if not lines.isascii() or not lines.isdigit() or not digest:
        raise argparse.ArgumentTypeError("give what `audit head` printed: LINES:DIGEST")
    return Head(int(lines), digest)


def _verify(arguments: argparse.Namespace) -> None:
    from linkcore.governance.audit.check import verify_audit

    _refuse_without_log(arguments.log)
    check = verify_audit(arguments.log, noted=arguments.noted)
    for fault in check.faults:
        say(fault)
    if check.faults:
        raise RefusedError(f"{arguments.log} was changed in {len(check.faults)} places: they are listed above")
    say(f"{check.lines:,} lines, all as they were written")


def _head(arguments: argparse.Namespace) -> None:
    from linkcore.governance.audit.audit import Audit

    _refuse_without_log(arguments.log)
    head = Audit(arguments.log).head
    say(f"{head.lines}:{head.digest}")


def _refuse_without_log(log: Path) -> None:
    if not log.exists():
        raise RefusedError(f"there is no audit log {log}; check the path")
