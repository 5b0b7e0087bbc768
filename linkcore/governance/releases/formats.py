"""The formats of a release: Parquet, CSV, or one DuckDB database. To add one, add it to `Format` and `FORMATS`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.governance.releases.encryption import ReleaseFiles
from linkcore.private_database import private_connection
from linkcore.spreadsheets import guarded, guarded_header

__all__ = ["DATABASE", "FORMATS", "Format", "ReleaseFormat", "count_rows", "scan_rows", "write_rows"]

Format = Literal["parquet", "csv", "duckdb"]
"""The format of a recipient's files."""

DATABASE: Final = "release.duckdb"
"""The one file of a release as a DuckDB database, with one table for each source."""

_ROW_GROUP_ROWS: Final = 131_072
# Most of many a file are pseudonyms, which look random: above this level of zstd, such files are larger, not smaller,
# and take half as long again to write.
_COMPRESSION_LEVEL: Final = 1
# DuckDB copies a table that is already sorted: it holds a few row groups at a time.
_MEMORY: Final = "1GB"
# A spreadsheet reads text that begins with a sign as a formula; a number with a sign stays the same number.
_PLAIN_NUMBER: Final = r"^[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class ReleaseFormat:
    """How the tables of a release are written, and what its files can hold.

    Parameters
    ----------
    title : str
        Its name in errors.
    write : callable
        Writes the rows of one source to the files of a release, and returns the name of the file.
    note : str
        What a manifest says about the files.
    holds_nested : bool
        Whether a column may hold lists, structs or bytes.
    tells_capitals_apart : bool
        Whether names may differ in capitals only.
    one_file : bool
        Whether all tables share one file, so that they are written one after the other.
    """

    title: str
    write: Callable[[pl.LazyFrame, ReleaseFiles, str], str]
    note: str
    holds_nested: bool = True
    tells_capitals_apart: bool = True
    one_file: bool = False


def write_rows(rows: pl.LazyFrame, files: ReleaseFiles | Path, source: str, kind: Format) -> Path:
    """Write the rows of one source to the files of a release, or to a folder, and return the file.

    Where files are encrypted, this is the name of the file once it is opened.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> rows = pl.LazyFrame({"pseudonym": ["00ff"], "note": ["=1+1"], "change": ["-5"]})
    >>> with TemporaryDirectory() as folder:
    ...     print(write_rows(rows, Path(folder), "gp", "csv").read_text(), end="")
    pseudonym,note,change
    00ff,'=1+1,-5
    """
    files = ReleaseFiles(files) if isinstance(files, Path) else files
    return files.folder / FORMATS[kind].write(rows, files, source)


def count_rows(file: Path, source: str) -> int:
    """Count the rows of one source in a file of a release: the manifest states them under disclosure control."""
    import duckdb

    counted: int
    # Our error is raised after the library's error, not from it: the library's message may quote a value.
    with suppress(duckdb.Error, pl.exceptions.PolarsError, OSError):
        if file.name == DATABASE:
            with duckdb.connect(str(file), read_only=True) as connection:
                # A source's name is letters, digits, _ and -.
                [(counted,)] = connection.execute(f'SELECT count(*) FROM "{source}"').fetchall()  # noqa: S608
        else:
            counted = scan_rows(file).select(pl.len()).collect().item()
        return counted
    raise SourceError(f"{file} of a release cannot be read; check that the release is whole")


def scan_rows(file: Path) -> pl.LazyFrame:
    """Scan a Parquet or CSV file of a release: this one, also if its folder's name has the brackets of a pattern."""
    if file.suffix == ".parquet":
        return pl.scan_parquet(file, glob=False)
    return pl.scan_csv(file, infer_schema=False, glob=False)


def _write_parquet(rows: pl.LazyFrame, files: ReleaseFiles, source: str) -> str:
    name = f"{source}.parquet"
    with files.opened(name) as target:
        _sink_parquet(rows, target)
    return name


def _sink_parquet(rows: pl.LazyFrame, target: Path | IO[bytes]) -> None:
    rows.sink_parquet(target, compression_level=_COMPRESSION_LEVEL, row_group_size=_ROW_GROUP_ROWS)


def _write_csv(rows: pl.LazyFrame, files: ReleaseFiles, source: str) -> str:
    name = f"{source}.csv"
    texts = [name for name, dtype in rows.collect_schema().items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    safe = rows.with_columns(_safe(pl.col(name).cast(pl.String)) for name in texts)
    with files.opened(name) as target:
        safe.rename(_headers(rows.collect_schema().names())).sink_csv(target)
    return name


def _headers(names: Sequence[str]) -> dict[str, str]:
    """Return the header of each column, and refuse columns with the same."""
    headers = {name: guarded_header(name) for name in names}
    if len(set(headers.values())) < len(headers):
        raise ProgrammeError("two columns have the same header in CSV, which shows control characters; rename one")
    return headers


def _safe(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_PLAIN_NUMBER)).then(text).otherwise(guarded(text))


def _write_duckdb(rows: pl.LazyFrame, files: ReleaseFiles, source: str) -> str:
    folder = files.database_folder()
    file = folder / f"{source}.parquet"
    try:
        _sink_parquet(rows, file)
        _copy(file, folder / DATABASE, source)
    finally:
        file.unlink(missing_ok=True)
    return DATABASE


def _copy(file: Path, database: Path, table: str) -> None:
    import duckdb

    try:
        with private_connection(_MEMORY, files=True) as connection:
            connection.execute(f"ATTACH {_quoted(database)} AS released")
            # A source's name is letters, digits, _ and -.
            rows = f"read_parquet({_quoted(file)})"
            connection.execute(f'CREATE TABLE released."{table}" AS SELECT * FROM {rows}')  # noqa: S608
            connection.execute("DETACH released")
        return
    except duckdb.Error:
        pass
    raise ProgrammeError(
        f"source {table!r} cannot be written to a DuckDB database; check for disk space, and for a column of a dtype "
        "that DuckDB lacks: Parquet holds every dtype"
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


FORMATS: Final[Mapping[Format, ReleaseFormat]] = {
    "parquet": ReleaseFormat("Parquet", _write_parquet, "one Parquet file a source"),
    "csv": ReleaseFormat(
        "CSV",
        _write_csv,
        'one CSV file a source: UTF-8, comma, header, dates as YYYY-MM-DD; nothing is a missing value and "" an empty '
        "text. Text that a spreadsheet would take for a formula (it begins with =, +, -, @, a tab or a line end, and "
        "is no plain number), or that begins with ', has one ' more before it: take one off the front of every value "
        "that begins with '. Names of columns are written in the same way, and "
        "with escapes such as \\x1b for control characters",
        holds_nested=False,
    ),
    "duckdb": ReleaseFormat(
        "DuckDB",
        _write_duckdb,
        f"one DuckDB database, {DATABASE}: a table a source, its rows in the order of pseudonyms (of two releases of "
        "the same data the rows are the same, the bytes of the file are not)",
        tells_capitals_apart=False,
        one_file=True,
    ),
}
"""Every format, by the name that an agreement states."""
