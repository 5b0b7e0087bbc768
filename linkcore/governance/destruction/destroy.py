"""Destruction: the end of a programme, and the proof of it, as far as there can be one.

Files are removed, not overwritten: on today's storage, overwriting proves nothing. Keys are destroyed in their
keyrings. That ends re-identification, since no look-up table is ever kept. Every certificate says what cannot be
proved.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.governance.audit.free_text import refuse_identifiers
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.destruction.certificates import CERTIFICATES, write_certificates
from linkcore.governance.destruction.inventory import (
    Inventory,
    confirmed_places,
    kept_keys,
    keys_of,
    merged,
    other_names_of,
    remains_in,
    with_files_found,
)
from linkcore.governance.destruction.mark import MARK, Attestation, KeptKey, Mark, Place, read_mark
from linkcore.keys.keyring import Keyring
from linkcore.keys.signing import SigningKey
from linkcore.plain_text import without_escapes

__all__ = ["Destruction", "attest", "destroy"]


@dataclass(frozen=True)
class Destruction:
    """Result of `destroy`.

    Parameters
    ----------
    certificates : mapping of str to pathlib.Path
        For each provider, its certificate as JSON. Its signature and a page to print are beside it.
    files : int
        Number of files removed.
    keys : int
        Number of key versions destroyed.
    remains : tuple of str
        What is still in the programme's folder, or still has another name: check each of these.
    kept_keys : tuple of KeptKey
        Keys that were not destroyed, each with the reason.
    not_found : tuple of Place
        Places of providers' data at which there was nothing to destroy: check that the data are not elsewhere.
    """

    certificates: Mapping[str, Path]
    files: int
    keys: int
    remains: tuple[str, ...]
    kept_keys: tuple[KeptKey, ...] = ()
    not_found: tuple[Place, ...] = ()


def destroy(
    folder: str | Path,
    inventory: Inventory,
    *,
    keyrings: Sequence[Keyring] = (),
    key_ids: Collection[str] | None = None,
    outside: Collection[str | Path] = (),
    signing_key: SigningKey,
    occasion: Occasion,
) -> Destruction:
    """Destroy a programme's data, everything made from them, and its keys; and certify this to each provider.

    The steps are these. ``destroyed.json`` is written to the programme's folder; from then on the programme is refused.
    Files are removed. Keys are destroyed. Then linkcore checks that no named file is left and that no destroyed key can
    be used, and only then writes certificates. If the destruction is interrupted, run it again: it ends the same.

    The audit log, the keyrings (without the destroyed keys) and the programme file stay. The certificates say what else
    remains in the folder, and which keys were not destroyed. A copy of the folder that was made before is refused only
    if it keeps this audit log, or needs the destroyed keys.

    Parameters
    ----------
    folder : path
        The programme's folder.
    inventory : Inventory
        What is destroyed, and who else has copies.
    keyrings : sequence of Keyring
        The opened keyrings whose keys are destroyed.
    key_ids : collection of str, optional
        Ids of the keys to destroy. By default, all keys of the keyrings but the audit log's.
    outside : collection of path, optional
        Files and folders outside the programme's folder that are truly to be removed, though the inventory names them:
        each is confirmed here by name. Nothing else outside the folder is removed, also not through a link.
    signing_key : SigningKey
        The key that signs the mark and the certificates. It is not destroyed.
    occasion : Occasion
        Who does it, when and why, and the audit log.

    Returns
    -------
    Destruction

    Raises
    ------
    ProgrammeError
        If the inventory names something that must stay (the audit log and its key, a keyring, the folder itself), or
        something outside the folder that is not confirmed. Nothing is removed.
    RefusedError
        If no reason is given, if the mark of an earlier destruction was not signed with this key, or if something could
        not be removed: the error names it. The destruction is then not finished.

    Examples
    --------
    >>> from datetime import datetime
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.governance.audit.audit import Audit
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "rh8.csv").write_text("nhs_number")
    ...     log = Audit(Path(folder, "audit.jsonl"))
    ...     destroy(
    ...         folder, Inventory("Example", {"RH8": ["rh8.csv"]}), signing_key=SigningKey.generate(),
    ...         occasion=Occasion("trusted team", datetime(2026, 9, 30, tzinfo=UTC), log, reason="its end"),
    ...     ).files
    1
    """
    if not occasion.reason.strip():
        raise RefusedError("a destruction needs a reason, such as the end date of the programme")
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise ProgrammeError(f"{folder} is not a folder: give the folder of the programme")
    stays = _stays(folder, occasion, keyrings)
    outcome = "begun again" if (folder / MARK).exists() else "begun"
    mark = _marked(folder, inventory, occasion, signing_key)
    mark = replace(mark, outside=merged(mark.outside, confirmed_places(outside, folder)))
    mark = with_files_found(mark, folder, stays)
    mark = replace(mark, other_names=merged(mark.other_names, other_names_of(keyrings)))
    mark = replace(mark, keys=merged(mark.keys, keys_of(keyrings, key_ids, occasion.audit.key_id)))
    missing = {key.keyring for key in mark.keys} - {str(keyring.path.resolve()) for keyring in keyrings}
    if missing and mark.finished is None:
        raise ProgrammeError(f"give the keyring {min(missing)} again: its keys are still to be destroyed")
    if any(_left(mark, folder, keyrings)):
        mark = replace(mark, finished=None)  # also after an earlier destruction: there is something to destroy again
    files, keys = len(mark.files), len(mark.keys)
    occasion.record("destruction", programme=mark.programme, files=files, keys=keys, outcome=outcome)
    mark.write(folder, signing_key)
    _remove_files(mark, folder)
    _destroy_keys(mark, keyrings, occasion)
    if left := list(_left(mark, folder, keyrings)):
        raise RefusedError(
            f"the destruction is not finished: {'; '.join(left[:5])}{' and more' * (len(left) > 5)}; resolve this, and "
            "run it again"
        )
    mark = replace(mark, remains=tuple(remains_in(folder, stays)), finished=mark.finished or _time(occasion))
    mark = replace(mark, kept_keys=kept_keys(mark, inventory, keyrings, occasion.audit))
    certificates = write_certificates(mark, folder, signing_key)
    occasion.record(
        "destruction",
        programme=mark.programme,
        files=files,
        keys=keys,
        providers=len(certificates),
        outcome="finished",
    )
    mark.write(folder, signing_key)
    removed = len({file.path for file in mark.files if not file.is_folder})
    not_found = tuple(place for place in mark.not_found if place.kind == "data")
    return Destruction(certificates, removed, keys, (*mark.other_names, *mark.remains), mark.kept_keys, not_found)


def attest(
    folder: str | Path,
    *,
    recipient: str,
    by: str,
    statement: str,
    signing_key: SigningKey,
    occasion: Occasion,
    keyrings: Sequence[Keyring] = (),
) -> None:
    """Add a recipient's attestation about its own copies, and write the certificates again.

    The certificates state again what was destroyed, so linkcore first checks that it still is: a mark that was copied
    into a copy of the folder would certify what is not so.

    Parameters
    ----------
    folder : path
        The programme's folder.
    recipient : str
        The recipient that attests: one of those named at the destruction.
    by : str
        The person who signed the attestation.
    statement : str
        The recipient's statement, in its own words.
    signing_key : SigningKey
        The key that signs the certificates.
    occasion : Occasion
        Who received the attestation and when, and the audit log.
    keyrings : sequence of Keyring
        Opened keyrings in which to check that the keys are still destroyed.

    Raises
    ------
    RefusedError
        If the programme is not destroyed, if something that was destroyed is there again, if its mark was not signed
        with this key, or if ``by`` or ``statement`` holds an NHS Number, a postcode or a birth date.
    ProgrammeError
        If the programme has no such recipient, or if ``by`` or ``statement`` is empty.
    """
    folder = Path(folder).resolve()
    mark = read_mark(folder, signing_key.verify_key)
    if mark is None or mark.finished is None:
        raise RefusedError(f"{folder}: the programme is not destroyed, so there is nothing to attest yet")
    if recipient not in mark.recipients:
        raise ProgrammeError(
            f"the programme has no recipient {recipient!r}; its recipients are {', '.join(mark.recipients)}"
        )
    if not by.strip() or not statement.strip():
        raise ProgrammeError("an attestation needs statement, which says what was done, and by, which says who signed")
    for name, text in (("by", by), ("statement", statement)):
        refuse_identifiers(name, without_escapes(text), occasion.at)
    again = with_files_found(mark, folder, _stays(folder, occasion, keyrings))
    if left := list(_left(again, folder, keyrings)):
        raise RefusedError(
            f"{folder}: its mark says that the programme is destroyed, but {'; '.join(left[:5])}"
            f"{' and more' * (len(left) > 5)}; find out whether this folder is a copy, and destroy the programme again"
        )
    occasion.record("attestation", programme=mark.programme, recipient=recipient)
    attestation = Attestation(recipient, by, _time(occasion), statement)
    if attestation not in mark.attestations:
        mark = replace(mark, attestations=(*mark.attestations, attestation))
    mark.write(folder, signing_key)
    write_certificates(mark, folder, signing_key)


def _marked(folder: Path, inventory: Inventory, occasion: Occasion, signing_key: SigningKey) -> Mark:
    """Return the mark of this destruction, or of an earlier one with this inventory added."""
    earlier = read_mark(folder, signing_key.verify_key)
    mark = earlier or Mark(inventory.programme, _time(occasion), occasion.actor, occasion.reason)
    if mark.programme != inventory.programme:
        raise ProgrammeError(f"{folder} is the folder of programme {mark.programme!r}, not of {inventory.programme!r}")
    return replace(
        mark,
        named=merged(mark.named, inventory.places()),
        not_found=merged(mark.not_found, (place for place in inventory.places() if place not in mark.named)),
        recipients=merged(mark.recipients, inventory.recipients),
        known_copies=merged(mark.known_copies, inventory.known_copies),
    )


def _time(occasion: Occasion) -> str:
    return occasion.at.astimezone(UTC).isoformat(timespec="seconds")


def _remove_files(mark: Mark, folder: Path) -> None:
    """Remove what the mark names; `_files_left` finds afterwards what could not be removed."""
    for file in mark.files:
        if not file.is_folder:
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


def _destroy_keys(mark: Mark, keyrings: Sequence[Keyring], occasion: Occasion) -> None:
    opened = {str(keyring.path.resolve()): keyring for keyring in keyrings}
    for name in mark.keys:
        keyring = opened.get(name.keyring)
        if keyring is None:
            continue
        status = {(about.id, about.version): about.status for about in keyring.versions}.get((name.id, name.version))
        if status in (None, "destroyed"):
            continue
        occasion.record("key_destruction", keyring.key(name.id, name.version))
        if status == "active":
            keyring.retire(name.id, at=occasion.at)
        keyring.destroy(name.id, name.version, at=occasion.at)
    for keyring in keyrings:
        # The copy that an interrupted writer left may hold the keys.
        with suppress(OSError):
            keyring.path.with_name(f".{keyring.path.name}.partial").unlink(missing_ok=True)


def _stays(folder: Path, occasion: Occasion, keyrings: Sequence[Keyring]) -> list[Path]:
    """Return what a destruction never removes."""
    stays = [folder / name for name in (MARK, CERTIFICATES, "programme.toml")]
    return [*stays, occasion.audit.path, occasion.audit.head_path, *(keyring.path for keyring in keyrings)]


def _left(mark: Mark, folder: Path, keyrings: Sequence[Keyring]) -> Iterator[str]:
    """Yield what is there although the mark names it for destruction: files, and keys that can be used."""
    yield from _files_left(mark, folder)
    yield from _usable_keys(mark, keyrings)


def _files_left(mark: Mark, folder: Path) -> Iterator[str]:
    for file in mark.files:
        if os.path.lexists(folder / file.path):
            yield f"{file.path} is still there"


def _usable_keys(mark: Mark, keyrings: Sequence[Keyring]) -> Iterator[str]:
    """Try every destroyed key in the ways in which it is used to pseudonymise or to re-identify."""
    for keyring in keyrings:
        for name in mark.keys:
            if name.keyring != str(keyring.path.resolve()):
                continue
            with suppress(KeyMaterialError):
                keyring.key(name.id, name.version)
                yield f"key {name.id!r} version {name.version} of {keyring.path} can still be used"
            with suppress(KeyMaterialError):
                yield f"key {name.id!r} of {keyring.path} has an active version, {keyring[name.id].version}"
