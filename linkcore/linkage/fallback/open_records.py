"""The records that the exact linkage leaves open: gathered as one table, and placed with the persons found for them."""

from collections.abc import Sequence

import polars as pl

from linkcore.linkage.placement import Placement, unplaced
from linkcore.schema import FURTHER, METHOD, PERSONS
from linkcore.sources.records import Records

__all__ = ["gather_open_records", "make_persons", "name_sources", "place"]


def gather_open_records(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    """Gather the unplaced records of all sources in one table.

    Returns RECORDS, ``source_index`` (Int32) and ``position`` (UInt32, the position in the RECORDS of that source), in
    order of both.
    """
    return pl.concat(
        [
            unplaced(records, placement).with_columns(pl.lit(source_index, pl.Int32).alias("source_index"))
            for source_index, records in enumerate(sources)
        ],
        how="diagonal",
    )


def name_sources(sources: Sequence[Records]) -> pl.Expr:
    """Turn ``source_index`` into ``source``, the name of the source."""
    names = dict(enumerate(records.source.name for records in sources))
    return pl.col("source_index").replace_strict(names, return_dtype=pl.String).alias("source")


def place(sources: Sequence[Records], placement: Placement, linked: pl.DataFrame) -> Placement:
    """Place open records with their persons.

    ``linked``: each placed record once, by ``source_index`` and ``position``, with ``person_id``, ``method``,
    ``match_weight`` and ``match_probability``.
    """
    links = dict(placement.links)
    for source_index, records in enumerate(sources):
        of_source = linked.filter(pl.col("source_index") == source_index)
        name = records.source.name
        links[name] = links[name].with_columns(
            links[name][column].scatter(of_source["position"], of_source[column])
            for column in ("person_id", "method", "match_weight", "match_probability")
        )
    return Placement(placement.persons, links)


def make_persons(
    sources: Sequence[Records], placement: Placement, records: pl.DataFrame, groups: pl.DataFrame
) -> Placement:
    """Make one new person of each group of open records.

    The first record of the spine defines the person; in a group without one, the first record.

    ``groups``: ``record`` (position in ``records``) and ``group`` (any integer).
    """
    on_spine = pl.col("source_index").is_in([index for index, each in enumerate(sources) if each.source.spine])
    members = records[groups["record"]].hstack(groups).with_columns(on_spine.alias("spine"))
    defining = (
        members.sort("spine", "record", descending=[True, False])
        .unique("group", keep="first", maintain_order=True)
        .sort("record")
        .with_row_index("person_id", offset=placement.persons.height)
    )
    new = defining.select(
        # A conflict carries the number of another person, so the person that it defines has none.
        *(name for name in records.columns if name in PERSONS and name not in {"nhs_number", "record_id"}),
        pl.col(f"^{FURTHER}.*$"),
        "person_id",
        "record_id",
        name_sources(sources),
    )
    placed = members.join(defining.select("group", "person_id"), on="group", how="left", maintain_order="left").select(
        "source_index",
        "position",
        "person_id",
        pl.when("spine").then(pl.lit("spine", METHOD)).otherwise(pl.lit("new_person", METHOD)).alias("method"),
        pl.lit(None, pl.Float64).alias("match_weight"),
        pl.when("spine").then(1.0).alias("match_probability"),
    )
    persons = pl.concat([placement.persons, new], how="diagonal")
    return place(sources, Placement(persons, placement.links), placed)
