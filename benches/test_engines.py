"""Both engines on the same files: time, CPU and memory of each, what the check of weights costs, and the same links.

Each linkage runs in a new process. With ``--ics``, 100,000 and 1.2 million people are linked. The check may take at
most 3 % of the CPU of a whole ICS.
"""

import resource
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fresh import fresh
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.synthetic import synthesise

SIZES = (20_000, 100_000, 1_200_000)
MOST_OF_THE_RUN = 0.03

WAYS: dict[str, dict[str, Any]] = {
    "native, not checked": {"engine": "native", "check": "never"},
    "native, checked if large": {"engine": "native", "check": "auto"},
    "native, every source checked": {"engine": "native", "check": "always"},
    "splink": {"engine": "splink"},
}


def link(file: Path, settings: dict[str, Any], out: Path) -> dict[str, Any]:
    """Link a programme, keep its links, and measure."""
    programme = lc.Programme.load(file)
    programme = programme.model_copy(update={"linkage": programme.linkage.model_copy(update=settings)})
    began, cpu = time.perf_counter(), time.process_time()
    linkage = programme.link()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    linkage.links.write_parquet(out)
    assert linkage.probabilistic is not None
    checked = linkage.probabilistic.weights_checked
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "pairs_checked": 0 if checked is None else checked.pairs,
        "pairs": linkage.probabilistic.counts["pairs_with_persons"],
    }


@pytest.mark.parametrize("people", SIZES)
def test_engines(benchmark: BenchmarkFixture, tmp_path: Path, pytestconfig: pytest.Config, people: int) -> None:
    many = pytestconfig.getoption("--ics")
    if (people > SIZES[0]) != many:
        pytest.skip("--ics links many people, and not the few")
    timed = not pytestconfig.getoption("benchmark_disable")
    made = synthesise(tmp_path / "ics", people=people if timed else 2_000, seed=1)
    found: dict[str, dict[str, Any]] = {}

    def run() -> None:
        # The first run compiles.
        fresh(link, synthesise(tmp_path / "few", people=2_000, seed=2).programme, {}, tmp_path / "few.parquet")
        for number, (way, settings) in enumerate(WAYS.items()):
            found[way] = fresh(link, made.programme, settings, tmp_path / f"{number}.parquet")

    benchmark.pedantic(run, rounds=1)
    of_check = found["native, checked if large"]["cpu_seconds"] / found["native, not checked"]["cpu_seconds"] - 1
    benchmark.extra_info |= found | {"the check adds to the CPU seconds": round(of_check, 3)}
    first = pl.read_parquet(tmp_path / "0.parquet")
    for number in range(1, len(WAYS)):
        links = pl.read_parquet(tmp_path / f"{number}.parquet")
        assert links.drop("match_weight", "match_probability").equals(first.drop("match_weight", "match_probability"))
        assert float((links["match_weight"] - first["match_weight"]).abs().max() or 0.0) <= 1.1e-9  # type: ignore[arg-type]
    if people == SIZES[-1] and timed:
        assert of_check <= MOST_OF_THE_RUN
