"""How fast a column of NHS Numbers becomes a column of pseudonyms, compared with other ways to do it in Python.

Read the ratios: each is the median of pairs measured one after the other, so a busy machine slows both. They are
printed (``pytest benches -s``) and stored in the benchmark's ``extra_info``.

The limit of the kernel with AVX-512: the two compressions of 16 pseudonyms are about 3,200 vector instructions, of
which 1,270 are rotations and shifts. A Zen 4 core starts two 512-bit instructions a cycle, one of them a rotation or a
shift. So the least is 1,600 cycles, 800 for each compression. `test_cycles_a_compression` measures the bare kernel by a
clock that it derives from a chain of dependent instructions: about 970 cycles, 5/6 of what the ports can do. From
column to column, reading, padding, spelling and writing add about a tenth. Such a core could be at most 1.3 times as
fast; only fewer instructions or other ports could give more.

The limit with SHA-NI: 32 instructions for the rounds of each message, one every two cycles, so 256 cycles for each
compression of four. The bare kernel takes about 270. The benches of it compile for a processor with SHA-NI and AVX2
alone, whatever else this one has.
"""

import functools
import hashlib
import hmac
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pytest
from numba import njit
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.keys.key import Key
from linkcore.pseudonyms import kernels
from linkcore.pseudonyms.columns import SHA_INSTRUCTIONS, VECTORS, hash_array, lanes_of_host, lanes_that_run

MATERIAL = hashlib.sha256(b"a key of the tests").digest()
STAGE = Key.from_bytes("bench", MATERIAL)._midstates
PAIRS = {1_200_000: 7, 10_000_000: 3}
"""How often each pair is timed, by the number of people: those of one ICS, and ten million."""


@pytest.fixture(scope="module", params=PAIRS, ids="{:_} people".format)
def numbers(request: pytest.FixtureRequest) -> pl.Series:
    """Return NHS Numbers as text; only a few if nothing is timed."""
    people = 12_000 if request.config.getoption("benchmark_disable") else request.param
    return pl.Series("nhs_number", range(9_000_000_000, 9_000_000_000 + people)).cast(pl.String)


def pseudonyms(numbers: pl.Series, threads: int, lanes: kernels.Lanes | None = None) -> pl.Series:
    """Do what `pseudonymise` does with a column in one chunk, with this number of threads."""
    array = numbers.to_arrow(compat_level=pl.CompatLevel.newest())
    return pl.Series(numbers.name, hash_array(array, [STAGE], threads=threads, lanes=lanes))


def hmac_loop(numbers: pl.Series, _threads: int) -> pl.Series:
    return pl.Series([hmac.digest(MATERIAL, number.encode(), "sha256").hex()[:32] for number in numbers])


def pandas_map(numbers: pl.Series, _threads: int) -> object:
    """Do what most notebooks do. The column is in pandas already, and stays there."""
    return _in_pandas(numbers.len()).map(lambda number: hmac.digest(MATERIAL, number.encode(), "sha256").hex()[:32])


@functools.lru_cache(maxsize=1)
def _in_pandas(people: int) -> Any:
    pd = pytest.importorskip("pandas")
    return pd.Series([str(number) for number in range(9_000_000_000, 9_000_000_000 + people)], dtype=object)


def duckdb_sha256(numbers: pl.Series, threads: int) -> object:
    """Make plain hashes without a key: half the work."""
    frame = numbers.to_frame()  # noqa: F841 -- DuckDB finds it by its name
    with duckdb.connect(config={"threads": threads}) as connection:
        return connection.sql("SELECT sha256(nhs_number)[:32] AS pseudonym FROM frame").pl()


def polars_hash(numbers: pl.Series, _threads: int) -> object:
    """Use a Polars plugin, whose key shows in the plan, and is a text: here as long as a block of SHA-256."""
    pytest.importorskip("polars_hash")
    hashed = pl.first().chash.hmac_sha256(key=MATERIAL.hex())  # type: ignore[attr-defined]
    return numbers.to_frame().select(hashed.str.head(32))


@njit(nogil=True)  # type: ignore[untyped-decorator]
def _bare(lanes: kernels.Lanes, views: int, midstates: int, state: int, rows: int) -> None:
    for first in range(0, rows, len(lanes)):
        kernels._hash_views(lanes, views + 16 * first, midstates, state)
        kernels._hash_words(lanes, state, midstates + 32, state)


def bare_kernel(numbers: pl.Series, _threads: int, lanes: kernels.Lanes | None = None) -> None:
    """Run the two compressions on one core; each result overwrites the one before."""
    import numpy as np

    lanes, midstates = lanes or lanes_of_host(), np.array(STAGE.reveal(), np.uint32)
    state = np.empty(8 * len(lanes), np.uint32)
    views = numbers.to_arrow(compat_level=pl.CompatLevel.newest()).buffers()[1]
    _bare(lanes, views.address, midstates.ctypes.data, state.ctypes.data, numbers.len())


def register_duckdb(numbers: pl.Series, threads: int) -> object:
    """Use linkcore's function in SQL: DuckDB passes 2,048 rows at a time, under Python's lock."""
    frame = numbers.to_frame()  # noqa: F841 -- DuckDB finds it by its name
    with duckdb.connect(config={"threads": threads}) as connection:
        lc.register_duckdb(connection, Key.from_bytes("bench", MATERIAL))
        return connection.sql("SELECT pseudonymise(nhs_number) AS pseudonym FROM frame").pl()


def one_core(numbers: pl.Series, _threads: int) -> object:
    return pseudonyms(numbers, 1)


Way = Callable[[pl.Series, int], object]


def seconds(way: Way, numbers: pl.Series, threads: int) -> float:
    start = time.perf_counter()
    way(numbers, threads)
    return time.perf_counter() - start


def pairs_of(numbers: pl.Series) -> int:
    return PAIRS.get(numbers.len(), 1)


SLOW = (hmac_loop, pandas_map)


@pytest.mark.parametrize(
    "peer", [hmac_loop, pandas_map, duckdb_sha256, polars_hash, register_duckdb, bare_kernel, one_core]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_column_to_column(benchmark: BenchmarkFixture, numbers: pl.Series, threads: int, peer: Way) -> None:
    if peer in SLOW and threads == 2 and numbers.len() > 5_000_000:
        pytest.skip("the loop uses one thread, and takes minutes")
    for way in (pseudonyms, peer):
        way(numbers[:960], threads)  # compile, import and connect once
    pairs = [(seconds(peer, numbers, threads), seconds(pseudonyms, numbers, threads)) for _ in range(pairs_of(numbers))]
    faster = statistics.median(theirs / ours for theirs, ours in pairs)
    millions = numbers.len() / 1e6 / min(ours for _, ours in pairs)
    benchmark.extra_info.update({f"times as fast as {peer.__name__}": faster, "millions a second": millions})
    print(f"{threads} threads: {millions:.1f} million a second, {faster:.2f} times as fast as {peer.__name__}")  # noqa: T201
    benchmark.pedantic(pseudonyms, (numbers, threads), rounds=pairs_of(numbers))  # type: ignore[no-untyped-call]


@pytest.mark.ratio
def test_beside_the_loop(benchmark: BenchmarkFixture, check_ratio: Callable[[str, float], None]) -> None:
    numbers = pl.Series("nhs_number", range(9_000_000_000, 9_000_100_000)).cast(pl.String)
    assert list(pseudonyms(numbers[:960], 1)) == list(hmac_loop(numbers[:960], 1))
    pairs = [(seconds(hmac_loop, numbers, 1), seconds(pseudonyms, numbers, 1)) for _ in range(5)]
    check_ratio("pseudonyms, to hmac.digest in a loop", statistics.median(theirs / ours for theirs, ours in pairs))
    benchmark.pedantic(pseudonyms, (numbers, 1), rounds=5)  # type: ignore[no-untyped-call]


Work = Callable[[], object]


def times_as_fast(ours: Work, theirs: Work) -> float:
    """Compare the least CPU time of each, measured in turn."""
    least = {ours: float("inf"), theirs: float("inf")}
    for _ in range(15):
        for work, before in least.items():
            start = time.process_time()
            work()
            least[work] = min(before, time.process_time() - start)
    return least[theirs] / least[ours]


def ratios(ways: dict[str, kernels.Lanes], people: int) -> dict[str, float]:
    """Return each way's ratio of column to column to its bare kernel, and the first's to the last."""
    numbers = pl.Series("nhs_number", range(9_000_000_000, 9_000_000_000 + people)).cast(pl.String)
    column = {name: functools.partial(pseudonyms, numbers, 1, lanes) for name, lanes in ways.items()}
    bare = {name: functools.partial(bare_kernel, numbers, 1, lanes) for name, lanes in ways.items()}
    answers = [list(work()) for work in column.values()]
    assert all(answer == answers[0] for answer in answers)
    for work in bare.values():
        work()
    first, *_, last = column if len(column) > 1 else [*column] * 2
    return {name: times_as_fast(column[name], bare[name]) for name in ways} | {
        "between": times_as_fast(column[first], column[last])
    }


@pytest.mark.ratio
def test_beside_the_bare_kernel(
    benchmark: BenchmarkFixture, check_ratio: Callable[[str, float], None], request: pytest.FixtureRequest
) -> None:
    people = 12_000 if request.config.getoption("benchmark_disable") else 400_000
    found = benchmark.pedantic(ratios, ({"host": lanes_of_host()}, people))  # type: ignore[no-untyped-call]
    check_ratio("pseudonyms from column to column, to the bare kernel", found["host"])


SHA_WITHOUT_AVX512 = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "+avx2,+sha"}


@pytest.mark.ratio
@pytest.mark.skipif(
    platform.machine() != "x86_64" or SHA_INSTRUCTIONS not in lanes_that_run(), reason="this processor has no SHA-NI"
)
def test_sha_instructions_beside_eight_lanes(
    benchmark: BenchmarkFixture, check_ratio: Callable[[str, float], None], request: pytest.FixtureRequest
) -> None:
    """Compile both in a new process, for a server that has SHA-NI and AVX2 but no AVX-512."""
    people = 12_000 if request.config.getoption("benchmark_disable") else 400_000
    command = [sys.executable, __file__, str(people)]
    told = functools.partial(subprocess.check_output, command, text=True, env=os.environ | SHA_WITHOUT_AVX512)
    found = json.loads(benchmark.pedantic(told))  # type: ignore[no-untyped-call]
    check_ratio("pseudonyms by SHA-NI, to eight lanes of AVX2", found["between"])
    for name in ("sha", "eight"):
        check_ratio("pseudonyms from column to column, to the bare kernel", found[name])


def openssl_millions(processes: int) -> float:
    """Return OpenSSL's own figure, in millions a second, for HMAC-SHA-256 of 16 bytes with a key set up once."""
    command = ["openssl", "speed", "-mr", "-hmac", "sha256", "-bytes", "16", "-seconds", "1"]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(processes)
    ]
    reports = [process.communicate()[0] for process in running]
    bytes_a_second = [re.search(r"^\+F:\d+:hmac\(sha256\):([\d.]+)$", report, re.MULTILINE) for report in reports]
    return sum(float(found[1]) for found in bytes_a_second if found) / 16 / 1e6


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")
@pytest.mark.parametrize("threads", [1, 2])
def test_beside_openssl(benchmark: BenchmarkFixture, numbers: pl.Series, threads: int) -> None:
    pseudonyms(numbers, threads)
    pairs = [
        (openssl_millions(threads), numbers.len() / 1e6 / seconds(pseudonyms, numbers, threads))
        for _ in range(pairs_of(numbers))
    ]
    faster = statistics.median(ours / theirs for theirs, ours in pairs)
    benchmark.extra_info.update(
        {"times as fast as openssl speed": faster, "millions a second of openssl": max(theirs for theirs, _ in pairs)}
    )
    print(f"{threads} threads: {faster:.2f} times as fast as openssl speed")  # noqa: T201
    benchmark.pedantic(pseudonyms, (numbers, threads), rounds=pairs_of(numbers))  # type: ignore[no-untyped-call]


@njit  # type: ignore[untyped-decorator]
def _chain(steps: int) -> int:
    """Do six operations a step, each of which needs the one before: six cycles (Marsaglia's xorshift64)."""
    x = 88172645463325252
    for _ in range(steps):
        x ^= x << 13
        x ^= (x >> 7) & 0x1FFFFFFFFFFFFFF
        x ^= x << 17
    return x


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors shift and combine in one operation")
def test_cycles_a_compression(benchmark: BenchmarkFixture, numbers: pl.Series) -> None:
    """Measure the cycles of one compression of all lanes, and the clock."""
    steps = 10_000_000
    _chain(1)
    bare_kernel(numbers, 1)
    lanes = len(lanes_of_host())
    compressions = 2 * numbers.len() / lanes
    pairs = []
    for _ in range(pairs_of(numbers)):
        start = time.perf_counter()
        _chain(steps)
        pairs.append((6 * steps / (time.perf_counter() - start), seconds(bare_kernel, numbers, 1)))
    clock, fastest = max(clock for clock, _ in pairs), min(spent for _, spent in pairs)  # others only slow it down
    cycles = clock * fastest / compressions
    benchmark.extra_info.update({"cycles a compression": cycles, "lanes": lanes, "clock": clock})
    print(f"{cycles:.0f} cycles a compression of {lanes} lanes, at {clock / 1e9:.2f} GHz")  # noqa: T201
    benchmark.pedantic(bare_kernel, (numbers, 1), rounds=pairs_of(numbers))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    assert lanes_of_host() == SHA_INSTRUCTIONS
    print(json.dumps(ratios({"sha": SHA_INSTRUCTIONS, "eight": VECTORS[1]}, int(sys.argv[1]))))  # noqa: T201
