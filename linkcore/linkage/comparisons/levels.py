"""How the levels of a comparison are written: their SQL conditions, labels and term frequencies.

Three habits keep the ladders right and fast. Missing is neither agreement nor disagreement: where one of two values
that are judged together is missing, that is a level of its own. What is shared for one reason is one comparison (given
and family name; postcode and address), because the weights of comparisons are added. And the levels that cost most, the
edit distances, stand behind a cheap test that they imply.
"""

from typing import Final

from linkcore.linkage.model.model import OTHERWISE, Level, TermFrequency

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
    "similar",
    "text_levels",
]

# NHS England's linkage lets two names agree above a Jaro-Winkler similarity of 0.88; the two others are the further
# bars of Splink's own comparison of names. What each level is worth is learned, so that only their order matters much.
ALIKE: Final = 0.88
_NEARLY_EQUAL: Final = 0.92
REMOTELY_ALIKE: Final = 0.70

DAYS_OF_A_YEAR: Final = 366


def level(condition: str, label: str, counted: str | None = None) -> Level:
    """Write a level; its weight follows how common the shared value of the ``counted`` column is."""
    return Level(condition, label, term_frequency=None if counted is None else TermFrequency(counted))


def agrees(name: str) -> Level:
    """Write the level on which two values are equal."""
    return level(equal(name), "Agrees", name)


def differs() -> Level:
    """Write the last level, for whatever stands on no other."""
    return Level(OTHERWISE, "Differs")


def nothing(condition: str) -> Level:
    """Write the level of pairs in which nothing can be compared."""
    return Level(condition, "Missing", is_null=True)


def null(name: str) -> Level:
    """Write the level on which a value is missing."""
    return nothing(missing(name))


def equal(name: str) -> str:
    """Write the condition that two values are equal.

    Examples
    --------
    >>> equal("gender")
    'gender_l = gender_r'
    """
    return f"{name}_l = {name}_r"


def missing(name: str) -> str:
    """Write the condition that one of two values is missing."""
    return f"({name}_l IS NULL OR {name}_r IS NULL)"


def similar(name: str, bar: float) -> str:
    """Write the condition that two texts are more similar than this."""
    return f"jaro_winkler_similarity({name}_l, {name}_r) > {bar}"


def text_levels(name: str) -> list[Level]:
    """Write the levels of a text: how similar two of them are."""
    return [
        # Null where either text is. Written so, DuckDB computes the similarity once for all levels, not once for each.
        nothing(f"jaro_winkler_similarity({name}_l, {name}_r) IS NULL"),
        agrees(name),
        level(similar(name, _NEARLY_EQUAL), "Nearly equal"),
        level(similar(name, ALIKE), "Alike"),
        level(similar(name, REMOTELY_ALIKE), "Remotely alike"),
        differs(),
    ]
