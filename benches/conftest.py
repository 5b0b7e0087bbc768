"""The synthetic ICS that all benches use (small, or whole with ``--ics``), and the ratios that must not fall."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.synthetic import synthesise

FLOORS = tomllib.loads(Path(__file__).with_name("floors.toml").read_text("utf-8"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ics", action="store_true", help="measure a whole ICS (1.2 million people)")
    parser.addoption("--nation", action="store_true", help="measure work on disk, with 12 and 60 million people")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ratio: small, and fails if a ratio falls below its floor in floors.toml")


@pytest.fixture
def check_ratio(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Return a function that notes a ratio, and fails if it is below its usual value by more than its margin."""

    def check(name: str, ratio: float) -> None:
        floor = FLOORS["ratios"][name]
        benchmark.extra_info[name] = round(ratio, 3)
        measured = not request.config.getoption("benchmark_disable") and not request.config.getoption("ics")
        if measured:
            least = floor["usual"] * (1 - floor["margin"])
            assert ratio >= least, f"{name}: {ratio:.3g}; usual is {floor['usual']}, the floor {least:.3g}"

    return check


@pytest.fixture(scope="session")
def ics(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=1_200_000 if request.config.getoption("--ics") else 20_000, seed=1)
    return folder
