"""Time of the exact path, compared with the least possible work: reading the same files and writing them sorted.

Reading and writing take most of the exact path, so its time is given as a multiple of that floor.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from jobs import copy_sorted, exact_path
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.sources.records import Records, standardise


@pytest.fixture
def floor(ics: Path, tmp_path: Path) -> float:
    """Return the seconds to copy the files sorted by one column, the best of three."""
    return min(copy_sorted(ics, tmp_path).seconds for _ in range(3))


@pytest.fixture(scope="module")
def records(ics: Path) -> list[Records]:
    programme = lc.Programme.load(ics / "programme.toml")
    return [standardise(source, usable=programme.numbers.usable) for source in programme.sources()]


def test_standardise_all_sources(benchmark: BenchmarkFixture, ics: Path, floor: float) -> None:
    sources = lc.Programme.load(ics / "programme.toml").sources()
    made = benchmark.pedantic(lambda: [standardise(source) for source in sources], rounds=3, warmup_rounds=1)
    note(benchmark, floor, sum(each.frame.height for each in made))


def test_link_on_the_number(benchmark: BenchmarkFixture, records: list[Records], floor: float) -> None:
    exact = lc.Exact(usable=("valid", "test"))
    benchmark.pedantic(lambda: link_exactly(records, exact), rounds=3, warmup_rounds=1)
    note(benchmark, floor, sum(each.frame.height for each in records))


@pytest.mark.ratio
def test_exact_path_with_release(
    benchmark: BenchmarkFixture, ics: Path, tmp_path: Path, floor: float, check_ratio: Callable[[str, float], None]
) -> None:
    jobs = []
    benchmark.pedantic(lambda: jobs.append(exact_path(ics, tmp_path)), rounds=3, warmup_rounds=1)
    # Judging by the truth is not part of the job.
    seconds = min(job.seconds for job in jobs)
    benchmark.extra_info["times_the_floor"] = round(seconds / floor, 2)
    check_ratio("exact path with release, to copying the files sorted", floor / seconds)


def note(benchmark: BenchmarkFixture, floor: float, rows: int) -> None:
    if benchmark.stats is not None:  # absent under --benchmark-disable
        seconds = benchmark.stats.stats.median
        benchmark.extra_info |= {
            "records": rows,
            "records_a_second": round(rows / seconds),
            "times_the_floor": round(seconds / floor, 2),
        }
