"""Commands on the audit log: is it as it was written, and what to note of it elsewhere."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
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
    verify = options.command(actions, "verify", _verify, "find every line that is not as it was written")
    head = options.command(actions, "head", _head, "say how the log ends: note it elsewhere, with another person")
    for one in (verify, head):
        one.add_argument("log", type=Path, metavar="LOG", help="the audit log; its head lies beside it")
    verify.add_argument(
        "--noted", type=_noted, metavar="LINES:DIGEST", help="what `audit head` said at an earlier time"
    )


def _noted(text: str) -> "Head":
    from linkcore.governance.audit.chain import Head

    lines, _, digest = text.partition(":")
    if not lines.isascii() or not lines.isdigit() or not digest:
        raise argparse.ArgumentTypeError("give what `audit head` said: LINES:DIGEST")
    return Head(int(lines), digest)


def _verify(chosen: argparse.Namespace) -> None:
    from linkcore.governance.audit.check import verify_audit

    if not chosen.log.exists():
        raise RefusedError(f"there is no audit log {chosen.log}; check the path")
    check = verify_audit(chosen.log, noted=chosen.noted)
    for fault in check.faults:
        print(fault)
    if check.faults:
        raise RefusedError(f"{chosen.log} is not as it was written, in {len(check.faults)} places: they are told above")
    print(f"{check.lines:,} lines, all as they were written")


def _head(chosen: argparse.Namespace) -> None:
    from linkcore.governance.audit.audit import Audit

    if not chosen.log.exists():
        raise RefusedError(f"there is no audit log {chosen.log}; check the path")
    head = Audit(chosen.log).head
    print(f"{head.lines}:{head.digest}")
