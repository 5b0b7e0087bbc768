"""CSV files, read strictly: every row is as wide as the header, every quotation mark closes, every value is text.

A record that has lost a comma would link as somebody else. So pyarrow reads the rows: it counts the values of each.
Polars' reader is two to three times as fast, but it overlooks surplus values, pads rows that are too short, cannot read
Windows-1252, and quotes values in its errors.

This module cuts the file into blocks of whole rows and gives pyarrow one block at a time. Pyarrow's own streaming
reader accepts a final quotation mark that never closes. For encodings other than UTF-8 it also decodes in a thread that
aborts the process if Python ends first.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.identifiers import birth_date, postcode
from linkcore.sources.formats.csv_guesses import likely_encoding, likely_separators
from linkcore.sources.formats.lazily import fault_of, scan_batches
from linkcore.sources.formats.packed_files import PACKED, UNPACKING_FAILS, open_unpacked

__all__ = ["NO_HEADER", "CsvFile", "looks_like_record"]

NO_HEADER: Final = "the first line looks like a record; give the file a header"
"""What an error says instead of naming the columns when :func:`looks_like_record` is true."""

_BLOCK_BYTES: Final = 4 << 20
# A longer row has a quotation mark that never closes.
_LONGEST_ROW_BYTES: Final = 64 << 20
_MOST_COLUMNS: Final = 10_000
# An NHS Number, a date and a telephone number have at least as many digits; the name of a column hardly ever has.
_DIGITS_OF_A_VALUE: Final = 5


@dataclass(frozen=True)
class CsvFile:
    """One CSV file of a source, packed by gzip or Zstandard if its name ends in ``.gz`` or ``.zst``.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    path : pathlib.Path
        The file.
    encoding : str
        Name of a Python codec; ``"utf-8"`` reads files with and without a byte order mark.
    separator : str, optional
        The character between values; None finds it.
    max_rows, max_bytes : int, optional
        Reading ends with an error at a file with more rows, or with more bytes unpacked from a packed one.
    """

    source: str
    path: Path
    encoding: str = "utf-8"
    separator: str | None = ","
    max_rows: int | None = None
    max_bytes: int | None = None

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """Return the bytes of the file; its rows, and its unpacked bytes, are not known before it is read."""
        try:
            return 0, self.path.stat().st_size
        except OSError:
            return 0, 0

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""
        rows = io.TextIOWrapper(io.BytesIO(next(self._blocks(), b"")), encoding="utf-8", newline="")
        try:
            names = next(csv.reader(rows, delimiter=self._separator), [])
        except csv.Error:
            names = None
        # Raised here and not inside the except clause, as everywhere below: the error that is being handled may hold
        # values, and would travel with the new one as its context.
        if names is None:
            raise self._error("cannot be read; check that it is complete, and a CSV file")
        if not names:
            raise self._error("the file is empty; it must begin with a header line")
        if len(names) > _MOST_COLUMNS:
            raise self._error(f"{len(names):,} columns, and at most {_MOST_COLUMNS:,} are read; correct the file")
        if len(names) == 1 and (likely := [each for each in self._likely_separators if each != self._separator]):
            raise self._error(
                f"separator={self._separator!r} leaves one column, and its columns look separated by "
                f"{' or by '.join(map(repr, likely))}; state that separator"
            )
        times = Counter(names)
        repeated = [str(number) for number, name in enumerate(names, start=1) if times[name] > 1]
        if repeated and looks_like_record(names):
            raise self._error(NO_HEADER)
        if repeated:
            raise self._error(f"the header repeats names, in columns {', '.join(repeated)}; rename all but one of each")
        return tuple(names)

    @cached_property
    def _separator(self) -> str:
        """The separator that is stated, else the one that fits every row at the beginning of the file."""
        if self.separator is not None:
            return self.separator
        if len(self._likely_separators) > 1:
            raise self._error(
                f"its columns look separated by {' or by '.join(map(repr, self._likely_separators))}; state separator"
            )
        return self._likely_separators[0] if self._likely_separators else ","

    @cached_property
    def _likely_separators(self) -> list[str]:
        return likely_separators(next(self._blocks(), b"").decode())

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read the named columns as text, block by block, in the order of the rows; an empty value is null."""
        names = self.header()
        rows_before = -1
        for block in self._blocks():
            frame = self._parse(block, names, columns, rows_before)
            if self.max_rows is not None and rows_before + frame.height > self.max_rows:
                raise self._error(
                    f"more than {self.max_rows:,} rows, which is the max_rows of its source; check that it is the "
                    "right file, and raise max_rows if it is"
                )
            # The first block begins with the header, which is parsed as row 0 and dropped.
            yield frame[1:] if rows_before < 0 else frame
            rows_before += frame.height

    def find_fault(self) -> SourceError | None:
        """Read everything again and return what is wrong, quoting no value; None if this file can be read."""
        return fault_of(lambda: self.batches(self.header()))

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily and as text, in the order of the rows; a query reads only the columns it needs."""
        return scan_batches(dict.fromkeys(self.header(), pl.String()), self.batches)

    def _blocks(self) -> Iterator[bytes]:
        """Cut the file into blocks of whole rows, in UTF-8; a line end inside quotation marks does not end a row."""
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
        """Read the file part by part and recode it as UTF-8."""
        decoder = codecs.getincrementaldecoder(self._codec())()
        line, size = 1, 0
        try:
            with open_unpacked(self.path) as raw:
                while part := raw.read(_BLOCK_BYTES):
                    size += len(part)
                    self._refuse_size(size)
                    text = decoder.decode(part).encode()
                    yield text
                    line += text.count(b"\n")
                yield decoder.decode(b"", True).encode()
            return
        except UnicodeError as error:
            line += self._lines_before(error)
            what = f"line {line}: not {self.encoding} text; {self._advice(error)}"
        except UNPACKING_FAILS:
            what = "cannot be read; check that it is still there and whole, and that you may read it"
        raise self._error(what)

    def _refuse_size(self, size: int) -> None:
        # The size of a file that is not packed is known before it is read.
        if self.max_bytes is not None and size > self.max_bytes and self.path.suffix.lower() in PACKED:
            raise self._error(
                f"more than {self.max_bytes:,} bytes, unpacked, which is the max_bytes of its source; check that it is "
                "the right file, and raise max_bytes if it is"
            )

    def _advice(self, error: UnicodeError) -> str:
        """Say which encoding to give; a guess is only ever named, never used."""
        found = likely_encoding(error.object) if isinstance(error, UnicodeDecodeError) else None
        if found is None or codecs.lookup(found) == codecs.lookup(self.encoding):
            return "give the right encoding, as in encoding='windows-1252'"
        return f"it looks like {found}; if it is, give encoding={found!r}"

    def _lines_before(self, error: UnicodeError) -> int:
        """Count the line ends before the wrong byte, in the part of the file that was being decoded."""
        if not isinstance(error, UnicodeDecodeError):
            return 0
        # Python calls every encoding that it reads from a table "charmap".
        encoding = self.encoding if error.encoding == "charmap" else error.encoding
        return error.object[: error.start].decode(encoding, "replace").count("\n")

    def _parse(self, block: bytes, names: Sequence[str], columns: Sequence[str], rows_before: int) -> pl.DataFrame:
        """Read some columns of one block; ``rows_before`` numbers the rows for errors."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        bad_rows: list[int] = []

        def refuse(row: Any) -> str:
            bad_rows.append(row.number)
            return "error"

        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block),
                # Only with one thread does pyarrow number a refused row. Polars works in parallel with it.
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, column_names=names, skip_rows=0, block_size=len(block) + 1
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._separator,
                    newlines_in_values=True,
                    # In a file with one column, an empty line is a record without a value.
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
            row = rows_before + bad_rows[0]
            raise self._error(f"row {row}: not as many values as the header has columns; correct the file")
        if table is None:
            raise self._error("cannot be read; check that it is complete, and a CSV file")
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _codec(self) -> str:
        # "utf-8-sig" reads files with and without a byte order mark.
        return "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding

    def _never_ends(self, rows: bytes, line: int) -> SourceError:
        """Return an error that names the line of a quotation mark that never closes."""
        odd = [number for number, text in enumerate(rows.split(b"\n")) if text.count(b'"') % 2]
        if odd:
            return self._error(f"line {line + odd[-1]}: a quotation mark that never closes; correct the file")
        return self._error(
            f"line {line}: a row that never ends; check that this is a CSV file, and that its lines end in LF or CR LF"
        )

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}, {self.path}: {what}")


def looks_like_record(names: Sequence[str]) -> bool:
    """Whether the first line holds the values of a record and not the names of columns, so that no error may quote it.

    Examples
    --------
    >>> looks_like_record(["NHS_NO", "SURNAME", "DOB"]), looks_like_record(["Smith", "3 Feb 80"])
    (False, True)
    """
    name = pl.col("name")
    # A month or a year may name a column of figures.
    status = birth_date.standardise(name, dtype=pl.String()).struct.field("status")
    is_date = ~status.is_in(["unreadable", "partial"])
    is_postcode = postcode.standardise(name).struct.field("status") == "valid"
    value = is_date | is_postcode | (name.str.count_matches("[0-9]") >= _DIGITS_OF_A_VALUE)
    return bool(pl.DataFrame({"name": names}, schema={"name": pl.String}).select(value.any()).item())


def _end_of_rows(text: bytes, inside: bool) -> int:
    """Return where the last whole row of a text ends; 0 if none does.

    ``inside``: whether the text begins inside quotation marks. The search goes backwards, one quotation mark at a time:
    every other stretch lies outside.
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
