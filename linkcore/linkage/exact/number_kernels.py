"""The two compiled loops of :mod:`linkcore.linkage.exact.number_index`.

The table is an array of positions with open addressing and linear probing (Knuth, The Art of Computer Programming 3,
6.4, algorithm L), at most half full. Importing this module takes a third of a second: import it in functions.
"""

from typing import Any, Final

import numpy as np
from numba import njit

__all__ = ["EMPTY", "fill", "find"]

EMPTY: Final = 0xFFFFFFFF
"""An empty place in the table; also the position of a number that is not in the table."""

# 2^64 divided by the golden ratio spreads numbers that differ only in their last digits (Knuth, 6.4).
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_ONE: Final = np.uint64(1)


def _compiled(function: Any) -> Any:
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no directory can be written to
        return njit(nogil=True)(function)


@_compiled
def fill(numbers: Any, valid: Any, table: Any, shift: Any) -> None:
    """Put the position of each number into the table; of equal numbers, the first position."""
    mask = np.uint64(table.size - 1)
    for i in range(numbers.size):
        if valid[i]:
            place = (np.uint64(numbers[i]) * _SPREAD) >> shift
            while table[place] != EMPTY and numbers[table[place]] != numbers[i]:
                place = (place + _ONE) & mask
            if table[place] == EMPTY:
                table[place] = i


@_compiled
def find(wanted: Any, numbers: Any, table: Any, shift: Any, found: Any) -> None:
    """Write the position of each wanted number into ``found``, or ``EMPTY``."""
    mask = np.uint64(table.size - 1)
    for i in range(wanted.size):
        place = (np.uint64(wanted[i]) * _SPREAD) >> shift
        while table[place] != EMPTY and numbers[table[place]] != wanted[i]:
            place = (place + _ONE) & mask
        found[i] = table[place]
