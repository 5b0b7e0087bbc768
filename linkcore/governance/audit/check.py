"""Whether an audit log is as it was written, and if it is not, which of its lines are not."""

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
    """What `verify_audit` found.

    Parameters
    ----------
    lines : int
        How many lines the log has.
    faults : tuple of str
        What is wrong, a sentence each that names the line; empty where nothing is.
    """

    lines: int
    faults: tuple[str, ...]


def verify_audit(
    path: str | os.PathLike[str], *, chain_key: Key | None = None, noted: Head | None = None
) -> AuditCheck:
    """Find every line of a log that is not as it was written.

    Parameters
    ----------
    path : path
        The log; its head lies beside it.
    chain_key : Key, optional
        The key that it is under, where it is under one.
    noted : Head, optional
        A head that was noted elsewhere at an earlier time: the log must still have that line.

    Returns
    -------
    AuditCheck

    Raises
    ------
    RefusedError
        The log cannot be read.
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
    faults = [f"line {place} was altered, or is under another chain key" for place in sorted(altered)]
    faults += _faults_of_order([line.number for line in read], altered)
    faults += _faults_of_chain(lines)
    faults += _faults_of_end(path, chain, lines, altered=altered, torn=bool(torn))
    if noted is not None and noted.lines and (noted.lines not in lines or lines[noted.lines].digest != noted.digest):
        faults.append(f"line {noted.lines} is not the one whose digest was noted: the log was made anew, or put back")
    return AuditCheck(len(whole), tuple(faults))


def _faults_of_order(numbers: list[int], altered: set[int]) -> Iterator[str]:
    present = set(numbers)
    missing = [number for number in range(1, max(present, default=0) + 1) if number not in present]
    if missing := [number for number in missing if number not in altered]:
        yield f"{_lines(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    for before, number in pairwise(numbers):
        if number == before:
            yield f"line {number} stands twice"
        elif number < before:
            yield f"line {number} stands after line {before}: the order was changed"


def _faults_of_chain(lines: "dict[int, Line]") -> Iterator[str]:
    for number, line in sorted(lines.items()):
        before = NO_LINE if number == 1 else lines[number - 1].digest if number - 1 in lines else None
        if before is not None and line.previous != before:
            yield f"line {number - 1} was made anew: line {number} holds the digest of another"


def _faults_of_end(
    path: Path, chain: "Chain", lines: "dict[int, Line]", *, altered: set[int], torn: bool
) -> Iterator[str]:
    try:
        head, _ = read_head(path, chain)
    except RefusedError as error:
        yield f"whether lines are missing at the end cannot be told: {error}"
        return
    last = max(lines, default=0)
    if cut := [number for number in range(last + 1, head.lines + 1) if number not in altered]:
        yield f"{_lines(cut)} cut off at the end"
    elif head.lines and head.lines in lines and lines[head.lines].digest != head.digest:
        yield f"line {head.lines} was made anew: it is not the one that the head was written with"
    # One line more, that follows rightly, is of a writer that was killed before it wrote the head.
    if last > head.lines + 1:
        yield f"{_lines(range(head.lines + 1, last + 1))} were added without the head"
    if torn and last > head.lines:
        yield "text was added behind the last line"


def _lines(numbers: Sequence[int]) -> str:
    """Name lines, runs of them by their ends."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    named = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)
    return f"{'line' if len(numbers) == 1 else 'lines'} {named}"
