"""π: the share of the records of a source whose person is listed, estimated from the records themselves."""

from typing import Final

import polars as pl

from linkcore.linkage.model.significant_digits import significant

__all__ = ["CONVERGED", "ROUNDS", "estimate_pi"]

ROUNDS: Final = 1000
"""Expectation maximisation stops after this many rounds at the latest."""

CONVERGED: Final = 1e-7
"""It has converged when nothing changes by more: a tenth of the sixth significant digit, to which results are rounded.
"""


def estimate_pi(totals: pl.DataFrame) -> dict[int, float]:
    """Estimate π for each source by expectation maximisation.

    A source leans by one record's worth on all sources together, so that a source of few records has a π too.

    ``totals``: ``source`` and ``total`` (of :func:`linkcore.linkage.decisions.persons.with_total`) of each record.

    Examples
    --------
    >>> estimate_pi(pl.DataFrame({"source": [0] * 4, "total": [20.0, 20.0, 20.0, -20.0]}))
    {0: 0.74}
    """
    pooled = _expectation_maximisation(totals.with_columns(pl.lit(0).alias("source")), 0.5)[0]
    return _expectation_maximisation(totals, pooled)


def _expectation_maximisation(totals: pl.DataFrame, leaning: float) -> dict[int, float]:
    """Find, for each source, the share that explains the totals of its records best."""
    # Rounded to three digits, there are few different totals to go through in each round.
    counted = (
        totals.select("source", pl.col("total").round(3))
        .group_by("source", "total")
        .len()
        .sort("source", "total")
        .with_columns(pl.lit(leaning).alias("pi"), pl.col("len").sum().over("source").alias("records"))
    )
    odds = 2.0 ** (pl.col("total") + (pl.col("pi") / (1 - pl.col("pi"))).log(2)).clip(None, 1000)
    found = (odds / (1 + odds) * pl.col("len")).sum().over("source")
    # However many were found, half a record more might not have been, or might have been.
    half = 0.5 / (pl.col("records") + 1)
    share = ((found + leaning) / (pl.col("records") + 1)).clip(half, 1 - half)
    for _ in range(ROUNDS):
        before, counted = counted["pi"], counted.with_columns(share.alias("pi"))
        if not ((counted["pi"] - before).abs() >= CONVERGED).any():
            break
    by_source = counted.group_by("source", maintain_order=True).agg(pl.col("pi").first())
    # Rounding to six digits must not make certainty of a high share.
    return {source: min(significant(pi), 1 - 1e-6) for source, pi in by_source.iter_rows()}
