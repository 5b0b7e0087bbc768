"""The folder of a store: a header that lists every file with its digest, tables as Parquet, and texts.

A store of real people's data is encrypted: only the header is plain text, and its check is made with a key. A synthetic
programme may keep its store as plain Parquet and JSON files, which any tool opens.
"""

import hashlib
import hmac
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError, SourceError
from linkcore.files import earlier_folder
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.parallel import side_by_side
from linkcore.store.encryption import StoreLock

__all__ = ["FORMAT", "HEADER", "Store", "holds_linkage", "key_of_store", "refuse_unencrypted", "write_store"]

HEADER: Final = "store.json"
"""The file that makes a folder a store."""

FORMAT: Final = "linkcore linkage 1"
_AGAIN: Final = "link again with `linkcore link`"


def write_store(
    folder: Path, tables: Mapping[str, pl.DataFrame], texts: Mapping[str, str], lock: StoreLock | None
) -> None:
    """Write tables, by name, and texts, by file name, to an empty folder; encrypted if there is a lock."""
    if lock is not None:
        tables, texts = {**tables, "texts": pl.DataFrame({"name": list(texts), "text": list(texts.values())})}, {}

    def write(name: str) -> tuple[str, str]:
        file = f"{name}.parquet"
        content = _plain(tables[name]) if lock is None else lock.encrypted(file, tables[name])
        (folder / file).write_bytes(content)
        return file, hashlib.sha256(content).hexdigest()

    files = dict(side_by_side(write, sorted(tables)))
    for file, text in texts.items():
        (folder / file).write_text(text, "utf-8")
        files[file] = hashlib.sha256(text.encode()).hexdigest()
    header = {
        "format": FORMAT,
        "linkcore": version("linkcore"),
        "encryption": None if lock is None else lock.stated(),
        "files": files,
    }
    (folder / HEADER).write_bytes(_as_bytes({**header, "check": _check(header, lock)}))


@dataclass(frozen=True, eq=False, repr=False)
class Store:
    """A store that was opened: its header is checked, and each file is checked when it is read.

    ``digest``: SHA-256 of the header, and so of every file. It tells one linkage from another, and nothing of anybody.
    """

    place: Path
    folder: Path
    files: Mapping[str, str]
    lock: StoreLock | None
    digest: str

    @classmethod
    def open(cls, place: Path, key: Key | Keyring | None) -> "Store":
        """Open a store; ``key`` is the key under which it is encrypted, or a keyring that holds the key."""
        folder, header = _header(place)
        digest = hashlib.sha256(_as_bytes(header)).hexdigest()
        lock = _lock(place, header["encryption"], key)
        stated = header.pop("check")
        if not hmac.compare_digest(str(stated), _check(header, lock)):
            if lock is None:
                raise _damaged(place, HEADER)
            raise KeyMaterialError(
                f"{place} does not open with key {lock.key_id!r}: another key of this name encrypted it, or somebody "
                "altered it; give that key, or restore the store from a copy"
            )
        return cls(place, folder, header["files"], lock, digest)

    def table(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        """Read one table, or some columns of it."""
        file = f"{name}.parquet"
        content = self._content(file)
        if self.lock is None:
            return pl.read_parquet(content, columns=columns)
        return self.lock.decrypted(file, content, columns)

    def column(self, name: str, column: str) -> pl.Series:
        """Read one column of a table, in a small part of the time of the table."""
        return self.table(name, [column])[column]

    def holds(self, name: str) -> bool:
        """Whether there is such a table."""
        return f"{name}.parquet" in self.files

    def texts(self) -> dict[str, str]:
        """Read all texts, by file name."""
        if self.lock is None:
            return {file: self._content(file).decode() for file in self.files if file.endswith(".json")}
        return dict(self.table("texts").select("name", "text").rows())

    def _content(self, file: str) -> bytes:
        try:
            content = (self.folder / file).read_bytes()
        except OSError:
            content = None
        if content is None or hashlib.sha256(content).hexdigest() != self.files.get(file):
            raise _damaged(self.place, file)
        return content


def holds_linkage(place: Path) -> bool:
    """Whether there is a linkage in a folder, of any version, or one that a killed run set aside."""
    return any((folder / HEADER).exists() for folder in (place, earlier_folder(place))) or _is_of_an_earlier_version(
        place
    )


def key_of_store(place: Path) -> str | None:
    """Return the id of the key under which a store is encrypted; None if it is not encrypted."""
    encryption = _header(place)[1]["encryption"]
    return None if encryption is None else str(encryption["key"])


def refuse_unencrypted(*, synthetic: bool, key: object) -> None:
    """Refuse to keep, or to open, a linkage of real people's data without a key."""
    if key is None and not synthetic:
        raise RefusedError(
            "a linkage of real people's data is kept encrypted only: give a key of the trusted team's keyring; "
            "synthetic data may do without, if link(..., synthetic=True) or the programme file says that they are"
        )


def _header(place: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder that holds a store, and its header, whose check is still to be made."""
    # A run that was killed while it replaced the store may have set the earlier one aside.
    for folder in (place, earlier_folder(place)):
        try:
            text = (folder / HEADER).read_bytes()
        except OSError:
            continue
        try:
            header = json.loads(text)
            stated = header["format"]
            if stated == FORMAT and _as_bytes(header) == text and {"check", "encryption", "files"} <= header.keys():
                return folder, header
        except (ValueError, TypeError, LookupError, RecursionError):
            stated = FORMAT
        if stated != FORMAT:
            raise ProgrammeError(
                f"{place} was written by another version of linkcore, in a format that this one does not read; use "
                f"that version, or {_AGAIN}"
            )
        raise _damaged(place, HEADER)
    if _is_of_an_earlier_version(place):
        raise ProgrammeError(f"{place} was written by an earlier version of linkcore, without {HEADER}; {_AGAIN}")
    raise ProgrammeError(f"there is no linkage in {place}; check the path, or make it with `linkcore link`")


def _is_of_an_earlier_version(place: Path) -> bool:
    return (place / "links.parquet").exists()


def _lock(place: Path, encryption: dict[str, Any] | None, key: Key | Keyring | None) -> StoreLock | None:
    if encryption is None:
        if key is not None:
            raise RefusedError(
                f"{place} is not encrypted, though a key is given; {_AGAIN}, or give no key if its data are synthetic"
            )
        return None
    try:
        name, key_version = str(encryption["key"]), int(encryption["key_version"])
        if isinstance(key, Keyring):
            key = key.key(name, key_version)
        if key is not None and (key.id, key.version) == (name, key_version):
            return StoreLock.as_stated(key, encryption)
    except (LookupError, TypeError, ValueError):
        raise _damaged(place, HEADER) from None
    raise KeyMaterialError(
        f"{place} is encrypted under key {name!r}, version {key_version}; give that key, or the keyring that holds it"
    )


def _damaged(place: Path, file: str) -> SourceError:
    return SourceError(
        f"{place}: {file} is missing or altered, or was replaced while it was read; try again, restore the folder from "
        f"a copy, or {_AGAIN}"
    )


def _check(header: Mapping[str, Any], lock: StoreLock | None) -> str:
    """Return the HMAC of a header or, without a key, a plain digest, which finds damage and protects nothing."""
    text = _as_bytes(header)
    return hashlib.sha256(text).hexdigest() if lock is None else lock.check(text)


def _as_bytes(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, indent=1).encode() + b"\n"


def _plain(frame: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.write_parquet(written)
    return written.getvalue()
