"""The private database of an engine: it leaves nothing behind, and its errors hold no values."""

import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from linkcore.errors import LinkcoreError
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.settings import Fallback
from tests.linkage.engine.people import PERSONS, UNKNOWN


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def spills_to(people: PeopleTable) -> Path:
    (setting,) = people.connection.sql("SELECT current_setting('temp_directory')").fetchall()[0]
    return Path(setting)


def test_the_temporary_directory_is_private_and_gone_afterwards(temporary: Path) -> None:
    def look(people: PeopleTable) -> Path:
        directory = spills_to(people)
        assert directory.parent == temporary
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        return directory

    assert not with_people_table(Fallback(), PERSONS, UNKNOWN, look).exists()


@pytest.mark.usefixtures("temporary")
def test_the_temporary_directory_is_gone_after_an_error_too() -> None:
    def fail(people: PeopleTable) -> None:
        assert spills_to(people).exists()
        raise KeyError("anything")

    with pytest.raises(KeyError):
        with_people_table(Fallback(), PERSONS, UNKNOWN, fail)


@pytest.mark.usefixtures("temporary")
def test_an_error_of_the_database_is_reported_without_its_values() -> None:
    def fail(people: PeopleTable) -> None:
        people.connection.execute("SELECT CAST(given_name AS INTEGER) FROM people").fetchall()

    with pytest.raises(LinkcoreError, match="failed in DuckDB or Splink") as caught:
        with_people_table(Fallback(), PERSONS, UNKNOWN, fail)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.usefixtures("temporary")
def test_too_little_memory_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = duckdb.connect

    def without_room(database: str, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        connection = connect(database, config=config)
        return connection.execute("SET max_temp_directory_size = '0B'")

    monkeypatch.setattr(duckdb, "connect", without_room)

    def fail(people: PeopleTable) -> None:
        people.connection.execute("CREATE TABLE large AS SELECT random() AS a FROM range(100000000)")

    with pytest.raises(LinkcoreError, match=re.escape("raise Fallback(memory=...)")):
        with_people_table(Fallback(memory="64MB"), PERSONS, UNKNOWN, fail)


def test_persons_come_first_and_the_source_of_each_record_is_known() -> None:
    def look(people: PeopleTable) -> tuple[int, int, int, list[int]]:
        return people.persons, people.listed, people.records, list(people.sources)

    assert with_people_table(Fallback(), PERSONS, UNKNOWN, look, listed=390) == (400, 390, 100, [0])
