"""How records that carry the same NHS Number agree on who the person is: the best test of a mapping."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from linkcore.sources.records import Records

__all__ = ["AGREEMENT", "COMPARED", "agreement", "count_agreement", "reference_of", "same_numbers"]

AGREEMENT: Final = pl.Schema(
    {
        "source": pl.String(),
        "identifier": pl.String(),
        "records": pl.UInt32(),  # of the source, with a number of the reference, where both have a value
        "agree": pl.UInt32(),
        "begin_alike": pl.UInt32(),  # names: the first letter; birth dates: the year
    }
)
"""How the records of each source agree with those of the reference that carry the same number."""

COMPARED: Final = ("given_name", "family_name", "birth_date", "gender", "postcode")
"""The identifiers of which a person has mostly one."""

# So many persons show what a column holds; no more are compared.
_MOST_PERSONS: Final = 50_000
_REFERENCE: Final = "reference:"


def reference_of(records: Sequence[Records]) -> Records | None:
    """Return the source with which others are compared: the spine, or else the one with most NHS Numbers."""
    numbered = [each for each in records if each.frame["nhs_number"].count()]
    spine = [each for each in numbered if each.source.spine]
    return max(spine or numbered, key=lambda each: each.frame["nhs_number"].count(), default=None)


def same_numbers(records: Records, reference: Records) -> pl.DataFrame:
    """Return the records of a source beside the record of the reference that has the same NHS Number.

    Columns: ``COMPARED`` of the source, and the same of the reference with the prefix ``reference:``. Of a large
    reference, a sample of its numbers is compared, chosen by their hash.
    """
    every = 1 + reference.frame.height // _MOST_PERSONS
    chosen = pl.col("nhs_number").is_not_null() & (pl.col("nhs_number").hash(0) % every == 0)
    persons = (
        reference.frame.lazy()
        .filter(chosen)
        .select("nhs_number", *COMPARED)
        .unique("nhs_number", keep="first", maintain_order=True)
    )
    named = persons.rename({name: _REFERENCE + name for name in COMPARED})
    return records.frame.lazy().filter(chosen).select("nhs_number", *COMPARED).join(named, on="nhs_number").collect()


def agreement(records: Sequence[Records]) -> pl.DataFrame:
    """Count, for each source and identifier, how many records agree with the reference: AGREEMENT.

    Examples
    --------
    >>> from linkcore.sources.records import standardise
    >>> from linkcore.sources.source import Source
    >>> gp = pl.DataFrame({"nhs_number": ["4010232137"], "given_name": ["Anna"], "birth_date": ["2001-02-03"]})
    >>> seen = pl.DataFrame({"nhs_number": ["4010232137"], "given_name": ["Ann"], "birth_date": ["2001-03-02"]})
    >>> both = [standardise(Source("gp", gp, spine=True)), standardise(Source("seen", seen))]
    >>> agreement(both).rows()
    [('seen', 'given_name', 1, 0, 1), ('seen', 'birth_date', 1, 0, 1)]
    """
    reference = reference_of(records)
    rows = []
    for each in records:
        if reference is not None and each is not reference:
            rows += count_agreement(each.source.name, same_numbers(each, reference))
    return pl.DataFrame(rows, schema=AGREEMENT, orient="row")


def count_agreement(source: str, pairs: pl.DataFrame) -> list[tuple[str, str, int, int, int]]:
    """Count how many pairs of :func:`same_numbers` agree on each identifier: rows of AGREEMENT."""
    counts = []
    for name in COMPARED:
        both = pairs.select(own=name, reference=_REFERENCE + name).drop_nulls()
        if both.height:
            agree = both.filter(pl.col("own") == pl.col("reference")).height
            counts.append((source, name, both.height, agree, both.filter(_begins_alike(name)).height))
    return counts


def _begins_alike(name: str) -> pl.Expr:
    own, reference = pl.col("own"), pl.col("reference")
    if name == "birth_date":
        return own.dt.year() == reference.dt.year()
    if name == "gender":
        return own == reference
    return own.str.head(1) == reference.str.head(1)
