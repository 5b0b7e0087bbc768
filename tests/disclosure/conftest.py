"""One small linkage for all tests here."""

from tests.small_ics import ics, linkage, quality, truth, type_one, withholding

__all__ = ["ics", "linkage", "quality", "truth", "type_one", "withholding"]
