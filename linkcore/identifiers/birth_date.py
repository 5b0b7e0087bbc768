"""Read birth dates from dates, text in the common forms, or Excel serial numbers; suspect dates are flagged."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Final

import polars as pl

from linkcore.identifiers.text import MISSING_WORDS, as_text, ascii_digits, by_dtype, compact, on_present

__all__ = ["DEFAULTS", "EARLIEST", "LATEST", "LATEST_TWO_DIGIT_YEAR", "OLDEST_AGE", "STATUS", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "partial", "default", "impossible", "unreadable", "implausible"])
"""Statuses of a birth date. An implausible date keeps its value, and an impossible one (31 February) keeps its text. A
partial date, without its day or without its month and day, keeps the text of the known part."""

DEFAULTS: Final = (dt.date(1800, 1, 1), dt.date(1900, 1, 1), dt.date(9999, 12, 31))
"""Dates that systems fill in where they have none, also without day or month (1900, or 12/9999). 1 January of other
years is suspect, but valid."""

EARLIEST: Final = dt.date(1850, 1, 1)
"""Earlier birth dates are implausible, whatever the reference date."""

LATEST: Final = dt.date(2100, 12, 31)
"""Later birth dates are implausible, even without a reference date."""

OLDEST_AGE: Final = 120
"""In years. Birth dates that are longer before the reference date are implausible."""

LATEST_TWO_DIGIT_YEAR: Final = 2029
"""Latest year of a two-digit year without a reference date: 00 to 29 are 2000 to 2029, and 30 is 1930."""

_COMMON_FORMS: Final = (
    ("^[12][0-9]{3}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}.*)?$", 10, "%Y-%m-%d"),
    ("^(?:1[89]|20)[0-9]{2}(?:0[0-9]|1[0-2])[0-3][0-9]$", 8, "%Y%m%d"),
    ("^[0-9]{2}-[A-Za-z]{3}-[12][0-9]{3}$", 11, "%d-%b-%Y"),
)
"""Forms of nearly all dates: pattern, number of characters to read, and their format."""

_SLASHED: Final = "^[0-9]{2}/[0-9]{2}/[12][0-9]{3}(?: [0-9]{2}:[0-9]{2}.*)?$"

_TIME: Final = r"(?s)(?:T|\s)\s*[0-9]{1,2}(?::[0-9]{2}.*|\.[0-9]{2}\.[0-9]{2}.*)$"
_TIME_DIGITS: Final = "^([0-9]{8})T?[0-9]{4}(?:[0-9]{2})?$"
_DECIMALS: Final = r"^(?:([0-9]{5,8})[.,][0-9]*|([0-9]{4})[.,]0*)$"
"""Decimals of a number. 1980.0 is a year, but 1980.10 may be a month."""
_SERIAL: Final = "^[1-5][0-9]{4}$|^60000$"
"""Excel serial numbers of 1927 to 2064. Four digits are never a serial number: they are a year or unreadable."""

_EXCEL_DAY_0: Final = dt.date(1899, 12, 30)
"""Day 0 of Excel's serial numbers since March 1900 (Excel has a 29 February 1900)."""

_GAP: Final = r"[-/.,\\\s\p{Pd}]+"
_YEAR: Final = "([0-9]{4}|[0-9]{2})"
_FULL_YEAR: Final = "((?:1[89]|20)[0-9]{2})"
_YEAR_OF_PARTIAL: Final = "((?:1[89]|20)[0-9]{2}|0000|9999)"
_YEAR_NO_MONTH: Final = "((?:1[89]|20)(?:00|1[3-9]|[2-9][0-9]))"
"""Years whose last two digits are not a month. Only with these, six digits certainly begin with the year: 190203 may be
February 1903, 19 February 2003 or 3 February 2019."""
_UP_TO_12: Final = "(0?[0-9]|1[0-2])"
_OVER_12: Final = "(1[3-9]|[2-9][0-9])"
_MONTH: Final = (
    "JAN(?:UARY)?|FEB(?:RUARY)?|MAR(?:CH)?|APR(?:IL)?|MAY|JUNE?|JULY?|AUG(?:UST)?|SEP(?:T(?:EMBER)?)?|OCT(?:OBER)?"
    "|NOV(?:EMBER)?|DEC(?:EMBER)?"
)
_MONTHS: Final = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_PARTS: Final = r"^(?<year>[0-9]{4}|[0-9]{2})\|(?<month>[0-9]{1,2})[A-Z]*\|(?<day>[0-9]{1,2})$"
"""The form that :func:`_year_month_day` writes; JANUARY has become 01UARY."""

_PARTIAL_DEFAULTS: Final = tuple(date.isoformat()[:length] for date in DEFAULTS for length in (4, 7))

_RESULT: Final = pl.Struct({"date": pl.Date, "text": pl.String, "missing": pl.Boolean})


def standardise(
    column: pl.Expr,
    *,
    reference_date: dt.date | None = None,
    day_first: bool = True,
    dtype: pl.DataType | None = None,
) -> pl.Expr:
    """Read birth dates, and determine the status of each.

    Returns a struct of ``value`` (Date, null unless valid or implausible), ``text`` (String) and ``status`` (never
    null). ``text`` is YYYY-MM-DD of an impossible date, for edit distance, or YYYY-MM or YYYY of a date without its day
    or month; otherwise it is null.

    Examples
    --------
    >>> born = ["2001-02-03", "3 Feb 2001", "3/2/01", "31/02/2001", "00/02/2001", "Feb 2001", "1900-01-01", "soon"]
    >>> frame = pl.DataFrame({"born": born})
    >>> frame.select(standardise(pl.col("born"))).unnest("born")
    shape: (8, 3)
    ┌────────────┬────────────┬────────────┐
    │ value      ┆ text       ┆ status     │
    │ ---        ┆ ---        ┆ ---        │
    │ date       ┆ str        ┆ enum       │
    ╞════════════╪════════════╪════════════╡
    │ 2001-02-03 ┆ null       ┆ valid      │
    │ 2001-02-03 ┆ null       ┆ valid      │
    │ 2001-02-03 ┆ null       ┆ valid      │
    │ null       ┆ 2001-02-31 ┆ impossible │
    │ null       ┆ 2001-02    ┆ partial    │
    │ null       ┆ 2001-02    ┆ partial    │
    │ null       ┆ null       ┆ default    │
    │ null       ┆ null       ┆ unreadable │
    └────────────┴────────────┴────────────┘
    """
    return by_dtype(column, partial(_standardise, reference_date=reference_date, day_first=day_first), dtype)


def _standardise(column: pl.Expr, dtype: pl.DataType, reference_date: dt.date | None, day_first: bool) -> pl.Expr:
    """Read birth dates of a known dtype, then add the status."""
    if dtype in (pl.Date, pl.Datetime):
        # Polars has dates before year 1 and after year 9999, but no birth date is one of them.
        date = column if dtype == pl.Date else column.dt.date()
        read = pl.struct(
            date=pl.when(date.dt.year().is_between(1, 9999)).then(date),
            text=pl.lit(None, dtype=pl.String),
            missing=column.is_null(),
        )
    else:
        read = _read_text(as_text(column, dtype), reference_date, day_first)
    return _with_status(read, reference_date)


def _read_text(text: pl.Expr, reference_date: dt.date | None, day_first: bool) -> pl.Expr:
    """Read ``date``, ``text`` and ``missing``: first the common forms, then all others."""
    date, rest, other = map(pl.field, ("date", "rest", "other"))
    read = pl.struct(rest=text, empty=text.is_null(), date=pl.lit(None, dtype=pl.Date))
    slashed = (_SLASHED, 10, "%d/%m/%Y" if day_first else "%m/%d/%Y")
    for pattern, length, form in (*_COMMON_FORMS, slashed):
        matching = pl.when(rest.str.contains(pattern)).then(rest.str.head(length))
        # The cache is slower here: it looks up every text to save a parse of ten nanoseconds.
        found = matching.str.to_date(form, strict=False, cache=False)
        read = read.struct.with_fields(date=pl.coalesce(date, found)).struct.with_fields(
            rest=pl.when(date.is_null()).then(rest)
        )
    read_other = partial(_read_other_text, reference_date=reference_date, day_first=day_first)
    return read.struct.with_fields(other=on_present(rest, read_other, _RESULT)).struct.with_fields(
        date=pl.coalesce(date, other.struct.field("date")),
        text=other.struct.field("text"),
        missing=pl.field("empty") | other.struct.field("missing").fill_null(value=False),
    )


def _read_other_text(text: pl.Expr, reference_date: dt.date | None, day_first: bool) -> pl.Expr:
    """Read the parts of a date, and keep them as text where no such date exists; a part of zeros is unknown."""
    tidy, parts, serial, possible = map(pl.field, ("tidy", "parts", "serial", "possible"))
    year, month, day = map(pl.field, ("year", "month", "day"))
    no_year = parts.struct.field("year").cast(pl.Int32) == 0
    # A month or a day alone says nothing.
    no_date = no_year & ((month == 0) | (day == 0))
    # A day without its month is probably mistyped: the text keeps it for edit distance, as it does without a year.
    known_length = pl.when(no_year | (day != 0) | (month > 12)).then(10).when(month == 0).then(4).otherwise(7)
    date = pl.date(*(pl.when(possible).then(part) for part in (year, month, day)))
    serial_date = (serial + (_EXCEL_DAY_0 - dt.date(1970, 1, 1)).days).cast(pl.Date)
    iso_text = pl.format(
        "{}-{}-{}", *(part.cast(pl.String).str.zfill(length) for part, length in ((year, 4), (month, 2), (day, 2)))
    )
    return (
        pl.struct(tidy=_without_time(text), words=compact(text))
        .struct.with_fields(
            parts=_year_month_day(tidy, day_first).str.extract_groups(_PARTS),
            serial=pl.when(tidy.str.contains(_SERIAL)).then(tidy).cast(pl.Int32, strict=False),
        )
        .struct.with_fields(*(parts.struct.field(part).cast(pl.Int32) for part in ("year", "month", "day")))
        .struct.with_fields(year=_in_century(parts.struct.field("year"), reference_date))
        .struct.with_fields(possible=_is_possible(year, month, day), missing=pl.field("words").is_in(MISSING_WORDS))
        .struct.with_fields(
            date=pl.coalesce(date, serial_date),
            text=pl.when(possible.not_() & no_date.not_()).then(iso_text.str.head(known_length)),
            missing=pl.field("missing") | no_date.fill_null(value=False),
        )
        .struct.eval(pl.field("date"), pl.field("text"), pl.field("missing"))
    )


def _without_time(text: pl.Expr) -> pl.Expr:
    """Remove the time of day, and the decimals of a number."""
    return (
        ascii_digits(text)
        .str.to_uppercase()
        .str.replace_all("|", "/", literal=True)
        .str.strip_chars()
        .str.replace(_TIME, "")
        .str.replace(_TIME_DIGITS, "${1}")
        .str.replace(_DECIMALS, "${1}${2}")
    )


def _year_month_day(tidy: pl.Expr, day_first: bool) -> pl.Expr:
    """Rewrite a date in any known form as ``year|month|day``; other text stays as it is."""
    for pattern, rewritten in _forms(day_first):
        tidy = tidy.str.replace(pattern, rewritten)
    return tidy.str.replace_many(_MONTHS)


def _forms(day_first: bool) -> Iterator[tuple[str, str]]:
    """Yield each form and its replacement, with 0 for an absent part; no replacement matches a later form."""
    day_month, month_day = "${3}|${2}|${1}", "${3}|${1}|${2}"
    usual, other = (day_month, month_day) if day_first else (month_day, day_month)
    # Day and month change places where the month would be over 12 and the day would not.
    swapped = (_UP_TO_12, _OVER_12) if day_first else (_OVER_12, _UP_TO_12)
    yield rf"^([0-9]{{4}}){_GAP}({_MONTH}|[0-9]{{1,2}}){_GAP}([0-9]{{1,2}})$", "${1}|${2}|${3}"
    yield rf"^{swapped[0]}{_GAP}{swapped[1]}{_GAP}{_YEAR}$", other
    yield rf"^([0-9]{{1,2}}){_GAP}([0-9]{{1,2}}){_GAP}{_YEAR}$", usual
    yield rf"^([0-9]{{1,2}})(?:ST|ND|RD|TH)?(?:{_GAP})?({_MONTH})(?:{_GAP})?{_YEAR}$", day_month
    yield rf"^({_MONTH})(?:{_GAP})?([0-9]{{1,2}})(?:ST|ND|RD|TH)?{_GAP}{_YEAR}$", month_day
    # Digits alone: 18 to 20, the start of a year, is never a month, so no date both begins and ends with a year.
    yield rf"^{_FULL_YEAR}(0[0-9]|1[0-2])([0-9]{{2}})$", "${1}|${2}|${3}"
    yield rf"^{swapped[0]}{swapped[1].replace('0?', '0')}{_FULL_YEAR}$", other
    yield rf"^([0-9]{{1,2}})([0-9]{{2}}){_FULL_YEAR}$", usual
    # Without a day: a month after the year has two digits, since 1980-2 may be a range.
    yield rf"^{_YEAR_OF_PARTIAL}{_GAP}({_MONTH}|0[0-9]|1[0-2])$", "${1}|${2}|0"
    yield rf"^{_UP_TO_12}{_GAP}{_YEAR_OF_PARTIAL}$", "${2}|${1}|0"
    yield rf"^({_MONTH})(?:{_GAP})?{_YEAR_OF_PARTIAL}$", "${2}|${1}|0"
    yield rf"^{_YEAR_NO_MONTH}(0[0-9]|1[0-2])$", "${1}|${2}|0"
    yield rf"^{_YEAR_OF_PARTIAL}$", "${1}|0|0"


def _in_century(year: pl.Expr, reference_date: dt.date | None) -> pl.Expr:
    """Complete two-digit years to the latest year up to the reference date, or up to ``LATEST_TWO_DIGIT_YEAR``."""
    number, month, day = pl.field("year"), pl.field("month"), pl.field("day")
    recent = 2000 + number
    if reference_date is None:
        too_late = recent > LATEST_TWO_DIGIT_YEAR
    else:
        too_late = recent * 10_000 + month * 100 + day > int(reference_date.strftime("%Y%m%d"))
    return pl.when(year.str.len_bytes() == 4).then(number).when(too_late).then(recent - 100).otherwise(recent)


def _is_possible(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Whether the date exists in the Gregorian calendar."""
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = pl.when(month.is_in([4, 6, 9, 11])).then(30).when(month == 2).then(28 + leap.cast(pl.Int32)).otherwise(31)
    return (year >= 1) & month.is_between(1, 12) & day.is_between(1, last)


def _with_status(read: pl.Expr, reference_date: dt.date | None) -> pl.Expr:
    """Add the value and the status to dates that were read."""
    date, text, status = pl.field("date"), pl.field("text"), pl.field("status")
    earliest, latest = EARLIEST, LATEST
    if reference_date is not None:
        # There may be no 29 February 120 years earlier; use the 28th.
        day = 28 if (reference_date.month, reference_date.day) == (2, 29) else reference_date.day
        oldest = dt.date(max(reference_date.year - OLDEST_AGE, 1), reference_date.month, day)
        earliest, latest = max(earliest, oldest), min(latest, reference_date)
    status_of_date = (
        pl.when(pl.field("missing"))
        .then(_status("missing"))
        .when(text.str.len_bytes() == len("YYYY-MM-DD"))
        .then(_status("impossible"))
        .when(date.is_null() & text.is_null())
        .then(_status("unreadable"))
        .when(date.is_in(DEFAULTS) | text.is_in(_PARTIAL_DEFAULTS))
        .then(_status("default"))
        .when(date.is_between(earliest, latest).not_() | _is_outside(text, earliest, latest))
        .then(_status("implausible"))
        .when(text.is_not_null())
        .then(_status("partial"))
        .otherwise(_status("valid"))
    )
    is_default = pl.field("status") == _status("default")
    return (
        read.struct.with_fields(status=status_of_date)
        .struct.with_fields(value=pl.when(~is_default).then(date), text=pl.when(~is_default).then(text))
        .struct.eval(pl.field("value"), text, status)
    )


def _is_outside(text: pl.Expr, earliest: dt.date, latest: dt.date) -> pl.Expr:
    """Whether all possible days of a partial date are too early or too late; null where there is no text."""
    months, years = ((text < earliest.isoformat()[:length]) | (text > latest.isoformat()[:length]) for length in (7, 4))
    return pl.when(text.str.len_bytes() == len("YYYY-MM")).then(months).otherwise(years)


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
