"""Manifests: what a release holds, by which its recipient checks that it is whole and the trusted team's."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from linkcore.errors import RefusedError, SourceError
from linkcore.keys.signing import SigningKey, VerifyKey

__all__ = [
    "MANIFEST",
    "SIGNATURE",
    "SUPERSEDED_TABLE",
    "digest_of",
    "is_as_listed",
    "is_of_a_release",
    "read_manifest",
    "verify_release",
]
__all__ += ["write_manifest"]

MANIFEST: Final = "manifest.json"
"""The file that describes a release."""

SIGNATURE: Final = "manifest.json.sig"
"""The file with the Ed25519 signature of the manifest's bytes: 64 bytes."""

SUPERSEDED_TABLE: Final = "superseded"
"""The name of the table of superseded pseudonyms; the manifest describes it apart from the sources' tables."""

_ALWAYS: Final = {"format": int, "recipient": str, "key": str, "key_version": int, "files": list}
_SHA256: Final = re.compile("[0-9a-f]{64}")
_SOURCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


def digest_of(file: Path) -> str:
    """Compute the SHA-256 of a file, in hex."""
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Mapping[str, Any], signing_key: SigningKey | None) -> None:
    """Write the manifest of a release, and its signature if there is a signing key."""
    content = (json.dumps(dict(manifest), indent=2) + "\n").encode()
    (folder / MANIFEST).write_bytes(content)
    if signing_key is not None:
        (folder / SIGNATURE).write_bytes(signing_key.sign(content))


def read_manifest(folder: str | Path) -> MappingProxyType[str, Any]:
    """Read the manifest of a release, without verifying anything."""
    return _parsed(Path(folder), _content(Path(folder) / MANIFEST))


def is_as_listed(entry: Path, digest: object) -> bool:
    """Whether an entry of a folder is a file, and no link to one, with this SHA-256."""
    return not entry.is_symlink() and entry.is_file() and digest_of(entry) == digest


def is_of_a_release(entry: Path) -> bool:
    """Whether a file is part of an earlier release, which a new one may replace.

    What a manifest claims counts only for a file with the name and the digest that a release gave it.
    """
    try:
        listed = _listed(read_manifest(entry.parent))
        if entry.name in {MANIFEST, SIGNATURE}:
            return not entry.is_symlink() and entry.is_file()
        return entry.name in listed and is_as_listed(entry, listed[entry.name]["sha256"])
    except (OSError, SourceError):
        return False


def verify_release(folder: str | Path, verify_key: VerifyKey | None = None) -> MappingProxyType[str, Any]:
    """Check that a release is whole: every file is as it was written, and there is no other.

    Without the public key of the trusted team, the check finds damage only: whoever alters a file can alter the
    manifest too.

    Parameters
    ----------
    folder : path
        Folder of the release.
    verify_key : VerifyKey, optional
        The trusted team's public key, received in another way than the release.

    Returns
    -------
    mapping
        The manifest.

    Raises
    ------
    SourceError
        If the manifest is missing or damaged.
    RefusedError
        If anything is missing, altered or added, or the manifest was not signed with this key.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = {"file": "gp.parquet", "source": "gp", "sha256": "0" * 64}
    ...     about = {"format": 3, "recipient": "partner", "key": "partner-2026", "key_version": 1}
    ...     write_manifest(Path(folder), {**about, "files": [file]}, None)
    ...     verify_release(folder)
    Traceback (most recent call last):
    linkcore.errors.RefusedError: the release in ...: gp.parquet is missing; do not use it, and ask for it again
    """
    folder = Path(folder)
    content = _content(folder / MANIFEST)
    _refuse(folder, [f"{name} is a link, not a file" for name in (MANIFEST, SIGNATURE) if (folder / name).is_symlink()])
    if verify_key is not None:
        signature = folder / SIGNATURE
        if not signature.is_file():
            raise RefusedError(f"the release in {folder} is not signed: there is no {SIGNATURE}; ask for one that is")
        verify_key.verify(content, signature.read_bytes())
    manifest = _parsed(folder, content)
    wrong = []
    for name, stated in _listed(manifest).items():
        file = folder / name
        if file.is_symlink():
            wrong.append(f"{name} is a link, not a file")
        elif not file.is_file():
            wrong.append(f"{name} is missing")
        elif digest_of(file) != stated["sha256"]:
            wrong.append(f"{name} is not as it was written")
    known = {MANIFEST, SIGNATURE, *_listed(manifest)}
    wrong += [f"{entry.name} is no part of it" for entry in sorted(folder.iterdir()) if entry.name not in known]
    _refuse(folder, wrong)
    return manifest


def _refuse(folder: Path, wrong: list[str]) -> None:
    if wrong:
        raise RefusedError(f"the release in {folder}: {'; '.join(wrong)}; do not use it, and ask for it again")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror
    raise SourceError(f"{file} cannot be read: {reason}; name the folder of a release")


def _parsed(folder: Path, content: bytes) -> MappingProxyType[str, Any]:
    try:
        manifest = json.loads(content)
        sound = isinstance(manifest["files"], list)
        files = _files(manifest)
        # The tables of a database are in one file.
        sound = sound and all(type(manifest[name]) is kind for name, kind in _ALWAYS.items())
        sound = sound and all(map(_is_sound, files))
        sound = sound and 0 < len({(each["file"], each["sha256"]) for each in files}) == len(_listed(manifest))
    except (ValueError, LookupError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise SourceError(f"{folder / MANIFEST} is no manifest of a release, or is damaged")
    return MappingProxyType(manifest)


def _is_sound(stated: Mapping[str, Any]) -> bool:
    """Whether a file in a manifest has the name that a release gives it: so no path can be one."""
    names = {"release.duckdb", f"{stated['source']}.parquet", f"{stated['source']}.csv"}  # as in releases/formats.py
    return (
        _SOURCE.fullmatch(stated["source"]) is not None
        and stated["file"] in names
        and _SHA256.fullmatch(stated["sha256"]) is not None
    )


def _files(manifest: Mapping[str, Any]) -> list[Any]:
    """Return all tables of a release, each with its file; the one of superseded pseudonyms, if any, is the last."""
    superseded = manifest.get(SUPERSEDED_TABLE)
    return [*manifest["files"], *([] if superseded is None else [{**superseded, "source": SUPERSEDED_TABLE}])]


def _listed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {each["file"]: each for each in _files(manifest)}
