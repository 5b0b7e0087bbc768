"""Write files and folders that appear whole or not at all, and lock folders against other processes.

Output is written beside its place, flushed to disk and renamed. It is readable by its owner only, and replaces nothing
but an earlier run's output. Nothing is written where another user could move it, or let the place lead elsewhere. When
the file system refuses to prepare the place or to rename, a ProgrammeError names the place. Errors in the caller's own
writing pass through unchanged.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from linkcore.errors import ProgrammeError
from linkcore.private_folders import way_to

__all__ = ["anything", "begins_like", "check_place", "earlier_folder", "locked", "new_file", "new_folder"]
__all__ += ["write_json"]

_LONGEST_WAIT: Final = 60.0  # seconds; a lock is held for the time of one small file
_PAUSE: Final = 0.02
_BYTES_OF_A_KIND: Final = 40  # from the first bytes, one can tell a report from a log, a list or a programme file


def _nothing(_: Path) -> bool:
    return False


def anything(_: Path) -> bool:
    """Recognise any file: for a file whose every version the caller has read, or a name that only linkcore uses."""
    return True


def begins_like(content: bytes) -> Callable[[Path], bool]:
    """Recognise the files of one kind: their first bytes, such as the header of an answer, are those of the content.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     begins_like(b"pseudonym,nhs_number")(Path(file.name))
    False
    """
    start = content[:_BYTES_OF_A_KIND]

    def is_alike(place: Path) -> bool:
        if not place.is_file():
            return False
        with place.open("rb") as file:
            return file.read(len(start)) == start

    return is_alike


def write_json(file: Path, content: Mapping[str, object]) -> None:
    r"""Write content as JSON that people can read, in ASCII: no name has power over the terminal that shows the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_json(Path(folder, "a.json"), {"name": "Zo\u00eb"})
    ...     print(Path(folder, "a.json").read_text())
    {
      "name": "Zo\u00eb"
    }
    """
    file.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


@contextmanager
def new_folder(place: Path, *, ours: Callable[[Path], bool] = _nothing) -> Iterator[Path]:
    """Fill a folder that appears at its place only when it is complete, and replaces an earlier run's folder.

    ``ours`` recognises the entries of an earlier run; a folder with any other entry is not replaced. A run that fails
    or is killed leaves the earlier folder, or none. Its unfinished work stays hidden beside the place until the next
    run, which removes it and puts the earlier folder back.

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
    with _named_errors(place):
        place = _settled(place)
        if not place.name or place.is_mount():
            raise ProgrammeError(f"{place} cannot be replaced as a whole; choose a folder inside it")
        partial, previous = (_beside(place, state) for state in ("partial", "previous"))
    with _claimed(partial, place) as claimed:
        with _named_errors(place):
            if previous.is_dir() and not previous.is_symlink():
                _refuse_foreign(previous, previous.lstat())
            _put_back(previous, place)
            _check_replaceable(place, ours)
            for stale in (*partial.iterdir(), previous):
                _remove(stale)
        try:
            yield partial
            with _named_errors(place):
                for path in sorted(partial.rglob("*")):
                    path.chmod(0o700 if path.is_dir() else 0o600)
                    _flush(path)
                _flush(partial)
                if not _is_at(claimed, partial):
                    raise ProgrammeError(
                        f"{place} cannot be written: another process moved what was written for it; choose a folder "
                        "that only you can write to"
                    )
                if place.exists():
                    place.rename(previous)
                partial.rename(place)
                _flush(place.parent)
            # If it cannot be removed now, the next run removes it.
            with suppress(OSError):
                _remove(previous)
        finally:
            with suppress(OSError):
                _put_back(previous, place)


def earlier_folder(place: Path) -> Path:
    """Return where a run keeps the earlier folder while it replaces it; there it stays if the run is killed just then.

    Examples
    --------
    >>> earlier_folder(Path("/team/work")).name
    '.work.previous'
    """
    return _beside(place.resolve(), "previous")


@contextmanager
def new_file(place: Path, *, ours: Callable[[Path], bool] = _nothing, mode: int = 0o600) -> Iterator[Path]:
    """Write a file that appears at its place only when it is complete, and replaces an earlier run's file.

    ``ours`` recognises the file of an earlier run; any other is not replaced. Until the new file is complete, it has no
    name: a run that is killed leaves nothing of it. Where the system has no such files, it is written in a private
    folder beside its place, which the next run clears.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with new_file(Path(parent) / "a.txt") as file:
    ...         _ = file.write_text("whole")
    ...     (Path(parent) / "a.txt").read_text()
    'whole'
    """
    place = check_place(place, ours=ours)
    with _named_errors(place):
        partial = _beside(place, "partial")
    with _claimed(partial, place), ExitStack() as stack:
        named = partial / place.name
        with _named_errors(place):
            for stale in partial.iterdir():
                _remove(stale)
            file = stack.enter_context(_unnamed_file(partial)) or named
            file.touch(mode=mode)
            file.chmod(mode)
        yield file
        with _named_errors(place):
            _flush(file)
            if file != named:
                _give_name(file, named, mode)
            check_place(place, ours=ours)
            named.replace(place)
            _flush(place.parent)


def check_place(place: Path, *, ours: Callable[[Path], bool] = _nothing) -> Path:
    """Return where a file is to be written, links followed; refuse a place that holds anything but an earlier output.

    `new_file` checks the place too. A command that is recorded checks it before it answers.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     check_place(Path(file.name))
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: ... exists, and is no earlier output of this command; choose another place, or ...
    """
    with _named_errors(place):
        place = _settled(place)
        if place.is_dir():
            raise ProgrammeError(f"{place} is a folder, but a file is to be written there; choose another place")
        if os.path.lexists(place) and not ours(place):
            raise ProgrammeError(
                f"{place} exists, and is no earlier output of this command; choose another place, or remove it"
            )
    return place


def _settled(place: Path) -> Path:
    """Follow the links of a place; refuse it if another user could let it lead elsewhere, or move what is written."""
    end, open_at = way_to(place)
    if open_at is None:
        return end
    raise ProgrammeError(
        f"{place} cannot be written: another user can change what {open_at} leads to, and so read or replace what is "
        "written; make it your own and `chmod go-w` it (`chmod +t` if it must stay shared), or choose another place"
    )


def _give_name(unnamed: Path, named: Path, mode: int) -> None:
    """Give a file that is complete its first name, in the private folder."""
    try:
        # Python follows the link to the file only if a folder's descriptor is given; it is not used.
        os.link(unnamed, named, src_dir_fd=0, follow_symlinks=True)
    except OSError:  # some systems make unnamed files, but do not let them have a name
        named.touch(mode=mode)
        named.chmod(mode)
        shutil.copyfile(unnamed, named)
        _flush(named)


@contextmanager
def _unnamed_file(folder: Path) -> Iterator[Path | None]:
    """Open a file without a name, which ends with its process; give None where the system has no such files."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    except (AttributeError, OSError):
        yield None
        return
    try:
        file = Path(f"/proc/self/fd/{descriptor}")
        yield file if file.exists() else None
    finally:
        os.close(descriptor)


@contextmanager
def locked(folder: Path, *, optional: bool = False) -> Iterator[None]:
    """Hold the lock of a folder; other processes that ask for it wait, for at most a minute.

    On a file system without locks this raises OSError, or goes on without one if the lock is ``optional``. Windows has
    no such locks, and there it always goes on without one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(Path(folder)):
    ...     _ = (Path(folder) / "log.txt").write_text("one writer at a time")
    """
    if os.name != "posix":
        yield
        return
    descriptor = _open_folder(folder.resolve())
    try:
        if not _lock(descriptor, wait=_LONGEST_WAIT, optional=optional):
            raise ProgrammeError(f"{folder} is locked by another process; wait until it has ended, or end it")
        yield
    finally:
        os.close(descriptor)


def _open_folder(folder: Path) -> int:
    """Open a folder, and not what a link in its place leads to."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(descriptor: int, *, wait: float = 0, optional: bool) -> bool:
    """Lock an open folder until it is closed; return False if another process holds the lock for so many seconds.

    The lock belongs to the kernel and ends with its process, however that ends.
    """
    import fcntl

    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)
            continue
        except OSError:  # some network file systems have no locks
            if not optional:
                raise
        return True


@contextmanager
def _claimed(partial: Path, place: Path) -> Iterator[int]:
    """Hold the folder in which a run prepares its output, open, then remove what is left of it.

    A scheduler may start a second run while the first is still writing: the second is refused.
    """
    with _named_errors(place):
        descriptor = _claim(partial)
    if descriptor is None:
        raise ProgrammeError(f"{place} is being written by another run; wait until that run has ended, or end it")
    try:
        with _named_errors(place):
            _settled(place)  # again: another user may have made the folders above in the meantime
        yield descriptor
    finally:
        # After the rename, another run may already have made a folder of this name.
        if _is_at(descriptor, partial):
            with suppress(OSError):
                _remove(partial)
        os.close(descriptor)


def _claim(partial: Path) -> int | None:
    """Make a folder, or take over a dead run's, and lock it; return None if another run holds it."""
    while True:
        if not partial.is_dir() or partial.is_symlink():
            partial.unlink(missing_ok=True)
        is_new = True
        try:
            partial.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            is_new = False
        descriptor = _open_folder(partial)
        with ExitStack() as stack:
            stack.callback(os.close, descriptor)
            # Some network file systems give what a process makes to another user, so what is new is not looked at.
            if not is_new:
                _refuse_foreign(partial, os.fstat(descriptor))
            if not _lock(descriptor, optional=True):
                return None
            # Between opening and locking, the run that held the folder may have renamed or removed it.
            if _is_at(descriptor, partial):
                os.fchmod(descriptor, 0o700)
                stack.pop_all()
                return descriptor


def _refuse_foreign(place: Path, found: os.stat_result) -> None:
    """Refuse what another user prepared where a run keeps its unfinished work, or can alter."""
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        raise ProgrammeError(
            f"{place} belongs to another user, or others can write to it: it would be taken for the work of an "
            "earlier run; remove it, or choose another place"
        )


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to the folder that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


@contextmanager
def _named_errors(place: Path) -> Iterator[None]:
    """Turn the file system's errors into ProgrammeErrors that name the place and say what to do."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise ProgrammeError(
            f"{place} cannot be written: a file is where a folder would have to be; choose another place"
        ) from None
    # For links that lead back to themselves, Python 3.11 and 3.12 raise RuntimeError.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its links lead back to itself"
        raise ProgrammeError(
            f"{place} cannot be written: {reason}; choose another place, or check its disk and its permissions"
        ) from None


def _check_replaceable(place: Path, ours: Callable[[Path], bool]) -> None:
    """Check that a folder holds nothing but the output of earlier runs."""
    if os.path.lexists(place) and not place.is_dir():
        raise ProgrammeError(f"{place} is a file, but a folder is to be written there; choose another place")
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
    """Undo the first of the two renames if the second did not follow."""
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
