"""Files that are there whole or not at all: written beside their place, flushed to disk, then renamed.

Everything written is for its owner only, and nothing is replaced but what an earlier run wrote there. The errors of the
file system while a place is prepared and while what was written is put there become a ProgrammeError that names the
place; those of the caller's own writing stay as they are.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from linkcore.errors import ProgrammeError

__all__ = ["new_file", "new_folder"]


def _nothing(_: Path) -> bool:
    return False


@contextmanager
def new_folder(place: Path, *, ours: Callable[[Path], bool] = _nothing) -> Iterator[Path]:
    """Fill a folder that appears at its place only when it is complete, instead of what an earlier run left there.

    A run that fails or is killed leaves the folder that was there, or none; what it had begun, and what it had set
    aside, lies hidden beside the place until the next run, which puts the folder that was there back.

    Examples
    --------
    >>> import tempfile
    >>> parent = tempfile.TemporaryDirectory()
    >>> out = Path(parent.name) / "out"
    >>> for text in ("first", "second"):
    ...     with new_folder(out, ours=lambda entry: entry.name == "a.txt") as folder:
    ...         _ = (folder / "a.txt").write_text(text)
    >>> (out / "a.txt").read_text()
    'second'
    >>> with new_folder(out, ours=lambda entry: entry.name == "b.txt") as folder:
    ...     pass
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: ...out holds a.txt, which is no output of this command; choose another ...
    >>> parent.cleanup()
    """
    with _refusals(place):
        place = place.resolve()
        if not place.name or place.is_mount():
            raise ProgrammeError(f"{place} cannot be replaced as a whole; choose a folder inside it")
        partial, previous = (_beside(place, state) for state in ("partial", "previous"))
    with _alone(partial, place):
        with _refusals(place):
            _put_back(previous, place)
            _check_replaceable(place, ours)
            for stale in (*partial.iterdir(), previous):
                _remove(stale)
        try:
            yield partial
            with _refusals(place):
                for path in sorted(partial.rglob("*")):
                    path.chmod(0o700 if path.is_dir() else 0o600)
                    _flush(path)
                _flush(partial)
                if place.exists():
                    place.rename(previous)
                partial.rename(place)
                _flush(place.parent)
            # What cannot be deleted now is met again by the next run.
            with suppress(OSError):
                _remove(previous)
        finally:
            with suppress(OSError):
                _put_back(previous, place)


@contextmanager
def new_file(place: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Write a file that appears at its place only when it is complete, instead of what was there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_file(Path(parent) / "a.txt") as file:
    ...         _ = file.write_text("whole")
    ...     (Path(parent) / "a.txt").read_text()
    'whole'
    """
    with _refusals(place):
        place = place.resolve()
        if place.is_dir():
            raise ProgrammeError(f"{place} is a folder, and a file is to be written there; choose another place")
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = _beside(place, "partial")
        _remove(partial)
        partial.touch(mode=mode, exist_ok=False)
        partial.chmod(mode)
    try:
        yield partial
        with _refusals(place):
            _flush(partial)
            partial.replace(place)
            _flush(place.parent)
    finally:
        with suppress(OSError):
            _remove(partial)


@contextmanager
def _alone(partial: Path, place: Path) -> Iterator[None]:
    """Have a folder to oneself, then remove what is left of it: a scheduler may try again while the first try runs."""
    with _refusals(place):
        descriptor = _held(partial)
    if descriptor is None:
        raise ProgrammeError(f"{place} is being written by another run; wait until that has ended, or end it")
    try:
        yield
    finally:
        # Once it was put at its place, another run may have begun its own.
        if _is_at(descriptor, partial):
            with suppress(OSError):
                _remove(partial)
        os.close(descriptor)


def _held(partial: Path) -> int | None:
    """Make a folder, or take over a dead run's, and lock it; give None where another run holds it.

    The lock is the kernel's, and ends with its process, however that ends. Some file systems have none.
    """
    import fcntl

    while True:
        if not partial.is_dir() or partial.is_symlink():
            partial.unlink(missing_ok=True)
        partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            pass
        # In between, whoever held it may have put it at its place, or removed it.
        if _is_at(descriptor, partial):
            os.fchmod(descriptor, 0o700)
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


@contextmanager
def _refusals(place: Path) -> Iterator[None]:
    """Say of what the file system refuses where that was, and what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise ProgrammeError(
            f"{place} cannot be written: a file is where a folder would have to be; choose another place"
        ) from None
    # Of a ring of links, Python 3.11 and 3.12 say RuntimeError.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "it leads back to itself"
        raise ProgrammeError(
            f"{place} cannot be written: {reason}; choose another place, or see to its disk and its permissions"
        ) from None


def _check_replaceable(place: Path, ours: Callable[[Path], bool]) -> None:
    if os.path.lexists(place) and not place.is_dir():
        raise ProgrammeError(f"{place} is a file, and a folder is to be written there; choose another place")
    entries = sorted(place.iterdir()) if place.is_dir() else []
    foreign = [entry.name for entry in entries if not ours(entry)]
    if foreign:
        raise ProgrammeError(
            f"{place} holds {', '.join(foreign[:5])}{' and more' * (len(foreign) > 5)}, which is no output of this "
            "command; choose another folder, or empty this one"
        )


def _beside(place: Path, state: str) -> Path:
    return place.with_name(f".{place.name}.{state}")


def _put_back(previous: Path, place: Path) -> None:
    """Undo the first of two renames where the second did not follow."""
    if previous.is_dir() and not previous.is_symlink() and not os.path.lexists(place):
        previous.rename(place)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
