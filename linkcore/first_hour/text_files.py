"""How a text file is written: its encoding and its separator."""

import codecs
import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["TextForm", "is_text", "sniff"]

_SEPARATORS: Final = ",;\t|"
_ENCODINGS: Final = ("utf-8", "windows-1252", "latin-1")
_PART: Final = 4 << 20
_LINES: Final = 200


@dataclass(frozen=True)
class TextForm:
    """How a text file is written.

    Parameters
    ----------
    encoding, separator : str
        As a source states them.
    header_row : int
        Number of the row, counted from 1, that seems to be the header: rows of a title may come before it.
    """

    encoding: str = "utf-8"
    separator: str = ","
    header_row: int = 1


def is_text(file: Path) -> bool:
    """Whether a file has an encoding and a separator.

    Examples
    --------
    >>> is_text(Path("gp.CSV")), is_text(Path("gp.csv.gz")), is_text(Path("gp.parquet"))
    (True, True, False)
    """
    name = file.name.lower().removesuffix(".gz")
    return name.endswith((".csv", ".txt", ".tsv"))


def sniff(file: Path) -> TextForm:
    r"""Find the encoding and the separator of a text file; the whole file must be readable in the encoding.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
    ...     _ = file.write("nhs_no;né\n9434765919;à Paris, 7e\n".encode("windows-1252"))
    ...     file.flush()
    ...     sniff(Path(file.name))
    TextForm(encoding='windows-1252', separator=';', header_row=1)
    """
    encoding = next(each for each in _ENCODINGS if each == _ENCODINGS[-1] or _is_readable(file, each))
    with _open(file) as raw:
        head = raw.read(_PART).decode("utf-8-sig" if encoding == "utf-8" else encoding, "ignore")
    lines = head.splitlines(keepends=True)[:_LINES]
    separator = max(_SEPARATORS, key=lambda each: _rows_alike(lines, each))
    return TextForm(encoding, separator, _header_row(_widths(lines, separator)))


def _open(file: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb")


def _is_readable(file: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for part in _parts(file):
            decoder.decode(part)
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


def _parts(file: Path) -> Iterator[bytes]:
    with _open(file) as raw:
        while part := raw.read(_PART):
            yield part


def _widths(lines: list[str], separator: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(io.StringIO("".join(lines)), delimiter=separator) if row]
    except csv.Error:
        return []


def _rows_alike(lines: list[str], separator: str) -> tuple[float, int]:
    """Say how many rows have the commonest width, and how wide they are; a row of one value says nothing."""
    widths = _widths(lines, separator)
    width, rows = Counter(widths).most_common(1)[0] if widths else (1, 0)
    return (rows / len(widths), width) if width > 1 else (0.0, 1)


def _header_row(widths: list[int]) -> int:
    """Return the first row that is as wide as most."""
    width = Counter(widths).most_common(1)[0][0] if widths else 1
    return next((number for number, each in enumerate(widths, start=1) if each == width), 1)
