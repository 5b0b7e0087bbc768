"""What several commands ask: their arguments, and what these must look like."""

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

__all__ = [
    "accountable",
    "audited",
    "command",
    "day",
    "held_keys",
    "one_key",
    "pair",
    "passphrase",
    "positive",
    "programme",
    "signing",
]


def command(
    commands: "Commands",
    name: str,
    run: Callable[[argparse.Namespace], None],
    help: str,  # noqa: A002 -- as argparse calls it
) -> argparse.ArgumentParser:
    """Add a command."""
    added = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    added.set_defaults(run=run)
    return added


def programme(parser: argparse.ArgumentParser) -> None:
    """Ask for the programme file."""
    parser.add_argument("programme", type=Path, metavar="PROGRAMME", help="programme file, or the folder it lies in")


def day(parser: argparse.ArgumentParser) -> None:
    """Ask for the day by which opt-outs, terms and the programme's end are judged."""
    parser.add_argument(
        "--on",
        type=_date,
        default=dt.date.today(),
        metavar="DATE",
        help="the day by which opt-outs, terms and the programme's end are judged (today)",
    )


def accountable(parser: argparse.ArgumentParser, *, reason: bool = True) -> None:
    """Ask who does it, why, and where that is written down; for what must not be done without."""
    parser.add_argument("--actor", required=True, metavar="NAME", help="who does it, for the audit log")
    if reason:
        parser.add_argument(
            "--reason", required=True, metavar="TEXT", help="why, without anything that names a patient"
        )
    parser.add_argument("--audit", type=Path, metavar="LOG", help="the audit log, where the programme states none")


def audited(parser: argparse.ArgumentParser) -> None:
    """Ask likewise, for what is written down where there is an audit log."""
    parser.add_argument("--audit", type=Path, metavar="LOG", help="write it to this audit log first")
    parser.add_argument("--actor", default="", metavar="NAME", help="who does it, for the audit log")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit log")


def one_key(parser: argparse.ArgumentParser) -> None:
    """Ask for one key."""
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--key-file", type=Path, help="file of one key, not encrypted (mode 0600)")
    place.add_argument("--keyring", type=Path, help="encrypted file of the keys of one role (mode 0600)")
    parser.add_argument("--key-version", type=positive, metavar="N", help="of the keyring's key (the active one)")
    passphrase(parser)


def held_keys(parser: argparse.ArgumentParser, *, required: bool = True) -> "argparse._MutuallyExclusiveGroup":
    """Ask for keys in all their versions."""
    place = parser.add_mutually_exclusive_group(required=required)
    place.add_argument("--keyring", type=Path, help="encrypted file of the keys: all versions that it holds count")
    place.add_argument(
        "--key-file", type=Path, action="append", help="file of one key, not encrypted; may be given several times"
    )
    passphrase(parser)
    return place


def passphrase(parser: argparse.ArgumentParser) -> None:
    """Ask where the passphrase comes from; never for the passphrase."""
    parser.add_argument(
        "--passphrase-fd",
        type=_descriptor,
        metavar="N",
        help="where to read the keyring's passphrase; else from LINKCORE_PASSPHRASE, else you are asked",
    )


def signing(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Ask for the key by which the trusted team signs."""
    parser.add_argument(
        "--signing-key", type=Path, required=required, metavar="FILE", help="that `keys signing new` has made"
    )


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isascii() or not text.replace("_", "").isdigit() or not int(text):
        raise argparse.ArgumentTypeError("give a whole number above 0")
    return int(text)


def pair(text: str) -> tuple[str, str]:
    """Read ``ONE=OTHER``."""
    one, sign, other = text.partition("=")
    if not (one and sign and other):
        raise argparse.ArgumentTypeError("give two words with = between them")
    return one, other


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a date such as 2026-04-01") from None


def _descriptor(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        # Not repeated: it may be the passphrase itself.
        raise argparse.ArgumentTypeError("give the number of an open file descriptor, never a passphrase")
    return int(text)
