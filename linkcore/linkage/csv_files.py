"""CSV files, strictly: every row as wide as the header, every quotation mark closed, every value as text.

Polars' own reader is two to three times as fast, but reads past a row that is too wide when the columns asked for lie
before the surplus, pads one that is too narrow, knows no Windows-1252, and quotes values in its errors. A record that
lost a comma would link as somebody else, so pyarrow's reader, which counts the values of every row, does the work.

It is given whole rows, cut from the file here, and not the file: pyarrow's own streaming reader takes a last quotation
mark that never closes for a value, and for any encoding but UTF-8 decodes in a thread of its own through Python, which
aborts the process if that ends first.
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
# A row that is longer has a quotation mark that never closes.
_LONGEST_ROW_BYTES: Final = 64 << 20


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
        try:
            with self.path.open(encoding=self._codec(), newline="") as text:
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
        names = self.header()
        begun = -1
        for block in self._blocks():
            frame = self._parse(block, names, columns, begun)
            # The first block begins with the header, which is parsed as row 0 and dropped.
            yield frame[1:] if begun < 0 else frame
            begun += frame.height

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

    def _blocks(self) -> Iterator[bytes]:
        """Cut the file into parts of whole rows, in UTF-8: a line that ends inside quotation marks ends no row."""
        decode = codecs.getincrementaldecoder(self._codec())().decode
        rest, line = b"", 1
        try:
            with self.path.open("rb") as raw:
                while part := raw.read(_BLOCK_BYTES):
                    rest += decode(part).encode()
                    end = _end_of_rows(rest)
                    if end == 0 and len(rest) > _LONGEST_ROW_BYTES:
                        raise self._never_closes(rest, line)
                    if end:
                        yield rest[:end]
                        line += rest.count(b"\n", 0, end)
                        rest = rest[end:]
                rest += decode(b"", True).encode()
        except UnicodeError:
            raise self._wrong_encoding() from None
        except OSError:
            raise self._error("cannot be read; check that it is still there and may be read") from None
        if rest.count(b'"') % 2:
            raise self._never_closes(rest, line)
        if rest:
            yield rest

    def _parse(self, block: bytes, names: Sequence[str], columns: Sequence[str], begun: int) -> pl.DataFrame:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        bad_rows: list[int] = []

        def refuse(row: Any) -> str:
            bad_rows.append(row.number)
            return "error"

        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block),
                # One thread, so that a refused row has a number; Polars works beside it.
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, column_names=names, skip_rows=0, block_size=len(block) + 1
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.separator,
                    newlines_in_values=True,
                    # Where there is one column, an empty line is a record without a value.
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=refuse,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(columns),
                    column_types=dict.fromkeys(columns, pa.string()),
                    strings_can_be_null=True,
                    null_values=[""],
                ),
            )
        except pa.ArrowInvalid as error:
            if bad_rows:
                raise self._error(
                    f"row {begun + bad_rows[0]}: not as many values as the header has columns; mend the file"
                ) from None
            if "UTF8" in str(error):
                raise self._wrong_encoding() from None
            raise self._error("cannot be read; is it whole, and a CSV file?") from None
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _codec(self) -> str:
        # With or without byte order mark.
        return "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding

    def _never_closes(self, rows: bytes, line: int) -> SourceError:
        """Say where a quotation mark opens that would swallow all rows after it as one value."""
        odd = [number for number, each in enumerate(rows.split(b"\n")) if each.count(b'"') % 2]
        return self._error(f"line {line + odd[-1]}: a quotation mark that never closes; mend the file")

    def _wrong_encoding(self) -> SourceError:
        return self._error(f"not {self.encoding} text; say which it is, as in encoding='windows-1252'")

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}, {self.path}: {what}")


def _end_of_rows(text: bytes) -> int:
    """Find where the last whole row ends, given that the first begins where the text does."""
    end = text.rfind(b"\n") + 1
    while end and text.count(b'"', 0, end) % 2:
        end = text.rfind(b"\n", 0, end - 1) + 1
    return end
