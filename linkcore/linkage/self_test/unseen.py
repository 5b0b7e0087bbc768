"""How likely it is that a listed person is not among a record's candidates, by what the record has to be found by."""

import polars as pl

from linkcore.schema import FURTHER

__all__ = ["fields_present", "unseen_shares"]


def fields_present(records: pl.DataFrame) -> pl.DataFrame:
    """Say which fields records have.

    Returns Boolean columns ``has_*``, no nulls.

    Examples
    --------
    >>> fields_present(pl.DataFrame({"family_name": ["NG", None], "gender": [None, "male"]})).rows()
    [(True, False), (False, True)]
    """
    names = ["given_name", "family_name", "birth_date", "gender", "postcode", "address"]
    names += [name for name in records.columns if name.startswith(FURTHER)]
    return records.select(pl.col(name).is_not_null().alias(f"has_{name}") for name in names if name in records.columns)


def unseen_shares(tested: pl.DataFrame, weights: pl.Series, found: pl.Series, wanted: pl.DataFrame) -> pl.Series:
    """Give the share of records whose own person is no candidate, by source and by which fields are there.

    A pattern of fields leans by one record's worth on its source, and a source on all of them. Where no record of the
    source with just these fields was tested, nothing is known, and its person may be anybody: the share is 1.

    ``tested``: RECORDS and ``order`` of hidden records whose person is listed.
    ``wanted``: RECORDS and ``order`` of the records of which it is wanted.

    Examples
    --------
    >>> tested = pl.DataFrame({"order": [0, 0, 0, 0], "family_name": ["NG", "NG", None, None]})
    >>> found, each = pl.Series([True, True, True, False]), pl.Series([1.0] * 4)
    >>> unseen_shares(tested, each, found, tested[1:3]).round(3).to_list()
    [0.087, 0.42]
    """
    if tested.is_empty():
        return pl.repeat(0.0, wanted.height, eager=True)
    pattern = fields_present(tested).columns
    unseen = (weights * (~found).cast(pl.Float64)).alias("unseen").to_frame()
    counted = [tested.select("order"), fields_present(tested), unseen, weights.alias("len").to_frame()]
    of_tested = pl.concat(counted, how="horizontal")
    of_all = (float(unseen["unseen"].sum()) + 0.5) / (float(weights.sum()) + 1)
    # Rounded, so that the order of a sum cannot show.
    sums = pl.col("unseen", "len").sum().round(6)
    source = (
        of_tested.group_by("order")
        .agg(sums)
        .select("order", ((pl.col("unseen") + of_all) / (pl.col("len") + 1)).alias("of_source"))
    )
    by_pattern = of_tested.group_by("order", *pattern).agg(sums)
    return (
        pl.concat([wanted.select("order"), fields_present(wanted)], how="horizontal")
        .join(source, on="order", how="left", maintain_order="left")
        .join(by_pattern, on=["order", *pattern], how="left", maintain_order="left")
        .select(
            # Of a source that was not tested, as much is known as of all; of fields that were not, nothing.
            pl.when(pl.col("of_source").is_null())
            .then(of_all)
            .otherwise(((pl.col("unseen") + pl.col("of_source")) / (pl.col("len") + 1)).fill_null(1.0))
            .alias("unseen")
        )
        .to_series()
    )
