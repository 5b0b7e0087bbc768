"""Exact linkage: PERSONS from the spine and from numbers seen elsewhere, links by a hash join on the NHS Number."""

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
    """Link records by NHS Number, and records without one by a local patient identifier that points to one person.

    The persons are those with a number and those on the spine. Records still to be placed have a null ``person_id``.

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
    """Return the PERSONS that :func:`link_exactly` makes, from records with current numbers.

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
    """Refuse NHS Numbers beside stage-1 codes, which would never link, and two codes that stand for one number."""
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
    """Replace superseded numbers in the records of a source by their current numbers."""
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
    """Return PERSONS: first of each spine record (of each number on the spine), then of each number seen elsewhere.

    ``source_index`` and ``position`` name the record that defines the person: its source, and its position in RECORDS.
    """
    candidates = [_candidates(records, source_index) for source_index, records in enumerate(sources)]
    unlisted = [frame["nhs_number"].is_not_null() for frame in candidates]
    persons = []
    for records, frame in zip(sources, candidates, strict=True):
        if records.source.spine:
            persons.append(_listed(frame, candidates))
            listed = NumberIndex(persons[-1]["nhs_number"])
            unlisted = [
                numbered & listed.find(frame["nhs_number"]).is_null()
                for frame, numbered in zip(candidates, unlisted, strict=True)
            ]
    elsewhere = pl.concat(
        [frame.filter(chosen) for frame, chosen in zip(candidates, unlisted, strict=True)], how="diagonal"
    )
    persons.append(_most_agreed(elsewhere, elsewhere))
    return pl.concat(persons, how="diagonal").with_row_index("person_id")


def _candidates(records: Records, source_index: int) -> pl.DataFrame:
    """Return the records of a source as persons that they might define."""
    persons = of_persons(records.frame).with_row_index("position")
    coded = STAGE_ONE_CODE in records.frame.columns
    token = CODE_TOKEN + records.frame[STAGE_ONE_CODE] if coded else pl.lit(None, pl.String)
    source = pl.lit(records.source.name).alias("source")
    return persons.with_columns(source, pl.lit(source_index, pl.UInt32).alias("source_index"), token.alias("token"))


def _listed(spine: pl.DataFrame, candidates: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the records of the spine, only one of each number."""
    repeated = pl.col("nhs_number").is_duplicated() & pl.col("nhs_number").is_not_null()
    doubtful = spine.filter(repeated)
    if doubtful.is_empty():
        return spine
    numbers = doubtful["nhs_number"].unique().implode()
    evidence = [
        frame.lazy().select("nhs_number", "birth_date").filter(pl.col("nhs_number").is_in(numbers)).collect()
        for frame in candidates
    ]
    defining = _most_agreed(doubtful, pl.concat(evidence))["position"]
    left_out = doubtful["position"].filter(~doubtful["position"].is_in(defining.implode()))
    return spine.filter(pl.repeat(True, spine.height, eager=True).scatter(left_out, False))


def _most_agreed(candidates: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """Choose one record of each number: the first with the birth date that most records of the number have.

    A single record with a wrong number must not define the person of all the other records.
    """
    agreeing = evidence.group_by("nhs_number", "birth_date").len("agreeing")
    return (
        candidates.join(agreeing, on=["nhs_number", "birth_date"], how="left", nulls_equal=True)
        .sort("nhs_number", "agreeing", "source_index", "position", descending=[False, True, False, False])
        .unique("nhs_number", keep="first", maintain_order=True)
        .sort("source_index", "position")
        .drop("agreeing")
    )


def _by_number(sources: Sequence[Records], persons: pl.DataFrame) -> list[pl.DataFrame]:
    """Add to the records of each source the ``person_id`` of their number, and whether each ``defines`` that person."""
    # The id of a person is its position in PERSONS.
    of_number = NumberIndex(persons["nhs_number"])
    defined_by = persons.select("source_index", "position", "person_id")
    placed = []
    for source_index, records in enumerate(sources):
        person_id = of_number.find(records.frame["nhs_number"])
        defining = defined_by.filter(pl.col("source_index") == source_index)
        defines = pl.repeat(False, records.frame.height, eager=True).scatter(defining["position"], True)
        person_id = person_id.scatter(defining["position"], defining["person_id"])
        placed.append(records.frame.with_columns(person_id.alias("person_id"), defines.alias("defines")))
    return placed


def _conflicts(placed: Sequence[pl.DataFrame], persons: pl.DataFrame) -> list[pl.Series]:
    """Return, by source, whether each record contradicts the person that its number would link it to."""
    doubtful, pairs = [], []
    for frame in placed:
        # Nearly all records have the birth date of their person, and so contradict nothing; only the rest are compared.
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
    # The id of a person is its position in PERSONS, so this is a gather and not a join.
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
    # Only these columns from here on: Polars copies every column of a frame in several chunks when one is added.
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
    """Place a record by its local patient identifier, where all placed records with that identifier are of one person.

    The name and birth date of the record must not contradict that person: hospitals re-use identifiers and mix up
    labels.
    """
    wanted = (placed["person_id"].is_null() & records["local_patient_id"].is_not_null()).arg_true()
    open_records = records[wanted].with_columns(wanted.alias("position"))
    known = (
        pl.DataFrame([records["local_patient_id"], placed["person_id"]])
        .filter(pl.col("person_id").is_not_null())
        .join(open_records.select("local_patient_id"), on="local_patient_id", how="semi")
        .group_by("local_patient_id")
        .agg(pl.col("person_id").min(), pl.col("person_id").n_unique().alias("persons"))
        .filter(pl.col("persons") == 1)
    )
    candidates = open_records.join(known, on="local_patient_id").sort("position")
    sound = candidates.filter(~contradict(_beside_persons(candidates, candidates["person_id"], persons)))
    method = pl.repeat("local_patient_id", sound.height, dtype=METHOD, eager=True)
    return placed.with_columns(
        placed["person_id"].scatter(sound["position"], sound["person_id"]),
        placed["method"].scatter(sound["position"], method),
    )
