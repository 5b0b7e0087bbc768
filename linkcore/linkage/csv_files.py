"""CSV files, strictly: every row as wide as the header, every quotation mark closed, every value as text.

Polars' own reader is about twice as fast, but reads past a row that is too wide when the columns asked for lie before
the surplus, pads one that is too narrow, knows no Windows-1252, and quotes values in its errors. A record that lost a
comma would link as somebody else, so pyarrow's reader, which counts the values of every row, does the work.
"""

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import SourceError

__all__ = ["CsvFile"]

_BLOCK_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class CsvFile:
    """One CSV file of a source.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    path : pathlib.Path
        The file.
    encoding : str
        A codec of Python; ``"utf-8"`` with or without byte order mark.
    separator : str
        The character between values.
    """

    source: str
    path: Path
    encoding: str = "utf-8"
    separator: str = ","

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns.

        Returns
        -------
        tuple of str

        Raises
        ------
        SourceError
            If the file is empty, not of its encoding, or names a column twice.
        """
        encoding = "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding
        try:
            with self.path.open(encoding=encoding, newline="") as text:
                names = next(csv.reader(text, delimiter=self.separator), [])
        except UnicodeError:
            raise self._wrong_encoding() from None
        except (OSError, csv.Error):
            raise self._error("cannot be read; is it whole, and a CSV file?") from None
        if not names:
            raise self._error("the file is empty; it must begin with a header line")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise self._error(f"the header names {repeated} more than once; rename all but one")
        return tuple(names)

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read the named columns as text, block by block, in the order of the rows; an empty value is null.

        Parameters
        ----------
        columns : sequence of str

        Yields
        ------
        polars.DataFrame
            All columns String.

        Raises
        ------
        SourceError
            At the first row that is not as wide as the header, a quotation mark that never closes, or a byte that is
            not of the encoding.
        """
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        bad_rows: list[int] = []

        def refuse(row: Any) -> str:
            bad_rows.append(row.number - 1)  # pyarrow counts the header
            return "error"

        try:
            self._check_quotes()
            reader = arrow_csv.open_csv(
                self.path,
                # One thread, so that a refused row has a number; other sources and Polars work beside it.
                read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=self.encoding, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.separator, newlines_in_values=True, invalid_row_handler=refuse
                ),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(columns),
                    column_types=dict.fromkeys(columns, pa.string()),
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
            for batch in reader:
                frame = pl.from_arrow(batch)
                assert isinstance(frame, pl.DataFrame)
                yield frame
        except UnicodeError:
            raise self._wrong_encoding() from None
        except pa.ArrowInvalid as error:
            if bad_rows:
                raise self._error(
                    f"row {bad_rows[0]}: not as many values as the header has columns; mend the file"
                ) from None
            if "UTF8" in str(error):
                raise self._wrong_encoding() from None
            raise self._error("cannot be read; is it whole, and a CSV file?") from None
        except OSError:
            raise self._error("cannot be read; check that it is still there and may be read") from None

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """Give the file as a lazy frame that reads only the columns a query needs.

        Parameters
        ----------
        columns : sequence of str
            All columns of the file.

        Returns
        -------
        polars.LazyFrame
        """
        from polars.io.plugins import register_io_source

        def read(
            with_columns: list[str] | None,
            predicate: pl.Expr | None,
            n_rows: int | None,
            _batch_rows: int | None,
        ) -> Iterator[pl.DataFrame]:
            left = n_rows
            # None asks for all columns; a query that needs none (a count of rows) still needs one read.
            asked = columns if with_columns is None else with_columns or columns[:1]
            for batch in self.batches(asked):
                kept = batch if left is None else batch.head(left)
                left = None if left is None else left - kept.height
                yield kept if predicate is None else kept.filter(predicate)
                if left == 0:
                    return

        return register_io_source(read, schema=dict.fromkeys(columns, pl.String()), is_pure=True)

    def _check_quotes(self) -> None:
        """Refuse a file in which a quotation mark never closes: it would swallow all rows after it as one value."""
        with self.path.open("rb") as raw:
            blocks = iter(lambda: raw.read(_BLOCK_BYTES), b"")
            if sum(block.count(b'"') for block in blocks) % 2 == 0:
                return
            raw.seek(0)
            line = max(number for number, line in enumerate(raw, 1) if line.count(b'"') % 2)
        raise self._error(f"line {line}: a quotation mark that never closes; mend the file or ask for it again")

    def _wrong_encoding(self) -> SourceError:
        return self._error(f"not {self.encoding} text; say which it is, as in encoding='windows-1252'")

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}, {self.path}: {what}")
