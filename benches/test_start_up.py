"""Time to link a tiny programme in a new process, compared with the time to load its libraries."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

PROGRAMMES = Path(__file__).parents[1] / "fixtures" / "programmes"


def run(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


# One on the number alone, and one with the fallback and opt-outs.
@pytest.mark.parametrize(("name", "libraries"), [("somerset", ["polars"]), ("devon", ["polars", "duckdb"])])
def test_link_of_a_tiny_programme(
    benchmark: BenchmarkFixture, tmp_path: Path, name: str, libraries: Sequence[str]
) -> None:
    link = ["-m", "linkcore", "link", str(PROGRAMMES / name), "--on", "2026-04-01", "--out", str(tmp_path / "out")]
    benchmark.pedantic(run, args=link, rounds=5, warmup_rounds=1)
    loading = min(run("-c", f"import {', '.join(libraries)}") for _ in range(5))
    if benchmark.stats:
        benchmark.extra_info["times_as_long_as_loading_its_libraries"] = benchmark.stats.stats.min / loading
