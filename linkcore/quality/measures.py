"""Measures of a linkage: every record accounted for, by source."""

from dataclasses import dataclass

import polars as pl

from linkcore.schema import METHOD

__all__ = ["Quality", "measure"]


@dataclass(frozen=True, eq=False)
class Quality:
    """What became of every record and every identifier, as plain tables of counts.

    Parameters
    ----------
    records : polars.DataFrame
        ``source``, ``method``, ``records``: every record of every source stands in exactly one cell.
    numbers : polars.DataFrame
        ``source``, ``nhs_number_status``, ``records``.
    conflicts : polars.DataFrame
        ``source``, ``conflicts``: records whose number is, by name and birth date, somebody else's.
    set_aside : polars.DataFrame
        SET_ASIDE of :mod:`linkcore.schema`: ``source``, ``identifier``, ``status``, ``records``.
    persons : int
        How many persons there are.
    """

    records: pl.DataFrame
    numbers: pl.DataFrame
    conflicts: pl.DataFrame
    set_aside: pl.DataFrame
    persons: int

    def by_method(self) -> pl.DataFrame:
        """Lay the records out with a row a source, a column a method, and totals.

        Returns
        -------
        polars.DataFrame
            ``source``, one column for each method that occurs, ``records``, ``conflicts``.
        """
        wide = self.records.pivot("method", index="source", values="records", maintain_order=True).fill_null(0)
        methods = [method for method in METHOD.categories if method in wide.columns]
        wide = wide.select("source", *methods, pl.sum_horizontal(methods).alias("records")).join(
            self.conflicts, on="source", maintain_order="left"
        )
        total = wide.select(pl.lit("all").alias("source"), pl.exclude("source").sum())
        return pl.concat([wide, total], how="vertical_relaxed")


def measure(links: pl.DataFrame, set_aside: pl.DataFrame, persons: int) -> Quality:
    """Count what became of every record.

    Parameters
    ----------
    links : polars.DataFrame
        LINKS of :mod:`linkcore.schema`.
    set_aside : polars.DataFrame
        SET_ASIDE of all sources.
    persons : int
        How many persons there are.

    Returns
    -------
    Quality

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> measure(pl.DataFrame([link], schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 1).records.rows()
    [('gp', 'spine', 1)]
    """
    by_source = links.group_by("source", maintain_order=True)
    return Quality(
        records=_counts(links, "method"),
        numbers=_counts(links, "nhs_number_status"),
        conflicts=by_source.agg(pl.col("conflict").sum().cast(pl.UInt32).alias("conflicts")),
        set_aside=set_aside,
        persons=persons,
    )


def _counts(links: pl.DataFrame, column: str) -> pl.DataFrame:
    order = links.select(pl.col("source").unique(maintain_order=True)).with_row_index("order")
    counts = links.group_by("source", column).len("records").join(order, on="source")
    return counts.sort("order", column).select("source", column, "records")
