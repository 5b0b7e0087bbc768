"""Data that do not fit in memory: a nation's list of numbers (``--nation``), linked and released from the disk.

The expected result is known from making the data: how many records carry a number that is on the list.
"""

from pathlib import Path

import pytest
from fresh import Job, fresh
from jobs import copy_unchanged, list_path
from nation import synthesise_list
from pytest_benchmark.fixture import BenchmarkFixture

PERSONS, PERSONS_OF_A_NATION = 200_000, 60_000_000


def test_list(benchmark: BenchmarkFixture, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    persons = PERSONS_OF_A_NATION if pytestconfig.getoption("nation") else PERSONS
    if pytestconfig.getoption("benchmark_disable"):
        persons = 2_000
    files, out = tmp_path / "files", tmp_path / "out"
    known = synthesise_list(files, persons=persons)
    out.mkdir()
    job: Job = benchmark.pedantic(fresh, (list_path, files, out), rounds=1)
    assert job.figures["linked"] == known
    assert list((files / "work").iterdir()) == []
    floor = fresh(copy_unchanged, files, out)
    benchmark.extra_info |= {
        **job.as_extra_info(),
        "persons": persons,
        "times copying the files": round(job.seconds / floor.seconds, 2),
    }
