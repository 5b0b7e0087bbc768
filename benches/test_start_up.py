"""Processor time of short commands in a new process, compared with the time to load their libraries.

The processor's time changes less than the clock's on a busy machine. A process loads compiled code and byte code that
an earlier one has kept.
"""

import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.synthetic import synthesise

PROGRAMMES = Path(__file__).parents[1] / "fixtures" / "programmes"


def run(*arguments: str) -> float:
    """Return the processor seconds of a new Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def least(*arguments: str, rounds: int = 5) -> float:
    """The least of some runs, after one in which code is compiled and kept."""
    run(*arguments)
    return min(run(*arguments) for _ in range(rounds))


@pytest.mark.ratio
def test_help(benchmark: BenchmarkFixture, check_ratio: Callable[[str, float], None]) -> None:
    seconds = least("-m", "linkcore", "--help")
    benchmark.extra_info["CPU s"] = round(seconds, 3)
    check_ratio("the help of the command line, to importing Polars", least("-c", "import polars") / seconds)
    benchmark.pedantic(lambda: None)


# One on the number alone, and one with the fallback and opt-outs.
@pytest.mark.parametrize(("name", "libraries"), [("somerset", ["polars"]), ("devon", ["polars", "duckdb"])])
def test_link_of_a_tiny_programme(
    benchmark: BenchmarkFixture, tmp_path: Path, name: str, libraries: Sequence[str]
) -> None:
    command = ["-m", "linkcore", "link", str(PROGRAMMES / name), "--on", "2026-04-01", "--out", str(tmp_path / "out")]
    note(benchmark, command, libraries)


@pytest.mark.parametrize("command", ["link", "run"])
def test_commands_on_two_thousand_people(benchmark: BenchmarkFixture, tmp_path: Path, command: str) -> None:
    """With the fallback, its self-test and a report of all sources: 8,000 records of twelve sources."""
    synthesise(tmp_path / "ics", people=2000, seed=1)
    started = ["-m", "linkcore", command, str(tmp_path / "ics"), "--on", "2026-04-01", "--out", str(tmp_path / "out")]
    own = ["--synthetic", "--actor", "bench", "--audit", str(tmp_path / "audit.jsonl")] if command == "run" else []
    note(benchmark, [*started, *own], ["polars", "duckdb", "numba"])


def note(benchmark: BenchmarkFixture, command: Sequence[str], libraries: Sequence[str]) -> None:
    seconds = least(*command, rounds=3)
    loading = least("-c", f"import {', '.join(libraries)}")
    benchmark.extra_info |= {
        "CPU s": round(seconds, 2),
        "times_as_long_as_loading_its_libraries": round(seconds / loading, 2),
    }
    benchmark.pedantic(lambda: None)  # the benchmark does not measure the processor's time
