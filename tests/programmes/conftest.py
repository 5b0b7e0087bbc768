"""Runs each programme once for all tests, and keeps everything that is printed or logged meanwhile."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.programmes.exits import Exits, do
from tests.programmes.listening import listening
from tests.programmes.running import Running, start


@pytest.fixture(scope="session")
def overheard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for everything that is printed, logged, or left among temporary files."""
    return tmp_path_factory.mktemp("overheard")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, overheard: Path) -> Callable[[str], Running]:
    folder = tmp_path_factory.mktemp("programmes")

    def run(name: str) -> Running:
        with listening(overheard):
            return start(name, folder)

    return cache(run)


@pytest.fixture(scope="session")
def exits(running: Callable[[str], Running], overheard: Path) -> Callable[[str], Exits]:
    def leave(name: str) -> Exits:
        ran = running(name)
        with listening(overheard):
            return do(ran)

    return cache(leave)
