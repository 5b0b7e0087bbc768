"""Opens what the arguments of a command name: the programme, its linkage, keys, the audit log; and reads the clock."""

import argparse
import datetime as dt
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.plain_text import escaped
from linkcore.progress import Progress, silent

if TYPE_CHECKING:
    import polars as pl

    from linkcore.governance.audit.audit import Audit
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
    "kept_linkage",
    "keyring",
    "keyring_of_linkage",
    "keyring_with",
    "linkage_of",
    "live_programme",
    "load",
    "now",
    "occasion",
    "one_key",
    "opened_keyring",
    "previous_linkage",
    "progress",
    "record",
    "recorded_request",
    "refuse_own_files",
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


def linkage_of(arguments: argparse.Namespace, programme: "Programme", *, on: dt.date | None = None) -> "Linkage":
    """Open the linkage that the arguments or the programme name, or else link the programme's sources."""
    kept = kept_linkage(arguments, programme, on=on)
    if kept is not None:
        return kept
    previous = previous_linkage(arguments, programme)
    with progress() as show:
        return programme.link(on=on, previous=previous, progress=show)


def kept_linkage(
    arguments: argparse.Namespace, programme: "Programme", *, on: dt.date | None = None
) -> "Linkage | None":
    """Open the linkage that --linkage or the programme names; return None if neither does."""
    place = arguments.linkage or programme.store()
    return None if place is None else programme.open_linkage(place, key=keyring_of_linkage(arguments, place), on=on)


def previous_linkage(arguments: argparse.Namespace, programme: "Programme") -> "Linkage | None":
    """Open the linkage before, which --previous or the programme names; None if neither does."""
    place = getattr(arguments, "previous_linkage", None) or programme.previous()
    return None if place is None else programme.previous_linkage(place, key=keyring_of_linkage(arguments, place))


def keyring_of_linkage(arguments: argparse.Namespace, place: Path) -> "Keyring | None":
    """Open the keyring with the key of a linkage; return None if the linkage is not encrypted."""
    from linkcore.store.folder import key_of_store

    key = key_of_store(place)
    return None if key is None else keyring_with(arguments, key)


def keyring_with(arguments: argparse.Namespace, key: str) -> "Keyring":
    """Open the keyring with a key of the linkage: --linkage-keyring, or else a keyring of the command."""
    given = [arguments.linkage_keyring] if arguments.linkage_keyring else _keyrings_of_command(arguments)
    opened = [opened_keyring(arguments, place) for place in given]
    if not opened:
        raise KeyMaterialError(f"the linkage is encrypted under key {key!r}: give its keyring as --linkage-keyring")
    return next((keyring for keyring in opened if key in keyring), opened[0])


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


def occasion(
    arguments: argparse.Namespace, programme: "Programme | None" = None, *, may_be_over: bool = False
) -> "Occasion | None":
    """Build the occasion of a command, or return None if neither the programme nor --audit names an audit log.

    Refuse a programme whose destruction is in the log, unless it ``may_be_over``.
    """
    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.destruction.mark import refuse_if_destroyed

    stated = None if programme is None else programme.audit
    if stated is None and arguments.audit is None:
        return None
    if not arguments.actor:
        raise ProgrammeError("--audit needs --actor: say who does it")
    if stated is not None and (arguments.audit is not None or arguments.audit_key is not None):
        raise ProgrammeError(
            f"--audit: the programme file states the audit log {stated.file}; take --audit away, and --audit-key"
        )
    keyring = _keyring_of_log(arguments, arguments.audit_key if stated is None else stated.key)
    audit = _audit_log(arguments, keyring) if programme is None or stated is None else programme.audit_log(keyring)
    assert audit is not None
    if programme is not None and not may_be_over:
        refuse_if_destroyed(programme.folder, programme=programme.programme.name, audit=audit)
    return Occasion(arguments.actor, now(), audit, arguments.reason)


def _audit_log(arguments: argparse.Namespace, keyring: "Keyring | None") -> "Audit":
    """Return the audit log that --audit names."""
    from linkcore.governance.audit.audit import Audit, keys_of_log

    return Audit(arguments.audit, chain_key=keys_of_log(keyring, arguments.audit_key, "--audit-key"))


def _keyring_of_log(arguments: argparse.Namespace, key: str | None) -> "Keyring | None":
    """Open the keyring with the key of the audit log: --audit-keyring, or else a keyring of the command."""
    if key is None:
        return None
    if arguments.audit_keyring is not None:
        return opened_keyring(arguments, arguments.audit_keyring)
    opened = [opened_keyring(arguments, place) for place in _keyrings_of_command(arguments)]
    return next((keyring for keyring in opened if key in keyring), opened[0] if opened else None)


def _keyrings_of_command(arguments: argparse.Namespace) -> "list[Path]":
    given = getattr(arguments, "keyring", None)
    own = given if isinstance(given, list) else [given] if given else []
    return [*own, *(getattr(arguments, "apart_from", None) or [])]


def required_occasion(
    arguments: argparse.Namespace, programme: "Programme", *, may_be_over: bool = False
) -> "Occasion":
    """Build the occasion of a command that is never run without an audit log."""
    found = occasion(arguments, programme, may_be_over=may_be_over)
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

    A reason must be given. If ``on`` is given, the programme must not have ended on this day.
    """
    from linkcore.governance.exits.requests import requested

    programme = live_programme(arguments.programme)
    found = required_occasion(arguments, programme)
    with requested(found, action, **details) as request:
        request.refuse_without_reason("--reason: say why, with nothing in it that identifies a patient")
        programme.refuse_if_over(on)
        yield programme, found


def refuse_own_files(arguments: argparse.Namespace, programme: "Programme") -> None:
    """Refuse an --out that is a file of the programme or of the command: it may look like an earlier answer."""
    from linkcore.governance.audit.chain import head_path

    log = arguments.audit if programme.audit is None else programme.folder / programme.audit.file
    own = [log, head_path(log)]
    own += [file for source in programme.sources() for file in source.files]
    own += () if programme.opt_outs is None else [programme.folder / file for file in programme.opt_outs.files()]
    for name, value in vars(arguments).items():
        if name != "out":
            own += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Path)]
    if arguments.out.resolve() in {file.resolve() for file in own}:
        raise ProgrammeError(f"--out: {arguments.out} is a file of the programme, or is read; choose another file")


def record(arguments: argparse.Namespace, action: str, key: "Key | None" = None, **details: int | str) -> None:
    """Record a command that needs no programme, if an audit log is given."""
    found = occasion(arguments)
    if found is not None:
        found.record(action, key, **details)


# --- Keys ------------------------------------------------------------------------------------------------------------


def keyring(arguments: argparse.Namespace, place: Path | None = None, *, may_be_new: bool = False) -> "Keyring":
    """Open the keyring, or another one that the arguments name."""
    return opened_keyring(arguments, place or arguments.keyring, may_be_new=may_be_new)


def opened_keyring(arguments: argparse.Namespace, place: Path, *, may_be_new: bool = False) -> "Keyring":
    """Open a keyring once for a command: its passphrase can be read from a descriptor only once."""
    from linkcore.keys.keyring import Keyring
    from linkcore.keys.passphrase import read_passphrase

    opened: dict[Path, Keyring] = vars(arguments).setdefault("opened", {})
    if place.resolve() not in opened:
        is_new = may_be_new and not place.exists()
        own = place.resolve() in {each.resolve() for each in _keyrings_of_command(arguments)}
        descriptor = arguments.passphrase_fd if own else None
        passphrase = read_passphrase(f"the keyring {place}", descriptor=descriptor, twice=is_new)
        opened[place.resolve()] = (Keyring.create if is_new else Keyring.open)(place, passphrase.reveal())
    return opened[place.resolve()]


def one_key(arguments: argparse.Namespace, name: str) -> "Key":
    """Read the one key that makes pseudonyms, from its file or the keyring."""
    from linkcore.keys.key import Key

    if arguments.key_file:
        if arguments.key_version:
            raise ProgrammeError("--key-version: a --key-file holds one version only; take --key-version away")
        return Key.read(arguments.key_file)
    opened = keyring(arguments)
    key = opened.key(name, arguments.key_version) if arguments.key_version else opened[name]
    key.refuse_if_weak()
    return key


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
