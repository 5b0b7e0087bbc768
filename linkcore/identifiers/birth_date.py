"""Read birth dates from dates, text in the common forms, or Excel's serial numbers; flag odd dates but keep them."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Final

import polars as pl

from linkcore.identifiers.text import MISSING_WORDS, as_text, ascii_digits, by_dtype, compact, on_present

__all__ = ["DEFAULTS", "EARLIEST", "LATEST", "LATEST_TWO_DIGIT_YEAR", "OLDEST_AGE", "STATUS", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "partial", "default", "impossible", "unreadable", "implausible"])
"""The kinds of birth date. An implausible date keeps its value, an impossible date (31 February) keeps its text, and a
partial date, without its day or without month and day, keeps the text of the rest."""

DEFAULTS: Final = (dt.date(1800, 1, 1), dt.date(1900, 1, 1), dt.date(9999, 12, 31))
"""Dates that systems fill in when they have none. Their partial forms (1900, or 12/9999) are fillers too. 1 January of
any other year is suspicious, but kept."""

EARLIEST: Final = dt.date(1850, 1, 1)
"""Birth dates before this day are implausible, whatever the reference date."""

LATEST: Final = dt.date(2100, 12, 31)
"""Birth dates after this day are implausible, even without a reference date."""

OLDEST_AGE: Final = 120
"""Birth dates more than this number of years before the reference date are implausible."""

LATEST_TWO_DIGIT_YEAR: Final = 2029
"""The last year of two digits without a reference date: 00 to 29 mean 2000 to 2029, and 30 means 1930."""

_CHEAP: Final = (
    ("^[12][0-9]{3}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}.*)?$", 10, "%Y-%m-%d"),
    ("^(?:1[89]|20)[0-9]{2}(?:0[0-9]|1[0-2])[0-3][0-9]$", 8, "%Y%m%d"),
    ("^[0-9]{2}-[A-Za-z]{3}-[12][0-9]{3}$", 11, "%d-%b-%Y"),
)
"""The forms of nearly all dates: pattern, number of characters to read, and format."""

_SLASHED: Final = "^[0-9]{2}/[0-9]{2}/[12][0-9]{3}(?: [0-9]{2}:[0-9]{2}.*)?$"

_TIME: Final = r"(?s)(?:T|\s)\s*[0-9]{1,2}(?::[0-9]{2}.*|\.[0-9]{2}\.[0-9]{2}.*)$"
_TIME_DIGITS: Final = "^([0-9]{8})T?[0-9]{4}(?:[0-9]{2})?$"
_DECIMALS: Final = r"^(?:([0-9]{5,8})[.,][0-9]*|([0-9]{4})[.,]0*)$"
"""The decimals of a number; 1980.0 is a year, but 1980.10 may be a month."""
_SERIAL: Final = "^[1-5][0-9]{4}$|^60000$"
"""Excel's serial numbers from 1927 to 2064. Four digits are a year or unreadable."""

_EXCEL_DAY_0: Final = dt.date(1899, 12, 30)
"""Day 0 of Excel's serial numbers from March 1900 on: Excel counts a 29 February 1900."""

_GAP: Final = r"[-/.,\\\s\p{Pd}]+"
_YEAR: Final = "([0-9]{4}|[0-9]{2})"
_FULL_YEAR: Final = "((?:1[89]|20)[0-9]{2})"
_YEAR_OF_PARTIAL: Final = "((?:1[89]|20)[0-9]{2}|0000|9999)"
_YEAR_NO_MONTH: Final = "((?:1[89]|20)(?:00|1[3-9]|[2-9][0-9]))"
"""Years whose last two digits are no month. Six digits begin with the year for certain only if it is one of these:
190203 may be February 1903, 19 February 2003 or 3 February 2019."""
_TO_12: Final = "(0?[0-9]|1[0-2])"
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
"""The result of :func:`_year_month_day`, in which JANUARY has become 01UARY."""

_PARTIAL_DEFAULTS: Final = tuple(date.isoformat()[:length] for date in DEFAULTS for length in (4, 7))

_FOUND: Final = pl.Struct({"date": pl.Date, "text": pl.String, "missing": pl.Boolean})


def standardise(
    column: pl.Expr,
    *,
    reference_date: dt.date | None = None,
    day_first: bool = True,
    dtype: pl.DataType | None = None,
) -> pl.Expr:
    """Read birth dates, and check whether each is possible and plausible.

    Returns a struct of ``value`` (Date, null unless valid or implausible), ``text`` (String: YYYY-MM-DD of an
    impossible date, for edit distance; YYYY-MM or YYYY of a partial date, plausible or not; null in all other cases)
    and ``status`` (``STATUS``, never null).

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
    if dtype in (pl.Date, pl.Datetime):
        # Polars has dates before year 1 and after year 9999, but nobody is born then.
        date = column if dtype == pl.Date else column.dt.date()
        read = pl.struct(
            date=pl.when(date.dt.year().is_between(1, 9999)).then(date),
            text=pl.lit(None, dtype=pl.String),
            missing=column.is_null(),
        )
    else:
        read = _of_text(as_text(column, dtype), reference_date, day_first)
    return _with_status(read, reference_date)


def _of_text(text: pl.Expr, reference_date: dt.date | None, day_first: bool) -> pl.Expr:
    """Read ``date``, ``text`` and ``missing`` from text: first by the cheap forms, then by all others."""
    date, rest, other = map(pl.field, ("date", "rest", "other"))
    read = pl.struct(rest=text, empty=text.is_null(), date=pl.lit(None, dtype=pl.Date))
    slashed = (_SLASHED, 10, "%d/%m/%Y" if day_first else "%m/%d/%Y")
    for pattern, length, form in (*_CHEAP, slashed):
        in_form = pl.when(rest.str.contains(pattern)).then(rest.str.head(length))
        # No cache: looking up every text takes longer than parsing it, which takes ten nanoseconds.
        found = in_form.str.to_date(form, strict=False, cache=False)
        read = read.struct.with_fields(date=pl.coalesce(date, found)).struct.with_fields(
            rest=pl.when(date.is_null()).then(rest)
        )
    read_other = partial(_of_other_text, reference_date=reference_date, day_first=day_first)
    return read.struct.with_fields(other=on_present(rest, read_other, _FOUND)).struct.with_fields(
        date=pl.coalesce(date, other.struct.field("date")),
        text=other.struct.field("text"),
        missing=pl.field("empty") | other.struct.field("missing").fill_null(value=False),
    )


def _of_other_text(text: pl.Expr, reference_date: dt.date | None, day_first: bool) -> pl.Expr:
    """Read the parts of a date; keep them as text if there is no such date. A part of zeros is unknown."""
    tidy, parts, serial, possible = map(pl.field, ("tidy", "parts", "serial", "possible"))
    year, month, day = map(pl.field, ("year", "month", "day"))
    no_year = parts.struct.field("year").cast(pl.Int32) == 0
    # A month or a day alone says nothing.
    no_date = no_year & ((month == 0) | (day == 0))
    # A day without a month is more likely mistyped than known. It stays, for edit distance, as does a missing year.
    known = pl.when(no_year | (day != 0) | (month > 12)).then(10).when(month == 0).then(4).otherwise(7)
    date = pl.date(*(pl.when(possible).then(part) for part in (year, month, day)))
    serial_date = (serial + (_EXCEL_DAY_0 - dt.date(1970, 1, 1)).days).cast(pl.Date)
    dashed = pl.format(
        "{}-{}-{}", *(part.cast(pl.String).str.zfill(n) for part, n in ((year, 4), (month, 2), (day, 2)))
    )
    return (
        pl.struct(tidy=_tidied(text), words=compact(text))
        .struct.with_fields(
            parts=_year_month_day(tidy, day_first).str.extract_groups(_PARTS),
            serial=pl.when(tidy.str.contains(_SERIAL)).then(tidy).cast(pl.Int32, strict=False),
        )
        .struct.with_fields(*(parts.struct.field(part).cast(pl.Int32) for part in ("year", "month", "day")))
        .struct.with_fields(year=_in_century(parts.struct.field("year"), reference_date))
        .struct.with_fields(possible=_is_possible(year, month, day), missing=pl.field("words").is_in(MISSING_WORDS))
        .struct.with_fields(
            date=pl.coalesce(date, serial_date),
            text=pl.when(possible.not_() & no_date.not_()).then(dashed.str.head(known)),
            missing=pl.field("missing") | no_date.fill_null(value=False),
        )
        .struct.eval(pl.field("date"), pl.field("text"), pl.field("missing"))
    )


def _tidied(text: pl.Expr) -> pl.Expr:
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
    """Rewrite a date in any of the forms as ``year|month|day``; leave any other text as it is."""
    for pattern, rewritten in _forms(day_first):
        tidy = tidy.str.replace(pattern, rewritten)
    return tidy.str.replace_many(_MONTHS)


def _forms(day_first: bool) -> Iterator[tuple[str, str]]:
    """Pair each form with its rewriting, in which 0 is a missing part; no rewritten date has one of the later forms."""
    day_month, month_day = "${3}|${2}|${1}", "${3}|${1}|${2}"
    usual, other = (day_month, month_day) if day_first else (month_day, day_month)
    # Dates to be read the other way round: the part that should be the month is over 12, and the other is not.
    swapped = (_TO_12, _OVER_12) if day_first else (_OVER_12, _TO_12)
    yield rf"^([0-9]{{4}}){_GAP}({_MONTH}|[0-9]{{1,2}}){_GAP}([0-9]{{1,2}})$", "${1}|${2}|${3}"
    yield rf"^{swapped[0]}{_GAP}{swapped[1]}{_GAP}{_YEAR}$", other
    yield rf"^([0-9]{{1,2}}){_GAP}([0-9]{{1,2}}){_GAP}{_YEAR}$", usual
    yield rf"^([0-9]{{1,2}})(?:ST|ND|RD|TH)?(?:{_GAP})?({_MONTH})(?:{_GAP})?{_YEAR}$", day_month
    yield rf"^({_MONTH})(?:{_GAP})?([0-9]{{1,2}})(?:ST|ND|RD|TH)?{_GAP}{_YEAR}$", month_day
    # Digits only: 18 to 20 are no months, so a text that begins with a year cannot also end with one.
    yield rf"^{_FULL_YEAR}(0[0-9]|1[0-2])([0-9]{{2}})$", "${1}|${2}|${3}"
    yield rf"^{swapped[0]}{swapped[1].replace('0?', '0')}{_FULL_YEAR}$", other
    yield rf"^([0-9]{{1,2}})([0-9]{{2}}){_FULL_YEAR}$", usual
    # Without a day. A month after the year must have two digits, because 1980-2 may be a range.
    yield rf"^{_YEAR_OF_PARTIAL}{_GAP}({_MONTH}|0[0-9]|1[0-2])$", "${1}|${2}|0"
    yield rf"^{_TO_12}{_GAP}{_YEAR_OF_PARTIAL}$", "${2}|${1}|0"
    yield rf"^({_MONTH})(?:{_GAP})?{_YEAR_OF_PARTIAL}$", "${2}|${1}|0"
    yield rf"^{_YEAR_NO_MONTH}(0[0-9]|1[0-2])$", "${1}|${2}|0"
    yield rf"^{_YEAR_OF_PARTIAL}$", "${1}|0|0"


def _in_century(year: pl.Expr, reference_date: dt.date | None) -> pl.Expr:
    """Complete a year of two digits: the latest that is not after the reference date or ``LATEST_TWO_DIGIT_YEAR``."""
    number, month, day = pl.field("year"), pl.field("month"), pl.field("day")
    recent = 2000 + number
    if reference_date is None:
        too_late = recent > LATEST_TWO_DIGIT_YEAR
    else:
        too_late = recent * 10_000 + month * 100 + day > int(reference_date.strftime("%Y%m%d"))
    return pl.when(year.str.len_bytes() == 4).then(number).when(too_late).then(recent - 100).otherwise(recent)


def _is_possible(year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Whether the Gregorian calendar has such a date."""
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = pl.when(month.is_in([4, 6, 9, 11])).then(30).when(month == 2).then(28 + leap.cast(pl.Int32)).otherwise(31)
    return (year >= 1) & month.is_between(1, 12) & day.is_between(1, last)


def _with_status(read: pl.Expr, reference_date: dt.date | None) -> pl.Expr:
    """Add value and status to the dates that were read."""
    date, text, status = pl.field("date"), pl.field("text"), pl.field("status")
    earliest, latest = EARLIEST, LATEST
    if reference_date is not None:
        # 120 years before 29 February there may be no 29 February, so 28 February is used.
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
    """Whether all days that a partial date can mean are too early or all too late; null if there is no text."""
    months, years = ((text < earliest.isoformat()[:length]) | (text > latest.isoformat()[:length]) for length in (7, 4))
    return pl.when(text.str.len_bytes() == len("YYYY-MM")).then(months).otherwise(years)


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
