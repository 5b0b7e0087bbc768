"""Comparing given and family names: both in one comparison, or the one that is there."""

from collections.abc import Iterator, Set

from linkcore.linkage.comparisons.levels import (
    ALIKE,
    REMOTELY_ALIKE,
    differs,
    equal,
    level,
    missing,
    nothing,
    other_agrees,
    similar,
    text_levels,
)
from linkcore.linkage.model.model import Comparison, Level
from linkcore.schema import OTHER

__all__ = ["compare_names"]


def compare_names(present: Set[str]) -> Iterator[Comparison]:
    """Compare the names that are there."""
    if {"given_name", "family_name"} <= present:
        yield Comparison("name", tuple(_levels_of_both(present)))
    else:
        for name in ("given_name", "family_name"):
            if name in present:
                yield Comparison(name, tuple(text_levels(name)))


def _levels_of_both(present: Set[str]) -> Iterator[Level]:
    """Write the levels of given and family name together, as NHS England's linkage counts them.

    A rare family name is worth more on every level where it agrees, also where the given name is mistyped.
    """
    given, family = equal("given_name"), equal("family_name")
    no_given, no_family = missing("given_name"), missing("family_name")
    given_alike, family_alike = similar("given_name", ALIKE), similar("family_name", ALIKE)
    given_remote, family_remote = similar("given_name", REMOTELY_ALIKE), similar("family_name", REMOTELY_ALIKE)
    nickname = "list_has_any(given_groups_l, given_groups_r)"
    shortened = "(starts_with(given_name_l, given_name_r) OR starts_with(given_name_r, given_name_l))"
    # One part of a double name. The Jaro-Winkler similarity sees the first part too.
    part = (
        "(ends_with(family_name_l, ' ' || family_name_r) OR ends_with(family_name_r, ' ' || family_name_l) "
        "OR starts_with(family_name_l, family_name_r || ' ') OR starts_with(family_name_r, family_name_l || ' '))"
    )
    yield nothing(f"{no_given} AND {no_family}")
    yield level("full_name_l = full_name_r", "Both names agree", "full_name")
    yield from _levels_of_swapped_names()
    yield from _levels_of_other_names(present)
    yield level(f"{family} AND {given_alike}", "Family name agrees, given name alike", "family_name")
    yield level(f"{family} AND {nickname}", "Family name agrees, given name a nickname", "family_name")
    yield level(f"{family} AND {shortened}", "Family name agrees, given name shortened", "family_name")
    yield level(f"{given} AND ({part} OR {family_alike})", "Given name agrees, family name alike", "given_name")
    yield level(f"{family_alike} AND ({given_alike} OR {nickname})", "Both names alike")
    yield level(f"{family} AND {no_given}", "Family name agrees, given name missing", "family_name")
    yield level(f"{given} AND {no_family}", "Given name agrees, family name missing", "given_name")
    for no_other, alike, remote, name, other in (
        (no_given, family_alike, family_remote, "Family name", "given name missing"),
        (no_family, given_alike, given_remote, "Given name", "family name missing"),
    ):
        yield level(f"{no_other} AND {alike}", f"{name} alike, {other}")
        yield level(f"{no_other} AND {remote}", f"{name} remotely alike, {other}")
        yield level(no_other, f"{name} differs, {other}")
    yield level(f"{family} AND {given_remote}", "Family name agrees, given name remotely alike", "family_name")
    yield level(f"{given} AND {family_remote}", "Given name agrees, family name remotely alike", "given_name")
    yield level(family, "Family name agrees only", "family_name")
    yield level(given, "Given name agrees only", "given_name")
    yield level(f"{given_remote} AND {family_remote}", "Both names remotely alike")
    yield differs()


def _levels_of_swapped_names() -> Iterator[Level]:
    """Write the levels of records that have each other's given name as family name."""
    swaps = [("given_name_l", "family_name_r"), ("family_name_l", "given_name_r")]
    equal_swaps = [f"{one} = {other}" for one, other in swaps]
    alike_swaps = [f"jaro_winkler_similarity({one}, {other}) > {ALIKE}" for one, other in swaps]
    one_alike = [f"({equal_swaps[0]} AND {alike_swaps[1]})", f"({equal_swaps[1]} AND {alike_swaps[0]})"]
    yield level(" AND ".join(equal_swaps), "Names swapped")
    yield level(" OR ".join(one_alike), "Names swapped, one alike")
    yield level(" AND ".join(alike_swaps), "Names swapped, both alike")


def _levels_of_other_names(present: Set[str]) -> Iterator[Level]:
    """Write the levels of records with another name of the person: a maiden name, a name that it is known as."""
    given, family = other_agrees("given_name"), other_agrees("family_name")
    has_given, has_family = (f"{OTHER}{name}" in present for name in ("given_name", "family_name"))
    if has_given:
        label = "Family name agrees, and another given name of this person"
        yield level(f"{equal('family_name')} AND {given}", label, "family_name")
    if has_family:
        label = "Given name agrees, and another family name of this person"
        yield level(f"{equal('given_name')} AND {family}", label, "given_name")
    if has_given and has_family:
        yield level(f"{given} AND {family}", "Another given name and another family name agree")
