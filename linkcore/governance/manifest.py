"""Manifests: what a release holds, by which its recipient checks that it is whole and the trusted team's."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from linkcore.errors import RefusedError, SourceError
from linkcore.keys.signing import SigningKey, VerifyKey

__all__ = ["MANIFEST", "SIGNATURE", "digest_of", "is_of_a_release", "read_manifest", "verify_release", "write_manifest"]

MANIFEST: Final = "manifest.json"
"""The file that describes a release."""

SIGNATURE: Final = "manifest.json.sig"
"""The file with the Ed25519 signature of the manifest's bytes: 64 bytes."""


def digest_of(file: Path) -> str:
    """Compute the SHA-256 of a file, in hex."""
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Mapping[str, Any], signing_key: SigningKey | None) -> None:
    """Write the manifest of a release, and its signature if there is a signing key."""
    content = (json.dumps(dict(manifest), indent=2, ensure_ascii=False) + "\n").encode()
    (folder / MANIFEST).write_bytes(content)
    if signing_key is not None:
        (folder / SIGNATURE).write_bytes(signing_key.sign(content))


def read_manifest(folder: str | Path) -> MappingProxyType[str, Any]:
    """Read the manifest of a release, without verifying anything."""
    return _parsed(Path(folder), _content(Path(folder) / MANIFEST))


def is_of_a_release(entry: Path) -> bool:
    """Whether a file is part of an earlier release, which a new one may replace."""
    try:
        return entry.name in {MANIFEST, SIGNATURE, *_listed(read_manifest(entry.parent))}
    except SourceError:
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
    ...     write_manifest(Path(folder), {"files": [{"file": "gp.parquet", "sha256": ""}]}, None)
    ...     verify_release(folder)
    Traceback (most recent call last):
    linkcore.errors.RefusedError: the release in ...: gp.parquet is missing; do not use it, and ask for it again
    """
    folder = Path(folder)
    content = _content(folder / MANIFEST)
    if verify_key is not None:
        signature = folder / SIGNATURE
        if not signature.is_file():
            raise RefusedError(f"the release in {folder} is not signed: there is no {SIGNATURE}; ask for one that is")
        verify_key.verify(content, signature.read_bytes())
    manifest = _parsed(folder, content)
    wrong = []
    for name, stated in _listed(manifest).items():
        file = folder / name
        if not file.is_file():
            wrong.append(f"{name} is missing")
        elif digest_of(file) != stated["sha256"]:
            wrong.append(f"{name} is not as it was written")
    known = {MANIFEST, SIGNATURE, *_listed(manifest)}
    wrong += [f"{entry.name} is no part of it" for entry in sorted(folder.iterdir()) if entry.name not in known]
    if wrong:
        raise RefusedError(f"the release in {folder}: {'; '.join(wrong)}; do not use it, and ask for it again")
    return manifest


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror
    raise SourceError(f"{file} cannot be read: {reason}; name the folder of a release")


def _parsed(folder: Path, content: bytes) -> MappingProxyType[str, Any]:
    try:
        manifest = json.loads(content)
        files = manifest["files"]
        sound = all(Path(each["file"]).name == each["file"] and isinstance(each["sha256"], str) for each in files)
    except (ValueError, LookupError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise SourceError(f"{folder / MANIFEST} is no manifest of a release, or is damaged")
    return MappingProxyType(manifest)


def _listed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {each["file"]: each for each in manifest["files"]}
