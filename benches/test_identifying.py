"""What it costs to compare every row of a release with its own person: CPU time with the check, and without.

A quarter more is wanted for a whole ICS (``--ics``), and not reached: it was 1.43 times on two quiet cores in November
2026. A small release mostly pays what looking at each column costs at all.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from jobs import KEY
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.governance.releases.identifying.check import IdentifierCheck


def test_the_check_for_identifiers(
    benchmark: BenchmarkFixture,
    ics: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    programme = lc.Programme.load(ics / "programme.toml")
    linkage = lc.link(programme.sources(), exact=programme.exact(), fallback=None)
    (agreement,) = programme.agreements()

    def released() -> None:
        lc.release(linkage, agreement, KEY, tmp_path / "release")

    rounds = 1 if request.config.getoption("benchmark_disable") else 3
    benchmark.pedantic(released, rounds=rounds, warmup_rounds=1)
    checked = min(cpu_seconds(released) for _ in range(rounds))
    monkeypatch.setattr(IdentifierCheck, "add", lambda *_: None)
    unchecked = min(cpu_seconds(released) for _ in range(rounds))
    benchmark.extra_info["times the release without it"] = round(checked / unchecked, 3)


def cpu_seconds(run: Callable[[], None]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began
