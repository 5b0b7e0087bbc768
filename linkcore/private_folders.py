"""Whether a folder is safe from the other users of the machine."""

import os
import stat
from pathlib import Path

__all__ = ["is_private"]


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
