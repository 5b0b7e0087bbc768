"""Measure the quality of a linkage, while its records and persons are in memory."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.linkage.placement import Placement, defines_its_person
from linkcore.linkage.result import LinkageResult
from linkcore.quality.counts import match_weights
from linkcore.quality.fallback import fallback_quality
from linkcore.quality.groups import count_linked, group_rates, with_all_sources
from linkcore.quality.implausible import in_events, in_identifiers
from linkcore.quality.measures import Quality, measure
from linkcore.quality.people_groups import people_groups
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import FURTHER
from linkcore.sources.events import read_events
from linkcore.sources.records import Records

__all__ = ["measure_linkage"]

_AREA: Final = "area"
_COMPARED: Final = ("gender", "birth_date")


def measure_linkage(result: LinkageResult, sources: Sequence[Records]) -> Quality:
    """Measure everything that a report shows of a linkage. ``sources`` are the records that were linked."""
    names = [records.source.name for records in sources]
    placement = result.placement
    counted = measure(
        result.links,
        pl.concat([records.set_aside for records in sources]),
        placement.persons.height,
        sources=names,
        usable=result.exact.usable,
        fallback=fallback_quality(result),
    )
    return replace(
        counted,
        completeness=pl.concat([_completeness(records) for records in sources]),
        match_weights=(
            pl.DataFrame(schema=QUALITY_TABLES["match_weights"])
            if result.probabilistic is None
            else match_weights(result.probabilistic.candidates, result.links, sources=names)
        ),
        groups=_groups(sources, placement, result.reference_date),
        implausible=_implausible(sources, placement, result.reference_date),
        run=result.run,
    )


def _completeness(records: Records) -> pl.DataFrame:
    frame, total = records.frame, records.frame.height
    missing = dict(records.set_aside.filter(status="missing").select("identifier", "records").iter_rows())
    rows = []
    for identifier in records.source.identifier_columns:
        kept = frame[identifier].is_not_null()
        if identifier == "birth_date":
            # An impossible date keeps its text, which is compared.
            kept |= frame["birth_date_text"].is_not_null()
        rows.append((records.source.name, identifier, total, total - missing.get(identifier, 0), kept.sum()))
    for column in records.source.further or ():
        kept = frame[FURTHER + column].is_not_null()
        rows.append((records.source.name, column, total, kept.sum(), kept.sum()))
    return pl.DataFrame(rows, schema=QUALITY_TABLES["completeness"], orient="row")


def _groups(sources: Sequence[Records], placement: Placement, reference_date: dt.date | None) -> pl.DataFrame:
    """Count by group of people the records linked to the spine or, without a spine, to a record of another source."""
    spines = [records.source.name for records in sources if records.source.spine]
    is_linked = _on_spine(placement, spines[0]) if spines else _in_several_sources(placement)
    counts = []
    for records in sources:
        if records.source.name not in spines:
            linked = is_linked[placement.links[records.source.name]["person_id"]]
            counts.append(count_linked(records.source.name, _people(records, reference_date), linked))
    if not counts:
        return pl.DataFrame(schema=QUALITY_TABLES["groups"])
    return group_rates(with_all_sources(pl.concat(counts)))


def _people(records: Records, reference_date: dt.date | None) -> pl.DataFrame:
    people = people_groups(records.frame, reference_date)
    if _AREA in people.columns:
        return people
    area = records.frame["postcode"].str.extract("^([A-Z]+)").alias(_AREA)
    # Age and gender come first, and the attributes of the source last.
    return people.insert_column(2, area)


def _on_spine(placement: Placement, spine: str) -> pl.Series:
    """Whether each person is on the spine."""
    nobody = pl.repeat(False, placement.persons.height, eager=True)
    return nobody.scatter(placement.links[spine]["person_id"].unique(), True)


def _in_several_sources(placement: Placement) -> pl.Series:
    """Whether each person has records of more than one source."""
    seen = pl.repeat(0, placement.persons.height, dtype=pl.UInt16, eager=True)
    for links in placement.links.values():
        ids = links["person_id"].unique()
        seen = seen.scatter(ids, seen[ids] + 1)
    return seen > 1


def _implausible(sources: Sequence[Records], placement: Placement, reference_date: dt.date | None) -> pl.DataFrame:
    persons = placement.persons
    # One chunk for each column, because every access to columns with different chunks copies them.
    known = pl.DataFrame([persons[name].rechunk() for name in _COMPARED])
    counted = []
    events: dict[str, pl.DataFrame] = {}
    for records in sources:
        name = records.source.name
        ids = placement.links[name]["person_id"]
        defines = defines_its_person(records, placement)
        if not records.source.spine:
            linked = records.frame.select(_COMPARED).filter(~defines)
            counted.append(in_identifiers(name, linked, known[ids.filter(~defines)]))
        if records.source.events:
            read = read_events(records, reference_date=reference_date)
            events[name] = read.with_columns(ids, defines.alias("defines"))
    found = pl.concat([pl.DataFrame(schema=QUALITY_TABLES["implausible"]), *counted, in_events(events, persons)])
    return _sorted_by_source(found, [records.source.name for records in sources])


def _sorted_by_source(found: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    order: Mapping[str, int] = {name: number for number, name in enumerate(names)}
    return found.sort(pl.col("source").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)
