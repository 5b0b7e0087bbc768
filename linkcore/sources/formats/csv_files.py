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
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.identifiers import birth_date, postcode

__all__ = ["NO_HEADER", "CsvFile", "looks_like_record"]

NO_HEADER: Final = "the first line looks like a record; give the file a header"
"""What to say instead of naming columns, where :func:`looks_like_record` says so."""

_BLOCK_BYTES: Final = 4 << 20
# A row that is longer has a quotation mark that never closes.
_LONGEST_ROW_BYTES: Final = 64 << 20
# As many as an NHS Number, a date or a telephone number has, and hardly a name of a column.
_DIGITS_OF_A_VALUE: Final = 5


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
        """Read the names of the columns."""
        rows = io.TextIOWrapper(io.BytesIO(next(self._blocks(), b"")), encoding="utf-8", newline="")
        try:
            names = next(csv.reader(rows, delimiter=self.separator), [])
        except csv.Error:
            names = None
        # Raised here and not above, as everywhere below: an error that is being handled, which may hold values, would
        # go with the new one as its context.
        if names is None:
            raise self._error("cannot be read; is it whole, and a CSV file?")
        if not names:
            raise self._error("the file is empty; it must begin with a header line")
        repeated = [str(number) for number, name in enumerate(names, start=1) if names.count(name) > 1]
        if repeated and looks_like_record(names):
            raise self._error(NO_HEADER)
        if repeated:
            raise self._error(f"the header repeats names, in columns {', '.join(repeated)}; rename all but one of each")
        return tuple(names)

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read the named columns as text, block by block, in the order of the rows; an empty value is null."""
        names = self.header()
        begun = -1
        for block in self._blocks():
            frame = self._parse(block, names, columns, begun)
            # The first block begins with the header, which is parsed as row 0 and dropped.
            yield frame[1:] if begun < 0 else frame
            begun += frame.height

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """Give the file as a lazy frame that reads only the columns a query needs."""
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
        rest: list[bytes] = []
        inside = False
        line = 1
        for text in self._texts():
            end = _end_of_rows(text, inside)
            inside ^= bool(text.count(b'"') % 2)
            if end:
                block = b"".join((*rest, text[:end]))
                yield block
                line += block.count(b"\n")
                rest = []
            rest.append(text[end:])
            if sum(map(len, rest)) > _LONGEST_ROW_BYTES:
                raise self._never_ends(b"".join(rest), line)
        last = b"".join(rest)
        if inside:
            raise self._never_ends(last, line)
        if last:
            yield last

    def _texts(self) -> Iterator[bytes]:
        """Read the file part by part, in UTF-8."""
        decoder = codecs.getincrementaldecoder(self._codec())()
        line = 1
        try:
            with self.path.open("rb") as raw:
                while part := raw.read(_BLOCK_BYTES):
                    text = decoder.decode(part).encode()
                    yield text
                    line += text.count(b"\n")
                yield decoder.decode(b"", True).encode()
            return
        except UnicodeError as error:
            line += self._lines_before(error)
            what = f"line {line}: not {self.encoding} text; say which it is, as in encoding='windows-1252'"
        except OSError:
            what = "cannot be read; check that it is still there and may be read"
        raise self._error(what)

    def _lines_before(self, error: UnicodeError) -> int:
        """Count the line ends between the beginning of the part that was being decoded and the byte that is wrong."""
        if not isinstance(error, UnicodeDecodeError):
            return 0
        # Python calls every encoding that it has as a table "charmap".
        encoding = self.encoding if error.encoding == "charmap" else error.encoding
        return error.object[: error.start].decode(encoding, "replace").count("\n")

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
        except pa.ArrowInvalid:
            table = None
        if bad_rows:
            raise self._error(f"row {begun + bad_rows[0]}: not as many values as the header has columns; mend the file")
        if table is None:
            raise self._error("cannot be read; is it whole, and a CSV file?")
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _codec(self) -> str:
        # With or without byte order mark.
        return "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding

    def _never_ends(self, rows: bytes, line: int) -> SourceError:
        """Say where a quotation mark opens that would swallow all rows after it as one value."""
        odd = [number for number, each in enumerate(rows.split(b"\n")) if each.count(b'"') % 2]
        if odd:
            return self._error(f"line {line + odd[-1]}: a quotation mark that never closes; mend the file")
        return self._error(
            f"line {line}: a row that never ends; is it a CSV file, with line ends that are not CR alone?"
        )

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}, {self.path}: {what}")


def looks_like_record(names: Sequence[str]) -> bool:
    """Say whether what should be the names of the columns are the values of a record, so that none may be quoted.

    Examples
    --------
    >>> looks_like_record(["NHS_NO", "SURNAME", "DOB"]), looks_like_record(["Smith", "3 Feb 80"])
    (False, True)
    """
    name = pl.col("name")
    # A month or a year may be the name of a column: that of its figures.
    status = birth_date.standardise(name, dtype=pl.String()).struct.field("status")
    dated = ~status.is_in(["unreadable", "partial"])
    placed = postcode.standardise(name).struct.field("status") == "valid"
    value = dated | placed | (name.str.count_matches("[0-9]") >= _DIGITS_OF_A_VALUE)
    return bool(pl.DataFrame({"name": names}, schema={"name": pl.String}).select(value.any()).item())


def _end_of_rows(text: bytes, inside: bool) -> int:
    """Find where the last whole row ends, in text that begins inside quotation marks or outside; 0 where none does.

    From the end back, from one quotation mark to the one before: every other stretch is outside.
    """
    inside ^= bool(text.count(b'"') % 2)
    end = len(text)
    while end >= 0:
        begin = text.rfind(b'"', 0, end) + 1
        line_end = -1 if inside else text.rfind(b"\n", begin, end)
        if line_end >= 0:
            return line_end + 1
        end, inside = begin - 1, not inside
    return 0
