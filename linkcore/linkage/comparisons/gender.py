"""Comparing gender."""

from collections.abc import Iterator, Set

from linkcore.linkage.comparisons.levels import differs, equal, level, null
from linkcore.linkage.model.model import Comparison

__all__ = ["compare_gender"]


def compare_gender(present: Set[str]) -> Iterator[Comparison]:
    """Compare gender, where it is there. Its values are all common, so that none weighs more."""
    if "gender" in present:
        yield Comparison("gender", (null("gender"), level(equal("gender"), "Agrees"), differs()))
