"""The files of a release: Parquet, CSV, or one DuckDB database."""

from pathlib import Path
from typing import Final, Literal

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.private_database import private_connection
from linkcore.spreadsheets import guarded

__all__ = ["DATABASE", "NOTES", "Format", "write_rows"]

Format = Literal["parquet", "csv", "duckdb"]
"""In what a recipient gets its data."""

DATABASE: Final = "release.duckdb"
"""The one file of a release as a DuckDB database: a table a source."""

NOTES: Final = {
    "parquet": "one Parquet file a source",
    "csv": (
        'one CSV file a source: UTF-8, comma, header, dates as YYYY-MM-DD; nothing is a missing value and "" an empty '
        "text. Text that a spreadsheet would take for a formula (it begins with =, +, -, @, a tab or a line end, and "
        "is no plain number), or that begins with ', has one ' more before it: take one off the front of every value "
        "that begins with '"
    ),
    "duckdb": f"one DuckDB database, {DATABASE}: a table a source, its rows in the order of pseudonyms (of two "
    "releases of the same data the rows are the same, the bytes of the file are not)",
}
"""What a manifest says of each format."""

_ROW_GROUP_ROWS: Final = 131_072
# Pseudonyms, which are most of many a file, look random: above this level of zstd, files of them are larger, not
# smaller, and take half as long again.
_COMPRESSION_LEVEL: Final = 1
# DuckDB copies a table that is sorted already: it holds a few row groups at a time.
_MEMORY: Final = "1GB"
# A sign alone is read as a formula; a number with a sign is the same number.
_PLAIN_NUMBER: Final = r"^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


def write_rows(rows: pl.LazyFrame, folder: Path, source: str, kind: Format) -> Path:
    """Write the rows of one source.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> rows = pl.LazyFrame({"pseudonym": ["00ff"], "note": ["=1+1"], "change": ["-5"]})
    >>> with TemporaryDirectory() as folder:
    ...     print(write_rows(rows, Path(folder), "gp", "csv").read_text(), end="")
    pseudonym,note,change
    00ff,'=1+1,-5
    """
    if kind == "csv":
        file = folder / f"{source}.csv"
        texts = [name for name, dtype in rows.collect_schema().items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
        rows.with_columns(_safe(pl.col(name).cast(pl.String)) for name in texts).sink_csv(file)
        return file
    file = folder / f"{source}.parquet"
    rows.sink_parquet(file, compression_level=_COMPRESSION_LEVEL, row_group_size=_ROW_GROUP_ROWS)
    if kind == "parquet":
        return file
    try:
        _copy(file, folder / DATABASE, source)
    finally:
        file.unlink()
    return folder / DATABASE


def _safe(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_PLAIN_NUMBER)).then(text).otherwise(guarded(text))


def _copy(file: Path, database: Path, table: str) -> None:
    import duckdb

    try:
        with private_connection(_MEMORY, None) as connection:
            connection.execute(f"ATTACH {_quoted(database)} AS released")
            # A source's name is letters, digits, _ and -.
            rows = f"read_parquet({_quoted(file)})"
            connection.execute(f'CREATE TABLE released."{table}" AS SELECT * FROM {rows}')  # noqa: S608
            connection.execute("DETACH released")
        return
    except duckdb.Error:
        pass
    raise ProgrammeError(
        f"source {table!r} cannot be written to a DuckDB database; is there disk space, and a column of a dtype that "
        "DuckDB lacks? Parquet holds every dtype"
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
