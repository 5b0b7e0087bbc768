"""Destruction: the end of a programme, and the proof of it, as far as there can be one.

Files are removed and not overwritten: on the storage of today, overwriting proves nothing. Keys are destroyed in their
keyrings, and that ends re-identification, since no look-up table was ever kept. What cannot be proved is said in every
certificate.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.destruction.certificates import CERTIFICATES, checked_provider, write_certificates
from linkcore.governance.destruction.mark import MARK, Attestation, Mark, read_mark
from linkcore.governance.destruction.plan import all_of, keys_of, named_places, remains_in, with_what_is_there
from linkcore.keys.keyring import Keyring
from linkcore.keys.signing import SigningKey

__all__ = ["Destruction", "attest", "destroy"]


@dataclass(frozen=True)
class Destruction:
    """What was destroyed.

    Parameters
    ----------
    certificates : mapping of str to pathlib.Path
        By provider: its certificate as JSON; beside it lie its signature and a page to print.
    files : int
        How many files were removed.
    keys : int
        How many versions of keys were destroyed.
    remains : tuple of str
        What is in the programme's folder yet, or has another name still: look at it.
    """

    certificates: Mapping[str, Path]
    files: int
    keys: int
    remains: tuple[str, ...]


def destroy(
    folder: str | Path,
    *,
    programme: str,
    data: Mapping[str, Sequence[str | Path]],
    work: Sequence[str | Path] = (),
    keyrings: Sequence[Keyring] = (),
    key_ids: Collection[str] | None = None,
    key_files: Sequence[str | Path] = (),
    recipients: Sequence[str] = (),
    known_copies: Sequence[str] = (),
    signing_key: SigningKey,
    audit: Audit,
    at: datetime,
    actor: str,
    reason: str,
) -> Destruction:
    """Destroy a programme: its data, what was made of them, and its keys; and certify it to each provider.

    First ``destroyed.json`` is written to the programme's folder, and from then on the programme runs no more. Then
    files are removed, then keys destroyed, then it is checked that nothing named is there and no key can be used, and
    only then are there certificates. Interrupted at any moment, it is run again in the same way, and ends the same.

    The audit log, the keyrings (without those keys) and the programme file stay.

    Parameters
    ----------
    folder : path
        The programme's.
    programme : str
        Its name.
    data : mapping of str to sequence of path
        By provider: its extracts. Files, folders (with all that is in them) or patterns, relative to ``folder``.
    work : sequence of path
        Likewise, what was made of the extracts: work files, releases, mapping files, saved PERSONS, models.
    keyrings : sequence of Keyring
        Opened: those whose keys are destroyed.
    key_ids : collection of str, optional
        Which of their keys; by default all.
    key_files : sequence of path
        Files that hold a key in clear.
    recipients : sequence of str
        Who has copies and shall attest (`attest`) what it did with them.
    known_copies : sequence of str
        What else is known to exist, in words: backups, keys that others hold.
    signing_key : SigningKey
        By which the certificates are signed; it is not destroyed.
    audit : Audit
        Where it is written down.
    at : datetime.datetime
        The time, with its time zone.
    actor : str
        Who does it.
    reason : str
        Why.

    Returns
    -------
    Destruction

    Raises
    ------
    ProgrammeError
        Something is named that must stay (the audit log, a keyring, the folder itself). Nothing was removed.
    RefusedError
        There is no reason, or something is left: it says what. The destruction is not finished.
    """
    if not reason.strip():
        raise RefusedError("a destruction needs a reason, such as the programme's end date")
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ProgrammeError(f"{folder} is no folder: name the programme's")
    time = at.astimezone(UTC).isoformat(timespec="seconds")
    before = read_mark(folder)
    mark = before or Mark(programme, time, actor, reason)
    if mark.programme != programme:
        raise ProgrammeError(f"{folder} is the folder of programme {mark.programme!r}, not of {programme!r}")
    kept = [folder / name for name in (MARK, CERTIFICATES, "programme.toml")]
    kept += [audit.path, audit.head_path, *(keyring.path for keyring in keyrings)]
    for provider in data:
        checked_provider(provider)
    named = [*named_places("data", data), *named_places("work", {"": work}), *named_places("key", {"": key_files})]
    mark = with_what_is_there(replace(mark, named=all_of(mark.named, named)), folder, kept)
    mark = replace(
        mark,
        keys=all_of(mark.keys, keys_of(keyrings, key_ids)),
        recipients=all_of(mark.recipients, recipients),
        known_copies=all_of(mark.known_copies, known_copies),
    )
    missing = {key.keyring for key in mark.keys} - {str(keyring.path.resolve()) for keyring in keyrings}
    if missing and mark.finished is None:
        raise ProgrammeError(f"give the keyring {sorted(missing)[0]} again: its keys are to be destroyed, too")
    audit.record(
        "destruction",
        at=at,
        actor=actor,
        reason=reason,
        programme=programme,
        files=len(mark.files),
        keys=len(mark.keys),
        outcome="begun" if before is None else "begun again",
    )
    mark.write(folder)
    _remove_files(mark, folder)
    _destroy_keys(mark, keyrings, audit, at=at, actor=actor, reason=reason)
    if left := [*_left(mark, folder), *_working_keys(mark, keyrings)]:
        raise RefusedError(
            f"the destruction is not finished: {'; '.join(left[:5])}{' and more' * (len(left) > 5)}; see to that, and "
            "run it again"
        )
    mark = replace(mark, remains=tuple(remains_in(folder, kept)), finished=mark.finished or time)
    certificates = write_certificates(mark, folder, signing_key)
    audit.record(
        "destruction",
        at=at,
        actor=actor,
        reason=reason,
        programme=programme,
        files=len(mark.files),
        keys=len(mark.keys),
        providers=len(certificates),
        outcome="finished",
    )
    mark.write(folder)
    files = len({file.path for file in mark.files if not file.is_folder})
    return Destruction(certificates, files, len(mark.keys), (*mark.other_names, *mark.remains))


def attest(
    folder: str | Path,
    *,
    recipient: str,
    by: str,
    statement: str,
    signing_key: SigningKey,
    audit: Audit,
    at: datetime,
    actor: str,
) -> None:
    """Add what a recipient attests of its own copies, and write the certificates anew.

    Parameters
    ----------
    folder : path
        The programme's.
    recipient : str
        One of those named at the destruction.
    by : str
        Which person attests it.
    statement : str
        What it says, in its words.
    signing_key : SigningKey
        By which the certificates are signed.
    audit : Audit
        Where it is written down.
    at : datetime.datetime
        When it came in, with its time zone.
    actor : str
        Who took it in.

    Raises
    ------
    RefusedError
        The programme is not destroyed.
    ProgrammeError
        The recipient is none of the programme's, or nothing is said.
    """
    folder = Path(folder).resolve()
    mark = read_mark(folder)
    if mark is None or mark.finished is None:
        raise RefusedError(f"{folder}: the programme is not destroyed, so there is nothing to attest yet")
    if recipient not in mark.recipients:
        raise ProgrammeError(f"{recipient!r} is no recipient of the programme; they are {', '.join(mark.recipients)}")
    if not by.strip() or not statement.strip():
        raise ProgrammeError("an attestation says what was done, in statement, and who says so, in by")
    audit.record("attestation", at=at, actor=actor, programme=mark.programme, recipient=recipient)
    came = Attestation(recipient, by, at.astimezone(UTC).isoformat(timespec="seconds"), statement)
    if came not in mark.attestations:
        mark = replace(mark, attestations=(*mark.attestations, came))
    mark.write(folder)
    write_certificates(mark, folder, signing_key)


def _remove_files(mark: Mark, folder: Path) -> None:
    for file in mark.files:
        if not file.is_folder:
            # Whatever cannot be removed is found, and told, afterwards.
            with suppress(OSError):
                (folder / file.path).unlink(missing_ok=True)
    for file in sorted(mark.files, key=lambda file: len(Path(file.path).parts), reverse=True):
        if file.is_folder:
            with suppress(OSError):
                (folder / file.path).rmdir()
    for parent in sorted({(folder / file.path).parent for file in mark.files}):
        with suppress(OSError):
            descriptor = os.open(parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _destroy_keys(
    mark: Mark, keyrings: Sequence[Keyring], audit: Audit, *, at: datetime, actor: str, reason: str
) -> None:
    of = {str(keyring.path.resolve()): keyring for keyring in keyrings}
    for name in mark.keys:
        keyring = of.get(name.keyring)
        if keyring is None:
            continue
        status = {(about.id, about.version): about.status for about in keyring.versions}.get((name.id, name.version))
        if status in (None, "destroyed"):
            continue
        audit.record("key_destruction", at=at, actor=actor, reason=reason, key=keyring.key(name.id, name.version))
        if status == "active":
            keyring.retire(name.id, at=at)
        keyring.destroy(name.id, name.version, at=at)
    for keyring in keyrings:
        # An interrupted writer's copy of the keyring may hold the keys.
        with suppress(OSError):
            keyring.path.with_name(f".{keyring.path.name}.partial").unlink(missing_ok=True)


def _left(mark: Mark, folder: Path) -> Iterator[str]:
    for file in mark.files:
        if os.path.lexists(folder / file.path):
            yield f"{file.path} is still there"


def _working_keys(mark: Mark, keyrings: Sequence[Keyring]) -> Iterator[str]:
    """Try every key as whoever would pseudonymise or re-identify does."""
    for keyring in keyrings:
        for name in mark.keys:
            if name.keyring != str(keyring.path.resolve()):
                continue
            with suppress(KeyMaterialError):
                keyring.key(name.id, name.version)
                yield f"key {name.id!r} version {name.version} of {keyring.path} can still be used"
            with suppress(KeyMaterialError):
                yield f"key {name.id!r} of {keyring.path} has an active version, {keyring[name.id].version}"
