"""What the beginning of a CSV file looks like: its separator, and for errors its encoding."""

import csv
import io
from itertools import islice
from typing import Final

__all__ = ["SEPARATORS", "likely_encoding", "likely_separators"]

SEPARATORS: Final = (",", ";", "\t", "|")
"""The separators that are recognised."""

_ROWS: Final = 100
_CHARACTERS: Final = 1 << 16


def likely_separators(text: str) -> list[str]:
    r"""Return the separators that cut every row into as many values as the header, more than one.

    If rows differ whatever separates them, return those that cut the header. ``text`` is the beginning of a file.

    Examples
    --------
    >>> likely_separators("NHS_NO;COST\n9990000018;3,50\n"), likely_separators("NHS_NO\n9990000018\n")
    ([';'], [])
    """
    widths = {separator: _widths(text[:_CHARACTERS], separator, len(text) > _CHARACTERS) for separator in SEPARATORS}
    cut = [separator for separator, width in widths.items() if width and width[0] > 1]
    return [separator for separator in cut if len(set(widths[separator])) == 1] or cut


def _widths(text: str, separator: str, is_cut: bool) -> list[int]:
    try:
        rows = [row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), _ROWS) if row]
    except csv.Error:
        return []
    # The last row of a text that was cut may not be whole.
    return [len(row) for row in (rows[:-1] if is_cut and 1 < len(rows) < _ROWS else rows)]


def likely_encoding(content: bytes) -> str | None:
    r"""Return the encoding that bytes which cannot be read seem to have, to name it in an error; None if none fits.

    Examples
    --------
    >>> likely_encoding("Zoë".encode("windows-1252")), likely_encoding(b"\xff\xfeA\0"), likely_encoding(b"\x81")
    ('windows-1252', 'utf-16', None)
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8", "windows-1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return None
