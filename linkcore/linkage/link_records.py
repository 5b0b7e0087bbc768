"""The linkage, from RECORDS to links: first on the NHS Number, then by the fallback; each record left is a person."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from linkcore.linkage.decided.placing import NOTHING_DECIDED, Decided, follow, place_decided
from linkcore.linkage.decided.standing import standing
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.probabilistic import link_probabilistically
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.placement import Placement, stand_alone
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.run import describe_run
from linkcore.linkage.settings import Exact, Fallback
from linkcore.linkage.stable_persons.identifier_hashes import identifier_hashes
from linkcore.linkage.stable_persons.keep_names import PersonHistory, keep_names
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.progress import Progress
from linkcore.schema import LINKS
from linkcore.sources.records import Records

__all__ = ["STEPS", "link_records"]

STEPS = 6
"""Number of steps that :func:`link_records` reports, after the reading of the sources."""


def link_records(
    records: Sequence[Records],
    exact: Exact,
    fallback: Fallback | None,
    *,
    decisions: pl.DataFrame | None = None,
    previous: KnownPersons | None = None,
    earlier: Probabilistic | None = None,
    seed: int,
    reference_date: dt.date | None,
    progress: Progress,
) -> LinkageResult:
    """Link the records of all sources.

    ``previous``: the persons of the linkage before, who keep their names.
    ``earlier``: its fallback, whose model is kept as far as the settings say.
    """
    done = len(records)
    steps = done + STEPS
    progress("link on the NHS Number", done, steps)
    placement, decided = _heeding(records, link_exactly(records, exact), exact, decisions)
    probabilistic = None
    if fallback is not None:
        probabilistic = link_probabilistically(
            records,
            placement,
            fallback,
            exact=exact,
            decided=decided,
            seed=seed,
            earlier=earlier,
            progress=lambda step, of_fallback, _: progress(step, done + 1 + of_fallback, steps),
        )
        placement = probabilistic.placement
        probabilistic = _dated(probabilistic, reference_date)
    progress("count", steps - 1, steps)
    placement = follow(records, stand_alone(records, placement), decided)
    sources = tuple(each.source for each in records)
    links, persons = _links(records, placement), placement.persons
    history = PersonHistory(identifier_hashes(records, placement))
    if previous is not None:
        persons, history = keep_names(
            links, persons, history.hashes, previous=previous, exact=exact, date=reference_date
        )
    return LinkageResult(
        links=links,
        persons=persons,
        history=history,
        sources=sources,
        rows={each.source.name: each.frame.select("row", each.row_hashes.alias("raw_row_hash")) for each in records},
        digests={each.source.name: each.digest for each in records if each.digest is not None},
        probabilistic=probabilistic,
        exact=exact,
        fallback=fallback,
        reference_date=reference_date,
        decisions=decided.decisions,
        run=describe_run(
            sources,
            exact,
            fallback,
            seed=seed,
            reference_date=reference_date,
            decisions=decided.decisions,
            previous=None if previous is None else previous.linkage,
        ),
    )


def _dated(found: Probabilistic, date: dt.date | None) -> Probabilistic:
    """Write down when a model was learned that a later linkage may keep."""
    if found.model_use.kept or found.learned_on is None or date is None:
        return found
    return replace(found, learned_on=replace(found.learned_on, date=date.isoformat()))


def _heeding(
    records: Sequence[Records], placement: Placement, exact: Exact, decisions: pl.DataFrame | None
) -> tuple[Placement, Decided]:
    """Let decisions outrank the exact linkage, and return what the fallback must heed of them."""
    if decisions is None or decisions.is_empty():
        return placement, NOTHING_DECIDED
    return place_decided(records, placement, exact, standing(decisions))


def _links(sources: Sequence[Records], placement: Placement) -> pl.DataFrame:
    return pl.concat(
        [
            records.frame.select(pl.lit(records.source.name).alias("source"), "record_id", "nhs_number_status")
            .hstack(placement.links[records.source.name])
            .select(*LINKS)
            for records in sources
        ]
    )
