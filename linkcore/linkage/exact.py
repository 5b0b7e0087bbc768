"""Exact linkage: PERSONS from the spine and from numbers seen elsewhere, LINKS by one hash join on the NHS Number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.identifiers.nhs_number import standardise as standardise_number
from linkcore.linkage.conflicts import COMPARED, contradict
from linkcore.linkage.placement import PLACED, Placement
from linkcore.linkage.standardise import Records
from linkcore.schema import FURTHER, METHOD, PERSONS, USABLE_STATUSES

__all__ = ["Exact", "link_exactly"]

ConflictPolicy = Literal["fallback", "keep"]

# A longer chain of supersessions than this is a cycle.
_LONGEST_CHAIN: Final = 16


@dataclass(frozen=True, eq=False)
class Exact:
    """Settings of the exact linkage.

    Parameters
    ----------
    usable : sequence of str
        Statuses of NHS Numbers that may link; add ``"test"`` for a synthetic programme.
    superseded : polars.DataFrame, optional
        Numbers that were merged into others: columns ``old`` and ``new``, in any written form.
    conflicts : {"fallback", "keep"}
        What becomes of a record whose name and birth date say that its number is somebody else's: ``"fallback"`` looks
        for its person by the other identifiers, ``"keep"`` links it by number all the same. Either way it is flagged.

    Raises
    ------
    ProgrammeError
        If a setting makes no sense.

    Examples
    --------
    >>> Exact(usable=("valid", "test")).conflicts
    'fallback'
    """

    usable: Sequence[str] = USABLE_STATUSES
    superseded: pl.DataFrame | None = field(default=None, repr=False)
    conflicts: ConflictPolicy = "fallback"

    def __post_init__(self) -> None:
        possible = (*USABLE_STATUSES, "test")
        wrong = sorted(set(self.usable) - set(possible))
        if wrong or not self.usable:
            raise ProgrammeError(f"usable holds {wrong or 'nothing'}; it may hold {', '.join(possible)}")
        if self.conflicts not in get_args(ConflictPolicy):
            raise ProgrammeError(f"conflicts is {self.conflicts!r}; it is 'fallback' or 'keep'")
        object.__setattr__(self, "usable", tuple(status for status in possible if status in self.usable))
        if self.superseded is not None:
            object.__setattr__(self, "superseded", _resolve(self.superseded))


def link_exactly(sources: Sequence[Records], exact: Exact) -> Placement:
    """Link records by NHS Number, and number-less ones by local patient identifiers that point to one person.

    Parameters
    ----------
    sources : sequence of Records
        RECORDS of each source; at most one of them is a spine.
    exact : Exact
        The settings.

    Returns
    -------
    Placement
        PERSONS with a number or on the spine; records that are still to be placed have a null ``person_id``.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.linkage.sources import Source
    >>> from linkcore.linkage.standardise import standardise
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["9434765919"]}), spine=True)
    >>> emergency = Source("emergency", pl.DataFrame({"nhs_number": ["9434765919", None]}))
    >>> linked = link_exactly([standardise(gp), standardise(emergency)], Exact())
    >>> linked.links["emergency"].select("person_id", "method", "conflict").rows()
    [(0, 'nhs_number', False), (None, None, False)]
    """
    current = [_with_current_numbers(records, exact) for records in sources]
    persons = _persons(current)
    links = {records.source.name: _link(records, persons, exact) for records in current}
    return Placement(persons, links)


def _resolve(superseded: pl.DataFrame) -> pl.DataFrame:
    """Give old → current as integers, following chains of supersessions to their end."""
    if set(superseded.columns) != {"old", "new"}:
        raise ProgrammeError(f"superseded must have the columns old and new; it has {', '.join(superseded.columns)}")
    numbers = superseded.select(
        standardise_number(pl.col(side)).struct.field("value").alias(side) for side in ("old", "new")
    )
    unusable = numbers.select(pl.any_horizontal(pl.all().is_null())).to_series()
    if unusable.any():
        raise ProgrammeError(
            f"superseded: {unusable.sum()} rows hold something that is no NHS Number, the first in row "
            f"{unusable.arg_true()[0] + 1}; take them out"
        )
    numbers = numbers.unique(maintain_order=True)
    if numbers["old"].is_duplicated().any():
        raise ProgrammeError("superseded: a number is superseded by two different ones; keep one of them")
    for _ in range(_LONGEST_CHAIN):
        onward = numbers.join(
            numbers.rename({"old": "new", "new": "newer"}), on="new", how="left", maintain_order="left"
        )
        if onward["newer"].null_count() == onward.height:
            return numbers
        numbers = onward.select("old", pl.coalesce("newer", "new").alias("new"))
    raise ProgrammeError("superseded: numbers supersede each other in a circle; take one of them out")


def _with_current_numbers(records: Records, exact: Exact) -> Records:
    if exact.superseded is None:
        return records
    current = records.frame.join(
        exact.superseded, left_on="nhs_number", right_on="old", how="left", maintain_order="left"
    ).with_columns(pl.coalesce("new", "nhs_number").alias("nhs_number"))
    return Records(records.source, current.drop("new"), records.set_aside)


def _persons(sources: Sequence[Records]) -> pl.DataFrame:
    """PERSONS: one for each spine record (for each number on the spine), then one for each number seen elsewhere."""
    spine = [_candidates(records, order) for order, records in enumerate(sources) if records.source.spine]
    others = [_candidates(records, order) for order, records in enumerate(sources) if not records.source.spine]
    listed = pl.concat(spine, how="diagonal") if spine else None
    if listed is not None:
        listed = listed.filter(pl.col("nhs_number").is_null() | pl.col("nhs_number").is_first_distinct())
        others = [frame.join(listed, on="nhs_number", how="anti") for frame in others]
    found = [_most_agreed(pl.concat(numbered, how="diagonal"))] if (numbered := _numbered(others)) else []
    persons = pl.concat([*([] if listed is None else [listed]), *found], how="diagonal")
    return (
        persons.drop("order")
        .with_row_index("person_id")
        .with_columns(pl.lit(None, pl.String).alias("token"))
        .select(*PERSONS, pl.col(f"^{FURTHER}.*$"))
    )


def _candidates(records: Records, order: int) -> pl.DataFrame:
    kept = [name for name in records.frame.columns if name in PERSONS or name.startswith(FURTHER)]
    return records.frame.select(kept).with_columns(
        pl.lit(records.source.name).alias("source"), pl.lit(order, pl.UInt32).alias("order")
    )


def _numbered(frames: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    return [frame.filter(pl.col("nhs_number").is_not_null()) for frame in frames]


def _most_agreed(candidates: pl.DataFrame) -> pl.DataFrame:
    """One record for each number: the first of those with the birth date that most of its records have.

    A single record with a wrong number must not define the person to whom all the others belong.
    """
    return (
        candidates.with_columns(pl.len().over("nhs_number", "birth_date").alias("agreeing"))
        .sort("nhs_number", "agreeing", "order", "record_id", descending=[False, True, False, False])
        .unique("nhs_number", keep="first", maintain_order=True)
        .sort("order", "record_id")
        .drop("agreeing")
    )


def _link(records: Records, persons: pl.DataFrame, exact: Exact) -> pl.DataFrame:
    placed = _by_number(records, persons).with_columns(
        pl.when(pl.col("person_id").is_null())
        .then(None)
        .when(pl.col("defines") & pl.lit(records.source.spine))
        .then(pl.lit("spine"))
        .otherwise(pl.lit("nhs_number"))
        .cast(METHOD)
        .alias("method")
    )
    conflict = _conflicts(placed, persons)
    placed = placed.with_columns(conflict)
    if exact.conflicts == "fallback":
        kept = ~pl.col("conflict")
        placed = placed.with_columns(pl.when(kept).then("person_id"), pl.when(kept).then("method"))
    if "local_patient_id" in records.source.identifier_columns:
        placed = _by_local_patient_id(placed, persons)
    return placed.with_columns(
        pl.lit(None, pl.Float64).alias("match_weight"),
        pl.when(pl.col("method").is_not_null()).then(1.0).alias("match_probability"),
    ).select(*PLACED)


def _by_number(records: Records, persons: pl.DataFrame) -> pl.DataFrame:
    """The records with the ``person_id`` of their number, and whether each *defines* that person."""
    by_number = persons.filter(pl.col("nhs_number").is_not_null()).select("nhs_number", "person_id")
    defined = persons.filter(pl.col("source") == records.source.name).select(
        "record_id", pl.col("person_id").alias("defined")
    )
    frame = records.frame.join(by_number, on="nhs_number", how="left", maintain_order="left")
    if records.source.spine or defined.height:
        frame = frame.join(defined, on="record_id", how="left", maintain_order="left")
    else:
        frame = frame.with_columns(pl.lit(None, pl.UInt32).alias("defined"))
    return frame.with_columns(
        pl.coalesce("defined", "person_id").alias("person_id"), pl.col("defined").is_not_null().alias("defines")
    ).drop("defined")


def _conflicts(placed: pl.DataFrame, persons: pl.DataFrame) -> pl.Series:
    judged = (placed["person_id"].is_not_null() & ~placed["defines"]).arg_true()
    verdict = contradict(_beside_persons(placed[judged], placed["person_id"][judged], persons))
    return pl.Series("conflict", [False]).new_from_index(0, placed.height).scatter(judged, verdict).alias("conflict")


def _beside_persons(records: pl.DataFrame, person_ids: pl.Series, persons: pl.DataFrame) -> pl.DataFrame:
    # A person's id is its position in PERSONS, so this is a gather and no join.
    beside = persons.select(COMPARED)[person_ids].rename(lambda name: f"{name}_person")
    return pl.concat([records.select(COMPARED), beside], how="horizontal")


def _by_local_patient_id(placed: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """Place a record by its local patient identifier, where that stands on records of one person and no other.

    Not where the record's own name and birth date contradict that person: a hospital re-uses identifiers, and mixes up
    labels, as it does with NHS Numbers.
    """
    known = (
        placed.filter(pl.col("method").is_not_null() & pl.col("local_patient_id").is_not_null())
        .group_by("local_patient_id")
        .agg(pl.col("person_id").min().alias("of"), pl.col("person_id").n_unique().alias("persons"))
        .filter(pl.col("persons") == 1)
        .drop("persons")
    )
    open_rows = placed["person_id"].is_null()
    candidates = (
        placed.with_row_index("at").filter(open_rows).join(known, on="local_patient_id", how="inner").sort("at")
    )
    sound = candidates.filter(~contradict(_beside_persons(candidates, candidates["of"], persons)))
    return placed.with_columns(
        placed["person_id"].scatter(sound["at"], sound["of"]),
        placed["method"].scatter(
            sound["at"], pl.Series(["local_patient_id"], dtype=METHOD).new_from_index(0, sound.height)
        ),
    )
