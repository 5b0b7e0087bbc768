"""How likely a listed person is to be missing from a record's candidates, by the fields that the record has."""

import polars as pl

from linkcore.linkage.enough_identifiers import fields_present

__all__ = ["NOTHING_TESTED", "learn_unseen", "unseen_shares"]

NOTHING_TESTED = pl.DataFrame({"source_index": [None], "unseen": [0.0]}, schema_overrides={"source_index": pl.Int32})
"""The shares where no record was tested."""


def learn_unseen(tested: pl.DataFrame, weights: pl.Series, found: pl.Series) -> pl.DataFrame:
    """Learn the share of records whose true person is not among their candidates, by source and fields present.

    A pattern of fields leans by one record's worth on its source, and a source on all sources.

    ``tested``: RECORDS and ``source_index`` of hidden records whose person is listed; ``weights``: how many records
    each stands for; ``found``: whether its person is a candidate.
    Returns ``source_index``, ``has_*`` (Boolean) and ``unseen``; the last row, of no source, is the share of all.
    """
    if tested.is_empty():
        return NOTHING_TESTED
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
    by_pattern = of_tested.group_by("source_index", *pattern).agg(sums).sort("source_index", *pattern)
    learned = by_pattern.join(source, on="source_index", how="left", maintain_order="left").select(
        "source_index", *pattern, ((pl.col("unseen") + pl.col("of_source")) / (pl.col("len") + 1)).alias("unseen")
    )
    return pl.concat([learned, pl.DataFrame({"unseen": [of_all]})], how="diagonal")


def unseen_shares(learned: pl.DataFrame, wanted: pl.DataFrame) -> pl.Series:
    """Return the share that was learned of records like these, as of :func:`learn_unseen`.

    Where no record of the source with exactly these fields was tested, nothing is known, and the share is 1: the person
    may be anybody. A source that was not tested is like all sources.

    ``wanted``: RECORDS and ``source_index`` of the records for which the share is wanted.

    Examples
    --------
    >>> tested = pl.DataFrame({"source_index": [0, 0, 0, 0], "family_name": ["NG", "NG", None, None]})
    >>> found, weights = pl.Series([True, True, True, False]), pl.Series([1.0] * 4)
    >>> unseen_shares(learn_unseen(tested, weights, found), tested[1:3]).round(3).to_list()
    [0.087, 0.42]
    """
    of_all = learned.filter(pl.col("source_index").is_null())["unseen"].item()
    pattern = [name for name in learned.columns if name not in {"source_index", "unseen"}]
    tested = pl.col("source_index").is_in(learned["source_index"].drop_nulls().unique().implode())
    return (
        pl.concat([wanted.select("source_index"), fields_present(wanted)], how="horizontal")
        .join(learned, on=["source_index", *pattern], how="left", maintain_order="left")
        .select(pl.when(tested).then(pl.col("unseen").fill_null(1.0)).otherwise(of_all).alias("unseen"))
        .to_series()
    )
