"""Recall of blocking: how many records are compared with their person, estimated from the self-test."""

import polars as pl

from linkcore.linkage.self_test.rates import rate_of
from linkcore.quality.fallback_tables import FallbackTest
from linkcore.quality.tables import FALLBACK_TABLES

__all__ = ["blocking_table"]


def blocking_table(test: FallbackTest, hidden: int, proposed: pl.DataFrame) -> pl.DataFrame:
    """Estimate the share of records that blocking pairs with their person, of those whose person is listed.

    ``hidden``: how many records were hidden.
    ``proposed``: ``record`` and ``person``: hidden records whose true person some blocking rule proposed.
    Returns ``blocking`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. ``cases`` is the effective number of hidden
    records behind the share.
    """
    found = proposed.select("record", true_person="person", found=True)
    # A record that stands only for itself was not hidden: its true person is not known.
    rows = test.rows.filter("listed", pl.col("record") < hidden).join(
        found, on=["record", "true_person"], how="left", maintain_order="left"
    )
    rows = rows.with_columns(pl.col("found").fill_null(False))
    table = []
    for source, name in test.tested_sources():
        of_source = rows if source is None else rows.filter(pl.col("source") == source)
        recall = rate_of(of_source, of_source["found"], "reweighted")
        if recall.rate is not None:
            table.append((name, recall.rate, *recall.interval(), recall.cases))
    return pl.DataFrame(table, schema=FALLBACK_TABLES["blocking"], orient="row")
