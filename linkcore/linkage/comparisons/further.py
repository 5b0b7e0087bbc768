"""Comparing further identifiers, which a programme names itself: by their kind."""

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Final

from linkcore.linkage.comparisons.levels import DAYS_OF_A_YEAR, agrees, differs, level, null, text_levels
from linkcore.linkage.model.model import Comparison, Level
from linkcore.schema import FURTHER
from linkcore.sources.source import FurtherKind

__all__ = ["compare_further"]


def compare_further(present: Set[str], further: Mapping[str, FurtherKind]) -> Iterator[Comparison]:
    """Compare each further identifier that is there."""
    for identifier, kind in further.items():
        name = FURTHER + identifier
        if name in present:
            yield Comparison(name, tuple(_LEVELS[kind](name)))


def _code_levels(name: str) -> list[Level]:
    # A mistyped digit of a telephone number tells much, one of a two-letter code nothing: that is learned.
    one_edit = f"damerau_levenshtein({name}_l, {name}_r) <= 1"
    return [null(name), agrees(name), level(one_edit, "One edit"), differs()]


def _number_levels(name: str) -> list[Level]:
    within = f"abs({name}_l - {name}_r) <= {{share}} * greatest(abs({name}_l), abs({name}_r))"
    return [
        null(name),
        agrees(name),
        level(within.format(share="0.01"), "Within 1 %: rounded"),
        level(within.format(share="0.1"), "Within 10 %"),
        differs(),
    ]


def _date_levels(name: str) -> list[Level]:
    year, month, day = (f"{part}({name}_l) = {part}({name}_r)" for part in ("year", "month", "day"))
    return [
        null(name),
        agrees(name),
        level(f"({year} AND {month}) OR ({year} AND {day}) OR ({month} AND {day})", "Two of year, month and day"),
        level(f"abs(date_diff('day', {name}_l, {name}_r)) <= {DAYS_OF_A_YEAR}", "Within a year"),
        differs(),
    ]


_LEVELS: Final[Mapping[FurtherKind, Callable[[str], list[Level]]]] = {
    "exact": _code_levels,
    "text": text_levels,
    "number": _number_levels,
    "date": _date_levels,
}
