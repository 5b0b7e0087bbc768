"""Measure the quality of a linkage from its links, its records and its persons."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.linkage.exact.number_faults import number_faults
from linkcore.linkage.placement import Placement, defines_its_person
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.settings import Exact
from linkcore.linkage.stable_persons.keep_names import PersonHistory
from linkcore.quality.counts import match_weights
from linkcore.quality.demographics import demographic_groups
from linkcore.quality.fallback import fallback_quality
from linkcore.quality.group_rates import count_groups, group_rates, with_all_sources
from linkcore.quality.implausible import implausible_events, implausible_identifiers
from linkcore.quality.measures import FallbackQuality, Quality, measure
from linkcore.quality.tables import QUALITY_TABLES, empty
from linkcore.schema import ALL, FURTHER, PARTS_OF_NAME
from linkcore.sources.records import Records

__all__ = ["measure_linkage"]

_AREA: Final = "area"
_COMPARED: Final = ("gender", "birth_date")


def measure_linkage(
    result: LinkageResult, sources: Sequence[Records], *, earlier: FallbackQuality | None = None
) -> Quality:
    """Measure all that a report shows of a linkage.

    ``sources``: the RECORDS that were linked. ``earlier``: the quality of the fallback whose model may have been kept.
    """
    names = [records.source.name for records in sources]
    placement = result.placement
    counted = measure(
        result.links,
        pl.concat([records.set_aside for records in sources]),
        placement.persons.height,
        sources=names,
        usable=result.exact.usable,
        fallback=fallback_quality(result, earlier),
    )
    return replace(
        counted,
        number_faults=pl.concat([empty("number_faults"), *(_number_faults(each, result.exact) for each in sources)]),
        completeness=pl.concat([_completeness(records) for records in sources]),
        match_weights=(
            empty("match_weights")
            if result.probabilistic is None
            else match_weights(result.probabilistic.candidates, result.links, sources=names)
        ),
        earlier_persons=_earlier_persons(result.history),
        groups=_groups(sources, placement, result.reference_date),
        implausible=_implausible(sources, placement),
        run=result.run,
    )


def _earlier_persons(history: PersonHistory) -> pl.DataFrame:
    counted = {ALL: history.counts, **history.by_source}
    rows = [(source, became, times) for source, counts in counted.items() for became, times in counts.items()]
    return pl.DataFrame(rows, schema=QUALITY_TABLES["earlier_persons"], orient="row")


def _number_faults(records: Records, exact: Exact) -> pl.DataFrame:
    if "nhs_number" not in records.source.identifier_columns:
        return empty("number_faults")
    found = number_faults(records.frame, records.source, exact)
    rows = [(records.source.name, fault, found[fault].sum()) for fault in found.columns]
    return pl.DataFrame(rows, schema=QUALITY_TABLES["number_faults"], orient="row")


def _completeness(records: Records) -> pl.DataFrame:
    frame, total = records.frame, records.frame.height
    missing = dict(records.set_aside.filter(status="missing").select("identifier", "records").iter_rows())
    rows = []
    for identifier in records.source.identifier_columns:
        # A full name is usable if one of its parts is.
        parts = PARTS_OF_NAME if identifier == "full_name" else (identifier,)
        usable = frame.select(pl.any_horizontal(pl.col(*parts).is_not_null())).to_series()
        if identifier == "birth_date":
            # An impossible date is kept as text, and the text is compared.
            usable |= frame["birth_date_text"].is_not_null()
        rows.append((records.source.name, identifier, total, total - missing.get(identifier, 0), usable.sum()))
    for column in records.source.further or ():
        usable = frame[FURTHER + column].is_not_null()
        rows.append((records.source.name, column, total, usable.sum(), usable.sum()))
    return pl.DataFrame(rows, schema=QUALITY_TABLES["completeness"], orient="row")


def _groups(sources: Sequence[Records], placement: Placement, reference_date: dt.date | None) -> pl.DataFrame:
    """Measure the linkage rate of each demographic group: of links to the spine, or without one between sources."""
    spines = [records.source.name for records in sources if records.source.spine]
    persons_linked = _on_spine(placement, spines[0]) if spines else _in_several_sources(placement)
    counts = []
    for records in sources:
        if records.source.name not in spines:
            linked = persons_linked[placement.links[records.source.name]["person_id"]]
            counts.append(count_groups(records.source.name, _groups_with_area(records, reference_date), linked))
    return group_rates(with_all_sources(pl.concat(counts))) if counts else empty("groups")


def _groups_with_area(records: Records, reference_date: dt.date | None) -> pl.DataFrame:
    """Return the demographic groups of each record, with its postcode area if the source names no other area."""
    groups = demographic_groups(records.frame, reference_date)
    if _AREA in groups.columns:
        return groups
    area = records.frame["postcode"].str.extract("^([A-Z]+)").alias(_AREA)
    # After age and gender, before the attributes that the source names.
    return groups.insert_column(2, area)


def _on_spine(placement: Placement, spine: str) -> pl.Series:
    """Return whether each person has a record on the spine."""
    nobody = pl.repeat(False, placement.persons.height, eager=True)
    return nobody.scatter(placement.links[spine]["person_id"].unique(), True)


def _in_several_sources(placement: Placement) -> pl.Series:
    """Return whether each person has records in more than one source."""
    source_counts = pl.repeat(0, placement.persons.height, dtype=pl.UInt16, eager=True)
    for links in placement.links.values():
        ids = links["person_id"].unique()
        source_counts = source_counts.scatter(ids, source_counts[ids] + 1)
    return source_counts > 1


def _implausible(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    persons = placement.persons
    # Rechunked once, because each gather would otherwise copy columns that are chunked differently.
    known = pl.DataFrame([persons[name].rechunk() for name in _COMPARED])
    tables = [empty("implausible")]
    events: dict[str, pl.DataFrame] = {}
    for records in sources:
        name = records.source.name
        ids = placement.links[name]["person_id"]
        defines = defines_its_person(records, placement)
        if not records.source.spine:
            linked = records.frame.select(_COMPARED).filter(~defines)
            tables.append(implausible_identifiers(name, linked, known[ids.filter(~defines)]))
        if records.source.events:
            events[name] = records.events.with_columns(ids, defines.alias("defines"))
    found = pl.concat([*tables, implausible_events(events, persons)])
    source_index: Mapping[str, int] = {records.source.name: index for index, records in enumerate(sources)}
    return found.sort(pl.col("source").replace_strict(source_index, return_dtype=pl.Int64), maintain_order=True)
