"""DuckDB makes the same pseudonyms, and its catalogue, plans, errors and files hold no key."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.keys.key import Key
from linkcore.pseudonyms import columns
from linkcore.pseudonyms.sql import register_duckdb
from tests.pseudonyms.reference import pseudonym
from tests.pseudonyms.traces import report, shows

MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]
OTHER = hashlib.sha384(b"another key of the tests").digest()[:40]
KEY, SECOND = Key.from_bytes("first", MATERIAL), Key.from_bytes("second", OTHER)
VALUES = ["9434765919", None, "", "é" * 7, "x" * 300, "9434765919"]


@pytest.fixture
def connection() -> Iterator[Any]:
    # Annotated with Any: DuckDB complains at exit that its type leaked if a tool keeps the annotations of tests.
    with duckdb.connect() as opened:
        register_duckdb(opened, KEY)
        yield opened


def test_the_function_takes_columns_constants_and_nulls(connection: Any) -> None:
    frame = pl.DataFrame({"row": range(len(VALUES)), "n": VALUES})
    connection.register("frame", frame.to_arrow())
    rows = connection.execute("SELECT pseudonymise(n) FROM frame ORDER BY row").fetchall()
    assert rows == [(None if value is None else pseudonym(value, MATERIAL),) for value in VALUES]
    assert connection.execute("SELECT pseudonymise('é')").fetchall() == [(pseudonym("é", MATERIAL),)]
    assert connection.execute("SELECT pseudonymise(NULL)").fetchall() == [(None,)]
    assert connection.execute("SELECT pseudonymise(n) FROM frame WHERE false").fetchall() == []


def test_many_rows_on_many_threads_give_the_right_pseudonyms(connection: Any) -> None:
    connection.execute("SET threads = 4")
    connection.execute("CREATE TABLE t AS SELECT (9000000000 + range)::VARCHAR AS n FROM range(300000)")
    hashed = dict(connection.execute("SELECT n, pseudonymise(n) FROM t").fetchall())
    numbers = map(str, range(9_000_000_000, 9_000_300_000))
    assert hashed == {number: pseudonym(number, MATERIAL) for number in numbers}


def test_stages_length_and_name_can_be_chosen(connection: Any) -> None:
    register_duckdb(connection, KEY, SECOND, name="two_stages", length=64)
    answer = pseudonym("9434765919", MATERIAL, OTHER, bits=64)
    assert connection.execute("SELECT two_stages('9434765919')").fetchall() == [(answer,)]


@pytest.mark.parametrize("value", ["9434765919", "9434765919::BIGINT", "1.5", "'x'::BLOB", "DATE '2020-01-01'"])
def test_a_number_is_refused_because_it_has_lost_its_zeros(connection: Any, value: str) -> None:
    with pytest.raises(duckdb.Error, match="No function matches"):
        connection.execute(f"SELECT pseudonymise({value})")


def test_wrong_arguments_are_refused(connection: Any) -> None:
    with pytest.raises(ProgrammeError, match="one key or more"):
        register_duckdb(connection, name="none")
    with pytest.raises(ProgrammeError, match="multiple of 8"):
        register_duckdb(connection, KEY, name="short", length=7)
    with pytest.raises(ProgrammeError, match="check whether the connection already has one") as caught:
        register_duckdb(connection, SECOND)
    assert not shows(report(caught.value), OTHER)
    assert connection.execute("SELECT pseudonymise('a')").fetchall() == [(pseudonym("a", MATERIAL),)]


def test_no_catalogue_plan_error_or_file_holds_the_key(tmp_path: Path) -> None:
    file = tmp_path / "analysis.duckdb"
    with duckdb.connect(file) as connection:
        register_duckdb(connection, KEY)
        connection.execute("CREATE TABLE t AS SELECT (9000000000 + range)::VARCHAR AS n FROM range(5000)")
        connection.execute("CREATE VIEW v AS SELECT pseudonymise(n) AS p FROM t")
        connection.execute("CREATE TABLE u AS FROM v")
        connection.execute("CHECKPOINT")
        shown = io.StringIO()
        for query in (
            "FROM duckdb_functions() WHERE function_name = 'pseudonymise'",
            "FROM duckdb_views()",
            "FROM duckdb_settings()",
            "EXPLAIN FROM v",
            "EXPLAIN ANALYZE FROM v",
        ):
            rows = connection.execute(query).fetchall()
            assert rows
            print(rows, file=shown)
        assert "pseudonymise" in shown.getvalue()
        assert not shows(shown.getvalue(), MATERIAL)
        with pytest.raises(duckdb.Error) as caught:
            connection.execute("SELECT pseudonymise(n)::INTEGER FROM t").fetchall()
        assert not shows(str(caught.value), MATERIAL)
    content = file.read_bytes()
    assert pseudonym("9000000000", MATERIAL).encode() in content
    assert not shows(content, MATERIAL)


def test_duckdb_reports_an_error_of_linkcore_without_the_key(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_ANSWERS", [(key, text, "00" * 32) for key, text, _ in columns._ANSWERS])
    columns._check_answers.cache_clear()
    try:
        with pytest.raises(duckdb.Error, match="nothing was pseudonymised") as caught:
            connection.execute("SELECT pseudonymise('a')").fetchall()
    finally:
        columns._check_answers.cache_clear()
    assert not shows(str(caught.value), MATERIAL)
