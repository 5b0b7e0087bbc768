"""Options that several commands share, and the values that these accept."""

import argparse
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

__all__ = [
    "command",
    "day",
    "held_keys",
    "linkage",
    "linkage_keyring",
    "occasion",
    "one_key",
    "optional_occasion",
    "passphrase",
    "positive",
    "previous_linkage",
    "programme",
    "signing_key",
]


def command(
    commands: "Commands",
    name: str,
    run: Callable[[argparse.Namespace], None],
    help: str,  # noqa: A002 -- the name that argparse gives it
) -> argparse.ArgumentParser:
    """Add a command."""
    added = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    added.set_defaults(run=run)
    return added


def programme(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the programme file."""
    parser.add_argument("programme", type=Path, metavar="PROGRAMME", help="programme file, or its folder")


def day(parser: argparse.ArgumentParser) -> None:
    """Add the option for the day by which opt-outs, terms and the end of the programme are judged."""
    parser.add_argument(
        "--on",
        type=_date,
        default=dt.date.today(),
        metavar="DATE",
        help="day by which opt-outs, terms and the end of the programme are judged (today)",
    )


def occasion(parser: argparse.ArgumentParser, *, reason: bool = True) -> None:
    """Add the options for who does it, why, and the audit log; for commands that are never run without them."""
    parser.add_argument("--actor", required=True, metavar="NAME", help="who does it, for the audit log")
    if reason:
        parser.add_argument(
            "--reason", required=True, metavar="TEXT", help="why, with nothing in it that identifies a patient"
        )
    else:
        parser.set_defaults(reason="")
    parser.add_argument("--audit", type=Path, metavar="LOG", help="audit log, if the programme file states none")
    _key_of_log(parser)


def optional_occasion(parser: argparse.ArgumentParser) -> None:
    """Add the same options for commands that are recorded only if there is an audit log."""
    parser.add_argument("--audit", type=Path, metavar="LOG", help="audit log in which to record the command first")
    parser.add_argument("--actor", default="", metavar="NAME", help="who does it, for the audit log")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the audit log")
    _key_of_log(parser)


def _key_of_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--audit-key", metavar="ID", help="key of the log that --audit names, if it has one")
    parser.add_argument(
        "--audit-keyring",
        type=Path,
        metavar="FILE",
        help="keyring with the key of the audit log, if --keyring does not hold it; its passphrase is the value of "
        "LINKCORE_PASSPHRASE, or else you are asked",
    )


def one_key(parser: argparse.ArgumentParser) -> None:
    """Add the options for one key."""
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--key-file", type=Path, help="file with one key, not encrypted (mode 0600)")
    place.add_argument("--keyring", type=Path, help="encrypted file with the keys of one role (mode 0600)")
    parser.add_argument(
        "--key-version", type=positive, metavar="N", help="version of the key in the keyring (the active one)"
    )
    passphrase(parser)


def held_keys(parser: argparse.ArgumentParser, *, required: bool = True) -> "argparse._MutuallyExclusiveGroup":
    """Add the options for keys in all their versions."""
    place = parser.add_mutually_exclusive_group(required=required)
    place.add_argument("--keyring", type=Path, help="encrypted file with the keys of one role (mode 0600)")
    place.add_argument(
        "--key-file", type=Path, action="append", help="file with one key, not encrypted; can be given several times"
    )
    passphrase(parser)
    return place


def linkage(parser: argparse.ArgumentParser) -> None:
    """Add the options for a linkage that `link` has kept, so that nothing is linked again."""
    parser.add_argument(
        "--linkage",
        type=Path,
        metavar="DIR",
        help="folder that `link` wrote, to use in place of linking (linkage.store of the programme file)",
    )
    linkage_keyring(parser)


def previous_linkage(parser: "argparse._ActionsContainer") -> None:
    """Add the option for the linkage before, whose people keep their pseudonyms."""
    parser.add_argument(
        "--previous",
        dest="previous_linkage",
        type=Path,
        metavar="DIR",
        help="folder of the linkage before, whose people keep their pseudonyms when the sources are linked "
        "(linkage.previous of the programme file)",
    )


def linkage_keyring(parser: argparse.ArgumentParser) -> None:
    """Add the option for the keyring with the key of the linkage store."""
    parser.add_argument(
        "--linkage-keyring",
        type=Path,
        metavar="FILE",
        help="keyring with the key of the linkage, if --keyring does not hold it; its passphrase is the value of "
        "LINKCORE_PASSPHRASE, or else you are asked",
    )


def passphrase(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the passphrase comes from; no option takes the passphrase itself."""
    parser.add_argument(
        "--passphrase-fd",
        type=_descriptor,
        metavar="N",
        help="file descriptor from which to read the keyring's passphrase; by default, it is the value of "
        "LINKCORE_PASSPHRASE, or else you are asked",
    )


def signing_key(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add the option for the trusted team's signing key."""
    parser.add_argument(
        "--signing-key",
        type=Path,
        required=required,
        metavar="FILE",
        help="the trusted team's signing key, made by `keys signing new`",
    )


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isascii() or not text.replace("_", "").isdigit() or not int(text):
        raise argparse.ArgumentTypeError("give a whole number above 0")
    return int(text)


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a date such as 2026-04-01") from None


def _descriptor(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        # The text is not repeated: it may be the passphrase.
        raise argparse.ArgumentTypeError("give the number of an open file descriptor, never a passphrase")
    return int(text)
