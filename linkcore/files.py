"""Files that are there whole or not at all: written beside their place, flushed to disk, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from linkcore.errors import ProgrammeError

__all__ = ["new_file", "new_folder"]


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Fill a folder that appears at its place only when it is complete, instead of what was there.

    A run that is killed leaves the folder that was there, or none; what it had begun lies hidden beside it until the
    next run removes it.

    Parameters
    ----------
    place : pathlib.Path
        Where the folder will be; its parents are made. One writer at a time.

    Yields
    ------
    pathlib.Path
        An empty private folder (0700) to write to.

    Raises
    ------
    ProgrammeError
        If something that is no folder stands at the place.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_folder(Path(parent) / "out") as folder:
    ...         _ = (folder / "a.txt").write_text("whole")
    ...     (Path(parent) / "out" / "a.txt").read_text()
    'whole'
    """
    if place.exists() and not place.is_dir():
        raise ProgrammeError(f"{place} is a file, and a folder is to be written there; choose another place")
    partial, previous = (place.with_name(f".{place.name}.{state}") for state in ("partial", "previous"))
    for stale in (partial, previous):
        shutil.rmtree(stale, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    try:
        yield partial
        for path in sorted(partial.rglob("*")):
            _flush(path)
        _flush(partial)
        if place.exists():
            place.rename(previous)
        partial.rename(place)
        _flush(place.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def new_file(place: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Write a file that appears at its place only when it is complete, instead of what was there.

    Parameters
    ----------
    place : pathlib.Path
        Where the file will be; its parents are made. One writer at a time.
    mode : int
        Its permissions, from the first byte on.

    Yields
    ------
    pathlib.Path
        An empty file to write to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_file(Path(parent) / "a.txt") as file:
    ...         _ = file.write_text("whole")
    ...     (Path(parent) / "a.txt").read_text()
    'whole'
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        partial.touch(mode=mode, exist_ok=False)
        partial.chmod(mode)
        yield partial
        _flush(partial)
        partial.replace(place)
        _flush(place.parent)
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
