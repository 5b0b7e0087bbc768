"""Manifests: what a release holds, by which its recipient checks that it is whole and the trusted team's."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from linkcore.errors import RefusedError, SourceError
from linkcore.keys.age import SUFFIX, AgeIdentity
from linkcore.keys.signing import SigningKey, VerifyKey

__all__ = [
    "IDENTITY",
    "MANIFEST",
    "SIGNATURE",
    "SUPERSEDED_TABLE",
    "as_opened",
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

IDENTITY: Final = "identity.age"
"""The file with the identity that opens a release encrypted with a passphrase; the passphrase opens it."""

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
        manifest = read_manifest(entry.parent)
        listed = _listed(manifest) | _opened(manifest)
        if entry.name in {MANIFEST, SIGNATURE}:
            return not entry.is_symlink() and entry.is_file()
        return entry.name in listed and is_as_listed(entry, listed[entry.name]["sha256"])
    except (OSError, SourceError):
        return False


def verify_release(
    folder: str | Path, verify_key: VerifyKey | None = None, *, identity: AgeIdentity | None = None
) -> MappingProxyType[str, Any]:
    """Check that a release is whole: every file is as it was written, and there is no other.

    Without the public key of the trusted team, the check finds damage only: whoever alters a file can alter the
    manifest too.

    Files of an encrypted release may lie there as they were sent, opened (``gp.parquet.age`` as ``gp.parquet``), or
    both: each that is there must be as it was written.

    Parameters
    ----------
    folder : path
        Folder of the release.
    verify_key : VerifyKey, optional
        The trusted team's public key, received in another way than the release.
    identity : AgeIdentity, optional
        The secret key of age that opens an encrypted release. Each encrypted file is then opened, in memory, and what
        is inside is checked too.

    Returns
    -------
    mapping
        The manifest.

    Raises
    ------
    SourceError
        If the manifest is missing or damaged.
    RefusedError
        If anything is missing, altered or added, the manifest was not signed with this key, or a file does not open.

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
    listed, opened = _listed(manifest), _opened(manifest)
    there = {entry.name: entry for entry in sorted(folder.iterdir())}
    # A file that was opened may have been removed since.
    missing = [name for name in listed if name not in there and name.removesuffix(SUFFIX) not in opened.keys() & there]
    wrong = [f"{name} is missing" for name in missing]
    for name, entry in there.items():
        stated = (listed | opened).get(name)
        if entry.is_symlink():
            wrong.append(f"{name} is a link, not a file")
        elif stated is not None and (not entry.is_file() or digest_of(entry) != stated["sha256"]):
            wrong.append(f"{name} is not as it was written")
        elif stated is None and name not in {MANIFEST, SIGNATURE}:
            wrong.append(f"{name} is no part of it")
    _refuse(folder, wrong)
    if identity is not None:
        _refuse(folder, _wrong_inside(manifest, there, identity))
    return manifest


def _wrong_inside(manifest: Mapping[str, Any], there: Mapping[str, Path], identity: AgeIdentity) -> list[str]:
    """Say which encrypted files hold something else than what was released."""
    insides = {name + SUFFIX: plain["sha256"] for name, plain in _opened(manifest).items()}
    return [
        f"what is in {name} is not what was released"
        for name, digest in insides.items()
        if name in there and identity.sha256_inside(there[name]) != digest
    ]


def as_opened(folder: Path, stated: Mapping[str, Any]) -> Path | None:
    """Return where the plain file of a table in a manifest is; None if it is encrypted and was not opened."""
    file = folder / stated.get("plain", stated)["file"]
    return file if file.is_file() else None


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
        sound = sound and all(map(_is_sound, files)) and _has_sound_identity(manifest)
        stated = {(each["file"], each["sha256"], each.get("plain", each)["sha256"]) for each in files}
        sound = sound and 0 < len(stated) == len({each["file"] for each in files})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise SourceError(f"{folder / MANIFEST} is no manifest of a release, or is damaged")
    return MappingProxyType(manifest)


def _is_sound(stated: Mapping[str, Any]) -> bool:
    """Whether a file in a manifest has the name that a release gives it: so no path can be one."""
    names = {"release.duckdb", f"{stated['source']}.parquet", f"{stated['source']}.csv"}  # as in releases/formats.py
    plain = stated.get("plain")
    if plain is not None and stated["file"] != plain["file"] + SUFFIX:
        return False
    return (
        _SOURCE.fullmatch(stated["source"]) is not None
        and (plain or stated)["file"] in names
        and all(_SHA256.fullmatch(each["sha256"]) for each in (stated, plain or stated))
    )


def _has_sound_identity(manifest: Mapping[str, Any]) -> bool:
    identity = _identity(manifest)
    return not identity or (identity["file"] == IDENTITY and _SHA256.fullmatch(identity["sha256"]) is not None)


def _identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of the identity that a passphrase opens; nothing if there is none."""
    found: dict[str, Any] = manifest.get("encryption", {}).get("identity", {})
    return found


def _files(manifest: Mapping[str, Any]) -> list[Any]:
    """Return all tables of a release, each with its file; the one of superseded pseudonyms, if any, is the last."""
    superseded = manifest.get(SUPERSEDED_TABLE)
    return [*manifest["files"], *([] if superseded is None else [{**superseded, "source": SUPERSEDED_TABLE}])]


def _listed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files of a release, by name."""
    identity = _identity(manifest)
    return {each["file"]: each for each in _files(manifest)} | ({IDENTITY: identity} if identity else {})


def _opened(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the encrypted files of a release are once they are opened, by name."""
    return {each["plain"]["file"]: each["plain"] for each in _files(manifest) if "plain" in each}
