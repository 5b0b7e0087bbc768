"""The formats of a source: what each must do, and which one reads a file. A new format is added here."""

from pathlib import Path
from typing import Final, Protocol

import polars as pl

from linkcore.errors import SourceError
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.formats.databases import Database, DatabaseRows
from linkcore.sources.formats.duckdb_files import DuckdbFile
from linkcore.sources.formats.excel_files import ExcelFile
from linkcore.sources.formats.ipc_files import IpcFile
from linkcore.sources.formats.layout import Layout
from linkcore.sources.formats.odbc import ODBC, Odbc
from linkcore.sources.formats.packed_files import PACKED, ending
from linkcore.sources.formats.parquet_files import ParquetFile
from linkcore.sources.formats.postgresql import PostgreSQL
from linkcore.sources.formats.sqlite_files import SqliteFile

__all__ = ["SUFFIXES", "SourceData", "database_at", "is_database", "is_known", "open_file"]

_TEXT: Final = (".csv", ".txt")
_PACKED_TEXT: Final = tuple(text + packed for text in _TEXT for packed in PACKED)

_DATABASES: Final = (".db", ".duckdb", ".sqlite", ".sqlite3")

SUFFIXES: Final = (
    *(".arrow", ".csv", ".feather", ".ipc", ".parquet", ".txt", ".xlsm", ".xlsx"),
    *_PACKED_TEXT,
    *_DATABASES,
)
"""Endings of the files that can be read; capitals do not matter."""

_POSTGRESQL: Final = ("postgresql://", "postgres://")


class SourceData(Protocol):
    """One file of a source, or a whole source in memory."""

    @property
    def place(self) -> str:
        """What to call the data in an error: the path of a file."""

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""

    def size(self) -> tuple[int, int]:
        """Return the rows and the bytes of the data, as far as they are known before they are read; else 0."""

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""

    def find_fault(self) -> SourceError | None:
        """Read everything again and return what is wrong, quoting no value; None if this part can be read."""


def is_known(file: Path) -> bool:
    """Whether a file has the ending of a known format.

    Examples
    --------
    >>> is_known(Path("gp.CSV")), is_known(Path("gp.csv.gz")), is_known(Path("gp.gz"))
    (True, True, False)
    """
    return ending(file) in SUFFIXES


def open_file(source: str, file: Path, layout: Layout) -> SourceData:
    """Choose the format of a file by its ending.

    Examples
    --------
    >>> type(open_file("gp", Path("a.parquet"), Layout())).__name__
    'ParquetFile'
    """
    match ending(file):
        case ".parquet":
            return ParquetFile(source, file)
        case ".arrow" | ".feather" | ".ipc":
            return IpcFile(source, file)
        case text if text in (*_TEXT, *_PACKED_TEXT):
            return CsvFile(source, file, layout.encoding, layout.separator, layout.max_rows, layout.max_bytes)
        case ".xlsx" | ".xlsm":
            return ExcelFile(source, file, layout.sheet, layout.header_row or 1, layout.max_bytes)
        case ".duckdb":
            return DatabaseRows(source, DuckdbFile(source, file), layout)
        case database if database in _DATABASES:
            return DatabaseRows(source, SqliteFile(source, file), layout)
    raise SourceError(f"source {source!r}: {file} is of no known format; use {', '.join(SUFFIXES)}")


def is_database(data: object) -> bool:
    """Whether data are the address of a database, and not the path of a file.

    Examples
    --------
    >>> is_database("postgresql://analyst@warehouse/ics"), is_database("odbc:DSN=ics"), is_database("ics.duckdb")
    (True, True, False)
    """
    return isinstance(data, str) and data.lower().startswith((*_POSTGRESQL, ODBC))


def database_at(source: str, address: str) -> Database:
    """Choose the kind of a database by its address, which may hold no password.

    Examples
    --------
    >>> database_at("gp", "postgresql://analyst@warehouse/ics").place
    'postgresql://analyst@warehouse/ics'
    """
    return PostgreSQL(source, address) if address.lower().startswith(_POSTGRESQL) else Odbc(source, address)
