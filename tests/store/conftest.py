"""A synthetic ICS, linked once, and its store under a key."""

import shutil
from pathlib import Path

import pytest

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise


@pytest.fixture(scope="session")
def programme(tmp_path_factory: pytest.TempPathFactory) -> Programme:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=2500, seed=3)
    return Programme.load(folder / "programme.toml")


@pytest.fixture(scope="session")
def linkage(programme: Programme) -> lc.Linkage:
    return programme.link()


@pytest.fixture(scope="session")
def key() -> lc.Key:
    return lc.Key.generate("linkage-2026")


@pytest.fixture(scope="session")
def saved(linkage: lc.Linkage, key: lc.Key, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encrypted store; nothing changes it."""
    folder = tmp_path_factory.mktemp("saved") / "work"
    linkage.save(folder, key=key)
    return folder


@pytest.fixture
def store(saved: Path, tmp_path: Path) -> Path:
    """A copy of the encrypted store."""
    return Path(shutil.copytree(saved, tmp_path / "work"))
