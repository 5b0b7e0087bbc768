"""Synthetic ICSs for all benches: small by default, whole with ``--ics``; and the ratios that must not fall."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.synthetic import synthesise

FLOORS = tomllib.loads(Path(__file__).with_name("floors.toml").read_text("utf-8"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ics", action="store_true", help="bench at the size of a whole ICS (1.2 million people)")
    parser.addoption("--nation", action="store_true", help="bench what is out of core, with 12 and 60 million people")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ratio: small, and fails where a ratio of floors.toml has fallen")


@pytest.fixture
def keeps(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Note a ratio, and fail where it has fallen by more than its margin from what floors.toml says is usual."""

    def check(name: str, ratio: float) -> None:
        floor = FLOORS["ratios"][name]
        benchmark.extra_info[name] = round(ratio, 3)
        measured = not request.config.getoption("benchmark_disable") and not request.config.getoption("ics")
        if measured:
            least = floor["usual"] * (1 - floor["margin"])
            assert ratio >= least, f"{name}: {ratio:.3g}, usually {floor['usual']}, and at least {least:.3g} is wanted"

    return check


@pytest.fixture(scope="session")
def ics(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=1_200_000 if request.config.getoption("--ics") else 20_000, seed=1)
    return folder
