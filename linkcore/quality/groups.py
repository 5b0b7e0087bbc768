"""For whom linkage is less complete: how many of each group's records are linked, and how the linked differ."""

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
"""The group of records that do not say."""

FLAGGED_ABOVE: Final = 0.1
"""Standardised differences beyond it, either way, are flagged: guidance for linked data (GUILD), after Austin 2009."""

_CELL: Final = ("source", "dimension")

OTHER: Final = "other"
"""The group of those groups together that are too small to be named."""

# By the number that a name begins with, as "5-14" before "15-19" and decile 2 before 10; what is no group comes last.
_ORDER: Final = (
    pl.col("group") == UNKNOWN,
    pl.col("group") == OTHER,
    pl.col("group").str.extract("^([0-9]+)").cast(pl.Int64, strict=False).fill_null(-1),
    pl.col("group"),
)


def count_groups(source: str, groups: pl.DataFrame, linked: pl.Series) -> pl.DataFrame:
    """Count how many records of each group there are, and how many of them are linked.

    Returns ``source``, ``dimension``, ``group``, ``records``, ``linked``; groups in order of their names, the unknown
    last.

    Examples
    --------
    >>> count_groups("seen", pl.DataFrame({"gender": ["male", None, "male"]}), pl.Series([True, True, False])).rows()
    [('seen', 'gender', 'male', 2, 1), ('seen', 'gender', 'unknown', 1, 1)]
    """
    schema = {name: QUALITY_TABLES["groups"][name] for name in (*_CELL, "group", "records", "linked")}
    counted = [
        pl.select(group=groups[dimension].cast(pl.String), linked=linked)
        .lazy()
        .group_by("group")
        .agg(pl.len().cast(pl.Int64).alias("records"), pl.col("linked").sum().cast(pl.Int64))
        .with_columns(pl.col("group").fill_null(UNKNOWN))
        .sort(*_ORDER)
        .select(pl.lit(source).alias("source"), pl.lit(dimension).alias("dimension"), pl.all())
        for dimension in groups.columns
    ]
    return pl.concat([pl.DataFrame(schema=schema), *pl.collect_all(counted, engine="streaming")])


def group_rates(counts: pl.DataFrame) -> pl.DataFrame:
    """Give the rate at which each group's records are linked, and how the linked differ from the others.

    The standardised difference of a group is that of its share of the linked records, p1, and its share of the others,
    p2: d = (p1 - p2) / √((p1 (1 - p1) + p2 (1 - p2)) / 2) (Austin 2009, "Using the standardized difference to compare
    the prevalence of a binary variable between two groups"). Below 0 the group is linked less often than others. It
    does not grow with the number of records, as a test of significance does.

    Returns The same rows, with ``rate``, its 95 % interval (Wilson), ``standardised_difference`` (null where nobody or
    everybody is linked) and ``flagged``.

    Examples
    --------
    >>> genders = pl.DataFrame({"gender": ["male"] * 100 + ["female"] * 100})
    >>> counts = count_groups("seen", genders, pl.Series([True] * 90 + [False] * 10 + [True] * 80 + [False] * 20))
    >>> group_rates(counts).select("group", "rate", pl.col("standardised_difference").round(3), "flagged").rows()
    [('female', 0.8, -0.404, True), ('male', 0.9, 0.404, True)]
    """
    linked, unlinked = pl.col("linked"), pl.col("records") - pl.col("linked")
    share, other_share = (_of(part, part.sum().over(_CELL)) for part in (linked, unlinked))
    variance = (share * (1 - share) + other_share * (1 - other_share)) / 2
    difference = _of(share - other_share, variance.sqrt())
    low, high = wilson(counts["linked"], counts["records"])
    return (
        counts.with_columns(_of(linked, pl.col("records")).alias("rate"), low, high)
        .with_columns(difference.alias("standardised_difference"))
        .with_columns((pl.col("standardised_difference").abs() > FLAGGED_ABOVE).alias("flagged"))
        .select(*QUALITY_TABLES["groups"])
    )


def pool_rare(groups: pl.DataFrame, smallest: int) -> pl.DataFrame:
    """Put together those groups of a dimension that hardly anybody is in: their very names may tell who."""
    sizes = groups.filter(pl.col("source") != ALL).group_by("dimension", "group").agg(pl.col("records").sum())
    rare = sizes.filter(pl.col("records") < smallest, pl.col("group") != UNKNOWN)
    if rare.is_empty():
        return groups
    marked = groups.join(rare.select("dimension", "group", rare=True), on=["dimension", "group"], how="left")
    named = pl.when(pl.col("rare").fill_null(False)).then(pl.lit(OTHER)).otherwise("group").alias("group")
    counts = marked.group_by("source", "dimension", named).agg(pl.col("records", "linked").sum())
    places = (
        pl.col(name).replace_strict(list(order), range(len(order)), return_dtype=pl.Int64)
        for name, order in ((name, groups[name].unique(maintain_order=True)) for name in _CELL)
    )
    return group_rates(counts.sort(*places, *_ORDER))


def with_all_sources(counts: pl.DataFrame, dimensions: Sequence[str] | None = None) -> pl.DataFrame:
    """Put before the counts of each source those of all sources together."""
    together = counts.group_by("dimension", "group", maintain_order=True).agg(pl.col("records", "linked").sum())
    order = list(dimensions or counts["dimension"].unique(maintain_order=True))
    at = pl.col("dimension").replace_strict(order, range(len(order)), return_dtype=pl.Int64)
    together = together.sort(at, *_ORDER)
    return pl.concat([together.select(pl.lit(ALL).alias("source"), pl.all()), counts])


def _of(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
