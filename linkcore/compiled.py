"""Compile functions with Numba, and keep the machine code on disk where that is possible."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["compiled"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function when it is first called.

    The machine code is kept beside the function's file, else in the user's cache folder, else only in memory. It holds
    every global that the function reads, so a key is always an argument and never a global.

    Numba takes a third of a second to import: import the modules that use this inside functions. The function never
    runs with ``parallel=True``, because Numba's own threads abort the process when two Python threads start them.
    """
    from numba import njit

    try:
        kernel: Callable[_P, _R] = njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # neither folder can be written to
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel
