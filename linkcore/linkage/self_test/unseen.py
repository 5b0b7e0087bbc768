"""How likely a listed person is to be missing from a record's candidates, by the fields that the record has."""

import polars as pl

from linkcore.linkage.enough_identifiers import fields_present

__all__ = ["unseen_shares"]


def unseen_shares(tested: pl.DataFrame, weights: pl.Series, found: pl.Series, wanted: pl.DataFrame) -> pl.Series:
    """Return the share of records whose true person is not among their candidates, by source and fields present.

    A pattern of fields leans by one record's worth on its source, and a source on all sources. Where no record of the
    source with exactly these fields was tested, nothing is known, and the share is 1: the person may be anybody.

    ``tested``: RECORDS and ``source_index`` of hidden records whose person is listed; ``weights``: how many records
    each stands for; ``found``: whether its person is a candidate.
    ``wanted``: RECORDS and ``source_index`` of the records for which the share is wanted.

    Examples
    --------
    >>> tested = pl.DataFrame({"source_index": [0, 0, 0, 0], "family_name": ["NG", "NG", None, None]})
    >>> found, weights = pl.Series([True, True, True, False]), pl.Series([1.0] * 4)
    >>> unseen_shares(tested, weights, found, tested[1:3]).round(3).to_list()
    [0.087, 0.42]
    """
    if tested.is_empty():
        return pl.repeat(0.0, wanted.height, eager=True)
    pattern = fields_present(tested).columns
    unseen = (weights * (~found).cast(pl.Float64)).alias("unseen").to_frame()
    counted = [tested.select("source_index"), fields_present(tested), unseen, weights.alias("len").to_frame()]
    of_tested = pl.concat(counted, how="horizontal")
    of_all = (float(unseen["unseen"].sum()) + 0.5) / (float(weights.sum()) + 1)
    # Rounded, so that the order of summation cannot show.
    sums = pl.col("unseen", "len").sum().round(6)
    source = (
        of_tested.group_by("source_index")
        .agg(sums)
        .select("source_index", ((pl.col("unseen") + of_all) / (pl.col("len") + 1)).alias("of_source"))
    )
    by_pattern = of_tested.group_by("source_index", *pattern).agg(sums)
    return (
        pl.concat([wanted.select("source_index"), fields_present(wanted)], how="horizontal")
        .join(source, on="source_index", how="left", maintain_order="left")
        .join(by_pattern, on=["source_index", *pattern], how="left", maintain_order="left")
        .select(
            # A source that was not tested is like all sources; of fields that were not tested, nothing is known.
            pl.when(pl.col("of_source").is_null())
            .then(of_all)
            .otherwise(((pl.col("unseen") + pl.col("of_source")) / (pl.col("len") + 1)).fill_null(1.0))
            .alias("unseen")
        )
        .to_series()
    )
