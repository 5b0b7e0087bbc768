"""Opens what the arguments of a command name: the programme, its linkage, keys, the audit log; and reads the clock."""

import argparse
import datetime as dt
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.plain_text import escaped
from linkcore.progress import Progress, silent

if TYPE_CHECKING:
    import polars as pl

    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.releases.agreements import Agreement
    from linkcore.keys.key import Key
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.signing import SigningKey
    from linkcore.link import Linkage
    from linkcore.programme.programme import Programme

__all__ = [
    "agreement_of",
    "column_of",
    "held_keys",
    "keyring",
    "linkage_of",
    "live_programme",
    "load",
    "now",
    "occasion",
    "one_key",
    "progress",
    "record",
    "recorded_request",
    "required_occasion",
    "signing_key",
]


def now() -> dt.datetime:
    """Read the clock, for the audit log, keyrings and certificates. Only the command line reads it."""
    return dt.datetime.now(dt.UTC)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show the current step on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(step: str, done: int, steps: int) -> None:
            bar.update(task, description=escape(escaped(step)), completed=done, total=steps, refresh=True)

        yield show


# --- The programme ---------------------------------------------------------------------------------------------------


def load(place: Path) -> "Programme":
    """Read the programme file; ``place`` is the file or its folder."""
    from linkcore.programme.programme import Programme

    return Programme.load(place / "programme.toml" if place.is_dir() else place)


def live_programme(place: Path, on: dt.date | None = None) -> "Programme":
    """Read the programme file, and refuse a programme that was destroyed, or that has ended on the day."""
    programme = load(place)
    programme.refuse_if_over(on)
    return programme


def linkage_of(programme: "Programme", *, on: dt.date | None = None) -> "Linkage":
    """Link a programme's sources."""
    with progress() as show:
        return programme.link(on=on, progress=show)


def agreement_of(programme: "Programme", recipient: str) -> "Agreement":
    """Return a recipient's agreement."""
    agreements = {agreement.recipient: agreement for agreement in programme.agreements()}
    if recipient not in agreements:
        raise ProgrammeError(
            f"--recipient: no recipient {recipient!r} in the programme file; it names {', '.join(agreements) or 'none'}"
        )
    return agreements[recipient]


def column_of(name: str, file: Path, column: str) -> "pl.Series":
    """Read one column of a file with identifiers."""
    from linkcore.sources.source import Source

    source = Source(name, file, columns={"nhs_number": column})
    with source.reading():
        return source.scan([column]).collect().to_series()


# --- The occasion ----------------------------------------------------------------------------------------------------


def occasion(arguments: argparse.Namespace, programme: "Programme | None" = None) -> "Occasion | None":
    """Build the occasion of a command, or return None if neither the programme nor --audit names an audit log."""
    from linkcore.governance.audit.audit import Audit
    from linkcore.governance.audit.occasion import Occasion

    audit = None if programme is None else programme.audit_log()
    if audit is not None and arguments.audit is not None:
        raise ProgrammeError(f"--audit: the programme file states the audit log {audit.path}; take --audit away")
    if arguments.audit is not None:
        audit = Audit(arguments.audit)
    if audit is None:
        return None
    if not arguments.actor:
        raise ProgrammeError("--audit needs --actor: say who does it")
    return Occasion(arguments.actor, now(), audit, arguments.reason)


def required_occasion(arguments: argparse.Namespace, programme: "Programme") -> "Occasion":
    """Build the occasion of a command that is never run without an audit log."""
    found = occasion(arguments, programme)
    if found is None:
        raise RefusedError(
            "this command is always recorded, and there is no audit log: state [audit] in the programme file, or give "
            "--audit"
        )
    return found


@contextmanager
def recorded_request(
    arguments: argparse.Namespace, action: str, *, on: dt.date | None = None, **details: int | str
) -> "Iterator[tuple[Programme, Occasion]]":
    """Open a programme and its audit log for a command that identifies people; from here on each refusal is recorded.

    If ``on`` is given, the programme must not have ended on this day.
    """
    from linkcore.governance.exits.requests import requested

    programme = live_programme(arguments.programme)
    found = required_occasion(arguments, programme)
    with requested(found, action, **details):
        programme.refuse_if_over(on)
        yield programme, found


def record(arguments: argparse.Namespace, action: str, key: "Key | None" = None, **details: int | str) -> None:
    """Record a command that needs no programme, if an audit log is given."""
    found = occasion(arguments)
    if found is not None:
        found.record(action, key, **details)


# --- Keys ------------------------------------------------------------------------------------------------------------


def keyring(arguments: argparse.Namespace, *, may_be_new: bool = False) -> "Keyring":
    """Open the keyring."""
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.passphrase import read_passphrase

    is_new = may_be_new and not arguments.keyring.exists()
    passphrase = read_passphrase(f"the keyring {arguments.keyring}", descriptor=arguments.passphrase_fd, twice=is_new)
    return (Keyring.create if is_new else Keyring.open)(arguments.keyring, passphrase.reveal())


def one_key(arguments: argparse.Namespace, name: str) -> "Key":
    """Read one key, from its file or the keyring."""
    from linkcore.keys.key import Key

    if arguments.key_file:
        if arguments.key_version:
            raise ProgrammeError("--key-version: a --key-file holds one version only; take --key-version away")
        return Key.read(arguments.key_file)
    opened = keyring(arguments)
    return opened.key(name, arguments.key_version) if arguments.key_version else opened[name]


def held_keys(arguments: argparse.Namespace, ids: Collection[str]) -> list["Key"]:
    """Read all held versions of some keys; none if neither a keyring nor key files are given."""
    from linkcore.governance.exits.reidentification import held_versions
    from linkcore.keys.key import Key

    if arguments.keyring:
        opened = keyring(arguments)
        known = {about.id for about in opened.versions if about.status != "destroyed"}
        return [key for name in ids if name in known for key in held_versions(opened, name)]
    return [key for key in map(Key.read, arguments.key_file or ()) if key.id in ids]


def signing_key(arguments: argparse.Namespace) -> "SigningKey | None":
    """Read the trusted team's signing key, if one is given."""
    from linkcore.keys.signing import SigningKey

    return None if arguments.signing_key is None else SigningKey.read(arguments.signing_key)
