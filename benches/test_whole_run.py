"""A whole run, stage by stage, compared on the same files with the floors and with what an analyst would write.

Every job runs in a new process (:mod:`fresh`), so its memory peak is its own. The time in `extra_info` starts when
everything is imported; pytest-benchmark's starts with the process. ``pytest-benchmark compare`` compares two runs. The
targets are for a whole ICS (``--ics``) on two idle cores; a small one is mostly start-up. No bench here fails on a
time: they are only written down.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from analyst import analyst
from fresh import Job, fresh
from jobs import (
    copy_sorted,
    copy_unchanged,
    double_payload,
    exact_in_sql,
    exact_path,
    read_identifiers,
    whole_run,
)
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.synthetic import synthesise

Work = Callable[[Path, Path], Job]

MOST_TIMES_THE_SORTED_COPY = 3
MOST_SECONDS = 60
MOST_OF_THE_ANALYSTS_TIME = 1 / 4
MOST_GIB = 4
MOST_TIMES_THE_MEMORY = 1.5
ANALYSTS_SHARE = 10
"""The analyst's way runs on a tenth of a whole ICS: on all of it, it would need 20 GiB."""


class Runs:
    """Run jobs on the files of one ICS, each in a new process, and keep the fastest of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fastest: dict[tuple[Work, Path], Job] = {}

    def again(self, work: Work, ics: Path) -> Job:
        out = self._folder / work.__name__
        out.mkdir()
        try:
            job = fresh(work, ics, out)
        finally:
            shutil.rmtree(out)
        before = self._fastest.get((work, ics))
        self._fastest[work, ics] = job if before is None or job.seconds < before.seconds else before
        return job

    def fastest(self, work: Work, ics: Path) -> Job:
        return self._fastest.get((work, ics)) or self.again(work, ics)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Runs:
    """Return jobs whose kernels are compiled on the disk already, as on every day but the first."""
    runs = Runs(tmp_path_factory.mktemp("runs"))
    if pytestconfig.getoption("benchmark_disable"):
        return runs
    few = synthesise(tmp_path_factory.mktemp("few") / "ics", people=2_000, seed=2).folder
    runs.again(whole_run, few)
    return runs


@pytest.fixture(scope="module")
def files(ics: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """Return the files of an ICS; a tiny one if nothing is timed."""
    if pytestconfig.getoption("benchmark_disable"):
        return synthesise(tmp_path_factory.mktemp("tiny") / "ics", people=2_000, seed=1).folder
    return ics


def wanted(found: float, most: float) -> dict[str, Any]:
    return {"found": round(found, 3), "wanted, at most": most, "holds": found <= most}


@pytest.mark.parametrize("work", [copy_unchanged, copy_sorted, exact_in_sql, read_identifiers])
def test_beside(benchmark: BenchmarkFixture, runs: Runs, files: Path, work: Work) -> None:
    benchmark.pedantic(runs.again, (work, files), rounds=3)
    benchmark.extra_info |= runs.fastest(work, files).as_extra_info()


def test_exact_path(benchmark: BenchmarkFixture, runs: Runs, files: Path) -> None:
    benchmark.pedantic(runs.again, (exact_path, files), rounds=2)
    job = runs.fastest(exact_path, files)
    times = {
        f"times {floor.__name__}": round(job.seconds / runs.fastest(floor, files).seconds, 2)
        for floor in (copy_unchanged, copy_sorted, exact_in_sql)
    }
    sorted_copy = job.seconds / runs.fastest(copy_sorted, files).seconds
    benchmark.extra_info |= {
        **job.as_extra_info(),
        **times,
        "times the sorted copy": wanted(sorted_copy, MOST_TIMES_THE_SORTED_COPY),
    }


def test_analyst(benchmark: BenchmarkFixture, runs: Runs, analysts_files: Path) -> None:
    job = benchmark.pedantic(runs.again, (analyst, analysts_files), rounds=1)
    benchmark.extra_info |= job.as_extra_info()


@pytest.fixture(scope="module")
def analysts_files(files: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    if not pytestconfig.getoption("ics"):
        return files
    people = 1_200_000 // ANALYSTS_SHARE
    return synthesise(tmp_path_factory.mktemp("sample") / "ics", people=people, seed=1).folder


def test_whole_run(benchmark: BenchmarkFixture, runs: Runs, files: Path, analysts_files: Path) -> None:
    job: Job = benchmark.pedantic(runs.again, (whole_run, files), rounds=1)
    beside = runs.fastest(analyst, analysts_files)
    # Scaled by records. Pairs grow faster than records, so this is the least that the whole would take.
    analysts_seconds = beside.seconds * job.records / beside.records
    benchmark.extra_info |= {
        **job.as_extra_info(),
        "seconds": wanted(job.seconds, MOST_SECONDS),
        "peak GiB": wanted(job.peak_bytes / 2**30, MOST_GIB),
        "share of the analyst's time": wanted(job.seconds / analysts_seconds, MOST_OF_THE_ANALYSTS_TIME),
        "the analyst's seconds": round(analysts_seconds, 1),
        "the analyst's seconds are": "measured" if beside.records == job.records else "those of a part, by the record",
    }


def test_whole_run_of_twice_the_payload(benchmark: BenchmarkFixture, runs: Runs, files: Path, tmp_path: Path) -> None:
    double_payload(files, tmp_path)
    job: Job = benchmark.pedantic(runs.again, (whole_run, tmp_path), rounds=1)
    once = runs.fastest(whole_run, files)
    assert job.records == once.records
    benchmark.extra_info |= {
        **job.as_extra_info(),
        "times the memory": wanted(job.peak_bytes / once.peak_bytes, MOST_TIMES_THE_MEMORY),
        "times the seconds": round(job.seconds / once.seconds, 2),
    }
