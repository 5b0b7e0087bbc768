"""Groups of records without a person: which of them are of one person together."""

from typing import Final

import polars as pl

from linkcore.linkage.decisions.bits import log2_odds

__all__ = ["components", "group", "within_components"]

# Sums of weights must not depend on their order, so they are taken over whole numbers of this many parts of a bit.
_PARTS_OF_A_BIT: Final = 1 << 20


def components(pairs: pl.DataFrame) -> pl.DataFrame:
    """Find the connected components of a graph, whose edges are ``a`` and ``b`` (UInt32) of ``pairs``.

    Returns ``record`` and ``component`` (UInt32), the least record of the component; in order of record.

    Examples
    --------
    >>> components(pl.DataFrame({"a": [1, 2, 5], "b": [2, 3, 6]})).rows()
    [(1, 1), (2, 1), (3, 1), (5, 5), (6, 5)]
    """
    import numpy as np

    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    records = np.unique(np.concatenate([a, b]))
    a, b = np.searchsorted(records, a), np.searchsorted(records, b)
    label = np.arange(records.size)
    while True:
        # Take the least label of all neighbours, then the label of that label: paths halve with each round.
        near, least = np.minimum(label[a], label[b]), label.copy()
        for side in (a, b):
            np.minimum.at(least, side, near)
        jumped = least[least]
        if np.array_equal(jumped, label):
            return pl.DataFrame({"record": records, "component": records[label]})
        label = jumped


def within_components(pairs: pl.DataFrame, links: pl.DataFrame) -> pl.Series:
    """Return whether ``links`` connect the two records of each pair, directly or through others.

    Examples
    --------
    >>> links = pl.DataFrame({"a": [1, 2, 5], "b": [2, 3, 6]})
    >>> within_components(pl.DataFrame({"a": [1, 3, 7], "b": [3, 5, 8]}), links).to_list()
    [True, False, False]
    """
    import numpy as np

    found = components(links)
    a, b, record = pairs["a"].to_numpy(), pairs["b"].to_numpy(), found["record"].to_numpy()
    label = np.full(max(int(each.max(initial=0)) for each in (a, b, record)) + 1, -1)
    label[record] = found["component"].to_numpy()
    of_a, of_b = label[a], label[b]
    return pl.Series((of_a == of_b) & (of_a >= 0))


def group(pairs: pl.DataFrame, *, accept: float, unknown: float, exclusive: pl.DataFrame) -> pl.DataFrame:
    """Join records into groups, by average linkage.

    The best two groups are joined first, as long as the mean odds (in bits) between their records are those of a link.
    So a record that links to one member of a group and contradicts the others stays out, and chains do not form. What
    a pair may say against a group is bounded before (:mod:`~linkcore.linkage.decisions.contradictions`).
    Joining all mutually best pairs at once gives the same tree (Murtagh 1983, "A survey of recent advances in
    hierarchical clustering algorithms").

    ``pairs``: ``a`` < ``b`` (UInt32), ``odds`` (Float64, log2 of the odds that the two are of one person), each pair
    once. ``unknown``: the odds, in bits, of any other pair.
    ``exclusive``: ``record`` (UInt32) and ``source`` of records whose source has at most one record in a group.
    Returns ``record`` and ``group`` (UInt32), the least record of the group, in order of record; no groups of one.

    Examples
    --------
    >>> pairs = pl.DataFrame({"a": [0, 0, 1, 2], "b": [1, 2, 2, 3], "odds": [10.0, 10.0, 10.0, 10.0]})
    >>> nobody = pl.DataFrame(schema={"record": pl.UInt32, "source": pl.Int32})
    >>> group(pairs.cast({"a": pl.UInt32, "b": pl.UInt32}), accept=0.9, unknown=-20.0, exclusive=nobody).rows()
    [(0, 0), (1, 0), (2, 0)]
    """
    # Even odds are not enough: of two records that are equally good, neither is joined.
    bar = max(_parts(log2_odds(accept)), 1)
    # Two groups are only joined if some pair of theirs speaks for it. So no others can count than those pairs connect.
    connected = pairs.filter(within_components(pairs, pairs.filter(pl.col("odds") > 0)))
    links = connected.select(
        "a",
        "b",
        (pl.col("odds") * _PARTS_OF_A_BIT).round().cast(pl.Int64).alias("total"),
        pl.lit(1, pl.Int64).alias("seen"),
    )
    groups = (
        pl.concat([connected["a"], connected["b"]])
        .unique()
        .sort()
        .to_frame("record")
        .with_columns(pl.col("record").alias("group"))
        .join(exclusive, on="record", how="left", maintain_order="left")
    )
    while True:
        merges = _mutually_best(links, groups, _parts(unknown), bar)
        if merges.is_empty():
            break
        groups = groups.with_columns(_renamed(pl.col("group"), merges))
        links = _summed(links.with_columns(_renamed(pl.col("a"), merges), _renamed(pl.col("b"), merges)))
    return groups.filter(pl.len().over("group") > 1).select("record", "group")


def _mutually_best(links: pl.DataFrame, groups: pl.DataFrame, unknown: int, bar: int) -> pl.DataFrame:
    """Return ``a`` and ``b``: groups that may be joined and of which each is the best for the other."""
    members = groups.group_by("group").agg(pl.len().cast(pl.Int64).alias("size"), pl.col("source").drop_nulls())
    all_pairs = pl.col("size") * pl.col("size_b")
    possible = (
        links.join(members, left_on="a", right_on="group")
        .join(members, left_on="b", right_on="group", suffix="_b")
        .filter(pl.col("source").list.set_intersection("source_b").list.len() == 0)
        .with_columns(((pl.col("total") + (all_pairs - pl.col("seen")) * unknown) / all_pairs).alias("mean"))
        .filter(pl.col("mean") >= bar)
        # In a total order, some pair is always the best for both of its groups.
        .sort("mean", "a", "b", descending=[True, False, False])
        .select("a", "b", pl.int_range(pl.len()).alias("rank"))
    )
    sides = pl.concat([possible.select(pl.col(side).alias("group"), "rank") for side in ("a", "b")])
    best = sides.group_by("group").agg(pl.col("rank").min())
    mutual = best.group_by("rank").len().filter(pl.col("len") == 2)
    return possible.join(mutual, on="rank", how="semi").select("a", "b")


def _renamed(column: pl.Expr, merges: pl.DataFrame) -> pl.Expr:
    return column.replace(merges["b"], merges["a"])


def _summed(links: pl.DataFrame) -> pl.DataFrame:
    return (
        links.filter(pl.col("a") != pl.col("b"))
        .select(pl.min_horizontal("a", "b").alias("a"), pl.max_horizontal("a", "b").alias("b"), "total", "seen")
        .group_by("a", "b")
        .agg(pl.col("total").sum(), pl.col("seen").sum())
    )


def _parts(bits: float) -> int:
    return round(bits * _PARTS_OF_A_BIT)
