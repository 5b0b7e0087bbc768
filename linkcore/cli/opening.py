"""What the arguments of a command lead to: the programme, its linkage, keys, the audit log, the clock."""

import argparse
import datetime as dt
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.progress import Progress, silent

if TYPE_CHECKING:
    import polars as pl

    from linkcore.governance.audit.audit import Audit
    from linkcore.governance.releases.agreements import Agreement
    from linkcore.keys.key import Key
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.signing import SigningKey
    from linkcore.link import Linkage
    from linkcore.programme.programme import Programme
    from linkcore.sources.source import Source

__all__ = [
    "agreement_of",
    "audit_log",
    "column_of",
    "held_keys",
    "keyring",
    "linkage_of",
    "live_programme",
    "load",
    "now",
    "one_key",
    "progress",
    "signing_key",
    "wanted_audit_log",
    "write_down",
]


def now() -> dt.datetime:
    """Read the clock, for the audit log, keyrings and certificates; nothing below the command line does."""
    return dt.datetime.now(dt.UTC)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show the step under way, on stderr, if a person is looking."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda step, done, steps: bar.update(task, description=step, completed=done, total=steps, refresh=True)


# --- The programme ---------------------------------------------------------------------------------------------------


def load(place: Path) -> "Programme":
    """Read the programme file, which may be named by its folder."""
    from linkcore.programme.programme import Programme

    return Programme.load(place / "programme.toml" if place.is_dir() else place)


def live_programme(place: Path, on: dt.date | None = None) -> "Programme":
    """Read the programme file, and refuse a programme that was destroyed, or that had ended on the day."""
    programme = load(place)
    programme.refuse_if_over(on)
    return programme


def linkage_of(
    programme: "Programme", *, on: dt.date | None = None, sources: "Sequence[Source] | None" = None
) -> "Linkage":
    """Link a programme's sources."""
    with progress() as tell:
        return programme.link(on=on, sources=sources, progress=tell)


def agreement_of(programme: "Programme", recipient: str) -> "Agreement":
    """Find a recipient's agreement."""
    agreements = {agreement.recipient: agreement for agreement in programme.agreements()}
    if recipient not in agreements:
        raise ProgrammeError(
            f"no recipient {recipient!r} in the programme file; it names {', '.join(agreements) or 'none'}"
        )
    return agreements[recipient]


def column_of(name: str, file: Path, column: str) -> "pl.Series":
    """Read one column of a file with identifiers."""
    from linkcore.sources.source import Source

    source = Source(name, file, columns={"nhs_number": column})
    with source.reading():
        return source.scan([column]).collect().to_series()


# --- The audit log ---------------------------------------------------------------------------------------------------


def audit_log(chosen: argparse.Namespace, programme: "Programme | None" = None) -> "Audit | None":
    """Find the audit log: the programme's, or else the one given."""
    from linkcore.governance.audit.audit import Audit

    stated = None if programme is None else programme.audit_log()
    if stated is not None and chosen.audit is not None:
        raise ProgrammeError(f"--audit: the programme file states the audit log {stated.path}; take --audit away")
    return stated if chosen.audit is None else Audit(chosen.audit)


def wanted_audit_log(chosen: argparse.Namespace, programme: "Programme") -> "Audit":
    """Find the audit log of what is never done without one."""
    audit = audit_log(chosen, programme)
    if audit is None:
        raise RefusedError(
            "this is done only where it is written down: state [audit] in the programme file, or --audit"
        )
    return audit


def write_down(chosen: argparse.Namespace, action: str, key: "Key | None" = None, **details: int | str) -> None:
    """Write to the audit log, where one is given, what is about to be done."""
    audit = audit_log(chosen)
    if audit is None:
        return
    if not chosen.actor:
        raise ProgrammeError("--audit: say with --actor who does it")
    audit.record(action, at=now(), actor=chosen.actor, reason=chosen.reason, key=key, **details)


# --- Keys ------------------------------------------------------------------------------------------------------------


def keyring(chosen: argparse.Namespace, *, may_be_new: bool = False) -> "Keyring":
    """Open the keyring."""
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.passphrase import read_passphrase

    is_new = may_be_new and not chosen.keyring.exists()
    passphrase = read_passphrase(f"the keyring {chosen.keyring}", descriptor=chosen.passphrase_fd, twice=is_new)
    return (Keyring.create if is_new else Keyring.open)(chosen.keyring, passphrase.reveal())


def one_key(chosen: argparse.Namespace, name: str) -> "Key":
    """Read one key, from its file or the keyring."""
    from linkcore.keys.key import Key

    if chosen.key_file:
        if chosen.key_version:
            raise ProgrammeError("--key-version: a --key-file holds one version only; take it away")
        return Key.read(chosen.key_file)
    opened = keyring(chosen)
    return opened.key(name, chosen.key_version) if chosen.key_version else opened[name]


def held_keys(chosen: argparse.Namespace, ids: Collection[str]) -> list["Key"]:
    """Read all versions that there are of some keys; none, where neither a keyring nor files are given."""
    from linkcore.governance.exits.reidentification import held_versions
    from linkcore.keys.key import Key

    if chosen.keyring:
        opened = keyring(chosen)
        known = {about.id for about in opened.versions if about.status != "destroyed"}
        return [key for name in ids if name in known for key in held_versions(opened, name)]
    return [key for key in map(Key.read, chosen.key_file or ()) if key.id in ids]


def signing_key(chosen: argparse.Namespace) -> "SigningKey | None":
    """Read the key by which the trusted team signs, where one is given."""
    from linkcore.keys.signing import SigningKey

    return None if chosen.signing_key is None else SigningKey.read(chosen.signing_key)
