"""Whether files and folders are safe from the other users of the machine."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

__all__ = ["Way", "is_private", "open_place", "others_can_write", "way_to"]


class Way(NamedTuple):
    """Where a path leads once its links are followed, and the first place on the way that another user can change."""

    end: Path
    open_at: Path | None


def way_to(path: Path) -> Way:
    """Follow a path, folder by folder, and look at each folder and link above its end, and at a link at its end.

    Each must belong to root or to the user. Others may write to a folder only if they cannot reach it, or if it has the
    sticky bit, as ``/tmp`` has. What does not exist yet is nobody's. Windows has no such modes.

    Each link is looked at before it is followed. So, if no place is open, other users cannot let the path lead
    elsewhere, now or later.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     way_to(Path(folder, "a", "..", "answer.csv")).end == Path(folder, "answer.csv").resolve()
    True
    """
    if os.name != "posix":
        return Way(path.resolve(), None)
    path, in_reach, open_at = path.absolute(), True, None
    for place in (*reversed(path.parents), path):
        try:
            found = place.lstat()
        except FileNotFoundError:
            break
        is_link = stat.S_ISLNK(found.st_mode)
        if place == path and not is_link:
            break
        is_sticky = bool(found.st_mode & stat.S_ISVTX)
        if _is_of_another(found) or (in_reach and not is_link and not is_sticky and _others_write(found)):
            open_at = open_at or place
        if is_link:
            end, beyond = way_to(place.parent / place.readlink() / path.relative_to(place))
            return Way(end, open_at or beyond)
        in_reach = in_reach and bool(found.st_mode & 0o011)
    return Way(Path(os.path.normpath(path)), open_at)


def is_private(path: Path) -> bool:
    """Whether no other user, except root, can change what a path leads to, now or by moving a folder or a link above.

    The sticky bit does not make the end of the path private: others may add to such a folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     inner = Path(folder, "cache")
    ...     inner.mkdir(mode=0o700)
    ...     is_private(inner)
    True
    """
    return open_place(path) is None


def open_place(path: Path) -> Path | None:
    """Return the first folder, link or file through which another user can change what a path leads to."""
    end, open_at = way_to(path)
    if open_at is not None or os.name != "posix":
        return open_at
    found = end.stat()
    # Below a folder that others cannot enter, its mode does not matter.
    in_reach = all(above.stat().st_mode & 0o011 for above in end.parents)
    return end if _is_of_another(found) or (in_reach and _others_write(found)) else None


def others_can_write(path: Path) -> bool:
    """Whether another user than root may change this file, or replace what is in this folder (POSIX only).

    A folder with the sticky bit, such as ``/tmp``, does not count: in it, users replace only what is their own.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     others_can_write(Path(folder))
    False
    """
    if os.name != "posix":
        return False
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        return _is_of_another(found) or bool(found.st_mode & 0o022)
    return _others_write(found) and not found.st_mode & stat.S_ISVTX


def _is_of_another(found: os.stat_result) -> bool:
    return found.st_uid not in {0, os.geteuid()}


def _others_write(found: os.stat_result) -> bool:
    """Whether a mode lets other users write; the group counts if it has other members."""
    by_group = bool(found.st_mode & 0o020) and not _is_of_own_users(found.st_gid)
    return by_group or bool(found.st_mode & 0o002)


def _is_of_own_users(group: int) -> bool:
    """Whether a group has no members but this user and root, as the group of its own that Linux gives a user."""
    import grp
    import pwd

    try:
        named = grp.getgrgid(group).gr_mem
    except KeyError:
        if group not in {os.getegid(), *os.getgroups()}:
            return False  # nobody knows who is in it
        named = []
    primary = [user.pw_name for user in pwd.getpwall() if user.pw_gid == group]
    own = [user.pw_name for user in pwd.getpwall() if user.pw_uid in (0, os.geteuid())]
    return {*named, *primary} <= set(own)
