"""Counts of a linkage as tables: the flow of records, cluster sizes and match weights."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.quality.tables import NUMBER_GROUPS, QUALITY_TABLES, SIZES
from linkcore.schema import ALL

__all__ = ["BIN_BITS", "cluster_sizes", "flow", "match_weights"]

BIN_BITS: Final = 2
"""Width of a bin of match weights in bits: from one bin to the next, the odds are four times as high."""

_SMALLEST_OF_SIZE: Final = (1, 2, 3, 4, 5, 10, 20, 50)


def flow(kinds: pl.DataFrame, *, sources: Sequence[str], usable: Sequence[str]) -> pl.DataFrame:
    """Count records by source, by what their NHS Number leads to, and by the method that linked them.

    ``kinds``: ``source``, ``nhs_number_status``, ``conflict`` and ``method`` as in LINKS of :mod:`linkcore.schema`, and
    ``records``, the number of records with these values.

    Examples
    --------
    >>> from linkcore.schema import LINKS
    >>> kind = {"source": "seen", "method": "unlinked", "nhs_number_status": "missing", "conflict": False}
    >>> kinds = pl.DataFrame([kind], schema_overrides=LINKS).with_columns(records=7)
    >>> flow(kinds, sources=["seen"], usable=["valid"]).rows()
    [('seen', 'not usable', 'unlinked', 7)]
    """
    is_usable, conflict, unusable = NUMBER_GROUPS
    status = pl.col("nhs_number_status")
    number = (
        pl.when("conflict")
        .then(pl.lit(conflict))
        .when(status.is_in(list(usable)))
        .then(pl.lit(is_usable))
        .otherwise(pl.lit(unusable))
    )
    return (
        kinds.with_columns(number.alias("number"))
        .group_by("source", "number", "method")
        .agg(pl.col("records").sum().cast(pl.Int64))
        .sort(_position("source", sources), _position("number", NUMBER_GROUPS), "method")
        .select(*QUALITY_TABLES["flow"])
    )


def cluster_sizes(links: pl.DataFrame) -> pl.DataFrame:
    """Count persons by their number of records; every size has a row.

    ``links``: ``person_id``, a position in the table of persons.

    Examples
    --------
    >>> cluster_sizes(pl.DataFrame({"person_id": [0, 0, 0, 1, 2, 2, 2, 2, 2]})).filter(pl.col("persons") > 0).rows()
    [('1', 1), ('3', 1), ('5-9', 1)]
    """
    import numpy as np

    records = np.bincount(links["person_id"].to_numpy())
    persons = np.bincount(np.searchsorted(_SMALLEST_OF_SIZE, records, side="right"), minlength=len(SIZES) + 1)
    # The first count is of ids without records.
    return pl.DataFrame({"size": SIZES, "persons": persons[1:]}, schema=QUALITY_TABLES["cluster_sizes"])


def match_weights(candidates: pl.DataFrame, links: pl.DataFrame, *, sources: Sequence[str]) -> pl.DataFrame:
    """Count the candidates of the fallback by match weight and by whether they became links; empty bins are left out.

    ``candidates``: ``source``, ``record_id``, ``person_id`` and ``match_weight``; one row a pair.

    Examples
    --------
    >>> from linkcore.schema import LINKS
    >>> record = {"source": "seen", "record_id": "1", "method": "probabilistic"}
    >>> candidates = pl.DataFrame({"source": ["seen"] * 2, "record_id": ["1"] * 2, "person_id": [7, 8],
    ...                            "match_weight": [20.5, -3.0]}, schema_overrides={"person_id": pl.UInt32})
    >>> match_weights(candidates, pl.DataFrame([record | {"person_id": 7}], schema=LINKS), sources=["seen"]).rows()[:2]
    [('all', 'accepted', 20.0, 22.0, 1), ('all', 'rejected', -4.0, -2.0, 1)]
    """
    pair = ["source", "record_id", "person_id"]
    accepted = links.filter(pl.col("method") == "probabilistic").select(*pair, pl.lit(True).alias("accepted"))
    outcome = pl.when(pl.col("accepted").fill_null(False)).then(pl.lit("accepted")).otherwise(pl.lit("rejected"))
    low = (pl.col("match_weight") / BIN_BITS).floor() * BIN_BITS
    by_source = (
        candidates.join(accepted, on=pair, how="left")
        .group_by("source", outcome.alias("outcome"), low.alias("low"))
        .agg(pl.len().cast(pl.Int64).alias("pairs"))
    )
    of_all = by_source.group_by("outcome", "low").agg(pl.col("pairs").sum())
    bins = pl.concat([of_all.select(pl.lit(ALL).alias("source"), pl.all()), by_source])
    return (
        bins.with_columns((pl.col("low") + BIN_BITS).alias("high"))
        .sort(_position("source", [ALL, *sources]), "outcome", "low")
        .select(*QUALITY_TABLES["match_weights"])
    )


def _position(column: str, values: Sequence[str]) -> pl.Expr:
    return pl.col(column).replace_strict(list(values), range(len(values)), return_dtype=pl.Int64)
