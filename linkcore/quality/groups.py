"""For whom linkage is less complete: how many records of each group of people are linked."""

from typing import Final

import polars as pl

from linkcore.linkage.self_test.intervals import wilson
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import ALL

__all__ = [
    "FLAGGED_ABOVE",
    "OTHER",
    "UNKNOWN",
    "count_linked",
    "group_rates",
    "pool_rare",
    "with_all_sources",
]

UNKNOWN: Final = "unknown"
"""The group of records whose value is missing."""

FLAGGED_ABOVE: Final = 0.1
"""A larger standardised difference, positive or negative, is flagged (GUILD guidance for linked data; Austin 2009)."""

_CELL: Final = ("source", "dimension")

OTHER: Final = "other"
"""The group that pools all groups too small to be named."""

# By the number at the start of a name: "5-14" comes before "15-19", and decile 2 before decile 10.
_ORDER: Final = (
    pl.col("group") == UNKNOWN,
    pl.col("group") == OTHER,
    pl.col("group").str.extract("^([0-9]+)").cast(pl.Int64, strict=False).fill_null(-1),
    pl.col("group"),
)


def count_linked(source: str, groups: pl.DataFrame, linked: pl.Series) -> pl.DataFrame:
    """Count the records of each group of people, and how many of them are linked.

    ``groups``: one row for each record, one column for each dimension.
    Returns ``source``, ``dimension``, ``group``, ``records``, ``linked``, with the unknown group last.

    Examples
    --------
    >>> count_linked("seen", pl.DataFrame({"gender": ["male", None, "male"]}), pl.Series([True, True, False])).rows()
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
    """Calculate the share of each group's records that is linked, and its standardised difference.

    The standardised difference compares a group's share of the linked records, p1, with its share of the other records,
    p2: d = (p1 - p2) / √((p1 (1 - p1) + p2 (1 - p2)) / 2) (Austin 2009, "Using the standardized difference to compare
    the prevalence of a binary variable between two groups"). Below 0, the group is linked less often than others.
    Unlike a test of significance, it does not grow with the number of records.

    Returns the same rows with ``rate``, its 95 % interval (Wilson), ``standardised_difference`` (null where all or no
    records are linked) and ``flagged``.

    Examples
    --------
    >>> genders = pl.DataFrame({"gender": ["male"] * 100 + ["female"] * 100})
    >>> counts = count_linked("seen", genders, pl.Series([True] * 90 + [False] * 10 + [True] * 80 + [False] * 20))
    >>> group_rates(counts).select("group", "rate", pl.col("standardised_difference").round(3), "flagged").rows()
    [('female', 0.8, -0.404, True), ('male', 0.9, 0.404, True)]
    """
    linked, unlinked = pl.col("linked"), pl.col("records") - pl.col("linked")
    share, other_share = (_share(part, part.sum().over(_CELL)) for part in (linked, unlinked))
    variance = (share * (1 - share) + other_share * (1 - other_share)) / 2
    difference = _share(share - other_share, variance.sqrt())
    low, high = wilson(counts["linked"], counts["records"])
    return (
        counts.with_columns(_share(linked, pl.col("records")).alias("rate"), low, high)
        .with_columns(difference.alias("standardised_difference"))
        .with_columns((pl.col("standardised_difference").abs() > FLAGGED_ABOVE).alias("flagged"))
        .select(*QUALITY_TABLES["groups"])
    )


def pool_rare(groups: pl.DataFrame, smallest: int) -> pl.DataFrame:
    """Pool the groups with fewer records than ``smallest``, because the name of a rare group may identify someone."""
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


def with_all_sources(counts: pl.DataFrame) -> pl.DataFrame:
    """Add the counts of all sources together, before those of each source."""
    together = counts.group_by("dimension", "group", maintain_order=True).agg(pl.col("records", "linked").sum())
    order = counts["dimension"].unique(maintain_order=True)
    position = pl.col("dimension").replace_strict(order, range(len(order)), return_dtype=pl.Int64)
    together = together.sort(position, *_ORDER)
    return pl.concat([together.select(pl.lit(ALL).alias("source"), pl.all()), counts])


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)
