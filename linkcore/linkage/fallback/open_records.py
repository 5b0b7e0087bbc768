"""The records that the exact linkage leaves open: as one table, and back to their places."""

from collections.abc import Sequence

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.linkage.placement import Placement, unplaced
from linkcore.schema import FURTHER, METHOD, PERSONS
from linkcore.sources.records import Records
from linkcore.sources.source import FurtherKind

__all__ = ["further_kinds", "make_persons", "open_records", "place", "tells_enough"]


def open_records(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    """Give all records that are still to be placed, of all sources, as one table.

    Returns RECORDS, ``order`` (Int32, of the source) and ``at`` (UInt32, the position in its RECORDS); in order of
    both.
    """
    return pl.concat(
        [
            unplaced(records, placement).with_columns(pl.lit(order, pl.Int32).alias("order"))
            for order, records in enumerate(sources)
        ],
        how="diagonal",
    )


def tells_enough(records: pl.DataFrame) -> pl.Series:
    """Say whether records have two identifiers at least: no link, however rare the value, hangs on one alone.

    Examples
    --------
    >>> from linkcore.schema import RECORDS
    >>> frame = pl.DataFrame([{"family_name": "NG"}, {"family_name": "NG", "gender": "male"}], schema=RECORDS)
    >>> tells_enough(frame).to_list()
    [False, True]
    """
    identifiers: list[tuple[str, ...]] = [
        ("given_name",),
        ("family_name",),
        ("birth_date", "birth_date_text"),
        ("gender",),
        ("postcode", "address"),
    ]
    identifiers += [(name,) for name in records.columns if name.startswith(FURTHER)]
    given = [pl.any_horizontal(pl.col(*names).is_not_null()).cast(pl.UInt8) for names in identifiers]
    return records.select(pl.sum_horizontal(given) >= 2).to_series()


def further_kinds(sources: Sequence[Records]) -> dict[str, FurtherKind]:
    """Give the further identifiers of all sources, and how each is compared."""
    kinds: dict[str, FurtherKind] = {}
    for records in sources:
        for name, kind in (records.source.further or {}).items():
            if kinds.setdefault(name, kind) != kind:
                raise ProgrammeError(
                    f"further identifier {name!r} is {kinds[name]!r} in one source and {kind!r} in source "
                    f"{records.source.name!r}; give it one kind"
                )
    return kinds


def place(sources: Sequence[Records], placement: Placement, records: pl.DataFrame) -> Placement:
    """Put open records to the persons that were found for them.

    ``records``: ``order`` and ``at`` of :func:`open_records`, each once, and what they get: ``person_id``, ``method``,
    ``match_weight`` and ``match_probability``.
    """
    links = dict(placement.links)
    for order, source in enumerate(sources):
        found = records.filter(pl.col("order") == order)
        name = source.source.name
        links[name] = links[name].with_columns(
            links[name][column].scatter(found["at"], found[column])
            for column in ("person_id", "method", "match_weight", "match_probability")
        )
    return Placement(placement.persons, links)


def make_persons(
    sources: Sequence[Records], placement: Placement, records: pl.DataFrame, groups: pl.DataFrame
) -> Placement:
    """Make one new person of each group of open records that belong together.

    The first record of the group defines the person; where there is one of the spine, that one.

    ``groups``: ``record`` (position in ``records``) and ``group`` (any integer).
    """
    spine = pl.col("order").is_in([order for order, each in enumerate(sources) if each.source.spine])
    members = records[groups["record"]].hstack(groups).with_columns(spine.alias("spine"))
    defining = (
        members.sort("spine", "record", descending=[True, False])
        .unique("group", keep="first", maintain_order=True)
        .sort("record")
        .with_row_index("person_id", offset=placement.persons.height)
    )
    names = dict(enumerate(each.source.name for each in sources))
    new = defining.select(
        # A conflict carries another person's number: the person that it defines has none.
        *(name for name in records.columns if name in PERSONS and name not in {"nhs_number", "record_id"}),
        pl.col(f"^{FURTHER}.*$"),
        "person_id",
        "record_id",
        pl.col("order").replace_strict(names, return_dtype=pl.String).alias("source"),
    )
    placed = members.join(defining.select("group", "person_id"), on="group", how="left", maintain_order="left").select(
        "order",
        "at",
        "person_id",
        pl.when("spine").then(pl.lit("spine", METHOD)).otherwise(pl.lit("new_person", METHOD)).alias("method"),
        pl.lit(None, pl.Float64).alias("match_weight"),
        pl.when("spine").then(1.0).alias("match_probability"),
    )
    persons = pl.concat([placement.persons, new], how="diagonal")
    return place(sources, Placement(persons, placement.links), placed)
