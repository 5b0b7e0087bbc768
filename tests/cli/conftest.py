"""A programme with its keys, released once; each test works on a copy."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

import linkcore as lc
from tests.cli.commands import DAY, PASSPHRASE, done, write_programme


@pytest.fixture(scope="session")
def released_programme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programme") / "example"
    write_programme(folder)
    keyring = lc.Keyring.create(folder.parent / "team.keys", PASSPHRASE, cost=14)
    keyring.new("partner-2026", at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC), recipient="Partner")
    done("keys", "signing", "new", "--out", folder.parent / "team.pem")
    done(
        *("release", folder, "--recipient", "Partner", "--keyring", folder.parent / "team.keys"),
        *("--signing-key", folder.parent / "team.pem", "--on", DAY, "--actor", "team", "--out", folder / "release"),
        passphrase=PASSPHRASE,
    )
    return folder


@pytest.fixture
def programme(released_programme: Path, tmp_path: Path) -> Path:
    """The folder of a programme; its keyring and signing key, ``team.keys`` and ``team.pem``, lie beside it."""
    shutil.copytree(released_programme.parent, tmp_path / "here")
    return tmp_path / "here" / "example"


@pytest.fixture
def keyring(programme: Path) -> Path:
    return programme.parent / "team.keys"


@pytest.fixture
def signing_key(programme: Path) -> Path:
    return programme.parent / "team.pem"


@pytest.fixture
def key(keyring: Path) -> lc.Key:
    """The recipient's."""
    return lc.Keyring.open(keyring, PASSPHRASE)["partner-2026"]


@pytest.fixture(scope="session")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic ICS, large enough that the fallback has something to do."""
    folder = tmp_path_factory.mktemp("synthetic") / "ics"
    done("synthesise", "--people", 600, "--seed", 3, "--out", folder)
    return folder
