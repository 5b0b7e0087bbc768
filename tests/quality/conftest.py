"""One small linkage, of a synthetic ICS of a thousand people, for all tests of its quality."""

from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.programme.programme import Programme
from linkcore.synthetic import synthesise


@pytest.fixture(scope="session")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=1000, seed=7)
    return folder


@pytest.fixture(scope="session")
def linkage(ics: Path) -> lc.Linkage:
    return Programme.load(ics / "programme.toml").link()


@pytest.fixture(scope="session")
def quality(linkage: lc.Linkage) -> lc.Quality:
    return linkage.quality


@pytest.fixture(scope="session")
def truth(ics: Path) -> pl.DataFrame:
    return pl.read_parquet(ics / "truth.parquet")
