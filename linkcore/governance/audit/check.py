"""The check of an audit log: which of its lines were altered, removed, moved or cut off."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from linkcore.errors import RefusedError
from linkcore.governance.audit.chain import (
    NO_LINE,
    Chain,
    Head,
    HeadFile,
    Line,
    head_path,
    others_who_can_write,
    read_head,
)
from linkcore.keys.key import Key

__all__ = ["AuditCheck", "verify_audit"]


@dataclass(frozen=True)
class AuditCheck:
    """Result of `verify_audit`.

    Parameters
    ----------
    lines : int
        Number of lines in the log.
    faults : tuple of str
        What is wrong: one sentence for each fault, which names the line. Empty if the log is intact.
    key : {"unkeyed", "not checked", "checked"}
        Whether lines hold an HMAC under a key of the log, and whether the key was given to check them. Unkeyed, or not
        checked: whoever could write the log and its head could forge both.
    keyed_from : int
        Number of the first line under a key; 0 if there is none. What lines before it say is only proved not to have
        changed since this line was written.
    """

    lines: int
    faults: tuple[str, ...]
    key: Literal["unkeyed", "not checked", "checked"] = "unkeyed"
    keyed_from: int = 0


def verify_audit(
    path: str | os.PathLike[str],
    *,
    chain_key: Key | Sequence[Key] | None = None,
    noted: Head | None = None,
    keyed_from: int = 1,
) -> AuditCheck:
    """Find every line of an audit log that was altered, removed, moved or cut off.

    Parameters
    ----------
    path : path
        The log. Its head is beside it, in ``PATH.head``.
    chain_key : Key or sequence of Key, optional
        The key of the log, or all versions of it. Without it, only the digests are checked.
    noted : Head, optional
        A head that was noted elsewhere at an earlier time. The log must still have that line.
    keyed_from : int
        Number of the line with which the log's key was started (`Audit.start_key`), as you noted it: with the key, a
        later first line under it is a fault. By default the log has its key from line 1.

    Returns
    -------
    AuditCheck

    Raises
    ------
    RefusedError
        If the log cannot be read.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.governance.audit.audit import Audit
    >>> with TemporaryDirectory() as folder:
    ...     log = Path(folder, "audit.jsonl")
    ...     Audit(log).record("release", at=datetime(2026, 4, 1, tzinfo=UTC), actor="analyst", rows=120)
    ...     _ = log.write_text(log.read_text().replace("120", "121"))
    ...     verify_audit(log).faults
    ('line 1 was altered',)
    """
    path = Path(path)
    chain = Chain(chain_key)
    try:
        text = path.read_bytes() if path.exists() or not head_path(path).exists() else b""
    except OSError as error:
        raise RefusedError(f"the audit log {path} cannot be read: {error.strerror}; check the path") from None
    *whole, torn = text.split(b"\n")
    parsed = [chain.line(line) for line in whole]
    read = [line for line in parsed if line is not None]
    lines = {line.number: line for line in read}
    altered = {place for place, line in enumerate(parsed, start=1) if line is None}
    found_from = min((line.number for line in read if line.proof != "none"), default=0)
    faults = [wide] if (wide := others_who_can_write(path)) else []
    faults += [f"line {place} was altered" for place in sorted(altered)]
    faults += _faults_of_order([line.number for line in read], altered)
    faults += _faults_of_chain(lines)
    faults += _faults_of_key(lines, chain, found_from)
    faults += _faults_of_end(path, chain, lines, altered=altered, torn=bool(torn))
    if chain.has_key and found_from > keyed_from:
        faults.append(
            f"lines 1 to {found_from - 1} are not under the chain key: the log was replaced by a forged one, or its "
            f"key was started with line {found_from}; if you noted this number, state it (--keyed-from, or keyed_from)"
        )
    if noted is not None and noted.lines and (noted.lines not in lines or lines[noted.lines].digest != noted.digest):
        faults.append(
            f"line {noted.lines} is not the line that was noted: the log was forged, or an earlier copy was put back"
        )
    key: Literal["checked", "not checked"] = "checked" if chain.has_key else "not checked"
    return AuditCheck(len(whole), tuple(faults), key if found_from else "unkeyed", found_from)


def _faults_of_order(numbers: list[int], altered: set[int]) -> Iterator[str]:
    known = sorted({0, *numbers, *(place for place in altered if place <= max(numbers, default=0))})
    missing = [(before + 1, number - 1) for before, number in pairwise(known) if number > before + 1]
    if missing:
        yield f"{_lines(missing)} {'are' if _is_many(missing) else 'is'} missing"
    for before, number in pairwise(numbers):
        if number == before:
            yield f"line {number} is there twice"
        elif number < before:
            yield f"line {number} comes after line {before}: the order was changed"


def _faults_of_chain(lines: dict[int, Line]) -> Iterator[str]:
    for number, line in sorted(lines.items()):
        if line.previous != _digest_of(number - 1, lines, otherwise=line.previous):
            yield f"line {number - 1} was forged: line {number} holds another digest for it"


def _digest_of(number: int, lines: dict[int, Line], *, otherwise: str) -> str:
    return NO_LINE if number == 0 else lines[number].digest if number in lines else otherwise


def _faults_of_key(lines: dict[int, Line], chain: Chain, keyed_from: int) -> Iterator[str]:
    if chain.has_key and not keyed_from:
        yield "no line was written under the chain key: the log never had this key, or was replaced by one without it"
    for number, line in sorted(lines.items()):
        if number > keyed_from > 0 and line.proof == "none":
            yield f"line {number} was added without the chain key, though line {keyed_from} has it"
        elif line.proof == "wrong" or (line.proof == "unknown" and chain.has_key):
            yield f"line {number} was forged, or has another chain key"


def _faults_of_end(path: Path, chain: Chain, lines: dict[int, Line], *, altered: set[int], torn: bool) -> Iterator[str]:
    try:
        stated = read_head(path, chain)
    except RefusedError as error:
        yield f"lines may be missing at the end: {error}"
        return
    head, last = stated.head, max(lines, default=0)
    first_cut = max((last, *altered)) + 1
    if first_cut <= head.lines:
        yield f"{_lines([(first_cut, head.lines)])} cut off at the end"
    elif head.digest != _digest_of(head.lines, lines, otherwise=head.digest):
        yield f"line {head.lines} was forged: the head holds another digest for it"
    # One more line that continues the chain comes from a writer that was killed before it wrote the head.
    if last > head.lines + 1:
        yield f"{_lines([(head.lines + 1, last)])} were added without the head"
    if torn and last > head.lines:
        yield "text was added after the last line"
    yield from _faults_of_head(stated, chain, lines)


def _faults_of_head(stated: HeadFile, chain: Chain, lines: dict[int, Line]) -> Iterator[str]:
    line = lines.get(stated.head.lines)
    if stated.proof == "none" and line is not None and line.proof != "none":
        yield "the head was written without the chain key, though the last line has it"
    elif stated.proof == "wrong" or (stated.proof == "unknown" and chain.has_key):
        yield "the head was forged, or has another chain key"


def _is_many(runs: Sequence[tuple[int, int]]) -> bool:
    return len(runs) > 1 or runs[0][0] != runs[0][1]


def _lines(runs: Sequence[tuple[int, int]]) -> str:
    """Name runs of lines by number: each by its first and last."""
    named = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)
    return f"{'lines' if _is_many(runs) else 'line'} {named}"
