"""Keep the keys and identifiers in memory from core dumps, and from other processes of the same user."""

import sys
from typing import Final

__all__ = ["close_memory"]

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def close_memory() -> None:
    """Switch off core dumps of this process and, on Linux, reading its memory and attaching to it (ptrace).

    Root can still do both. A program that the process starts is not closed: it holds none of its memory. In ``/proc``,
    the process may no longer open its own ``environ``, ``mem``, ``io`` and ``auxv``, unless it is root; nothing here
    needs them, and what lies in ``/proc/self/fd`` opens as before. Other systems do what they can, without an error.
    """
    if sys.platform == "win32":
        return
    import ctypes
    import resource

    # Where a core dump goes to another program, only prctl switches it off.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
