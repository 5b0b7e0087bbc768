"""Excel workbooks: one sheet, every cell as text.

fastexcel reads them: the calamine library behind Polars' own ``read_excel``. As text, it rounds numbers to nine
decimals and turns error values such as ``#N/A`` into nothing. So numbers are read as numbers too, and errors refused.
A date becomes ``1980-04-03 00:00:00``, whatever its format shows; a number that lost its leading zeros, or that a
spreadsheet had made text like ``9.99E+09``, stays what it is, and is set aside like one in a CSV file.
"""

import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.sources.formats.csv_files import looks_like_record
from linkcore.sources.formats.extras import library
from linkcore.sources.formats.lazily import fault_of, scan_batches

__all__ = ["ExcelFile"]

_PART_BYTES: Final = 1 << 20
# Excel keeps fifteen digits of a number.
_DIGITS_LOST: Final = 1e15


@dataclass(frozen=True)
class ExcelFile:
    """One Excel workbook of a source.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    path : pathlib.Path
        The workbook.
    sheet : str, optional
        Name of the sheet; needed if there are several.
    header_row : int
        The row of the sheet with the names of the columns, counted from 1; rows above it are skipped.
    max_bytes : int, optional
        Most unpacked bytes of the workbook.
    """

    source: str
    path: Path
    sheet: str | None = None
    header_row: int = 1
    max_bytes: int | None = None

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """Return the unpacked bytes, counted up to the first that is too many; its rows are not known."""
        return 0, self._unpacked_bytes

    @cached_property
    def _unpacked_bytes(self) -> int:
        limit = sys.maxsize if self.max_bytes is None else self.max_bytes
        size = 0
        try:
            with zipfile.ZipFile(self.path) as workbook:
                for part in workbook.infolist():
                    part.file_size = sys.maxsize  # what the workbook states is not to be believed
                    with workbook.open(part) as packed:
                        while size <= limit and (content := packed.read(_PART_BYTES)):
                            size += len(content)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, NotImplementedError):
            return 0
        return size

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""
        return self._names

    @cached_property
    def _names(self) -> tuple[str, ...]:
        found = self._load("string", n_rows=1)
        names = [] if found.is_empty() else list(found.row(0))
        if not any(names):
            raise self._error(f"sheet {self._sheet!r} has nothing in row {self.header_row}; state its header_row")
        named = [str(number) if name is None else name for number, name in enumerate(names, start=1)]
        times = Counter(named)
        repeated = [str(number) for number, name in enumerate(named, start=1) if times[name] > 1]
        if repeated and looks_like_record(named):
            raise self._error(
                f"row {self.header_row} looks like a record; state the header_row, with the columns' names"
            )
        if repeated:
            raise self._error(f"the header repeats names, in columns {', '.join(repeated)}; rename all but one of each")
        return tuple(named)

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily and as text, in the order of the rows."""
        return scan_batches(dict.fromkeys(self.header(), pl.String()), self._batches)

    def _batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        # The first row is the header.
        rows, errors = self._open("string").to_arrow_with_errors()
        self._refuse_errors(errors.errors if errors else [], columns)
        text, numbers, is_number = pl.DataFrame(rows)[1:], self._load("float")[1:], self._load("boolean")[1:]
        exact = []
        for number, name in enumerate(self.header()):
            if name in columns:
                shown, value = text.to_series(number), numbers.to_series(number)
                self._refuse_long_numbers(name, value, is_number.to_series(number))
                # Text that was rounded gives way to the number; text such as "007" is the number, and stays.
                rounded = shown.cast(pl.Float64, strict=False) != value
                whole = shown.zip_with(~rounded.fill_null(value=False), value.cast(pl.String))
                exact.append(whole.replace("", None).alias(name))
        yield pl.DataFrame(exact).select(columns)

    def find_fault(self) -> SourceError | None:
        """Read everything again and return what is wrong, quoting no value; None if this file can be read."""
        return fault_of(lambda: self._batches(self.header()))

    @cached_property
    def _workbook(self) -> Any:
        reader = library(self.source, "fastexcel", "excel")
        if self.max_bytes is not None and self._unpacked_bytes > self.max_bytes:
            raise self._error(
                f"more than {self.max_bytes:,} bytes, unpacked, which is the max_bytes of its source; check that it is "
                "the right file, and raise max_bytes if it is"
            )
        try:
            return reader.read_excel(self.path)
        except (reader.FastExcelError, OSError):
            pass
        raise self._error("cannot be read; check that it is a whole Excel workbook, without a password")

    @cached_property
    def _sheet(self) -> str:
        sheets = self._workbook.sheet_names
        if self.sheet is None and len(sheets) == 1:
            return str(sheets[0])
        if self.sheet is None or self.sheet not in sheets:
            what = "several sheets" if self.sheet is None else f"no sheet {self.sheet!r}"
            raise self._error(f"{what}; state sheet, one of {', '.join(map(repr, sheets))}")
        return self.sheet

    def _load(self, kind: str, n_rows: int | None = None) -> pl.DataFrame:
        """Read the sheet from the header on, every cell as this kind, or as null."""
        return pl.DataFrame(self._open(kind, n_rows))

    def _open(self, kind: str, n_rows: int | None = None) -> Any:
        failed = library(self.source, "fastexcel", "excel").FastExcelError
        sheet, skipped = self._sheet, self.header_row - 1
        try:
            return self._workbook.load_sheet(sheet, header_row=None, skip_rows=skipped, n_rows=n_rows, dtypes=kind)
        except failed:
            pass
        raise self._error(f"sheet {sheet!r} cannot be read from row {self.header_row}; check sheet and header_row")

    def _refuse_errors(self, errors: Sequence[Any], columns: Sequence[str]) -> None:
        names = self.header()
        cells = [error.offset_position for error in errors]
        wrong = [(row, names[column]) for row, column in cells if column < len(names) and names[column] in columns]
        if wrong:
            raise self._error(
                f"{len(wrong):,} cells hold an error such as #N/A instead of a value, the first in column "
                f"{wrong[0][1]!r}, row {self.header_row + wrong[0][0]} of the sheet; correct them, or clear them"
            )

    def _refuse_long_numbers(self, name: str, value: pl.Series, is_number: pl.Series) -> None:
        long = ((value.abs() >= _DIGITS_LOST) & is_number.is_not_null()).fill_null(value=False)
        if long.any():
            row = self.header_row + 1 + (long.arg_max() or 0)
            raise self._error(
                f"column {name!r}: {long.sum():,} numbers of more than 15 digits, the first in row {row} of the sheet; "
                "Excel loses the other digits, so write them as text"
            )

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}, {self.path}: {what}")
