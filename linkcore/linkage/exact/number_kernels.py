"""The two loops of :mod:`linkcore.linkage.exact.number_index`, compiled.

The table is an array of positions with open addressing and linear probing (Knuth, The Art of Computer Programming 3,
6.4, algorithm L), at most half full. Import it in functions: it takes a third of a second.
"""

from typing import Any, Final

import numpy as np

from linkcore.compiled import compiled

__all__ = ["EMPTY", "fill", "find"]

EMPTY: Final = 0xFFFFFFFF
"""In the table, and for a number that is not there."""

# 2^64 divided by the golden ratio: numbers that differ in their last digits only are spread wide (Knuth, 6.4).
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_ONE: Final = np.uint64(1)


@compiled
def fill(numbers: Any, valid: Any, table: Any, shift: Any) -> None:
    """Put the position of each number into the table; of equal ones the first stays."""
    mask = np.uint64(table.size - 1)
    for at in range(numbers.size):
        if valid[at]:
            place = (np.uint64(numbers[at]) * _SPREAD) >> shift
            while table[place] != EMPTY and numbers[table[place]] != numbers[at]:
                place = (place + _ONE) & mask
            if table[place] == EMPTY:
                table[place] = at


@compiled
def find(wanted: Any, numbers: Any, table: Any, shift: Any, found: Any) -> None:
    """Write the position of each number that is wanted, or ``EMPTY``."""
    mask = np.uint64(table.size - 1)
    for at in range(wanted.size):
        place = (np.uint64(wanted[at]) * _SPREAD) >> shift
        while table[place] != EMPTY and numbers[table[place]] != wanted[at]:
            place = (place + _ONE) & mask
        found[at] = table[place]
