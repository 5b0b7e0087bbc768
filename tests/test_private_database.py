"""The private database: nothing outside it can be reached, nor can that be changed."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from linkcore.private_database import make_table, private_connection


@pytest.mark.parametrize(
    "sql",
    [
        "COPY people TO '{}/x.csv'",
        "COPY people TO '{}/x.parquet'",
        "EXPORT DATABASE '{}/x'",
        "ATTACH '{}/x.db'",
        "SELECT * FROM read_csv('{}/given.csv')",
        "SELECT * FROM '{}/given.csv'",
        "SELECT * FROM read_text('{}/given.csv')",
        "SELECT * FROM glob('{}/*')",
        "COPY people FROM '{}/given.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{}/given.csv'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['{}']",
        "SET lock_configuration = false",
        "SET temp_directory = '{}'",
        "RESET enable_external_access",
        "PRAGMA enable_profiling",
        "SET log_query_path = '{}/log'",
        "SELECT * FROM outside",
        "CREATE SECRET s (TYPE s3)",
    ],
)
def test_no_sql_reaches_outside(sql: str, tmp_path: Path) -> None:
    outside = pl.DataFrame({"a": [1]})
    (tmp_path / "given.csv").write_text("a\n1\n")
    with private_connection("100MB", 1) as connection:
        make_table(connection, "people", outside)
        with pytest.raises(duckdb.Error):
            connection.sql(sql.format(tmp_path)).fetchall()  # type: ignore[union-attr]
    assert [path.name for path in tmp_path.iterdir()] == ["given.csv"]


def test_frames_come_in_and_large_tables_spill() -> None:
    with private_connection("100MB", 1) as connection:
        make_table(connection, "numbers", pl.DataFrame({"a": range(1_500_000)}))
        connection.execute("CREATE TABLE large AS SELECT md5(a::VARCHAR) || md5((a + 1)::VARCHAR) AS t FROM numbers")
        assert connection.sql("SELECT count(*), max(length(t)) FROM large").fetchall() == [(1_500_000, 64)]
        ((directory,),) = connection.sql("SELECT current_setting('temp_directory')").fetchall()
        assert list(Path(directory).iterdir())


def test_files_are_for_those_who_ask(tmp_path: Path) -> None:
    with private_connection("100MB", files=True) as connection:
        connection.execute(f"ATTACH '{tmp_path}/x.db' AS released")
    assert (tmp_path / "x.db").exists()
