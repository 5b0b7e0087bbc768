"""The exact path, beside the least that could be done: reading the same files and writing them again, sorted.

The exact path is bound by reading and writing, so its cost is given as a multiple of that floor.
"""

import time
from pathlib import Path

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.governance.programme.programme import Programme
from linkcore.governance.releases.release import release
from linkcore.linkage.exact import Exact, link_exactly
from linkcore.linkage.sources import Source
from linkcore.linkage.standardise import Records, standardise
from linkcore.pseudonyms.keys import Key

KEY = Key.from_bytes("analytics-partner-2026", bytes(range(32)))


def copy_sorted(sources: list[Source], folder: Path) -> None:
    for source in sources:
        payload = source.scan(source.column_names)
        payload.sort(source.column_names[0]).sink_parquet(folder / f"{source.name}.parquet")


@pytest.fixture
def floor(ics: Path, tmp_path: Path) -> float:
    """Seconds to copy the files, sorted by one column: the best of three."""
    sources = Programme.load(ics / "programme.toml").sources()
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        copy_sorted(sources, tmp_path)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


@pytest.fixture(scope="module")
def records(ics: Path) -> list[Records]:
    programme = Programme.load(ics / "programme.toml")
    return [standardise(source, usable=programme.numbers.usable) for source in programme.sources()]


def test_standardise_all_sources(benchmark: BenchmarkFixture, ics: Path, floor: float) -> None:
    sources = Programme.load(ics / "programme.toml").sources()
    made = benchmark.pedantic(lambda: [standardise(source) for source in sources], rounds=3, warmup_rounds=1)
    note(benchmark, floor, sum(each.frame.height for each in made))


def test_link_on_the_number(benchmark: BenchmarkFixture, records: list[Records], floor: float) -> None:
    exact = Exact(usable=("valid", "test"))
    benchmark.pedantic(lambda: link_exactly(records, exact), rounds=3, warmup_rounds=1)
    note(benchmark, floor, sum(each.frame.height for each in records))


def test_exact_path_with_release(benchmark: BenchmarkFixture, ics: Path, tmp_path: Path, floor: float) -> None:
    programme = Programme.load(ics / "programme.toml")
    (agreement,) = programme.agreements()

    def run() -> int:
        linkage = programme.link()
        release(linkage, agreement, KEY, tmp_path / "release")
        return linkage.links.height

    rows = benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    assert sum(pl.read_parquet(file).height for file in (tmp_path / "release").glob("*.parquet")) <= rows
    note(benchmark, floor, rows)


def note(benchmark: BenchmarkFixture, floor: float, rows: int) -> None:
    if benchmark.stats is not None:  # absent under --benchmark-disable
        seconds = benchmark.stats.stats.median
        benchmark.extra_info |= {
            "records": rows,
            "records_a_second": round(rows / seconds),
            "times_the_floor": round(seconds / floor, 2),
        }
