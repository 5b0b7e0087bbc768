"""The names that persons had before, by the supersession table."""

from typing import Final

import polars as pl

__all__ = ["earlier_names", "told_of", "with_names_before"]

_SPLIT: Final = "split"


def with_names_before(superseded: pl.DataFrame, names: pl.Series) -> pl.Series:
    """Return the names of persons, and all names that gave way to them; not those that somebody split from.

    ``superseded``: SUPERSEDED of :mod:`linkcore.schema`. Of two persons who split, one has the old name still, or what
    took its place.

    Examples
    --------
    >>> table = {"old": ["a", "b", "c"], "new": ["b", "c", "d"], "reason": ["joined", "number_found", "split"]}
    >>> with_names_before(pl.DataFrame(table), pl.Series(["c"])).sort().to_list()
    ['a', 'b', 'c']
    """
    found, whole = names.unique(), superseded.filter(pl.col("reason") != _SPLIT)
    while True:
        more = whole.filter(pl.col("new").is_in(found.implode()) & ~pl.col("old").is_in(found.implode()))[
            "old"
        ].unique()
        if more.is_empty():
            return found
        found = pl.concat([found, more.alias(found.name)])


def earlier_names(superseded: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Return all names that gave way to these, and these, each with what took its place, why and since when.

    One row for each ``old`` name and each ``new`` one to which it leads. ``why`` has all reasons on the way, null if
    nothing happened; ``since`` is the date of the last of them. ``several``: the name leads to more than one name, so
    nobody can tell whose it was. A name that somebody split from leads to itself, and ``why`` says so. A name of which
    the table says nothing is left out.

    Examples
    --------
    >>> table = {"old": ["a", "b", "c"], "new": ["b", "c", "d"], "reason": ["joined", "number_found", "split"]}
    >>> found = earlier_names(pl.DataFrame(table).with_columns(date=pl.lit("2026-04-01")), pl.Series(["c"]))
    >>> found.select("old", "new", "why").rows()
    [('a', 'c', 'joined, number_found, split'), ('b', 'c', 'number_found, split'), ('c', 'c', 'split')]
    """
    whole = superseded.filter(pl.col("reason") != _SPLIT).select(via="old", new="new")
    told_of_any = pl.concat([superseded["old"], superseded["new"]])
    names = names.filter(names.is_in(told_of_any.implode()))
    theirs = with_names_before(superseded, names)
    last = pl.DataFrame({"old": theirs, "via": theirs})
    reached = [last]
    while last.height:
        last = last.join(whole, on="via").select("old", via="new").unique()
        last = last.join(pl.concat(reached), on=["old", "via"], how="anti")
        reached.append(last)
    ways = pl.concat(reached)
    heirs = ways.join(whole, on="via", how="anti").rename({"via": "new"})
    heirs = heirs.with_columns((pl.len().over("old") > 1).alias("several"))
    reason = pl.col("reason").cast(pl.String)
    told = (
        ways.join(superseded.rename({"old": "via"}), on="via").group_by("old").agg(reason, since=pl.col("date").max())
    )
    found = heirs.filter(pl.col("new").is_in(names.implode())).join(told, on="old", how="left")
    why = (
        pl.when("several").then(pl.concat_list("reason", pl.lit(_SPLIT))).otherwise("reason").list.unique().list.sort()
    )
    return found.select("old", "new", why.list.join(", ").alias("why"), "since", "several").sort("old", "new")


def told_of(superseded: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Return the rows of the supersession table that tell of these persons alone.

    A name that gave way is told with the persons who have its records now, if they are among these. A split is told if
    both are among them: otherwise it would tell of the other one.

    Examples
    --------
    >>> table = pl.DataFrame({"old": ["a", "c"], "new": ["c", "d"], "reason": ["joined", "split"]})
    >>> told_of(table, pl.Series(["d"])).height, told_of(table, pl.Series(["c", "d"])).height
    (0, 2)
    """
    theirs = with_names_before(superseded, names).implode()
    return superseded.filter(
        pl.col("new").is_in(theirs) & ((pl.col("reason") != "split") | pl.col("old").is_in(theirs))
    )
