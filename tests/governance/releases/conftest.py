"""The linkage of a synthetic ICS, for tests of what a release tells about links."""

from tests.small_ics import ics, linkage

__all__ = ["ics", "linkage"]
