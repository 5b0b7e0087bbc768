"""The chain of an audit log: each line holds the digest of the line before it; the head is beside the log.

Anyone can check the digests, which are plain SHA-256. A line that was written under the log's key also holds an HMAC
over its fields. These include the digest of the line before, so the HMAC of a line holds for all lines up to it.
"""

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from linkcore.errors import RefusedError
from linkcore.files import anything, locked, new_file
from linkcore.keys.key import Key
from linkcore.private_folders import others_can_write, way_to

__all__ = ["NO_LINE", "Chain", "Head", "HeadFile", "Line", "Proof", "alone", "append"]
__all__ += ["has_keyed_line", "head_path", "last_line", "others_who_can_write", "read_head", "write_head"]

NO_LINE: Final = "0" * 64
"""Digest that the first line holds in place of an earlier line's."""

Proof: TypeAlias = Literal["none", "unknown", "wrong", "right"]
"""The HMAC of a line or head: there is none, its key was not given, it does not fit, or it fits."""

_SIGNED: Final = re.compile(rb'((\{.*?)(?:, "hmac": "([0-9a-f]{64})")?), "digest": "([0-9a-f]{64})"\}')
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_MOST_LINES: Final = 1_000_000_000
_TAIL_BYTES: Final = 1 << 16  # a line is far shorter


class Head(NamedTuple):
    """How a log ends: noted elsewhere, it shows when an earlier copy of the log was put back."""

    lines: int
    digest: str


class HeadFile(NamedTuple):
    """The content of the head's file: the head, the size of the log in bytes, and the proof of both."""

    head: Head
    size: int
    proof: Proof


class Line(NamedTuple):
    """A line: its number, the digest of the line before it, its own digest, its proof, and all its fields."""

    number: int
    previous: str
    digest: str
    proof: Proof
    body: dict[str, Any]


class Chain:
    """Sign and check lines: by SHA-256, and by HMAC-SHA-256 under the newest version of the log's key, if it has one.

    Examples
    --------
    >>> text, digest = Chain().signed({"number": 1, "previous": NO_LINE})
    >>> Chain().line(text.rstrip()).digest == digest
    True
    >>> Chain().line(text.rstrip().replace(b"1", b"2", 1)) is None
    True
    """

    def __init__(self, keys: Key | Sequence[Key] | None = None) -> None:
        keys = [keys] if isinstance(keys, Key) else keys or ()
        self._keys = {(key.id, key.version): key for key in keys}
        self._newest = max(keys, key=lambda key: key.version, default=None)

    @property
    def has_key(self) -> bool:
        """Whether the log's key is given."""
        return self._newest is not None

    @property
    def key_id(self) -> str | None:
        """Id of the log's key, if it is given."""
        return None if self._newest is None else self._newest.id

    def signed(self, body: dict[str, Any]) -> tuple[bytes, str]:
        """Return a body as one line of JSON that ends with its HMAC, if there is a key, and its digest."""
        key = self._newest
        stated = body if key is None else body | {"chain_key": key.id, "chain_key_version": key.version}
        text = json.dumps(stated, ensure_ascii=False).encode()
        if key is not None:
            text = text[:-1] + f', "hmac": "{_hmac(key, text)}"}}'.encode()
        digest = _sha256(text)
        return text[:-1] + f', "digest": "{digest}"}}\n'.encode(), digest

    def line(self, text: bytes) -> Line | None:
        """Return a line, or None if it was altered or is none of an audit log."""
        body, proof = self._read(text)
        number, previous = body.get("number"), body.get("previous")
        if not _is_count(number) or not number or not _is_digest(previous):
            return None
        return Line(body["number"], body["previous"], body["digest"], proof, body)

    def head(self, text: bytes) -> HeadFile | None:
        """Return the content of a head's file, or None if it was altered or is no head."""
        body, proof = self._read(text)
        lines, size, last = body.get("lines"), body.get("bytes"), body.get("last")
        known = {"lines", "bytes", "last", "chain_key", "chain_key_version", "hmac", "digest"}
        if not _is_count(lines) or not _is_count(size, most=1 << 63) or not _is_digest(last) or not set(body) <= known:
            return None
        return HeadFile(Head(body["lines"], body["last"]), body["bytes"], proof)

    def _read(self, text: bytes) -> tuple[dict[str, Any], Proof]:
        """Return the fields of a line whose digest fits, or none, and its proof."""
        found = _SIGNED.fullmatch(text)
        if not found or not hmac.compare_digest(_sha256(found[1] + b"}"), found[4].decode()):
            return {}, "none"
        try:
            body: dict[str, Any] = json.loads(text)
            return body, self._proof(body, found[2] + b"}")
        except (ValueError, RecursionError, TypeError):  # text with a digest that fits, and not of linkcore
            return {}, "none"

    def _proof(self, body: dict[str, Any], text: bytes) -> Proof:
        if "hmac" not in body:
            return "none"
        key = self._keys.get((body.get("chain_key"), body.get("chain_key_version")))  # type: ignore[arg-type]
        if key is None:
            return "unknown"
        return "right" if hmac.compare_digest(_hmac(key, text), body["hmac"]) else "wrong"


# The prefix separates these from every other use of the key and of the hash.
_PREFIX: Final = b"linkcore:audit:"


def _sha256(text: bytes) -> str:
    return hashlib.sha256(_PREFIX + text).hexdigest()


def _hmac(key: Key, text: bytes) -> str:
    return hmac.digest(key._material.reveal(), _PREFIX + text, "sha256").hex()


def _is_count(value: object, most: int = _MOST_LINES) -> bool:
    return type(value) is int and 0 <= value < most


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def head_path(path: Path) -> Path:
    """Return the path of a log's head."""
    return path.with_name(f"{path.name}.head")


def write_head(path: Path, chain: Chain, head: Head, size: int) -> None:
    """Replace the head of a log; ``size`` is the size of the log in bytes."""
    text, _ = chain.signed({"lines": head.lines, "bytes": size, "last": head.digest})
    with new_file(head_path(path), ours=anything) as file:
        file.write_bytes(text)


def read_head(path: Path, chain: Chain) -> HeadFile:
    """Read the head of a log, and the size in bytes that the log had when the head was written."""
    file = head_path(path)
    try:
        text = file.read_bytes()
    except OSError as error:
        raise RefusedError(
            f"the head {file} of the audit log cannot be read: {error.strerror}; restore it, or keep this log "
            "unchanged and start another"
        ) from None
    head = chain.head(text.removesuffix(b"\n"))
    if head is None:
        raise RefusedError(
            f"the head {file} of the audit log was altered, cut off, or is no head: restore it, or keep this log "
            "unchanged and start another"
        )
    return head


def last_line(path: Path, chain: Chain, size: int) -> Line | None:
    """Return the last line of the first ``size`` bytes of a log, or None if it was altered."""
    with path.open("rb") as file:
        file.seek(max(size - _TAIL_BYTES, 0))
        text = file.read(min(size, _TAIL_BYTES))
    return chain.line(text[:-1].rpartition(b"\n")[2]) if text.endswith(b"\n") else None


def has_keyed_line(path: Path) -> bool:
    """Whether any line of a log holds an HMAC. In the text of a field, its quotation marks would be escaped."""
    return b', "hmac": "' in path.read_bytes()


def others_who_can_write(path: Path) -> str | None:
    """Return why other users can write to a log, to its head or in its folder, or None if they cannot."""
    above = [open_at for _, open_at in (way_to(path), way_to(head_path(path))) if open_at is not None]
    for place in dict.fromkeys((*above, path, head_path(path), path.parent, path.resolve().parent)):
        if place in above or (place.exists() and others_can_write(place)):
            return (
                f"other users of this machine can write to {place} (mode {place.stat().st_mode & 0o7777:04o}): if you "
                "are sure that nobody changed the audit log, `chmod go-w` it, and make it your own; otherwise keep it "
                "unchanged and start another"
            )
    return None


def append(path: Path, text: bytes) -> int:
    """Add a line, flush it to the disk, and return the size of the log; remove a line that could not be finished."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            written = os.write(descriptor, text)
            os.fsync(descriptor)
            if written < len(text):
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise RefusedError(f"the audit log {path} cannot be written: {error.strerror}; nothing was done") from None
    if written < len(text):
        raise RefusedError(f"the audit log {path} cannot be written: the disk is full; nothing was done")
    return size + len(text)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process writes to the log, and keep the others waiting."""
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path.parent))
        except OSError as error:
            raise RefusedError(f"the audit log {path} cannot be written: {error.strerror}; nothing was done") from None
        yield
