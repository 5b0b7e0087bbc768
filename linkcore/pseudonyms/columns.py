"""Hash Arrow columns with the kernel: pass it the buffers, run it in threads, and test that its answers are right."""

import functools
import hmac
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import llvmlite.binding
import numpy as np
import polars as pl
import pyarrow as pa

from linkcore.errors import LinkcoreError
from linkcore.keys.key import midstates
from linkcore.keys.secret import Secret
from linkcore.pseudonyms.kernels import INLINE, Column, Lanes, Pseudonyms, Stages, hash_rows

__all__ = ["MOST_ROWS", "SHA_INSTRUCTIONS", "VECTORS", "hash_array", "lanes_of_host", "lanes_that_run"]

VECTORS: Final[tuple[Lanes, ...]] = ((None,) * 4, (None,) * 8, (None,) * 16)
"""The messages that can be hashed side by side in vectors, on any processor."""

SHA_INSTRUCTIONS: Final[Lanes] = (True,) * 4
"""The messages that take turns where the processor has instructions for SHA-256."""

MOST_ROWS: Final = 1 << 24
"""Most rows of one array: offsets have 32 bits, and a row of output has up to 64 bytes."""

_SLICE: Final = 1 << 16  # rows that a thread hashes at a time: a few milliseconds of work
_FEW: Final = 3  # slices that are not worth a thread; a streaming engine sends no larger pieces and has its own threads

Midstates = Secret[tuple[int, ...]]


@functools.cache
def _features() -> frozenset[str]:
    """Return the features that this processor has and Numba compiles for, which its settings can make fewer."""
    from numba.core.registry import cpu_target

    try:
        host = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know this processor
        return frozenset()
    *_, compiled_for = cpu_target.target_context.codegen().magic_tuple()
    return frozenset(name for name, has in host.items() if has and f"+{name}" in compiled_for.split(","))


def lanes_that_run() -> tuple[Lanes, ...]:
    """Return the ways to hash that this processor has: vectors of each width, and its own instructions, if any.

    Examples
    --------
    >>> set(VECTORS) <= set(lanes_that_run())
    True
    """
    return (*VECTORS, SHA_INSTRUCTIONS) if {"sha", "sha2"} & _features() else VECTORS


def lanes_of_host() -> Lanes:
    """Return the fastest way to hash that this processor has.

    Numba's settings (``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES``) can choose another way.

    Examples
    --------
    >>> lanes_of_host() in lanes_that_run()
    True
    """
    if "avx512f" in _features():
        return VECTORS[2]
    if SHA_INSTRUCTIONS in lanes_that_run():
        return SHA_INSTRUCTIONS
    return VECTORS[1] if "avx2" in _features() else VECTORS[0]


def hash_array(
    array: pa.Array,
    stages: Sequence[Midstates],
    *,
    width: int = 32,
    hexadecimal: bool = True,
    threads: int = 1,
    lanes: Lanes | None = None,
) -> pa.Array:
    """Hash each row of an Arrow array under several keys in turn.

    Each further key hashes the 32 lower-case hex digits of the leftmost 128 bits that the key before it returned.

    Examples
    --------
    The second test case of RFC 4231, cut to its leftmost 128 bits:

    >>> text = pa.array(["what do ya want for nothing?", None], pa.string_view())
    >>> hash_array(text, [midstates(Secret(b"Jefe"))]).to_pylist()
    ['5bdcc146bf60754e6a042426089575c7', None]
    """
    lanes = lanes or lanes_of_host()
    assert lanes in lanes_that_run(), "LLVM would end the process"
    _check_answers(lanes, os.getpid())
    return _hash_array(array, stages, width=width, hexadecimal=hexadecimal, threads=threads, lanes=lanes)


def _hash_array(
    array: pa.Array, stages: Sequence[Midstates], *, width: int, hexadecimal: bool, threads: int, lanes: Lanes
) -> pa.Array:
    assert array.type in (pa.string_view(), pa.int64(), pa.uint64()), "the kernel reads nothing else"
    kind, rows = pa.string_view() if hexadecimal else pa.binary_view(), len(array)
    if rows == 0:
        return pa.array([], kind)
    numeric = array.type != pa.string_view()
    validity, values, *buffers = array.buffers()
    addresses = np.array([buffer.address for buffer in buffers], np.int64)
    words = Secret(np.array([secret.reveal() for secret in stages], np.uint32))
    if array.null_count == 0:
        validity = None
    elif array.offset:  # shift the bitmap so that the first row is the first bit of a byte
        validity = array.is_valid().buffers()[1]
    data = [pa.allocate_buffer(rows * width)] if width > INLINE else []
    views = pa.allocate_buffer(rows * 16)
    # Only addresses: a traceback may show the local variables of a frame.
    column = Column(
        values=values.address + array.offset * (8 if numeric else 16),
        numeric=numeric,
        validity=validity.address if validity else 0,
        buffers=addresses.ctypes.data,
    )
    keys = Stages(words.reveal().ctypes.data, len(stages))
    pseudonyms = Pseudonyms(data[0].address if data else 0, views.address, width, hexadecimal)

    def hash_slice(begin: int) -> None:
        hash_rows(lanes, column, keys, pseudonyms, begin, min(begin + _SLICE, rows))

    begins = range(0, rows, _SLICE)
    if threads == 1 or len(begins) <= _FEW:
        for begin in begins:
            hash_slice(begin)
    else:
        with ThreadPoolExecutor(min(threads, len(begins))) as pool:
            list(pool.map(hash_slice, begins))
    return pa.Array.from_buffers(kind, rows, [validity, views, *data], array.null_count)


# RFC 4231, test cases 1, 2 and 7: key, text, digest.
_ANSWERS: Final = (
    (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (
        b"\xaa" * 131,
        "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
        "hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
)


@functools.cache
def _check_answers(lanes: Lanes, _process: int) -> None:
    """Refuse to run if the kernel is wrong, which would break every join unnoticed; checked once in each process."""
    rows, newest = len(lanes) + 1, pl.CompatLevel.newest()  # one full group of lanes, and one that is not full
    answer = functools.partial(_hash_array, threads=1, lanes=lanes)
    wrong = 0
    for key, text, digest in _ANSWERS:
        texts, numbers = (pl.Series([value] * rows).to_arrow(compat_level=newest) for value in (text, 12345678))
        of_number = hmac.digest(key, b"0012345678", "sha256").hex()
        twice = hmac.digest(key, digest[:32].encode(), "sha256").hex()
        stage = midstates(Secret(key))
        wrong += answer(texts, [stage], width=64, hexadecimal=True).to_pylist() != [digest] * rows
        wrong += answer(texts, [stage], width=32, hexadecimal=False).to_pylist() != [bytes.fromhex(digest)] * rows
        wrong += answer(texts, [stage, stage], width=32, hexadecimal=True).to_pylist() != [twice[:32]] * rows
        wrong += answer(numbers, [stage], width=32, hexadecimal=True).to_pylist() != [of_number[:32]] * rows
    if wrong:
        raise LinkcoreError(
            "the hash kernel gives wrong answers on this machine, so nothing was pseudonymised: clear Numba's cache "
            "(__pycache__, NUMBA_CACHE_DIR) and try again; if it fails again, report it"
        )
