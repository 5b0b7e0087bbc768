"""How likely it is that a listed person is not among a record's candidates, by what the record has to be found by."""

import polars as pl

from linkcore.schema import FURTHER

__all__ = ["fields_present", "unseen_shares"]


def fields_present(records: pl.DataFrame) -> pl.DataFrame:
    """Say which fields records have.

    Parameters
    ----------
    records : polars.DataFrame
        RECORDS.

    Returns
    -------
    polars.DataFrame
        Boolean columns ``has_*``, no nulls.

    Examples
    --------
    >>> fields_present(pl.DataFrame({"family_name": ["NG", None], "gender": [None, "male"]})).rows()
    [(True, False), (False, True)]
    """
    names = ["given_name", "family_name", "birth_date", "gender", "postcode", "address"]
    names += [name for name in records.columns if name.startswith(FURTHER)]
    return records.select(pl.col(name).is_not_null().alias(f"has_{name}") for name in names if name in records.columns)


def unseen_shares(tested: pl.DataFrame, found: pl.Series, wanted: pl.DataFrame) -> pl.Series:
    """Give the share of records whose own person is no candidate, by source and by which fields are there.

    A pattern of fields leans by one record's worth on its source, and a source on all of them.

    Parameters
    ----------
    tested : polars.DataFrame
        RECORDS and ``order`` of hidden records whose person is listed.
    found : polars.Series
        Boolean, one for each: whether the person is among the candidates.
    wanted : polars.DataFrame
        RECORDS and ``order`` of the records of which it is wanted.

    Returns
    -------
    polars.Series
        Float64, one for each record that is wanted; 0 where nothing was tested.

    Examples
    --------
    >>> tested = pl.DataFrame({"order": [0, 0, 0, 0], "family_name": ["NG", "NG", None, None]})
    >>> unseen_shares(tested, pl.Series([True, True, True, False]), tested[1:3]).round(3).to_list()
    [0.087, 0.42]
    """
    if tested.is_empty():
        return pl.repeat(0.0, wanted.height, eager=True)
    pattern = fields_present(tested).columns
    of_tested = pl.concat(
        [tested.select("order"), fields_present(tested), (~found).alias("unseen").to_frame()], how="horizontal"
    )
    of_all = (int(of_tested["unseen"].sum()) + 0.5) / (of_tested.height + 1)
    source = of_tested.group_by("order").agg(((pl.col("unseen").sum() + of_all) / (pl.len() + 1)).alias("of_source"))
    counted = of_tested.group_by("order", *pattern).agg(pl.col("unseen").sum(), pl.len())
    return (
        pl.concat([wanted.select("order"), fields_present(wanted)], how="horizontal")
        .join(source, on="order", how="left", maintain_order="left")
        .join(counted, on=["order", *pattern], how="left", maintain_order="left")
        .select(
            (
                (pl.col("unseen").fill_null(0) + pl.col("of_source").fill_null(of_all))
                / (pl.col("len").fill_null(0) + 1)
            ).alias("unseen")
        )
        .to_series()
    )
