"""Faults of NHS Numbers that show only beside other records or a list: superseded ones, and those that stand twice."""

import polars as pl

from linkcore.linkage.settings import Exact
from linkcore.sources.source import Source

__all__ = ["number_faults"]


def number_faults(records: pl.DataFrame, source: Source, exact: Exact) -> pl.DataFrame:
    """Say of each record whether its NHS Number is ``superseded``, and whether it is a ``duplicate``.

    A number is a duplicate if it stands on two records of a source that has one record a person, as the spine has, or
    under two local patient identifiers: the source then has two entries for one person, or has given one of them the
    number of somebody else. Only the records themselves are compared, those of one provider.

    ``records``: ``nhs_number``, as it was sent, and ``local_patient_id``. Returns two columns of Booleans, no nulls.

    Examples
    --------
    >>> sent = pl.DataFrame({"nhs_number": [4010232137, 4010232137, None], "local_patient_id": ["H1", "H2", "H3"]})
    >>> number_faults(sent, Source("hospital", sent), Exact()).rows()
    [(False, True), (False, True), (False, False)]
    """
    numbers = records["nhs_number"]
    superseded = pl.repeat(False, numbers.len(), eager=True)
    if exact.superseded is not None:
        old, new = exact.superseded.lazy().select("old", "new").collect()
        superseded = numbers.is_in(old.implode()).fill_null(False)
        # The number that replaced it may stand on another entry.
        numbers = numbers.replace(old, new)
    duplicate = pl.repeat(False, numbers.len(), eager=True)
    if source.one_record_per_person or source.spine:
        duplicate = numbers.is_duplicated() & numbers.is_not_null()
    elif "local_patient_id" in source.identifier_columns:
        entries = pl.DataFrame([numbers, records["local_patient_id"]]).drop_nulls().unique()
        twice = entries.filter(pl.col("nhs_number").is_duplicated())["nhs_number"].unique()
        duplicate = numbers.is_in(twice.implode()).fill_null(False)
    return pl.DataFrame({"superseded": superseded, "duplicate": duplicate})
