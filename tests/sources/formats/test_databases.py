"""Databases: rows are streamed in one certain order, of the right types, and no error holds a password or a value."""

import datetime as dt
import pickle
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from linkcore.errors import LinkcoreError, ProgrammeError, SourceError
from linkcore.link import link
from linkcore.programme.programme import Programme
from linkcore.sources.payload import payload_beside_links
from linkcore.sources.records import raw_row_hash, standardise
from linkcore.sources.source import Source
from tests.postgresql import MISSING, PASSWORD, postgresql_server

COLUMNS = {"nhs_number": "NHS", "birth_date": "BORN"}
ROWS = [(2, "9990000026", "1981-04-03", 2 / 3, None), (1, "9990000018", "1980-04-03", 1.5, "SECRET")]
MADE = 'CREATE TABLE gp ("ID" integer, "NHS" varchar, "BORN" date, "COST" double precision, "NOTE" varchar)'


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    if MISSING:
        pytest.skip(MISSING)
    with postgresql_server() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        yield folder


@pytest.fixture(scope="module")
def postgresql(server: Path) -> Iterator[str]:
    from adbc_driver_postgresql import dbapi

    address = f"postgresql://analyst@/postgres?host={server}"
    with dbapi.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
        fill(cursor)
        cursor.execute("CREATE SEQUENCE written")
        yield address


def fill(cursor: Any) -> None:
    cursor.execute(MADE)
    for row in ROWS:
        cursor.execute(f"INSERT INTO gp VALUES ({', '.join('NULL' if each is None else repr(each) for each in row)})")


@pytest.fixture(params=["postgresql", "sqlite", "db", "duckdb"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The rows in each database, in another order than that of their ids."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    file = tmp_path / f"gp.{request.param}"
    connect = duckdb.connect if request.param == "duckdb" else sqlite3.connect
    connection: Any = connect(str(file))
    fill(connection.cursor())
    connection.commit()
    connection.close()
    return str(file)


@pytest.mark.parametrize("stated", [{"table": "gp"}, {"query": 'SELECT * FROM gp WHERE "ID" < 9 -- those'}])
def test_rows_come_in_the_order_of_the_record_id(data: str, stated: dict[str, Any]) -> None:
    source = Source("gp", data, columns=COLUMNS, record_id="ID", **stated)
    assert source.column_names == ("ID", "NHS", "BORN", "COST", "NOTE")
    rows = source.scan(["COST", "NOTE"]).collect()
    assert rows.cast({"COST": pl.Float64}).rows() == [(1.5, "SECRET"), (2 / 3, None)]
    assert source.scan(["NHS"]).select(pl.len()).collect().item() == 2
    frame = standardise(source).frame
    assert frame["record_id"].to_list() == ["1", "2"]
    assert frame["birth_date"].to_list() == [dt.date(1980, 4, 3), dt.date(1981, 4, 3)]
    assert source.place_of_row(1).endswith("row 2")


def test_the_links_are_those_of_the_same_rows_in_memory(data: str) -> None:
    source = Source("gp", data, columns=COLUMNS, record_id="ID", spine=True, table="gp")
    frame = pl.DataFrame(sorted(ROWS), schema=["ID", "NHS", "BORN", "COST", "NOTE"], orient="row")
    other = Source("gp", frame, columns=COLUMNS, record_id="ID", spine=True)
    links = [link([each], fallback=None).links.sort("record_id") for each in (source, other)]
    assert links[0].equals(links[1])


def test_payload_stands_beside_its_own_links_and_a_changed_row_is_found(data: str) -> None:
    source = Source("gp", data, columns=COLUMNS, record_id="ID", table="gp")
    hashes = source.scan(["NHS", "BORN", "ID"]).select(raw_row_hash(source).alias("raw_row_hash")).collect()
    links = hashes.with_columns(pl.Series("person_id", [1, 2]))
    payload = pl.concat(payload_beside_links(source, ["NOTE"], links))
    assert payload.rows() == [(1, "SECRET"), (2, None)]
    other = replace(source, query='SELECT "ID", "NHS", "COST", "NOTE", NULL AS "BORN" FROM gp', table=None)
    with pytest.raises(SourceError, match="its data are not those that were linked"):
        list(payload_beside_links(other, ["NOTE"], links))


def test_an_order_is_demanded_and_proved(data: str) -> None:
    with pytest.raises(SourceError, match="state the record_id, or columns in order_by"):
        Source("gp", data, columns=COLUMNS, table="gp")
    same = Source(
        "gp", data, columns=COLUMNS, query="SELECT * FROM gp UNION ALL SELECT * FROM gp", order_by=["BORN", "NOTE"]
    )
    with pytest.raises(SourceError, match="two rows have the same BORN, NOTE, so their order is not certain"):
        standardise(same)
    ordered = Source("gp", data, columns=COLUMNS, table="gp", order_by=["BORN", "ID"])
    assert ordered.scan(["ID"]).collect().cast(pl.String)["ID"].to_list() == ["1", "2"]
    with pytest.raises(SourceError, match="no column 'X', by which it is ordered; its columns are ID, NHS"):
        Source("gp", data, columns=COLUMNS, table="gp", order_by=["X"])


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({}, "state either the table or the query"),
        ({"table": "gp", "query": "SELECT 1"}, "state either the table or the query"),
        ({"query": "SELECT 1; DROP TABLE gp"}, "the query has a ';' in it"),
        ({"table": "SECRET"}, "cannot be read; check that the database answers"),
        ({"query": "DELETE FROM gp"}, "cannot be read"),
        ({"query": "SELECT * FRM 'SECRET'"}, "cannot be read"),
        ({"table": "gp", "sheet": "A"}, "sheet is for an Excel workbook, and its data are none"),
        ({"table": "gp", "order_by": "ID"}, "order_by is 'ID'; give a list of columns"),
    ],
)
def test_what_cannot_be_asked_is_refused(data: str, stated: dict[str, Any], says: str) -> None:
    with pytest.raises(LinkcoreError, match=says) as caught:
        Source("gp", data, columns=COLUMNS, record_id="ID", **stated)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "DROP" not in str(caught.value)


def test_limits_hold_while_rows_are_read(data: str) -> None:
    with pytest.raises(SourceError, match="more than 1 rows, which is the max_rows of its source"):
        standardise(Source("gp", data, columns=COLUMNS, record_id="ID", table="gp", max_rows=1))
    if "://" in data:
        with pytest.raises(SourceError, match="more than 9 bytes, which is the max_bytes of its source"):
            standardise(Source("gp", data, columns=COLUMNS, record_id="ID", table="gp", max_bytes=9))


def test_a_value_that_fails_in_the_database_is_not_quoted(data: str) -> None:
    failing = """SELECT "ID", "NHS", CAST(CAST("ID" AS varchar) || 'SECRET' AS integer) AS "BORN" FROM gp"""
    if data.endswith(("sqlite", "db")):
        failing = """SELECT "ID", "NHS", json_extract('SECRET', '$') AS "BORN" FROM gp"""
    with pytest.raises(SourceError, match="cannot be read") as caught:
        standardise(Source("gp", data, columns=COLUMNS, record_id="ID", query=failing))
    assert "SECRET" not in "".join(traceback.format_exception(caught.value)).replace(failing, "")


def test_settings_of_a_database_are_refused_for_other_data() -> None:
    frame = pl.DataFrame({"nhs_number": ["9990000018"]})
    with pytest.raises(ProgrammeError, match="table is for a database, and its data are none"):
        Source("gp", frame, table="gp")


def test_a_programme_reads_a_database(data: str, tmp_path: Path) -> None:
    file = tmp_path / "programme.toml"
    file.write_text(
        f'[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "{data}"\ntable = "gp"\nrecord_id = "ID"\n'
        'columns = {nhs_number = "NHS", birth_date = "BORN"}\n'
    )
    programme = Programme.load(file)
    (source,) = programme.check()
    assert source.scan(["NHS"]).collect()["NHS"].to_list() == ["9990000018", "9990000026"]
    assert source.place == (f"{data}, table gp" if "://" in data else "1 files")
    to_destroy = programme.to_destroy()
    assert (to_destroy.known_copies == (f"source gp: {data}",)) == ("://" in data)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://analyst:hunter2@warehouse/ics",
        "postgresql://analyst:hunter2@a,b/ics",
        "postgres://warehouse/ics?password=hunter2",
        "postgresql://warehouse/ics?pass%77ord=hunter2",
        "odbc:Driver={ODBC Driver 18 for SQL Server};Server=w;UID=a;PWD=hunter2",
        "odbc:DSN=ics;Password = hunter2",
    ],
)
def test_an_address_with_a_password_is_refused_and_never_shown(address: str, tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match="its address may not hold a password") as caught:
        Source("gp", address, table="gp", record_id="ID")
    file = tmp_path / "programme.toml"
    file.write_text(
        f'[programme]\nname = "E"\n[[source]]\nname = "gp"\ndata = "{address}"\ntable = "gp"\nrecord_id = "ID"\n'
    )
    with pytest.raises(ProgrammeError, match="its address may not hold a password") as in_file:
        Programme.load(file)
    for error in (caught.value, in_file.value):
        assert "hunter2" not in "".join(traceback.format_exception(error))


def test_a_password_of_the_environment_is_nowhere(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("gp", postgresql, columns=COLUMNS, record_id="ID", table="gp")
    scan = source.scan(["NHS"])
    assert PASSWORD not in repr(source) + scan.explain() + repr(vars(source))
    assert PASSWORD.encode() not in pickle.dumps((source.data, source.table))
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with pytest.raises(
        SourceError, match=r"cannot be read; check that the database answers, .* user and password"
    ) as wrong:
        Source("gp", postgresql, columns=COLUMNS, record_id="ID", table="gp")
    assert "hunter2" not in "".join(traceback.format_exception(wrong.value))


def test_the_password_may_be_in_a_service_file(
    server: Path, postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgresql
    service = tmp_path / "services.conf"
    service.write_text(f"[ics]\nhost={server}\nuser=analyst\ndbname=postgres\npassword={PASSWORD}\n")
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    source = Source("gp", "postgresql://?service=ics", columns=COLUMNS, record_id="ID", table="public.gp")
    assert source.scan(["ID"]).collect()["ID"].to_list() == [1, 2]


KINDS = {
    "1.10::numeric": "1.10",
    "123456789012345678901234567890::numeric": "123456789012345678901234567890",
    "'12.34'::money": "$12.34",
    "'3d6f2b1e-0000-4000-8000-000000000001'::uuid": "3d6f2b1e-0000-4000-8000-000000000001",
    "'{\"a\": 1}'::jsonb": '{"a": 1}',
    "'1 day'::interval": "1 day",
    "'{1,2}'::int[]": "{1,2}",
    "4000000000::oid": "4000000000",
    "9990000018::bigint": 9990000018,
    "true": True,
    "'x'::varchar": "x",
    "date '1980-04-03'": dt.date(1980, 4, 3),
    "timestamp '1980-04-03 10:00'": dt.datetime(1980, 4, 3, 10),
}


def test_each_type_is_kept_exactly_or_read_as_text(postgresql: str) -> None:
    if postgresql:
        query = ", ".join(f'{sql} AS "{number}"' for number, sql in enumerate(KINDS))
        source = Source("gp", postgresql, columns={"nhs_number": "0"}, order_by=["0"], query=f"SELECT {query}")
        assert list(source.scan(source.column_names).collect().row(0)) == list(KINDS.values())


@pytest.mark.parametrize("odd", ["'infinity'::date", "'-infinity'::timestamp", "'0044-03-15 BC'::date"])
def test_a_date_that_no_calendar_here_holds_is_refused(postgresql: str, odd: str) -> None:
    query = f"""SELECT 1 AS "ID", '9990000018' AS "NHS", {odd} AS "BORN" """
    with pytest.raises(SourceError, match="column 'BORN' holds a date that is no day of the years 1 to 9999"):
        standardise(Source("gp", postgresql, columns=COLUMNS, record_id="ID", query=query))


def test_a_database_is_never_written(postgresql: str) -> None:
    """A function can write; the session cannot."""
    query = """SELECT 1 AS "ID", '9990000018' AS "NHS", nextval('written')::text AS "BORN" """
    with pytest.raises(SourceError, match="cannot be read"):
        standardise(Source("gp", postgresql, columns=COLUMNS, record_id="ID", query=query))


def test_many_rows_are_streamed_in_little_memory(postgresql: str) -> None:
    code = (
        "import resource, sys\n"
        "from linkcore.sources.source import Source\n"
        "query = \"SELECT i AS id, repeat('x', 1000) AS note FROM generate_series(1, 80000) AS i\"\n"
        "source = Source('gp', sys.argv[1], columns={'address': 'note'}, record_id='id', query=query)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "rows = sum(batch.height for batch in source._parts[0]._batches(['id', 'note']))\n"
        "print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, postgresql], capture_output=True, text=True, check=True)
    rows, kibibytes = map(int, ran.stdout.split())
    assert rows == 80_000
    assert kibibytes < 60_000  # of 80 MB


def test_without_its_library_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql.dbapi", None)
    with pytest.raises(SourceError, match=r"this format needs a library: pip install 'linkcore\[sql\]'"):
        Source("gp", "postgresql://analyst@/ics", table="gp", record_id="ID")


# --- Any database with an ODBC driver ---------------------------------------------------------------------------------


def test_a_database_is_read_through_its_odbc_driver(
    server: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's driver stands for SQL Server's, which cannot be had here."""
    if not all(map(list, map(Path("/usr/lib").glob, ["*/odbc/psqlodbcw.so", "*/libodbc.so.2"]))):
        pytest.skip("Debian's packages are not installed: apt-get install unixodbc odbc-postgresql")
    assert postgresql
    address = f"odbc:Driver={{PostgreSQL Unicode}};Servername={server};Database=postgres;UID=analyst"
    monkeypatch.setenv("LINKCORE_ODBC_PASSWORD", PASSWORD)
    source = Source("gp", address, columns=COLUMNS, record_id="ID", table="public.gp")
    assert source.scan(["NHS", "BORN", "COST"]).collect().rows() == [
        ("9990000018", dt.date(1980, 4, 3), 1.5),
        ("9990000026", dt.date(1981, 4, 3), 2 / 3),
    ]
    long = """SELECT "ID", "NHS", repeat('x', 70000) AS "BORN" FROM gp"""
    with pytest.raises(SourceError, match="cannot be read"):
        standardise(Source("gp", address, columns=COLUMNS, record_id="ID", query=long))
    monkeypatch.setenv("LINKCORE_ODBC_PASSWORD", "hunter2")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        Source("gp", address, columns=COLUMNS, record_id="ID", table="gp")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


# --- SQLite and DuckDB ------------------------------------------------------------------------------------------------


def test_numbers_of_sqlite_are_not_rounded_and_blobs_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE gp (id, nhs_number, value)")
        connection.executemany(
            "INSERT INTO gp VALUES (?, ?, ?)", [(1, 9990000018, 0.1 + 0.2), (2, "9990000026", 0.5), (3, 1e300, "x")]
        )
    connection.close()
    source = Source("gp", file, table="gp", record_id="id", columns={"nhs_number": "nhs_number"})
    rows = source.scan(["nhs_number", "value"]).collect().rows()
    assert [rows[0][0], rows[1], rows[2][1]] == ["9990000018", ("9990000026", "0.5"), "x"]
    assert float(rows[0][1]) == 0.1 + 0.2
    assert float(rows[2][0]) == 1e300
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO gp VALUES (4, x'414243', 'x')")
    connection.close()
    with pytest.raises(SourceError, match="cannot be read"):
        standardise(source)


@pytest.mark.parametrize("suffix", ["sqlite", "duckdb"])
def test_changes_that_are_not_in_the_file_yet_are_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"gp.{suffix}"
    code = (
        f"import duckdb, sqlite3, os\nc = {'duckdb' if suffix == 'duckdb' else 'sqlite3'}.connect({str(file)!r})\n"
        + ("" if suffix == "duckdb" else "c.execute('PRAGMA journal_mode = wal')\n")
        + "c.execute('CREATE TABLE gp (id integer, nhs_number varchar)')\nc.commit()\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(SourceError, match="holds changes that are not in the database yet"):
        Source("gp", file, table="gp", record_id="id")


def test_a_query_of_duckdb_reads_nothing_but_its_file(tmp_path: Path) -> None:
    file, other = tmp_path / "gp.duckdb", tmp_path / "other.csv"
    duckdb.connect(str(file)).close()
    other.write_text("id,nhs_number\n1,9990000018\n")
    with pytest.raises(SourceError, match="cannot be read"):
        Source("gp", file, query=f"SELECT * FROM '{other}'", record_id="id")
