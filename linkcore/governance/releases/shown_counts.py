"""The counts of a release as its recipient and practices see them: those of the linkage-quality report.

Two documents that suppress on their own could each show what the other hides. So whatever states counts of a release,
its manifest or the summary of a run, takes them from here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from linkcore.disclosure.disclosed import disclosed
from linkcore.disclosure.suppression import shown
from linkcore.link import Linkage
from linkcore.quality.measures import Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD
from linkcore.report.file_schema import SUPPRESSED
from linkcore.report.write import with_withholding
from linkcore.schema import ALL

if TYPE_CHECKING:
    from linkcore.governance.withholding.withholding import Withholding

__all__ = ["ShownCounts", "written"]


def written(count: int | None) -> int | str:
    """Write a count that may be suppressed."""
    return SUPPRESSED if count is None else count


@dataclass(frozen=True)
class ShownCounts:
    """The counts of releases, under disclosure control; None where one is suppressed.

    Parameters
    ----------
    quality : Quality
        What the report shows.
    """

    quality: Quality

    @classmethod
    def of(cls, linkage: Linkage, withholding: "Withholding | None") -> "ShownCounts":
        """Take the counts of the report of a run, if the linkage has its quality; or of one on this withholding."""
        quality = linkage.quality
        if withholding is not None and withholding.purpose not in quality.withheld["purpose"]:
            quality = with_withholding(quality, [withholding])
        return cls(disclosed(quality))

    def records(self, source: str = ALL) -> int | None:
        """Return the number of records of a source."""
        count: int | None = self.quality.totals.filter(source=source, what="records")["count"].item()
        return count

    def withheld(self, purpose: str, source: str) -> int | None:
        """Return the number of records of a source that are withheld for a purpose; 0 where no opt-out was applied."""
        return self._of_purpose(purpose, source, ANY_REASON) if purpose in self.quality.withheld["purpose"] else 0

    def may_leave(self, purpose: str, source: str) -> int | None:
        """Return the number of records of a source that are not withheld for a purpose."""
        if purpose in self.quality.withheld["purpose"]:
            return self._of_purpose(purpose, source, NOT_WITHHELD)
        return self.records(source)

    def released(self, purpose: str, source: str, *, released: int, outside: int) -> int | None:
        """Return the number of released rows; ``outside``, the true number of those outside the cohort, is never shown.

        Beside the records that may leave, and the released ones, both rounded, a small number outside could be read.
        """
        may_leave = self.may_leave(purpose, source)
        return shown(released) if outside and may_leave is not None else may_leave

    def describe_withheld(self, purpose: str, sources: list[str]) -> list[dict[str, Any]]:
        """Return source, reason and number of withheld records, as a manifest states them."""
        is_reason = pl.col("source").is_in(sources) & ~pl.col("reason").is_in([NOT_WITHHELD, ANY_REASON])
        counts = self.quality.withheld.filter(is_reason, purpose=purpose)
        rows = counts.select("source", "reason", "records").rows(named=True)
        return [{**row, "records": written(row["records"])} for row in rows]

    def basis(self, purpose: str) -> dict[str, str]:
        """Return on what basis records are withheld, by kind of opt-out."""
        return dict(self.quality.withheld_basis.filter(purpose=purpose).select("kind", "basis").iter_rows())

    def _of_purpose(self, purpose: str, source: str, reason: str) -> int | None:
        count: int | None = self.quality.withheld.filter(purpose=purpose, source=source, reason=reason)[
            "records"
        ].item()
        return count
