"""The chain of an audit log: each line holds the digest of the line before it; the head is beside the log."""

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from linkcore.errors import RefusedError
from linkcore.files import locked, new_file
from linkcore.keys.key import Key

__all__ = ["NO_LINE", "Chain", "Head", "Line", "alone", "append", "head_path", "last_digest", "read_head", "write_head"]

NO_LINE: Final = "0" * 64
"""Digest that the first line holds in place of an earlier line's."""

_SIGNED: Final = re.compile(rb'(\{.*), "digest": "([0-9a-f]{64})"\}')
_TAIL_BYTES: Final = 1 << 16  # a line is far shorter


class Head(NamedTuple):
    """How a log ends: noted elsewhere, it shows when an earlier copy of the log was put back."""

    lines: int
    digest: str


class Line(NamedTuple):
    """Place of a line in the chain: its number, the digest of the line before it, and its own digest."""

    number: int
    previous: str
    digest: str


class Chain:
    """Sign and check lines: by SHA-256, or by HMAC-SHA-256 under the key of the log.

    Examples
    --------
    >>> text, digest = Chain(None).signed({"number": 1, "previous": NO_LINE})
    >>> Chain(None).parsed(text.rstrip()).digest == digest
    True
    >>> Chain(None).parsed(text.rstrip().replace(b"1", b"2", 1)) is None
    True
    """

    def __init__(self, key: Key | None) -> None:
        self._key = key

    def signed(self, body: dict[str, Any]) -> tuple[bytes, str]:
        """Return a body as one line of JSON that ends with its own digest, and the digest."""
        text = json.dumps(body, ensure_ascii=False).encode()
        digest = self._digest(text)
        return text[:-1] + f', "digest": "{digest}"}}\n'.encode(), digest

    def _digest(self, text: bytes) -> str:
        # The prefix separates these digests from every other use of the key.
        text = b"linkcore:audit:" + text
        if self._key is None:
            return hashlib.sha256(text).hexdigest()
        return hmac.digest(self._key._material.reveal(), text, "sha256").hex()

    def body(self, line: bytes) -> dict[str, Any] | None:
        """Return the body of a line, or None if the line was altered."""
        found = _SIGNED.fullmatch(line)
        if not found or not hmac.compare_digest(self._digest(found[1] + b"}"), found[2].decode()):
            return None
        body: dict[str, Any] = json.loads(line)
        return body

    def parsed(self, line: bytes) -> Line | None:
        """Return the place of a line in the chain, or None if the line was altered."""
        body = self.body(line)
        try:
            return None if body is None else Line(body["number"], body["previous"], body["digest"])
        except LookupError:
            return None


def head_path(path: Path) -> Path:
    """Return the path of a log's head."""
    return path.with_name(f"{path.name}.head")


def write_head(path: Path, chain: Chain, head: Head, size: int) -> None:
    """Replace the head of a log; ``size`` is the size of the log in bytes."""
    text, _ = chain.signed({"lines": head.lines, "bytes": size, "last": head.digest})
    with new_file(head_path(path)) as file:
        file.write_bytes(text)


def read_head(path: Path, chain: Chain) -> tuple[Head, int]:
    """Read the head of a log, and the size in bytes that the log had when the head was written."""
    file = head_path(path)
    try:
        body = chain.body(file.read_bytes().removesuffix(b"\n"))
    except OSError as error:
        raise RefusedError(
            f"the head {file} of the audit log cannot be read: {error.strerror}; restore it, or keep this log "
            "unchanged and start another"
        ) from None
    if body is None:
        raise RefusedError(f"the head {file} of the audit log was altered, or has another chain key")
    return Head(body["lines"], body["last"]), body["bytes"]


def last_digest(path: Path, chain: Chain) -> str | None:
    """Return the digest of the last line, or None if that line was altered."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
        line = chain.parsed(file.read().removesuffix(b"\n").rpartition(b"\n")[2])
    return None if line is None else line.digest


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
