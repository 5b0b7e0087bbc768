"""Compile functions with Numba, and keep the machine code on disk where that is possible and safe."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from linkcore.private_folders import is_private

__all__ = ["compiled"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function when it is first called.

    The machine code is kept in the folder that ``NUMBA_CACHE_DIR`` names, else beside the function's file, else in the
    user's cache folder, else only in memory. Whoever can write to that folder can run code as its user. So a folder
    that other users can write to, or could replace, is passed over.

    The machine code holds every global that the function reads, so a key is always an argument and never a global.

    Numba takes a third of a second to import: import the modules that use this inside functions. The function never
    runs with ``parallel=True``, because Numba's own threads abort the process when two Python threads start them.
    """
    from numba import config, njit

    if config.DISABLE_JIT:  # Numba is told to run everything as Python
        return function
    for folder in (lambda: config.CACHE_DIR, _own_folder):
        with _kept_in(folder()):
            try:
                kernel = njit(nogil=True, error_model="numpy", cache=True)(function)
            except RuntimeError:  # no folder can be written to
                continue
        if _is_safe(Path(kernel.stats.cache_path), function.__name__):
            safe: Callable[_P, _R] = kernel
            return safe
    in_memory: Callable[_P, _R] = njit(nogil=True, error_model="numpy")(function)
    return in_memory


def _own_folder() -> str:
    """Make the user's own folder for machine code; empty if there cannot be one."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "linkcore"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # expanduser raises the second where there is no home
        return ""
    return str(folder)


@contextmanager
def _kept_in(folder: str) -> Iterator[None]:
    """Tell Numba where to keep what is compiled meanwhile; empty for its own choice."""
    from numba import config

    before, config.CACHE_DIR = config.CACHE_DIR, folder
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _is_safe(folder: Path, name: str) -> bool:
    """Whether only this user and root can have written a function's machine code in a folder."""
    try:
        return is_private(folder) and all(map(is_private, folder.glob(f"*{name}-*.nb[ic]")))
    except OSError:
        return False
