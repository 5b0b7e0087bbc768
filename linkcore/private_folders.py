"""Whether files and folders are safe from the other users of the machine."""

import os
import stat
from pathlib import Path

__all__ = ["is_private", "others_can_write"]


def is_private(path: Path) -> bool:
    """Whether no other user, except root, can change what a path leads to, now or by moving a folder or a link above.

    Each folder and link on the way must belong to root or to the user. Others may write to a folder only if they cannot
    reach it, or if it lies above and has the sticky bit, as ``/tmp`` has. Windows has no such modes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     inner = Path(folder, "cache")
    ...     inner.mkdir(mode=0o700)
    ...     is_private(inner)
    True
    """
    if os.name != "posix":
        return True
    path, in_reach = path.absolute(), True
    for place in (*reversed(path.parents), path):
        found = place.lstat()
        if found.st_uid not in {0, os.geteuid()}:
            return False
        if stat.S_ISLNK(found.st_mode):
            return is_private(place.parent / place.readlink() / path.relative_to(place))
        is_sticky = place != path and found.st_mode & stat.S_ISVTX
        if in_reach and found.st_mode & 0o022 and not is_sticky:
            return False
        in_reach = in_reach and bool(found.st_mode & 0o011)
    return True


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
    status = path.stat()
    mode = status.st_mode
    if not stat.S_ISDIR(mode):
        return status.st_uid not in (0, os.geteuid()) or bool(mode & 0o022)
    by_group = bool(mode & 0o020) and not _is_of_own_users(status.st_gid)
    return (by_group or bool(mode & 0o002)) and not mode & stat.S_ISVTX


def _is_of_own_users(group: int) -> bool:
    """Whether a group has no members but this user and root, as the group of its own that Linux gives a user."""
    import grp
    import pwd

    try:
        named = grp.getgrgid(group).gr_mem
    except KeyError:
        named = []
    primary = [user.pw_name for user in pwd.getpwall() if user.pw_gid == group]
    own = [user.pw_name for user in pwd.getpwall() if user.pw_uid in (0, os.geteuid())]
    return {*named, *primary} <= set(own)
