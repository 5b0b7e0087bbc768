"""Which person of now each earlier person is: one to one, the greatest overlap of records first."""

import polars as pl

__all__ = ["match_persons"]


def match_persons(overlap: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Match earlier persons with persons of now, and count the ties.

    The pair with most records in common is matched first, then the best of the rest. Among equals, the pair that keeps
    a token goes first, then the order of the names before, then of the record that defines the person now: no order of
    rows matters, where records have ids.

    ``overlap``: ``before``, ``now`` and ``records``; ``keeps``, whether both have no NHS Number; ``name`` of the one,
    and ``source`` and ``record_id`` of the record that defines the other. Returns ``before`` and ``now``, and the
    number of matches that another one, as good, was set aside for.

    Examples
    --------
    >>> overlap = pl.DataFrame({"before": [0, 0, 1], "now": [0, 1, 1], "records": [2, 1, 1], "keeps": [True] * 3})
    >>> overlap = overlap.with_columns(name=pl.lit("a"), source=pl.lit("gp"), record_id=pl.lit("1"))
    >>> match_persons(overlap)[0].sort("before").rows()
    [(0, 0), (1, 1)]
    """
    order = ["records", "keeps", "name", "source", "record_id"]
    left = overlap.sort(order, descending=[True, True, False, False, False]).with_row_index("rank")
    matched = [left.clear()]
    while left.height:
        best = pl.col("rank").min()
        pairs = left.filter(best.over("before") == pl.col("rank"), best.over("now") == pl.col("rank"))
        matched.append(pairs)
        left = left.join(pairs, on="before", how="anti").join(pairs, on="now", how="anti")
    found = pl.concat(matched)
    return found.select("before", "now"), _ties(overlap, found)


def _ties(overlap: pl.DataFrame, found: pl.DataFrame) -> int:
    """Count the matches beside which another pair of the same person has as many records in common."""
    others = overlap.join(found, on=["before", "now"], how="anti")
    tied = [found.join(others, on=[side, "records"], how="semi").select("before", "now") for side in ("before", "now")]
    return pl.concat(tied).n_unique()
