"""The formats of a source: every ending leads to a format, and no format quotes a value in an error."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from linkcore.errors import SourceError
from linkcore.sources.formats.frames import Frame
from linkcore.sources.formats.layout import Layout
from linkcore.sources.formats.source_data import SUFFIXES, open_file

TABLE = pl.DataFrame({"A": ["1", "2"], "B": ["x", None]})
FILLED = """CREATE TABLE made ("A" varchar, "B" varchar); INSERT INTO made VALUES ('2', NULL), ('1', 'x')"""
LAYOUT = Layout(table="made", order_by=("A",))


def write(file: Path) -> Path:
    match file.suffix.lower():
        case ".parquet":
            TABLE.write_parquet(file)
        case ".csv" | ".txt":
            TABLE.write_csv(file)
        case ".gz":
            file.write_bytes(gzip.compress(TABLE.write_csv().encode()))
        case ".zst":
            file.write_bytes(pa.compress(TABLE.write_csv().encode(), "zstd", asbytes=True))
        case ".duckdb":
            with duckdb.connect(str(file)) as connection:
                connection.execute(FILLED)
        case ".db" | ".sqlite" | ".sqlite3":
            with closing(sqlite3.connect(file)) as connection:
                connection.executescript(FILLED)
        case ".xlsx" | ".xlsm":
            TABLE.write_excel(file)
        case _:
            TABLE.write_ipc(file)
    return file


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".CSV", ".Parquet"])
def test_every_ending_leads_to_a_format_that_reads_the_table(tmp_path: Path, suffix: str) -> None:
    data = open_file("east", write(tmp_path / f"a{suffix}"), LAYOUT)
    assert data.place.removesuffix(", table made") == str(tmp_path / f"a{suffix}")
    assert data.header() == ("A", "B")
    assert data.scan().collect().equals(TABLE)
    assert data.find_fault() is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_fault_names_the_file_and_quotes_no_value(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_text("A,B\nSECRET\n")
    fault = open_file("east", file, LAYOUT).find_fault()
    assert fault is not None
    assert "'east'" in str(fault)
    assert str(file) in str(fault)
    assert "SECRET" not in str(fault)


def test_another_ending_is_refused() -> None:
    with pytest.raises(SourceError, match=r"gp\.sas7bdat is of no known format; use \.arrow, \.csv"):
        open_file("gp", Path("gp.sas7bdat"), Layout())


def test_a_frame_is_read_as_it_is() -> None:
    frame = Frame("east", TABLE)
    assert frame.header() == ("A", "B")
    assert frame.scan().collect().equals(TABLE)
