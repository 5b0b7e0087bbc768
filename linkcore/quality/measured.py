"""A linkage with its quality."""

from dataclasses import dataclass

from linkcore.linkage.result import LinkageResult
from linkcore.quality.measures import Quality

__all__ = ["MeasuredLinkage"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MeasuredLinkage(LinkageResult):
    """The result of a linkage, with its quality."""

    quality: Quality
