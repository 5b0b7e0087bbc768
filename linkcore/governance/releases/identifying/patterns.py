"""Values that look like identifiers, whoever's they are."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from linkcore.governance.releases.identifying.chance import Agreement, more_than_chance
from linkcore.governance.releases.identifying.people import People
from linkcore.governance.releases.identifying.texts import EMAIL, POSTCODE_ALONE, Texts
from linkcore.identifiers import nhs_number, postcode

__all__ = ["BIRTHS", "EXCUSED", "LEAST_SHARE", "NAMES", "looks_like", "numbers_on_the_spine"]

NAMES: Final = "names of the spine"
NUMBERS: Final = "NHS Numbers"

LEAST_SHARE: Final[Mapping[str, float]] = {
    # By chance, 1 ten-digit number in 11 is a valid NHS Number. If many more are, the column holds NHS Numbers where
    # they are known, and local ids where they are not.
    NUMBERS: 0.25,
    "postcodes": 0.5,
    NAMES: 0.5,
    "e-mail addresses": 0.01,
    "telephone numbers": 0.05,
}
"""From which share of its values a column is refused for a pattern."""

BIRTHS: Final = "dates that are the patient's birth date for some, as of newborns"
"""What a column of dates holds that are the birth date of fewer than one in five patients, but more than by chance."""

EXCUSED: Final = frozenset({*LEAST_SHARE, BIRTHS}) - {NUMBERS}
"""The patterns that an agreement's ``not_identifying`` excuses."""

_MARKS: Final = "[^0-9A-Za-z_]"
_TELEPHONE: Final = rf"^{_MARKS}*(?:(?:\+|00)44{_MARKS}*(?:\(0\))?|0){_MARKS}*[1237](?:{_MARKS}?[0-9]){{8,9}}{_MARKS}*$"
# Colours, months and wards are also names; no code list has as many of them.
_FEWEST_NAMES: Final = 20
_DRAWS: Final = 1_000_000
_ONCE_IN: Final = 1_000


def looks_like(texts: Texts, people: People) -> dict[str, pl.Series]:
    """Return, for each pattern, the values that have it.

    Examples
    --------
    >>> texts = Texts(pl.Series(["ann@example.org", "01392 555 012", "EX1 2AB", "999 000 0018", "C19"]))
    >>> none = pl.DataFrame({"given_name": ["ANN"], "family_name": ["NG"]})
    >>> for pattern, values in looks_like(texts, People(none)).items():
    ...     print(pattern, values.to_list())
    e-mail addresses ['ann@example.org']
    NHS Numbers ['999 000 0018']
    telephone numbers ['01392 555 012']
    postcodes ['EX1 2AB']
    """
    text, found = pl.col("text"), {"e-mail addresses": texts.having(EMAIL)}
    if texts.words.height:
        found[NAMES] = _names(texts, people)
    if texts.with_nine_digits.height:
        status = nhs_number.standardise(text, dtype=pl.String()).struct.field("status")
        found[NUMBERS] = texts.with_nine_digits.filter(status.is_in(list(nhs_number.NUMBERED)))
        found["telephone numbers"] = texts.with_nine_digits.filter(text.str.contains(_TELEPHONE))
    if (place := texts.having(POSTCODE_ALONE)).height:
        found["postcodes"] = place.filter(postcode.standardise(text).struct.field("status") == "valid")
    return {pattern: frame["value"] for pattern, frame in found.items() if frame.height}


def _names(texts: Texts, people: People) -> pl.DataFrame:
    """Return the values of which every word is somebody's name."""
    words = texts.words.with_columns(people.anybody_has("name", texts.words["word"]).alias("is_name"))
    all_names = words.group_by("value").agg(pl.col("is_name").all()).filter("is_name")
    return all_names if all_names.height >= _FEWEST_NAMES else all_names.clear()


def numbers_on_the_spine(texts: Texts, people: People) -> bool:
    """Whether more numbers of ten digits than by chance are somebody's NHS Number.

    They stand alone in a text, or between other characters. Of numbers drawn evenly from their range, fewer would be.
    """
    if texts.with_nine_digits.is_empty():
        return False
    number = pl.col("text").str.extract_all(r"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}\b")
    written = texts.with_nine_digits.select(number.alias("number"))
    written = written.explode("number", empty_as_null=True, keep_nulls=True).drop_nulls()
    numbers = written["number"].str.replace_all("[ -]", "").cast(pl.Int64).unique()
    if numbers.is_empty() or not (found := int(numbers.is_in(people.numbers.implode()).sum())):
        return False
    draws = max(_DRAWS // numbers.len(), 1)
    least, greatest = int(numbers.min()), int(numbers.max())  # type: ignore[arg-type]
    # Steps of one length instead of random ones: the same numbers each time.
    step = max((greatest - least) // (draws * numbers.len()), 1)
    drawn = pl.int_range(least, least + step * draws * numbers.len(), step, eager=True)
    others = int(drawn.is_in(people.numbers.implode()).sum())
    return more_than_chance(Agreement(found, others, draws), once_in=_ONCE_IN)
