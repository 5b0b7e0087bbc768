"""How fast a column of NHS Numbers becomes a column of pseudonyms, beside the other ways to do it in Python.

Ratios are what to read: each is the median of pairs taken one after the other, so that a busy machine slows both. They
are printed (``pytest benches -s``) and stored in the benchmark's ``extra_info``.

What binds the kernel, with AVX-512: the two compressions of 16 pseudonyms are about 3,200 vector instructions, of which
1,270 are rotations and shifts. A Zen 4 core starts two 512-bit instructions a cycle, one of them a rotation or a shift,
so 1,600 cycles are the least. The bare kernel takes about 1,920 (120 cycles a pseudonym, 33 ns at 3.6 GHz); reading,
padding, spelling and writing add about a tenth.
"""

import hmac
import statistics
import time
from collections.abc import Callable

import duckdb
import polars as pl
import pytest
from numba import njit
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.pseudonyms import kernels
from linkcore.pseudonyms.columns import hash_array, lanes_of_host
from linkcore.pseudonyms.keys import Key

MATERIAL = bytes(range(32))
STAGE = Key.from_bytes("bench", MATERIAL)._midstates
PAIRS = 7


@pytest.fixture(scope="module")
def numbers(request: pytest.FixtureRequest) -> pl.Series:
    """The people of one Integrated Care System; few of them where the benches are only tried out."""
    people = 12_000 if request.config.getoption("benchmark_disable") else 1_200_000
    return pl.Series("nhs_number", range(9_000_000_000, 9_000_000_000 + people)).cast(pl.String)


def pseudonyms(numbers: pl.Series, threads: int) -> pl.Series:
    """What `pseudonymise` does of a column in one chunk, with a number of threads that can be chosen."""
    array = numbers.to_arrow(compat_level=pl.CompatLevel.newest())
    return pl.Series(numbers.name, hash_array(array, [STAGE], threads=threads))


def hmac_loop(numbers: pl.Series, _threads: int) -> object:
    return pl.Series([hmac.digest(MATERIAL, number.encode(), "sha256").hex()[:32] for number in numbers])


def duckdb_sha256(numbers: pl.Series, threads: int) -> object:
    """A plain hash without a key: half the work."""
    frame = numbers.to_frame()  # noqa: F841 -- DuckDB finds it by its name
    with duckdb.connect(config={"threads": threads}) as connection:
        return connection.sql("SELECT sha256(nhs_number)[:32] AS pseudonym FROM frame").pl()


def polars_hash(numbers: pl.Series, _threads: int) -> object:
    """A Polars plugin. Its key shows in the plan."""
    pytest.importorskip("polars_hash")
    hashed = pl.first().chash.hmac_sha256(key=MATERIAL.decode())  # type: ignore[attr-defined]
    return numbers.to_frame().select(hashed.str.head(32))


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _bare(lanes: tuple[None, ...], views: int, midstates: int, state: int, rows: int) -> None:
    for first in range(0, rows, len(lanes)):
        kernels._hash_views(lanes, views + 16 * first, midstates, state)
        kernels._hash_words(lanes, state, midstates + 32, state)


def bare_kernel(numbers: pl.Series, _threads: int) -> None:
    """The two compressions on one core, each result written over the one before."""
    import numpy as np

    lanes, midstates = lanes_of_host(), np.array(STAGE.reveal(), np.uint32)
    state = np.empty(8 * lanes, np.uint32)
    views = numbers.to_arrow(compat_level=pl.CompatLevel.newest()).buffers()[1]
    _bare((None,) * lanes, views.address, midstates.ctypes.data, state.ctypes.data, numbers.len())


def one_core(numbers: pl.Series, _threads: int) -> object:
    return pseudonyms(numbers, 1)


Way = Callable[[pl.Series, int], object]


def seconds(way: Way, numbers: pl.Series, threads: int) -> float:
    start = time.perf_counter()
    way(numbers, threads)
    return time.perf_counter() - start


@pytest.mark.parametrize("peer", [hmac_loop, duckdb_sha256, polars_hash, bare_kernel, one_core])
@pytest.mark.parametrize("threads", [1, 2])
def test_column_to_column(benchmark: BenchmarkFixture, numbers: pl.Series, threads: int, peer: Way) -> None:
    for way in (pseudonyms, peer):
        way(numbers[:960], threads)  # compiled, imported, connected once
    pairs = [(seconds(peer, numbers, threads), seconds(pseudonyms, numbers, threads)) for _ in range(PAIRS)]
    faster = statistics.median(theirs / ours for theirs, ours in pairs)
    millions = numbers.len() / 1e6 / min(ours for _, ours in pairs)
    benchmark.extra_info.update({f"times as fast as {peer.__name__}": faster, "millions a second": millions})
    print(f"{threads} threads: {millions:.1f} million a second, {faster:.2f} times as fast as {peer.__name__}")  # noqa: T201
    benchmark.pedantic(pseudonyms, (numbers, threads), rounds=PAIRS)  # type: ignore[no-untyped-call]
