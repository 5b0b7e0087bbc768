"""Fixtures of the tests of quality: one small linkage and its quality."""

from tests.small_ics import ics, linkage, quality, truth, type_one, withholding

__all__ = ["ics", "linkage", "quality", "truth", "type_one", "withholding"]
