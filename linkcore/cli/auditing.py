"""Commands on the audit log: check that it is intact, print its head, which another person notes down, and key it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.cli import options
from linkcore.cli.opening import keyring, now
from linkcore.cli.saying import say
from linkcore.errors import ProgrammeError, RefusedError

if TYPE_CHECKING:
    from linkcore.cli.options import Commands
    from linkcore.governance.audit.chain import Head
    from linkcore.governance.audit.check import AuditCheck

__all__ = ["add"]


def add(commands: "Commands") -> None:
    """Add ``audit verify``, ``audit head`` and ``audit start-key``."""
    actions = commands.add_parser("audit", help="check the audit log").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    verify = options.command(actions, "verify", _verify, "find every line that was altered, removed, moved or cut off")
    head = options.command(
        actions, "head", _head, "print the number of lines and the last digest, for another person to note down"
    )
    start = options.command(
        actions, "start-key", _start_key, "let a log that has lines without a key go on under a key, once"
    )
    for parser in (verify, head, start):
        parser.add_argument("log", type=Path, metavar="LOG", help="audit log; its head is beside it, in LOG.head")
    verify.add_argument("--keyring", type=Path, help="keyring that holds the key of the log, to check that too")
    verify.add_argument("--key", metavar="ID", help="key of the log in the keyring")
    options.passphrase(verify)
    verify.add_argument("--noted", type=_noted, metavar="LINES:DIGEST", help="what `audit head` printed earlier")
    verify.add_argument(
        "--keyed-from",
        type=int,
        default=1,
        metavar="N",
        help="line with which the key was started, as you noted it: what `audit start-key` printed (1)",
    )
    start.add_argument("--keyring", type=Path, required=True, help="keyring that holds the key")
    start.add_argument("--key", metavar="ID", required=True, help="key of the log in the keyring")
    options.passphrase(start)
    start.add_argument("--actor", required=True, metavar="WHO", help="who does it")
    start.add_argument("--reason", required=True, metavar="TEXT", help="why")
    start.add_argument(
        "--noted",
        type=_noted,
        metavar="LINES:DIGEST",
        help="what `audit head` printed earlier, to be sure that nobody replaced the log",
    )


def _noted(text: str) -> "Head":
    from linkcore.governance.audit.chain import Head

    lines, _, digest = text.partition(":")
    if not lines.isascii() or not lines.isdigit() or not digest:
        raise argparse.ArgumentTypeError("give what `audit head` printed: LINES:DIGEST")
    return Head(int(lines), digest)


def _verify(arguments: argparse.Namespace) -> None:
    from linkcore.governance.audit.audit import keys_of_log
    from linkcore.governance.audit.check import verify_audit

    if (arguments.key is None) != (arguments.keyring is None):
        raise ProgrammeError("--keyring and --key: give both, to check the key of the log, or neither")
    _refuse_without_log(arguments.log)
    held = None if arguments.keyring is None else keyring(arguments)
    chain_key = keys_of_log(held, arguments.key, "--key")
    check = verify_audit(arguments.log, chain_key=chain_key, noted=arguments.noted, keyed_from=arguments.keyed_from)
    _refuse_faults(arguments.log, check)
    arguments.result = {"lines": check.lines, "key": check.key}
    say(f"{check.lines:,} lines, all as they were written")
    say(_about_key(check, arguments.key))


def _refuse_faults(log: Path, check: "AuditCheck") -> None:
    for fault in check.faults:
        say(fault)
    if check.faults:
        raise RefusedError(f"{log} was changed in {len(check.faults)} places: they are listed above")


def _start_key(arguments: argparse.Namespace) -> None:
    from linkcore.governance.audit.audit import Audit, keys_of_log
    from linkcore.governance.audit.check import verify_audit

    _refuse_without_log(arguments.log)
    _refuse_faults(arguments.log, verify_audit(arguments.log, noted=arguments.noted))
    audit = Audit(arguments.log, chain_key=keys_of_log(keyring(arguments), arguments.key, "--key"))
    audit.start_key(at=now(), actor=arguments.actor, reason=arguments.reason)
    say(f"from line {audit.head.lines} on, the log is under the key {arguments.key}: note this number")


def _about_key(check: "AuditCheck", key: str | None) -> str:
    if check.key == "unkeyed":
        return (
            "unkeyed: whoever can write the log and its head can forge both; give the log a key (audit.key in the "
            "programme file), or note `audit head` with another person"
        )
    if check.key == "not checked":
        return f"lines from {check.keyed_from} on have a key, which was not given: give --keyring and --key to check it"
    if check.keyed_from == 1:
        return f"each line is under the key {key}"
    return f"lines from {check.keyed_from} on are under the key {key}; the lines before are as they were then"


def _head(arguments: argparse.Namespace) -> None:
    from linkcore.governance.audit.audit import Audit

    _refuse_without_log(arguments.log)
    head = Audit(arguments.log).head
    arguments.result = {"lines": head.lines, "digest": head.digest}
    say(f"{head.lines}:{head.digest}")


def _refuse_without_log(log: Path) -> None:
    if not log.exists():
        raise RefusedError(f"there is no audit log {log}; check the path")
