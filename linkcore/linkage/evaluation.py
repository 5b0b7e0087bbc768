"""Evaluation of a linkage against known truth: what was linked to the wrong person, and what was not linked at all."""

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.link import Linkage

__all__ = ["compare_with_truth"]


def compare_with_truth(linkage: Linkage, truth: pl.DataFrame) -> pl.DataFrame:
    """Count right, wrong and missed links by source.

    A person is of the entity of the record that defines it. A record that defines its person makes no claim about any
    other record, so it counts neither for precision nor for recall. Of the others, a record is *linked* if it is placed
    with a person that another record defines, *right* if that person is of its own entity, and *findable* if another
    record of its entity defines a person.

    Parameters
    ----------
    linkage : Linkage
        To be judged.
    truth : polars.DataFrame
        ``source``, ``record_id`` and ``entity`` of every record.

    Returns
    -------
    polars.DataFrame
        A row a source and method: ``records``, ``linked``, ``right``, ``findable``, ``found`` (UInt32).
        Precision is right / linked, recall found / findable.

    Raises
    ------
    ProgrammeError
        If a record of the linkage is missing from the truth.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.linkage.link import link
    >>> from linkcore.linkage.sources import Source
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> seen = Source("seen", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> truth = pl.DataFrame({"source": ["gp", "seen", "seen"], "record_id": ["0", "0", "1"], "entity": [7, 7, 7]})
    >>> compare_with_truth(link([gp, seen]), truth).rows()
    [('gp', 'spine', 1, 0, 0, 0, 0), ('seen', 'nhs_number', 1, 1, 1, 1, 1), ('seen', 'unlinked', 1, 0, 0, 1, 0)]
    """
    judged = _beside_truth(linkage, truth)
    of_listed = judged.filter("defines").select("entity").unique().with_columns(pl.lit(True).alias("listed"))
    judged = judged.join(of_listed, on="entity", how="left", maintain_order="left").with_columns(
        pl.col("listed").fill_null(False)
    )
    # A record that stands alone defines its own person; it is findable if yet another record of its entity does too.
    others = judged.filter("defines").group_by("entity").len("definers")
    judged = judged.join(others, on="entity", how="left", maintain_order="left")
    alone = pl.col("method").is_in(["new_person", "unlinked"])
    linked = ~pl.col("defines")
    right = linked & (pl.col("entity") == pl.col("person_entity"))
    findable = pl.when(alone).then(pl.col("definers") > 1).otherwise(linked & pl.col("listed"))
    return (
        judged.group_by("source", "method", maintain_order=True)
        .agg(
            pl.len().alias("records"),
            linked.sum().alias("linked"),
            right.sum().alias("right"),
            findable.sum().alias("findable"),
            (findable & right).sum().alias("found"),
        )
        .with_columns(pl.exclude("source", "method").cast(pl.UInt32))
    )


def _beside_truth(linkage: Linkage, truth: pl.DataFrame) -> pl.DataFrame:
    """Give each record's source, method, entity, its person's entity, and whether it defines its person."""
    links = linkage.links.select("source", "record_id", "person_id", "method")
    links = links.join(
        truth.select("source", "record_id", "entity"), on=["source", "record_id"], how="left", maintain_order="left"
    )
    unknown = links["entity"].null_count()
    if unknown:
        raise ProgrammeError(f"the truth lacks {unknown} records of the linkage; is it of the same sources?")
    defining = linkage.persons.select("person_id", "source", "record_id").join(
        links.select("source", "record_id", pl.col("entity").alias("person_entity")), on=["source", "record_id"]
    )
    links = links.join(defining.select("person_id", "person_entity"), on="person_id", how="left", maintain_order="left")
    defines = defining.select("source", "record_id", pl.lit(True).alias("defines"))
    return links.join(defines, on=["source", "record_id"], how="left", maintain_order="left").with_columns(
        pl.col("defines").fill_null(False)
    )
