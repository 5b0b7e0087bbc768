"""The names that persons had before, by the supersession table."""

import polars as pl

__all__ = ["told_of", "with_names_before"]


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
    found, whole = names.unique(), superseded.filter(pl.col("reason") != "split")
    while True:
        more = whole.filter(pl.col("new").is_in(found.implode()) & ~pl.col("old").is_in(found.implode()))[
            "old"
        ].unique()
        if more.is_empty():
            return found
        found = pl.concat([found, more.alias(found.name)])


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
