"""Linkage rates by demographic group: for whom linkage is less complete."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.linkage.self_test.intervals import wilson
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import ALL

__all__ = [
    "FLAGGED_ABOVE",
    "OTHER",
    "UNKNOWN",
    "count_groups",
    "group_rates",
    "pool_rare",
    "with_all_sources",
]

UNKNOWN: Final = "unknown"
"""The group of records without a value."""

OTHER: Final = "other"
"""The pooled group of all groups that are too small to be named."""

FLAGGED_ABOVE: Final = 0.1
"""Larger standardised differences, positive or negative, are flagged (GUILD guidance for linked data; Austin 2009)."""

_CELL: Final = ("source", "dimension")

# A number at the start of a name decides, so that "5-14" comes before "15-19" and decile 2 before 10.
_GROUP_ORDER: Final = (
    pl.col("group") == UNKNOWN,
    pl.col("group") == OTHER,
    pl.col("group").str.extract("^([0-9]+)").cast(pl.Int64, strict=False).fill_null(-1),
    pl.col("group"),
)


def count_groups(source: str, groups: pl.DataFrame, linked: pl.Series) -> pl.DataFrame:
    """Count the records, and the linked records, of each group in each dimension.

    ``groups``: one row a record, one column a dimension.
    Returns ``source``, ``dimension``, ``group``, ``records`` and ``linked``.

    Examples
    --------
    >>> count_groups("seen", pl.DataFrame({"gender": ["male", None, "male"]}), pl.Series([True, True, False])).rows()
    [('seen', 'gender', 'male', 2, 1), ('seen', 'gender', 'unknown', 1, 1)]
    """
    schema = {name: QUALITY_TABLES["groups"][name] for name in (*_CELL, "group", "records", "linked")}
    counts = [
        pl.select(group=groups[dimension].cast(pl.String), linked=linked)
        .lazy()
        .group_by("group")
        .agg(pl.len().cast(pl.Int64).alias("records"), pl.col("linked").sum().cast(pl.Int64))
        .with_columns(pl.col("group").fill_null(UNKNOWN))
        .sort(*_GROUP_ORDER)
        .select(pl.lit(source).alias("source"), pl.lit(dimension).alias("dimension"), pl.all())
        for dimension in groups.columns
    ]
    return pl.concat([pl.DataFrame(schema=schema), *pl.collect_all(counts, engine="streaming")])


def group_rates(counts: pl.DataFrame) -> pl.DataFrame:
    """Calculate each group's linkage rate with its 95 % interval, and its standardised difference.

    The standardised difference compares the share p1 of a group among the linked records with its share p2 among the
    unlinked ones: d = (p1 - p2) / √((p1 (1 - p1) + p2 (1 - p2)) / 2) (Austin 2009, "Using the standardized difference
    to compare the prevalence of a binary variable between two groups"). A group with d < 0 is linked less often than
    others. Unlike a test of significance, d does not grow with the number of records. It is null where all records are
    linked, or none.

    Examples
    --------
    >>> genders = pl.DataFrame({"gender": ["male"] * 100 + ["female"] * 100})
    >>> counts = count_groups("seen", genders, pl.Series([True] * 90 + [False] * 10 + [True] * 80 + [False] * 20))
    >>> group_rates(counts).select("group", "rate", pl.col("standardised_difference").round(3), "flagged").rows()
    [('female', 0.8, -0.404, True), ('male', 0.9, 0.404, True)]
    """
    linked, unlinked = pl.col("linked"), pl.col("records") - pl.col("linked")
    share, other_share = (_ratio(part, part.sum().over(_CELL)) for part in (linked, unlinked))
    variance = (share * (1 - share) + other_share * (1 - other_share)) / 2
    difference = _ratio(share - other_share, variance.sqrt())
    low, high = wilson(counts["linked"], counts["records"])
    return (
        counts.with_columns(_ratio(linked, pl.col("records")).alias("rate"), low, high)
        .with_columns(difference.alias("standardised_difference"))
        .with_columns((pl.col("standardised_difference").abs() > FLAGGED_ABOVE).alias("flagged"))
        .select(*QUALITY_TABLES["groups"])
    )


def pool_rare(groups: pl.DataFrame, smallest: int) -> pl.DataFrame:
    """Pool the groups with fewer than ``smallest`` records, because the name of a rare group may identify someone."""
    sizes = groups.filter(pl.col("source") != ALL).group_by("dimension", "group").agg(pl.col("records").sum())
    rare = sizes.filter(pl.col("records") < smallest, pl.col("group") != UNKNOWN)
    if rare.is_empty():
        return groups
    marked = groups.join(rare.select("dimension", "group", rare=True), on=["dimension", "group"], how="left")
    pooled = pl.when(pl.col("rare").fill_null(False)).then(pl.lit(OTHER)).otherwise("group").alias("group")
    counts = marked.group_by("source", "dimension", pooled).agg(pl.col("records", "linked").sum())
    cell_order = (_position(name, groups[name].unique(maintain_order=True).to_list()) for name in _CELL)
    return group_rates(counts.sort(*cell_order, *_GROUP_ORDER))


def with_all_sources(counts: pl.DataFrame) -> pl.DataFrame:
    """Put the counts over all sources before the counts of each source."""
    dimensions = counts["dimension"].unique(maintain_order=True).to_list()
    of_all = counts.group_by("dimension", "group", maintain_order=True).agg(pl.col("records", "linked").sum())
    of_all = of_all.sort(_position("dimension", dimensions), *_GROUP_ORDER)
    return pl.concat([of_all.select(pl.lit(ALL).alias("source"), pl.all()), counts])


def _position(column: str, values: Sequence[str]) -> pl.Expr:
    return pl.col(column).replace_strict(values, range(len(values)), return_dtype=pl.Int64)


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
