"""Comparing birth dates: whole ones, and those that lack a day or a month.

Each kind has a comparison of its own, and no pair stands on two of them.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from typing import Final

from linkcore.linkage.comparisons.levels import DAYS_OF_A_YEAR, agrees, differs, equal, level, missing, nothing, null
from linkcore.linkage.model.model import Comparison

__all__ = ["BIRTH_DATES", "as_learned", "compare_birth_dates", "own_birth_dates"]

BIRTH_DATES: Final = ("birth_date", "birth_month", "birth_year")
"""Comparisons of birth dates: of whole ones; of year and month, where a day is missing; of years, where more is."""

# Where these hold for a pair, there is nothing to compare.
_LACKING: Final = {
    "birth_month": f"{missing('birth_year')} OR {missing('birth_month')}",
    "birth_year": missing("birth_year"),
}


def own_birth_dates(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the names of those comparisons of birth dates that are linkcore's own, and not a model's of that name."""
    everything = compare_birth_dates({"birth_date", "birth_month", "partial_birth_date"})
    own = {each.name: [level.condition for level in each.levels] for each in everything}
    return [each.name for each in comparisons if own.get(each.name) == [level.condition for level in each.levels]]


def compare_birth_dates(present: Set[str]) -> Iterator[Comparison]:
    """Compare whole dates; where there are partial ones, compare the month with the year, or the year alone."""
    if "birth_date" in present:
        yield _whole_dates()
    if "partial_birth_date" not in present:
        return
    both_whole = f"NOT {missing('birth_date')}"
    if "birth_month" in present:
        yield _months(both_whole)
    yield _years(both_whole)


def _whole_dates() -> Comparison:
    year, month, day = equal("birth_year"), equal("birth_month"), equal("birth_day")
    two_parts = f"(({year} AND {month}) OR ({year} AND {day}) OR ({month} AND {day}))"
    swapped = f"{year} AND birth_month_l = birth_day_r AND birth_day_l = birth_month_r"
    # One wrong digit, or two neighbours exchanged, leaves two of the three parts as they were.
    one_edit = f"{two_parts} AND damerau_levenshtein(birth_date_l, birth_date_r) <= 1"
    return Comparison(
        "birth_date",
        (
            null("birth_date"),
            agrees("birth_date"),
            level(swapped, "Day and month swapped"),
            level(one_edit, "One edit"),
            level(f"{year} AND {month}", "Year and month agree"),
            level(f"{month} AND {day}", "Month and day agree"),
            level(f"{year} AND {day}", "Year and day agree"),
            level(f"abs(birth_days_l - birth_days_r) <= {DAYS_OF_A_YEAR}", "Within a year"),
            differs(),
        ),
    )


def _months(both_whole: str) -> Comparison:
    year, month = equal("birth_year"), equal("birth_month")
    return Comparison(
        "birth_month",
        (
            nothing(f"{both_whole} OR {_LACKING['birth_month']}"),
            level(f"{year} AND {month}", "Year and month agree", "birth_year"),
            level(year, "Year agrees only", "birth_year"),
            level(month, "Month agrees only"),
            differs(),
        ),
    )


def _years(both_whole: str) -> Comparison:
    # A year that was worked out from an age is the one before, or the one after.
    neighbours = "abs(birth_year_l::INTEGER - birth_year_r::INTEGER) <= 1"
    return Comparison(
        "birth_year",
        (
            nothing(f"{both_whole} OR NOT {missing('birth_month')} OR {_LACKING['birth_year']}"),
            agrees("birth_year"),
            level(neighbours, "Neighbouring years"),
            differs(),
        ),
    )


def as_learned(comparison: Comparison) -> Comparison:
    """Let whole dates teach a comparison of parts of a birth date, too.

    Whole dates show as well how often the years of one person's records agree, and there are many of them. Of partial
    dates there may be none that are known to be of one person.

    Examples
    --------
    >>> (_, year) = compare_birth_dates({"birth_year", "birth_date", "partial_birth_date"})
    >>> as_learned(year).levels[0].condition
    '(birth_year_l IS NULL OR birth_year_r IS NULL)'
    """
    lacking = _LACKING.get(comparison.name)
    if lacking is None or not own_birth_dates([comparison]):
        return comparison
    levels = (replace(each, condition=lacking) if each.is_null else each for each in comparison.levels)
    return replace(comparison, levels=tuple(levels))
