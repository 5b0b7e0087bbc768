"""The check of an audit log: which of its lines were altered, removed, moved or cut off."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from linkcore.errors import RefusedError
from linkcore.governance.audit.chain import NO_LINE, Chain, Head, Line, head_path, read_head
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
    """

    lines: int
    faults: tuple[str, ...]


def verify_audit(
    path: str | os.PathLike[str], *, chain_key: Key | None = None, noted: Head | None = None
) -> AuditCheck:
    """Find every line of an audit log that was altered, removed, moved or cut off.

    Parameters
    ----------
    path : path
        The log. Its head is beside it, in ``PATH.head``.
    chain_key : Key, optional
        The key of the log, if it has one.
    noted : Head, optional
        A head that was noted elsewhere at an earlier time. The log must still have that line.

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
    ('line 1 was altered, or has another chain key',)
    """
    path = Path(path)
    chain = Chain(chain_key)
    try:
        text = path.read_bytes() if path.exists() or not head_path(path).exists() else b""
    except OSError as error:
        raise RefusedError(f"the audit log {path} cannot be read: {error.strerror}; check the path") from None
    *whole, torn = text.split(b"\n")
    parsed = [chain.parsed(line) for line in whole]
    read = [line for line in parsed if line is not None]
    lines = {line.number: line for line in read}
    altered = {place for place, line in enumerate(parsed, start=1) if line is None}
    faults = [f"line {place} was altered, or has another chain key" for place in sorted(altered)]
    faults += _faults_of_order([line.number for line in read], altered)
    faults += _faults_of_chain(lines)
    faults += _faults_of_end(path, chain, lines, altered=altered, torn=bool(torn))
    if noted is not None and noted.lines and (noted.lines not in lines or lines[noted.lines].digest != noted.digest):
        faults.append(
            f"line {noted.lines} is not the line that was noted: the log was forged, or an earlier copy was put back"
        )
    return AuditCheck(len(whole), tuple(faults))


def _faults_of_order(numbers: list[int], altered: set[int]) -> Iterator[str]:
    present = set(numbers)
    missing = [number for number in range(1, max(present, default=0) + 1) if number not in present]
    if missing := [number for number in missing if number not in altered]:
        yield f"{_lines(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    for before, number in pairwise(numbers):
        if number == before:
            yield f"line {number} is there twice"
        elif number < before:
            yield f"line {number} comes after line {before}: the order was changed"


def _faults_of_chain(lines: dict[int, Line]) -> Iterator[str]:
    for number, line in sorted(lines.items()):
        before = NO_LINE if number == 1 else lines[number - 1].digest if number - 1 in lines else None
        if before is not None and line.previous != before:
            yield f"line {number - 1} was forged: line {number} holds another digest for it"


def _faults_of_end(path: Path, chain: Chain, lines: dict[int, Line], *, altered: set[int], torn: bool) -> Iterator[str]:
    try:
        head, _ = read_head(path, chain)
    except RefusedError as error:
        yield f"lines may be missing at the end: {error}"
        return
    last = max(lines, default=0)
    if cut := [number for number in range(last + 1, head.lines + 1) if number not in altered]:
        yield f"{_lines(cut)} cut off at the end"
    elif head.lines and head.lines in lines and lines[head.lines].digest != head.digest:
        yield f"line {head.lines} was forged: the head holds another digest for it"
    # One more line that continues the chain comes from a writer that was killed before it wrote the head.
    if last > head.lines + 1:
        yield f"{_lines(range(head.lines + 1, last + 1))} were added without the head"
    if torn and last > head.lines:
        yield "text was added after the last line"


def _lines(numbers: Sequence[int]) -> str:
    """Name lines by number: each run of them by its first and last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    named = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}"
