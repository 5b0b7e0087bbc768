"""Dates that a value may say: written in a text, or hidden in a whole number."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

import polars as pl

from linkcore.governance.releases.identifying.people import People
from linkcore.identifiers import birth_date

__all__ = ["are_dates", "days_in_numbers", "days_in_texts", "whole_days"]

_MONTH: Final = "(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-zA-Z]*"
_DAY: Final = "[0-9]{1,2}(?:st|nd|rd|th)?"
_MARK: Final = "[^0-9A-Za-z_]"
_WRITTEN: Final = (
    *(rf"[0-9]{{1,4}}{mark}[0-9]{{1,2}}{mark}[0-9]{{1,4}}" for mark in ("/", "-", r"\.", " ")),
    rf"{_DAY}{_MARK}{{0,2}}(?:of )?{_MONTH}{_MARK}{{0,2}}[0-9]{{2,4}}",
    rf"{_MONTH}{_MARK}{{0,2}}{_DAY}{_MARK}{{1,2}}[0-9]{{2,4}}",
    # With anything between the parts, as in 03 / 02 / 1980 or {"d": 3, "m": 2, "y": 1980}.
    r"[0-9]{1,4}[^0-9]{1,8}[0-9]{1,2}[^0-9]{1,8}[0-9]{1,4}",
)
_IN_DIGITS: Final = "(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9]"  # also at the head of a time, or within others
_ENDING: Final = r"([0-9])(?:st|nd|rd|th)\b(?: of)?"

_DATE_ALONE: Final = rf"^[^\p{{L}}]*(?:T|{_MONTH})?[^\p{{L}}]*Z?$"

_WHOLE: Final = {
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "%Y-%m-%d",
    "^[0-9]{2}/[0-9]{2}/[0-9]{4}$": "%d/%m/%Y",
    "^[0-9]{2}-[0-9]{2}-[0-9]{4}$": "%d-%m-%Y",
    "^[0-9]{2}-[A-Za-z]{3}-[0-9]{4}$": "%d-%b-%Y",
}
_FIRST_DAYS: Final = tuple(
    dt.date.fromisoformat(day)
    for day in (
        "1970-01-01",  # Unix
        "1899-12-30",  # spreadsheets
        "1904-01-01",  # spreadsheets of old Macintoshes
        "1960-01-01",  # SAS and Stata
        "1858-11-17",  # the modified Julian day
        "1582-10-14",  # SPSS
    )
)
_FIRST_OF_UNIX: Final = dt.date(1970, 1, 1)
_DAYS_OF_1970: Final = (2_440_588, 719_163)  # the Julian day, and the day of our calendar's first year 1
_SMALLEST_SECONDS: Final = 1_000_000
_DAYS: Final = (-40_000, 50_000)
_MONTHS: Final = 12
_PER_DAY: Final = tuple(86_400 * 1_000**power for power in range(4))  # seconds, milli-, micro- and nanoseconds
_IN_PARTS: Final = rf"(?s)[0-9][^0-9]{{1,8}}[0-9]{{1,2}}[^0-9]{{1,8}}[0-9]|[0-9].{{0,9}}{_MONTH}|{_MONTH}.{{0,9}}[0-9]"
# What stands between the parts of a date that are all numbers.
_BETWEEN: Final = "^([0-9]{1,4})[^0-9]+([0-9]{1,2})[^0-9]+([0-9]{1,4})$"
# A short number is a count of days only if nothing else stands beside it.
_NUMBER: Final = "^-?[0-9]{3,18}$|[0-9]{5,18}"
_DIGITS: Final = ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%y%m%d", "%d%m%y", "%m%d%y", "%Y%j", "%y%j")
_LENGTH: Final = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2, "%j": 3}


def are_dates(values: pl.Series) -> bool:
    """Whether values are dates or, as texts, nothing but numbers and the name of a month.

    Examples
    --------
    >>> are_dates(pl.Series(["2026-01-05T10:00:00Z", "5 Jan 2026"])), are_dates(pl.Series(["born 5 Jan 2026"]))
    (True, False)
    """
    if values.dtype != pl.String:
        return values.dtype == pl.Date
    return bool(values.drop_nulls().str.contains(_DATE_ALONE).all())


def whole_days(texts: pl.Series, people: People) -> pl.DataFrame | None:
    """Return the days of texts of which each is a whole date in one form, and nothing else; None if some are not.

    ``value`` and ``reading`` (Date): of days on which somebody was born, also with day and month in the other order.

    Examples
    --------
    >>> people = People(pl.DataFrame({"birth_date": [dt.date(1980, 2, 3)]}))
    >>> whole_days(pl.Series(["03/02/1980", "02/03/1980", "31/03/1980"]), people)["value"].to_list()
    ['03/02/1980', '02/03/1980']
    >>> whole_days(pl.Series(["03/02/1980", "31/02/1980"]), people)
    """
    texts = texts.drop_nulls()
    first = str(texts.first())
    pattern = next((pattern for pattern in _WHOLE if re.fullmatch(pattern, first)), None)
    if pattern is None or not texts.str.contains(pattern).all():
        return None
    days = texts.str.to_date(_WHOLE[pattern], strict=False)
    if days.null_count():
        return None
    said = _with_swapped(pl.DataFrame({"value": texts, "reading": days}))
    return said.filter(people.anybody_has("birth_date", said["reading"])).unique(maintain_order=True)


def _with_swapped(days: pl.DataFrame) -> pl.DataFrame:
    """Add each day with its day and month in the other order."""
    reading = pl.col("reading")
    swapped = days.filter(reading.dt.day() <= _MONTHS).with_columns(
        pl.date(reading.dt.year(), reading.dt.day(), reading.dt.month()).alias("reading")
    )
    return pl.concat([days, swapped])


def days_in_texts(texts: pl.DataFrame, people: People, references: tuple[dt.date, ...] = ()) -> pl.DataFrame:
    """Return each day that a text may say and on which somebody was born.

    ``texts``: ``value`` and ``text``. Returns ``value`` and ``reading`` (Date).

    Examples
    --------
    >>> said = ["born 3rd Feb 1980", "03.02.80", "x19800203", "3685", "1980034"]
    >>> texts = pl.DataFrame({"value": said, "text": said})
    >>> people = People(pl.DataFrame({"birth_date": [dt.date(1980, 2, 3)]}))
    >>> days_in_texts(texts, people)["value"].sort().to_list()
    ['03.02.80', '1980034', '3685', 'born 3rd Feb 1980', 'x19800203']
    """
    found = [texts.clear().select("value", pl.lit(None, pl.Date).alias("reading"))]
    if (in_parts := texts.filter(pl.col("text").str.contains(_IN_PARTS))).height:
        found.append(_written(in_parts))
    if (in_digits := texts.filter(pl.col("text").str.contains(_IN_DIGITS))).height:
        found.append(_in_digits(in_digits))
    numbers = texts.select("value", pl.col("text").str.extract_all(_NUMBER).alias("number"))
    numbers = numbers.explode("number", empty_as_null=True, keep_nulls=True).drop_nulls()
    if numbers.height:
        numbers = numbers.with_columns(pl.col("number").cast(pl.Int64))
        days = days_in_numbers(numbers["number"].unique(), people, references)
        found.append(numbers.join(days, left_on="number", right_on="value").select("value", "reading"))
    said = pl.concat(found)
    return said.filter(people.anybody_has("birth_date", said["reading"])).unique()


def _in_digits(texts: pl.DataFrame) -> pl.DataFrame:
    """Read eight digits in a row: the year, the month and the day."""
    parts = texts.select("value", pl.col("text").str.extract_all(_IN_DIGITS).alias("part"))
    parts = parts.explode("part", empty_as_null=True, keep_nulls=True)
    days = parts.select("value", pl.col("part").str.to_date("%Y%m%d", strict=False).alias("reading")).drop_nulls()
    return _with_swapped(days)


def _written(texts: pl.DataFrame) -> pl.DataFrame:
    parts = pl.concat_list(pl.col("text").str.extract_all(pattern) for pattern in _WRITTEN)
    parts_of = texts.select("value", parts.alias("part")).explode("part", empty_as_null=True, keep_nulls=True)
    plain = pl.col("part").str.replace_all(_ENDING, "${1}").str.replace(_BETWEEN, "${1}/${2}/${3}")
    parts_of = parts_of.drop_nulls().with_columns(plain).unique()
    born = birth_date.standardise(pl.col("part")).struct.field("value")
    days = parts_of.with_columns(born.alias("reading")).drop_nulls()
    reading, short = pl.col("reading"), ~pl.col("part").str.contains("[0-9]{4}")
    days = _with_swapped(days)
    # A year of two digits may be of either century.
    centuries = [days.filter(short).with_columns(reading.dt.offset_by(by)) for by in ("-100y", "100y")]
    return pl.concat([days, *centuries]).select("value", "reading").unique()


def days_in_numbers(numbers: pl.Series, people: People, references: tuple[dt.date, ...] = ()) -> pl.DataFrame:
    """Return each day that a whole number may say and on which somebody was born.

    It may count days from a usual first day, or seconds, or thousandths of them; it may be an age in days on one of
    ``references``; or its digits may be those of a date.

    Returns ``value`` (Int64) and ``reading`` (Date).
    """
    numbers = numbers.cast(pl.Int64).drop_nulls()
    found = pl.concat([_counts_of_days(numbers, references), *_of_digits(numbers)])
    return found.filter(people.anybody_has("birth_date", found["reading"])).unique()


def _counts_of_days(numbers: pl.Series, references: tuple[dt.date, ...]) -> pl.DataFrame:
    """Read numbers as days or seconds since a first day, and as ages in days."""
    since_1970 = [
        *(numbers + (first - _FIRST_OF_UNIX).days for first in _FIRST_DAYS),
        *(numbers - first for first in _DAYS_OF_1970),
        *((reference - _FIRST_OF_UNIX).days - numbers for reference in references),
    ]
    if (numbers.abs() >= _SMALLEST_SECONDS).any():
        first_days = [(first - _FIRST_OF_UNIX).days for first in _FIRST_DAYS]
        since_1970 += [numbers // per_day + first for per_day in _PER_DAY for first in first_days]
    days = pl.concat([pl.DataFrame([numbers.alias("value"), days.alias("reading")]) for days in since_1970])
    # Outside these years, a number of days is no birth date, and may be no date that Polars can write.
    in_range = days.filter(pl.col("reading").is_between(*_DAYS))
    return in_range.with_columns(pl.col("reading").cast(pl.Int32).cast(pl.Date))


def _of_digits(numbers: pl.Series) -> Iterator[pl.DataFrame]:
    """Read the digits of numbers as those of a date, in each order."""
    for form in _DIGITS:
        length = sum(_LENGTH[part] for part in re.findall("%.", form))
        of_length = numbers.filter(numbers.is_between(10 ** (length - 2), 10**length - 1))
        if of_length.len():
            days = of_length.cast(pl.String).str.zfill(length).str.to_date(form, strict=False).alias("reading")
            yield pl.DataFrame([of_length.alias("value"), days]).drop_nulls()
