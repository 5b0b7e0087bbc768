"""What the values of a column look like: the shares that say which identifier it may hold."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Final

import polars as pl

from linkcore.identifiers import birth_date, full_names, gender, nhs_number, postcode
from linkcore.identifiers.text import MISSING_WORDS, as_text, compact, folded

__all__ = ["Evidence", "column_evidence", "months_come_first"]

_WRITTEN_DATE: Final = r"[0-9A-Za-z]+[-/. ][0-9A-Za-z]+[-/. ][0-9]+|^(?:1[89]|20)[0-9]{6}$"
_SLASHED: Final = r"^\s*([0-9]{1,2})[-/.]([0-9]{1,2})[-/.](?:[0-9]{4}|[0-9]{2})\b"
_ROUNDED: Final = r"^[0-9][.,][0-9]{0,8}[eE]\+?[0-9]+$"
_ICD_10: Final = r"^[A-TV-Z][0-9]{2}(?:\.?[0-9X][0-9]?)?$"
_PRACTICE: Final = r"^[A-Z][0-9]{5}$"
_SOME: Final = 0.1
_MAY_BE: Final = {
    "number": pl.col("text").str.count_matches("[0-9]") >= 9,
    "date": pl.col("text").str.contains(_WRITTEN_DATE),
    "postcode": pl.col("text").str.contains("[A-Za-z]") & pl.col("text").str.contains("[0-9]"),
    "gender": pl.col("text").str.len_chars() < 16,
}
_ADDRESS: Final = r"[A-Za-z]{3}.*[ ,].*[A-Za-z]{2}"


@dataclass(frozen=True)
class Evidence:
    """Shares of the values of a column that are present, from 0 to 1, unless it says otherwise.

    ``present`` is of all rows, ``distinct`` is a number. ``number``: NHS Numbers, ``test``: those of the test range,
    ``rounded``: numbers as a spreadsheet rounds them. ``date``: whole dates; ``years``: between the 5th and the 95th
    percentile of the dates. ``gender_words``: M, F, male or female. ``first_given``, ``last_given``, ``last_family``:
    the first or last word is a common given or family name. ``several``: more than one word.
    """

    present: float
    distinct: int
    number: float
    test: float
    rounded: float
    date: float
    years: float
    postcode: float
    gender: float
    gender_words: float
    letters: float
    first_given: float
    last_given: float
    last_family: float
    several: float
    whole: float
    address: float
    diagnosis: float
    practice: float

    @property
    def holds_whole_names(self) -> bool:
        """Whether the column holds given and family names together."""
        ends_differ = abs(self.first_given - self.last_given) > 0.25 and max(self.first_given, self.last_given) > 0.4
        return self.letters > 0.9 and (self.whole > 0.5 or (self.several > 0.6 and ends_differ))


_NOTHING: Final = Evidence(0.0, 0, *[0.0] * 17)
"""Of a column that cannot be an identifier: lists, bytes."""


def months_come_first(rows: pl.DataFrame) -> bool | None:
    """Whether dates such as 03/14/2001 are written month first; None if no date says so, or both orders are there.

    Examples
    --------
    >>> months_come_first(pl.DataFrame({"born": ["03/14/2001", "12/31/1999", "01/02/2003"]}))
    True
    """
    day_second = day_first = 0
    for name in rows.columns:
        text = rows.select(as_text(pl.col(name), rows.schema[name]).alias(name)).to_series()
        first, second = (text.str.extract(_SLASHED, group).cast(pl.Int32, strict=False) for group in (1, 2))
        day_first += int((first > 12).sum())
        day_second += int((second > 12).sum())
    if not day_first + day_second or min(day_first, day_second) > 0.1 * max(day_first, day_second):
        return None
    return day_second > day_first


def column_evidence(rows: pl.DataFrame, *, day_first: bool) -> Mapping[str, Evidence]:
    """Weigh each column of some rows of an extract.

    Examples
    --------
    >>> rows = pl.DataFrame({"A": ["401 023 2137", "4010232137"], "B": ["EX1 2AB", None]})
    >>> found = column_evidence(rows, day_first=True)
    >>> found["A"].number, found["B"].number, found["B"].postcode, found["B"].present
    (1.0, 0.0, 1.0, 0.5)
    """
    return {name: _weigh(rows[name], day_first) for name in rows.columns}


def _weigh(column: pl.Series, day_first: bool) -> Evidence:
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return _NOTHING
    is_date = column.dtype in (pl.Date, pl.Datetime)
    frame = pl.select(
        as_text(pl.lit(column), column.dtype).str.strip_chars().alias("text"), pl.lit(column).alias("raw")
    )
    given = frame.filter(pl.col("text") != "", compact(pl.col("text")).is_in(MISSING_WORDS).not_())
    text = pl.col("text")
    words = folded(text).str.to_uppercase().str.extract_all(r"[A-Z]{2,}")
    may_be = given.select(**{name: expression.mean() for name, expression in _MAY_BE.items()}).row(0, named=True)
    nothing = pl.repeat(None, pl.len(), dtype=pl.String)

    def status(kind: str, read: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
        """Read the values only where many may be of the kind: to read one takes a hundred times as long."""
        return read(text).struct.field("status").cast(pl.String) if (may_be[kind] or 0) > _SOME else nothing

    number = status("number", partial(nhs_number.standardise, dtype=pl.String()))
    sex = status("gender", partial(gender.standardise, dtype=pl.String()))
    date = pl.repeat(None, pl.len(), dtype=pl.Date)
    if is_date or (may_be["date"] or 0) > _SOME:
        date = birth_date.standardise(pl.col("raw"), day_first=day_first, dtype=column.dtype).struct.field("value")
    weighed = given.select(
        number=number.is_in(nhs_number.NUMBERED).fill_null(False),
        test=(number == "test").fill_null(False),
        rounded=text.str.contains(_ROUNDED),
        date=date.is_not_null() & (pl.lit(is_date) | _MAY_BE["date"]),
        postcode=status("postcode", postcode.standardise).is_in(["valid", "pseudo"]).fill_null(False),
        gender=sex.is_in(["valid", "no_evidence"]).fill_null(False),
        gender_words=((sex == "valid") & text.str.contains("[A-Za-z]")).fill_null(False),
        letters=text.str.contains(r"\p{L}") & ~text.str.contains("[0-9]"),
        first_given=words.list.first().is_in(_given_names()),
        last_given=words.list.last().is_in(_given_names()),
        last_family=words.list.last().is_in(_family_names()),
        several=words.list.len() > 1,
        whole=full_names.looks_whole(text),
        address=text.str.contains(_ADDRESS) & text.str.contains("[0-9]"),
        diagnosis=text.str.to_uppercase().str.contains(_ICD_10),
        practice=text.str.contains(_PRACTICE),
        days=date.to_physical(),
    )
    shares = weighed.drop("days").mean().row(0, named=True)
    days = weighed["days"].drop_nulls()
    years = ((days.quantile(0.95) or 0) - (days.quantile(0.05) or 0)) / 365.25 if len(days) else 0.0
    return Evidence(
        present=given.height / max(len(column), 1),
        distinct=given["text"].n_unique(),
        years=years,
        **{name: float(share or 0) for name, share in shares.items()},
    )


@cache
def _given_names() -> list[str]:
    """Return common given names and their short forms."""
    table = csv.DictReader(_lines("linkcore.identifiers", "nicknames.csv"))
    forms = {name for row in table for name in (row["given_name"], *row["also_written"].split())}
    common = csv.DictReader(_lines("linkcore.synthetic", "given_names.csv"))
    return sorted(forms | {row["name"].upper() for row in common})


@cache
def _family_names() -> list[str]:
    """Return common family names."""
    return sorted({row["name"].upper() for row in csv.DictReader(_lines("linkcore.synthetic", "family_names.csv"))})


def _lines(package: str, file: str) -> list[str]:
    return resources.files(package).joinpath(file).read_text("utf-8").splitlines()
