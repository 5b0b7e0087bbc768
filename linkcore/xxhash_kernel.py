"""XXH64 of many texts at once, compiled (specification: github.com/Cyan4973/xxHash, doc/xxhash_spec.md, version 0.2.0).

Importing this module takes a third of a second: import it in functions.
"""

from typing import Any, Final

import numpy as np

from linkcore.compiled import compiled

__all__ = ["hash_parts"]

_P1: Final = np.uint64(0x9E3779B185EBCA87)
_P2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_P3: Final = np.uint64(0x165667B19E3779F9)
_P4: Final = np.uint64(0x85EBCA77C2B2AE63)
_P5: Final = np.uint64(0x27D4EB2F165667C5)
_ZERO: Final = np.uint64(0)


@compiled
def _rotated(value: Any, bits: Any) -> Any:
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@compiled
def _number(data: Any, start: Any, size: Any) -> Any:
    """Read a number of so many bytes, the lowest first."""
    number = _ZERO
    for i in range(size):
        number |= np.uint64(data[start + i]) << np.uint64(8 * i)
    return number


@compiled
def _mixed(lane: Any, number: Any) -> Any:
    return _rotated(lane + number * _P2, 31) * _P1


@compiled
def _merged(total: Any, lane: Any) -> Any:
    return (total ^ _mixed(_ZERO, lane)) * _P1 + _P4


@compiled
def hash_parts(data: Any, ends: Any, seed: Any, hashes: Any) -> None:
    """Write the XXH64 of each part of ``data``; part i ends before ``ends[i]``, where part i + 1 begins."""
    place = 0
    for i in range(ends.size):
        end = ends[i]
        length = np.uint64(end - place)
        if end - place >= 32:
            one, two, three, four = seed + _P1 + _P2, seed + _P2, seed, seed - _P1
            while place + 32 <= end:
                one = _mixed(one, _number(data, place, 8))
                two = _mixed(two, _number(data, place + 8, 8))
                three = _mixed(three, _number(data, place + 16, 8))
                four = _mixed(four, _number(data, place + 24, 8))
                place += 32
            total = _rotated(one, 1) + _rotated(two, 7) + _rotated(three, 12) + _rotated(four, 18)
            total = _merged(_merged(_merged(_merged(total, one), two), three), four)
        else:
            total = seed + _P5
        total += length
        while place + 8 <= end:
            total = _rotated(total ^ _mixed(_ZERO, _number(data, place, 8)), 27) * _P1 + _P4
            place += 8
        if place + 4 <= end:
            total = _rotated(total ^ (_number(data, place, 4) * _P1), 23) * _P2 + _P3
            place += 4
        while place < end:
            total = _rotated(total ^ (np.uint64(data[place]) * _P5), 11) * _P1
            place += 1
        total = (total ^ (total >> np.uint64(33))) * _P2
        total = (total ^ (total >> np.uint64(29))) * _P3
        hashes[i] = total ^ (total >> np.uint64(32))
