"""Comparing postcode and address line: one comparison, because people who share an address share its postcode."""

from collections.abc import Iterator, Set

from linkcore.linkage.comparisons.levels import (
    ALIKE,
    agrees,
    differs,
    equal,
    level,
    missing,
    nothing,
    null,
    other_agrees,
    similar,
    text_levels,
)
from linkcore.linkage.model.model import Comparison, Level
from linkcore.schema import OTHER

__all__ = ["compare_places"]


def compare_places(present: Set[str]) -> Iterator[Comparison]:
    """Compare what is there of postcode and address."""
    if {"postcode", "address"} <= present:
        yield Comparison("place", tuple(_levels_of_both(present)))
    elif "postcode" in present:
        levels = null("postcode"), agrees("postcode"), *_former_postcode(present), *_parts_of_postcode(), differs()
        yield Comparison("postcode", levels)
    elif "address" in present:
        yield Comparison("address", tuple(text_levels("address")))


def _levels_of_both(present: Set[str]) -> Iterator[Level]:
    postcode, no_address, alike = equal("postcode"), missing("address"), similar("address", ALIKE)
    yield nothing(f"{missing('postcode')} AND {no_address}")
    yield level("home_l = home_r", "Postcode and address agree", "home")
    yield level(f"{postcode} AND {no_address}", "Postcode agrees, address missing", "postcode")
    yield level(f"{postcode} AND {alike}", "Postcode agrees, address alike", "postcode")
    if {OTHER + "postcode", OTHER + "address"} <= present:
        former = f"{other_agrees('postcode')} AND {other_agrees('address')}"
        yield level(former, "Former postcode and former address agree")
    yield level(postcode, "Postcode agrees only", "postcode")
    yield from _former_postcode(present)
    yield level(equal("address"), "Address agrees only", "address")
    yield from _parts_of_postcode()
    yield level(f"{missing('postcode')} AND {alike}", "Address alike, postcode missing")
    yield differs()


def _former_postcode(present: Set[str]) -> Iterator[Level]:
    if OTHER + "postcode" in present:
        yield level(other_agrees("postcode"), "Former postcode agrees")


def _parts_of_postcode() -> Iterator[Level]:
    # One edit is in the outward or in the inward code, so the other of them agrees.
    half = "(postcode_district_l = postcode_district_r OR right(postcode_l, 3) = right(postcode_r, 3))"
    yield level(f"{half} AND damerau_levenshtein(postcode_l, postcode_r) <= 1", "Postcode with one edit")
    yield level(equal("postcode_sector"), "Postcode sector agrees")
    yield level(equal("postcode_district"), "Postcode district agrees")
    yield level(equal("postcode_area"), "Postcode area agrees")
