"""Functions that write the levels of a comparison: their SQL conditions, labels and term frequencies.

All comparisons follow three rules. First, a missing value is neither agreement nor disagreement: pairs in which either
value is missing have a level of their own. Second, identifiers that tend to agree for the same reason share one
comparison (given and family name; postcode and address). The weights of comparisons are added, so two comparisons would
count the same evidence twice. Third, an edit distance takes long to compute. So its condition starts with a cheap test,
which every pair within that distance passes.
"""

from typing import Final

from linkcore.linkage.model.model import OTHERWISE, Level, TermFrequency
from linkcore.schema import OTHER

__all__ = [
    "ALIKE",
    "DAYS_OF_A_YEAR",
    "REMOTELY_ALIKE",
    "agrees",
    "differs",
    "equal",
    "level",
    "missing",
    "nothing",
    "null",
    "other_agrees",
    "similar",
    "text_levels",
]

# Least Jaro-Winkler similarities. NHS England's linkage takes two names to agree above 0.88. The two others are the
# thresholds of Splink's own comparison of names. The weight of each level is learned, so the exact thresholds matter
# little.
ALIKE: Final = 0.88
_NEARLY_EQUAL: Final = 0.92
REMOTELY_ALIKE: Final = 0.70

DAYS_OF_A_YEAR: Final = 366


def level(condition: str, label: str, counted: str | None = None) -> Level:
    """Write a level. If a column is ``counted``, a shared value weighs more the rarer it is in that column."""
    return Level(condition, label, term_frequency=None if counted is None else TermFrequency(counted))


def agrees(name: str) -> Level:
    """Write the level of pairs in which the two values are equal."""
    return level(equal(name), "Agrees", name)


def differs() -> Level:
    """Write the last level, for pairs that meet the condition of no other level."""
    return Level(OTHERWISE, "Differs")


def nothing(condition: str) -> Level:
    """Write the level of pairs that cannot be compared, because they meet ``condition``."""
    return Level(condition, "Missing", is_null=True)


def null(name: str) -> Level:
    """Write the level of pairs in which either value is missing."""
    return nothing(missing(name))


def equal(name: str) -> str:
    """Write the condition that two values are equal.

    Examples
    --------
    >>> equal("gender")
    'gender_l = gender_r'
    """
    return f"{name}_l = {name}_r"


def other_agrees(name: str) -> str:
    """Write the condition that the record has another value of the person: one that PERSONS do not show.

    Examples
    --------
    >>> other_agrees("postcode")
    'list_contains(other_postcode_l, postcode_r)'
    """
    return f"list_contains({OTHER}{name}_l, {name}_r)"


def missing(name: str) -> str:
    """Write the condition that either value is missing."""
    return f"({name}_l IS NULL OR {name}_r IS NULL)"


def similar(name: str, bar: float) -> str:
    """Write the condition that the similarity of two texts is above ``bar``."""
    return f"jaro_winkler_similarity({name}_l, {name}_r) > {bar}"


def text_levels(name: str) -> list[Level]:
    """Write the levels of a text identifier, by how similar the two texts are."""
    return [
        # The similarity is null if either text is null. With this condition, DuckDB computes it once for all levels.
        nothing(f"jaro_winkler_similarity({name}_l, {name}_r) IS NULL"),
        agrees(name),
        level(similar(name, _NEARLY_EQUAL), "Nearly equal"),
        level(similar(name, ALIKE), "Alike"),
        level(similar(name, REMOTELY_ALIKE), "Remotely alike"),
        differs(),
    ]
