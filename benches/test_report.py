"""Time and size of the linkage-quality report, compared with the time of the linkage."""

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.programme.programme import Programme

MOST_OF_THE_LINKING_TIME = 0.1
MOST_BYTES = 5_000_000


def test_report(benchmark: BenchmarkFixture, ics: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    programme = Programme.load(ics / "programme.toml")
    began = time.perf_counter()
    linkage = programme.link()
    linking = time.perf_counter() - began
    place = tmp_path / "report.html"

    def report() -> float:
        began = time.perf_counter()
        lc.write_report(linkage, place)
        return time.perf_counter() - began

    # A small linkage takes little longer than drawing fifty charts.
    first = report()
    if request.config.getoption("--ics"):
        assert first <= MOST_OF_THE_LINKING_TIME * linking
    assert place.stat().st_size <= MOST_BYTES
    benchmark.extra_info |= {
        "records": linkage.links.height,
        "linking, s": round(linking, 1),
        "first report, s": round(first, 2),
        "share of linking": round(first / linking, 3),
        "bytes": place.stat().st_size,
    }
    benchmark.pedantic(report, rounds=3)
