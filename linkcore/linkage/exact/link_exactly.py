"""Exact linkage: PERSONS from the spine and from numbers seen elsewhere, LINKS by one hash join on the NHS Number."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.linkage.exact.conflicts import COMPARED, contradict
from linkcore.linkage.exact.number_index import NumberIndex
from linkcore.linkage.placement import PLACED, Placement, of_persons
from linkcore.linkage.settings import Exact
from linkcore.pseudonyms.stage_one import CODE_TOKEN
from linkcore.schema import FURTHER, METHOD, PERSONS, STAGE_ONE_CODE
from linkcore.sources.records import Records

__all__ = ["link_exactly", "persons_of", "with_current_numbers"]


def link_exactly(sources: Sequence[Records], exact: Exact) -> Placement:
    """Link records by NHS Number, and number-less ones by local patient identifiers that point to one person.

    Returns PERSONS with a number or on the spine; records that are still to be placed have a null ``person_id``.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    >>> emergency = Source("emergency", pl.DataFrame({"nhs_number": ["4010232137", None]}))
    >>> linked = link_exactly([standardise(gp), standardise(emergency)], Exact())
    >>> linked.links["emergency"].select("person_id", "method", "conflict").rows()
    [(0, 'nhs_number', False), (None, None, False)]
    """
    _check_stages(sources, exact)
    current = [with_current_numbers(records, exact) for records in sources]
    found = _persons(current)
    persons = _as_persons(found)
    placed = _by_number(current, found)
    conflicts = _conflicts(placed, persons)
    links = {
        records.source.name: _link(records, frame, conflict, persons, exact)
        for records, frame, conflict in zip(current, placed, conflicts, strict=True)
    }
    return Placement(persons, links)


def persons_of(sources: Sequence[Records]) -> pl.DataFrame:
    """Give the PERSONS of :func:`link_exactly` alone, by numbers that are current.

    Examples
    --------
    >>> import polars as pl
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> seen = Source("seen", pl.DataFrame({"nhs_number": ["4010232137", None, "401 023 2137"]}))
    >>> persons_of([standardise(seen)]).select("person_id", "nhs_number").rows()
    [(0, 4010232137)]
    """
    return _as_persons(_persons(sources))


def _as_persons(found: pl.DataFrame) -> pl.DataFrame:
    return found.select(*PERSONS, pl.col(f"^{FURTHER}.*$"))


def _check_stages(sources: Sequence[Records], exact: Exact) -> None:
    """Refuse numbers beside stage-1 codes of them, which would link nobody, and two codes that stand for one number."""
    coded = [records for records in sources if records.source.stage_one is not None]
    if not coded:
        return
    numbered = [
        records.source.name
        for records in sources
        if "nhs_number" in records.source.identifier_columns and records.source.stage_one is None
    ]
    if numbered:
        others = ", ".join(records.source.name for records in coded)
        raise ProgrammeError(
            f"{', '.join(numbered)} hold NHS Numbers, and {others} stage-1 codes of them; have the holder of the "
            "stage-1 key bring all of them to stage 1"
        )
    if exact.superseded is not None:
        raise ProgrammeError("numbers.superseded is of NHS Numbers, and the sources hold stage-1 codes; leave it out")
    codes = pl.concat([records.frame.select("nhs_number", STAGE_ONE_CODE) for records in coded]).drop_nulls().unique()
    if codes["nhs_number"].is_duplicated().any():
        raise SourceError(
            "two stage-1 codes begin with the same 62 bits, which does not happen by chance; are they all under one "
            "key, and HMAC-SHA-256?"
        )


def with_current_numbers(records: Records, exact: Exact) -> Records:
    """Replace the superseded numbers of a source's records by those that link."""
    if exact.superseded is None:
        return records
    current = (
        records.frame.lazy()
        .join(exact.superseded.lazy(), left_on="nhs_number", right_on="old", how="left", maintain_order="left")
        .with_columns(pl.coalesce("new", "nhs_number").alias("nhs_number"))
        .drop("new")
    )
    return replace(records, frame=current.collect())


def _persons(sources: Sequence[Records]) -> pl.DataFrame:
    """PERSONS: one for each spine record (for each number on the spine), then one for each number seen elsewhere.

    With ``order`` and ``at``: the source and the position in it of the record that defines the person.
    """
    every = [_candidates(records, order) for order, records in enumerate(sources)]
    elsewhere = [frame["nhs_number"].is_not_null() for frame in every]
    groups = []
    for records, frame in zip(sources, every, strict=True):
        if records.source.spine:
            groups.append(_listed(frame, every))
            listed = NumberIndex(groups[-1]["nhs_number"])
            elsewhere = [
                numbered & listed.find(frame["nhs_number"]).is_null()
                for frame, numbered in zip(every, elsewhere, strict=True)
            ]
    unlisted = pl.concat([frame.filter(of) for frame, of in zip(every, elsewhere, strict=True)], how="diagonal")
    groups.append(_most_agreed(unlisted, unlisted))
    return pl.concat(groups, how="diagonal").with_row_index("person_id")


def _candidates(records: Records, order: int) -> pl.DataFrame:
    named = of_persons(records.frame).with_row_index("at")
    coded = STAGE_ONE_CODE in records.frame.columns
    token = CODE_TOKEN + records.frame[STAGE_ONE_CODE] if coded else pl.lit(None, pl.String)
    source = pl.lit(records.source.name).alias("source")
    return named.with_columns(source, pl.lit(order, pl.UInt32).alias("order"), token.alias("token"))


def _listed(spine: pl.DataFrame, every: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Give the spine's records, only one of each number."""
    repeated = pl.col("nhs_number").is_duplicated() & pl.col("nhs_number").is_not_null()
    doubtful = spine.filter(repeated)
    if doubtful.is_empty():
        return spine
    numbers = doubtful["nhs_number"].unique().implode()
    evidence = [
        frame.lazy().select("nhs_number", "birth_date").filter(pl.col("nhs_number").is_in(numbers)).collect()
        for frame in every
    ]
    chosen = _most_agreed(doubtful, pl.concat(evidence))["at"]
    left_out = doubtful["at"].filter(~doubtful["at"].is_in(chosen.implode()))
    return spine.filter(pl.repeat(True, spine.height, eager=True).scatter(left_out, False))


def _most_agreed(candidates: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Choose one record of each number: the first of those with the birth date that most of its records have.

    A single record with a wrong number must not define the person to whom all the others belong.
    """
    agreeing = evidence.group_by("nhs_number", "birth_date").len("agreeing")
    return (
        candidates.join(agreeing, on=["nhs_number", "birth_date"], how="left", nulls_equal=True)
        .sort("nhs_number", "agreeing", "order", "at", descending=[False, True, False, False])
        .unique("nhs_number", keep="first", maintain_order=True)
        .sort("order", "at")
        .drop("agreeing")
    )


def _by_number(sources: Sequence[Records], persons: pl.DataFrame) -> list[pl.DataFrame]:
    """Give each source's records with the ``person_id`` of their number, and whether each *defines* that person."""
    # A person's id is its position in PERSONS.
    of_number = NumberIndex(persons["nhs_number"])
    defined_by = persons.select("order", "at", "person_id")
    placed = []
    for order, records in enumerate(sources):
        person_id = of_number.find(records.frame["nhs_number"])
        defining = defined_by.filter(pl.col("order") == order)
        defines = pl.repeat(False, records.frame.height, eager=True).scatter(defining["at"], True)
        person_id = person_id.scatter(defining["at"], defining["person_id"])
        placed.append(records.frame.with_columns(person_id.alias("person_id"), defines.alias("defines")))
    return placed


def _conflicts(placed: Sequence[pl.DataFrame], persons: pl.DataFrame) -> list[pl.Series]:
    """Say of each record of each source whether it contradicts the person that it would be linked to by number."""
    doubtful, pairs = [], []
    for frame in placed:
        # Nearly all records agree on the birth date to the day, which settles it; only the rest are held side by side.
        same_day = frame["birth_date"] == persons["birth_date"].gather(frame["person_id"])
        doubt = (frame["person_id"].is_not_null() & ~frame["defines"] & ~same_day.fill_null(False)).arg_true()
        doubtful.append(doubt)
        pairs.append(_beside_persons(frame[doubt], frame["person_id"][doubt], persons))
    verdicts, begin, conflicts = contradict(pl.concat(pairs)), 0, []
    for frame, doubt in zip(placed, doubtful, strict=True):
        none = pl.repeat(False, frame.height, eager=True)
        conflicts.append(none.scatter(doubt, verdicts[begin : begin + doubt.len()]).alias("conflict"))
        begin += doubt.len()
    return conflicts


def _beside_persons(records: pl.DataFrame, person_ids: pl.Series, persons: pl.DataFrame) -> pl.DataFrame:
    # A person's id is its position in PERSONS, so this is a gather and no join.
    beside = persons.select(COMPARED)[person_ids].rename(lambda name: f"{name}_person")
    return pl.concat([records.select(COMPARED), beside], how="horizontal")


def _link(
    records: Records, placed: pl.DataFrame, conflict: pl.Series, persons: pl.DataFrame, exact: Exact
) -> pl.DataFrame:
    by_spine = pl.col("defines") & pl.lit(records.source.spine)
    method = pl.when(by_spine).then(pl.lit("spine", METHOD)).otherwise(pl.lit("nhs_number", METHOD))
    links = pl.col("person_id").is_not_null()
    if exact.conflicts == "fallback":
        links &= ~conflict
    # Narrow from here on: beside a new column, Polars copies all that lies in other parts.
    found = placed.select(
        pl.when(links).then("person_id").alias("person_id"), pl.when(links).then(method).alias("method")
    )
    if "local_patient_id" in records.source.identifier_columns:
        found = _by_local_patient_id(records.frame, found, persons)
    return found.with_columns(
        conflict,
        pl.lit(None, pl.Float64).alias("match_weight"),
        pl.when(pl.col("method").is_not_null()).then(1.0).alias("match_probability"),
    ).select(*PLACED)


def _by_local_patient_id(records: pl.DataFrame, placed: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """Place a record by its local patient identifier, where that stands on records of one person and no other.

    Not where the record's own name and birth date contradict that person: a hospital re-uses identifiers, and mixes up
    labels, as it does with NHS Numbers.
    """
    wanted = (placed["person_id"].is_null() & records["local_patient_id"].is_not_null()).arg_true()
    open_records = records[wanted].with_columns(wanted.alias("at"))
    known = (
        pl.DataFrame([records["local_patient_id"], placed["person_id"]])
        .filter(pl.col("person_id").is_not_null())
        .join(open_records.select("local_patient_id"), on="local_patient_id", how="semi")
        .group_by("local_patient_id")
        .agg(pl.col("person_id").min().alias("of"), pl.col("person_id").n_unique().alias("persons"))
        .filter(pl.col("persons") == 1)
    )
    candidates = open_records.join(known, on="local_patient_id").sort("at")
    sound = candidates.filter(~contradict(_beside_persons(candidates, candidates["of"], persons)))
    method = pl.repeat("local_patient_id", sound.height, dtype=METHOD, eager=True)
    return placed.with_columns(
        placed["person_id"].scatter(sound["at"], sound["of"]), placed["method"].scatter(sound["at"], method)
    )
