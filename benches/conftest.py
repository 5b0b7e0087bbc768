"""A synthetic ICS for all benches: small by default, a whole one with ``--ics``."""

from pathlib import Path

import pytest

from linkcore.synthetic import synthesise


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ics", action="store_true", help="bench at the size of a whole ICS (1.2 million people)")


@pytest.fixture(scope="session")
def ics(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=1_200_000 if request.config.getoption("--ics") else 20_000, seed=1)
    return folder
