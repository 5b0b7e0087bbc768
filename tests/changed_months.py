"""Extracts of a synthetic ICS as they come in instalments, and as a few records change from month to month."""

from collections.abc import Sequence

import polars as pl

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.sampling import record_fingerprints

ROW = "ORIGINAL_ROW"
SETTINGS = ("columns", "spine", "further", "attributes", "one_record_per_person", "practice", "not_compared")


def extracts(programme: Programme, *, arrived: float = 1.0, changes: Sequence[str] = ()) -> list[lc.Source]:
    """Return the sources of which a share of the records has arrived; the spine is always whole.

    In each of the ``changes``, three records in a hundred are corrected or go away; records keep their ids.
    """
    sources = []
    for source in programme.sources():
        frame = source.scan(source.column_names).collect().with_row_index(ROW)
        frame = frame.with_columns(pl.col(source.record_id_column or ROW).cast(pl.String).alias(ROW))
        drawn = record_fingerprints(f"{source.name} arrives", frame[ROW]) % 1000
        frame = frame.filter((drawn < arrived * 1000) | source.spine)
        for change in changes:
            frame = _changed(source, frame, change)
        settings = {name: getattr(source, name) for name in SETTINGS}
        sources.append(lc.Source(source.name, frame.select(ROW, *source.column_names), record_id=ROW, **settings))
    return sources


def _changed(source: lc.Source, frame: pl.DataFrame, change: str) -> pl.DataFrame:
    drawn = record_fingerprints(f"{source.name} {change}", frame[ROW]) % 1000
    name, postcode = (source.identifier_columns.get(each) for each in ("family_name", "postcode"))
    for column, value, some in (
        (name, pl.col(name or ROW) + "E", drawn < 10),
        (postcode, pl.lit("EX4 6TA"), drawn.is_between(10, 19)),
    ):
        if column is not None:
            frame = frame.with_columns(pl.when(some).then(value).otherwise(pl.col(column)).alias(column))
    return frame.filter(~drawn.is_between(20, 29))


def in_other_company(one: lc.Linkage, other: lc.Linkage) -> pl.DataFrame:
    """Return ``source`` and ``record_id`` of the records whose person has not the same records in both linkages."""
    key = ["source", "record_id"]
    both = one.links.select(*key, one="person_id").join(other.links.select(*key, other="person_id"), on=key)
    together = pl.len().over("one", "other")
    same = (together == pl.len().over("one")) & (together == pl.len().over("other"))
    return both.filter(~same).select(key)


def wrong_links(linkage: lc.Linkage, truth: pl.DataFrame) -> int:
    """Count the probabilistic links to the person of somebody else; ``truth``: the entity of each record."""
    true = linkage.links.filter(method="probabilistic").join(truth, on=["source", "record_id"])
    persons = linkage.persons.select("person_id", "source", "record_id").join(truth, on=["source", "record_id"])
    whose = persons.select("person_id", whose="entity")
    return true.join(whose, on="person_id").filter(pl.col("whose") != pl.col("entity")).height
