"""What a text may say about a person: only readings that are the identifier of somebody are returned.

Each function returns ``value`` and ``reading``: for each text everything it may say, in the form in which
:class:`~linkcore.governance.releases.identifying.people.People` knows it.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Final

import polars as pl

from linkcore.governance.releases.identifying.birth_dates import days_in_numbers, days_in_texts, whole_days
from linkcore.governance.releases.identifying.hashed import first_of_hash
from linkcore.governance.releases.identifying.people import People
from linkcore.governance.releases.identifying.texts import CODE, EIGHT_HEX, HASH, THREE_WORDS, Texts
from linkcore.identifiers.text import folded

__all__ = ["days_alone", "readings"]

_POSTCODE: Final = "[A-Z]{1,2}[0-9][0-9A-Z]?[^0-9A-Z]{0,3}[0-9][A-Z]{2}"
_DATE: Final = "^[0-9]+ (?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[A-Z]* [0-9]+$"
_SEVEN_DIGITS: Final = 9_999_999
_THREE_DIGITS: Final = 100  # the least number of three digits, the fewest that a date has
_SMALLEST_NUMBER: Final = 101_000_000 // 10  # of Scotland, on the first day of a month


def readings(texts: Texts, people: People, references: tuple[dt.date, ...] = ()) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each kind of identifier that some text may say, and what each text says.

    Examples
    --------
    >>> persons = {"nhs_number": [9990000018], "token": [None], "given_name": ["ANN"], "family_name": ["NG"]}
    >>> persons |= {"birth_date": [dt.date(1980, 2, 3)], "postcode": ["EX1 2AB"], "address": ["1 HIGH STREET"]}
    >>> texts = Texts(pl.Series(["Ann, 8100000999"]))
    >>> for kind, found in readings(texts, People(pl.DataFrame(persons))):
    ...     print(kind, found["reading"].to_list())
    nhs_number [999000001]
    name ['ANN']
    """
    for kind, said in _all_readings(texts, people, references):
        somebodys = said.filter(people.anybody_has(kind, said["reading"])).unique()
        if somebodys.height:
            yield kind, somebodys


def days_alone(distinct: pl.Series, people: People, references: tuple[dt.date, ...]) -> pl.DataFrame | None:
    """Return ``value`` and ``reading`` of values that can say nothing but days; None if some may say more.

    They are dates, texts of which each is a whole date, and whole numbers of few digits: one of seven digits holds no
    NHS Number, and no date with a year of four digits. Only days on which somebody was born are returned.
    """
    if distinct.dtype == pl.String:
        return whole_days(distinct, people)
    if distinct.dtype.is_integer() and not (distinct.abs() > _SEVEN_DIGITS).any():
        return days_in_numbers(distinct.filter(distinct.abs() >= _THREE_DIGITS), people, references)
    # A year of five digits may be part of a number.
    if distinct.dtype == pl.Date and distinct.is_between(dt.date.min, dt.date.max).all():
        said = pl.DataFrame({"value": distinct, "reading": distinct})
        return said.filter(people.anybody_has("birth_date", distinct))
    return None


def _all_readings(texts: Texts, people: People, references: tuple[dt.date, ...]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield what texts say of each kind, for the kinds of which they say something."""
    if (found := _numbers(texts)) is not None:
        yield "nhs_number", found
    if (codes := texts.having(CODE)).height:
        code = pl.col("text").str.to_lowercase().str.extract("([0-9a-f]{32})")
        yield "stage_one_code", codes.select("value", code.alias("reading"))
    if (hashes := texts.having(HASH)).height:
        yield "hashed_number", hashes.select("value", first_of_hash(pl.col("text")).alias("reading"))
    if texts.words.height:
        yield "name", texts.words.rename({"word": "reading"})
    if texts.with_three_digits.height:
        yield "birth_date", days_in_texts(texts.with_three_digits, people, references)
    if texts.with_postcode.height:
        yield "postcode", _postcodes(texts)
    lines = texts.having(THREE_WORDS)
    if lines.height and (lines := lines.filter(pl.col("text").str.contains("[0-9]"))).height:
        yield "address", _addresses(lines)


def _numbers(texts: Texts) -> pl.DataFrame | None:
    """Find NHS Numbers: nine or ten digits in a row whatever stands between them, also backwards, or as bytes."""
    text = pl.col("text")
    found = []
    if texts.with_nine_digits.height:
        only = texts.with_nine_digits.select("value", text.str.replace_all("[^0-9]", "").alias("text"))
        found += [_windows(each, 9, 10) for each in (only, only.with_columns(text.str.reverse()))]
        # A number of ten digits that lost the 0 before it, as Scottish ones do in spreadsheets.
        lost = only.filter(text.str.len_bytes() == 9).with_columns("0" + text)
        found.append(_windows(lost, 9, 10))
    # Nearly every number has a letter in hexadecimal, or is written as the codes of its digits.
    in_hex = texts.having(EIGHT_HEX)
    if in_hex.height and (in_hex := in_hex.filter(text.str.contains("[A-Fa-f]|(?:3[0-9]){9}"))).height:
        in_hex = in_hex.select("value", text.str.to_lowercase().str.extract_all("[0-9a-f]{8,}").alias("text"))
        in_hex = in_hex.explode("text", empty_as_null=True, keep_nulls=True)
        as_ascii = in_hex.filter(text.str.contains("(?:3[0-9]){9}"))
        as_ascii = as_ascii.with_columns(text.str.extract("((?:3[0-9]){9,})").str.replace_all("3([0-9])", "$1"))
        found.append(_windows(as_ascii, 9, 10))
        in_bytes = [_windows(in_hex, 8, 16), _windows(in_hex, 9, 16), _windows(_bytes_turned(in_hex), 10, 16)]
        found += [each.with_columns(pl.col("reading") // 10) for each in in_bytes]
    return pl.concat(found) if found else None


def _windows(texts: pl.DataFrame, width: int, base: int) -> pl.DataFrame:
    """Read every ``width`` digits in a row as a number."""
    ends = pl.int_ranges(0, pl.col("text").str.len_bytes().cast(pl.Int64) - (width - 1))
    every = texts.filter(pl.col("text").str.len_bytes() >= width).select("value", "text", ends.alias("start"))
    every = every.explode("start", empty_as_null=True, keep_nulls=True)
    number = pl.col("text").str.slice(pl.col("start"), width).str.to_integer(base=base, strict=False)
    return every.select("value", number.alias("reading")).filter(pl.col("reading") >= _SMALLEST_NUMBER)


def _bytes_turned(in_hex: pl.DataFrame) -> pl.DataFrame:
    """Write the last byte first in every five bytes, for numbers that were packed so."""
    starts = pl.int_ranges(0, pl.col("text").str.len_bytes().cast(pl.Int64) - 9, 2)
    every = in_hex.filter(pl.col("text").str.len_bytes() >= 10).select("value", "text", starts.alias("start"))
    every = every.explode("start", empty_as_null=True, keep_nulls=True)
    turned = pl.concat_str(pl.col("text").str.slice(pl.col("start") + place, 2) for place in (8, 6, 4, 2, 0))
    return every.select("value", turned.alias("text"))


def _postcodes(texts: Texts) -> pl.DataFrame:
    found = pl.col("text").str.to_uppercase().str.extract_all(_POSTCODE).alias("reading")
    found_in = texts.with_postcode.select("value", found).explode("reading", empty_as_null=True, keep_nulls=True)
    return found_in.drop_nulls().with_columns(pl.col("reading").str.replace_all("[^0-9A-Z]", ""))


def _addresses(lines: pl.DataFrame) -> pl.DataFrame:
    """Return every three words in a row of which one has a digit: so addresses begin."""
    words = folded(pl.col("text")).str.replace_all("[^0-9A-Z]+", " ").str.strip_chars().str.split(" ")
    # Beside each word the two after it: lists of lists would take memory in the square of a letter's length.
    line = pl.concat_str(pl.element(), pl.element().shift(-1), pl.element().shift(-2), separator=" ")
    every = lines.select("value", words.list.eval(line).alias("reading"))
    every = every.explode("reading", empty_as_null=True, keep_nulls=True).drop_nulls()
    every = every.filter(pl.col("reading").str.contains("[0-9]"))
    return every.filter(pl.col("reading").str.contains("[A-Z]{3}") & ~pl.col("reading").str.contains(_DATE))
