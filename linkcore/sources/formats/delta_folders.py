"""Delta Lake tables in folders: the newest version, as it is when the source is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from linkcore.errors import LinkcoreError, SourceError
from linkcore.sources.formats.extras import library
from linkcore.sources.formats.parquet_files import ParquetFile

__all__ = ["DeltaFolder", "is_delta"]

_T = TypeVar("_T")


def is_delta(folder: Path) -> bool:
    """Whether a folder holds a Delta table."""
    return (folder / "_delta_log").is_dir()


@dataclass(frozen=True)
class DeltaFolder:
    """A Delta table of a source.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    path : pathlib.Path
        The folder of the table.
    """

    source: str
    path: Path

    @property
    def place(self) -> str:
        """The path of the folder."""
        return str(self.path)

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""
        return self._read(lambda: tuple(self.scan().collect_schema().names()))

    def size(self) -> tuple[int, int]:
        """Return the rows and the unpacked bytes that the table's files state; rows that were deleted count too."""
        sizes = [ParquetFile(self.source, file).size() for file in self._files]
        return sum(rows for rows, _ in sizes), sum(size for _, size in sizes)

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the table's files and their rows."""
        if not self._files:
            return pl.LazyFrame(schema=pl.Schema(self._table.schema()))
        # A version that is written meanwhile is not read.
        return self._read(lambda: pl.scan_delta(str(self.path), version=self._table.version()))

    def find_fault(self) -> SourceError | None:
        """Read everything again and return what is wrong, quoting no value; None if the table can be read."""
        try:
            for file in self._files:
                ParquetFile(self.source, file).header()
            self._read(lambda: self.scan().collect(engine="streaming").height)
        except SourceError as error:
            return error
        return None

    @cached_property
    def _table(self) -> Any:
        deltalake = library(self.source, "deltalake", "delta")
        return self._read(lambda: deltalake.DeltaTable(str(self.path)))

    @cached_property
    def _files(self) -> tuple[Path, ...]:
        """The files of this version; its log may name files anywhere, but a source is what lies in its folder."""
        files = self._read(lambda: tuple(map(Path, self._table.file_uris())))
        if not all(file.resolve().is_relative_to(self.path.resolve()) for file in files):
            raise self._error(
                "names a file outside its folder; copy the whole table into one folder, whose path has no space or "
                "other special character"  # with one, its library and Polars disagree on the path
            )
        return files

    def _read(self, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except LinkcoreError:
            raise
        # The library has errors of its own; raised below, without one that may quote a value as its context.
        except (Exception, pl.exceptions.PanicException):  # noqa: S110
            pass
        raise self._error("cannot be read; is it a whole Delta table, without column mapping?")

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}: the Delta table {self.path} {what}")
