"""Probabilistic linkage of the records that the exact linkage leaves open.

Each open record is compared with the persons who share enough with it (:mod:`~linkcore.linkage.blocking`), on all
identifiers (:mod:`~linkcore.linkage.comparisons.comparisons`). The weights are learned from the exact links
(:mod:`~linkcore.linkage.learning.labels`). A record is linked to the most probable person, if the probability reaches a
threshold (:mod:`~linkcore.linkage.decisions.persons`). A test on records with known persons chooses the threshold
(:mod:`~linkcore.linkage.self_test`). Records that are not linked are then compared with each other, and groups of them
become new persons (:mod:`~linkcore.linkage.decisions.groups`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.linkage.decided.placing import NOTHING_DECIDED, Decided
from linkcore.linkage.engine.choose_engine import is_own, make_engine
from linkcore.linkage.engine.engine import Learned
from linkcore.linkage.engine.pair_engine import PairEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.enough_identifiers import enough_to_compare
from linkcore.linkage.exact.alternatives import taught_by_numbers
from linkcore.linkage.fallback.check_weights import WeightCheck, check_weights
from linkcore.linkage.fallback.find_persons import NO_CANDIDATES, PersonsFound, find_persons
from linkcore.linkage.fallback.group_rest import Groups, group_rest
from linkcore.linkage.fallback.inputs import FallbackInputs
from linkcore.linkage.fallback.keep_model import identifier_fingerprints, model_to_keep, settings_of_learning
from linkcore.linkage.fallback.learn import ENOUGH_LABELS, learn
from linkcore.linkage.fallback.model_use import LearnedOn
from linkcore.linkage.fallback.open_records import gather_open_records, make_persons, name_sources, place
from linkcore.linkage.fallback.person_scores import engine_tables
from linkcore.linkage.fallback.result import Probabilistic, QualityInputs
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers, hide_numbers, nothing_hidden
from linkcore.linkage.settings import Exact, Fallback
from linkcore.progress import Progress, silent
from linkcore.schema import METHOD
from linkcore.sources.checks import further_kinds
from linkcore.sources.records import Records

__all__ = ["LEAST_PROBABILITY_KEPT", "link_probabilistically"]

_STEPS: Final = 4

LEAST_PROBABILITY_KEPT: Final = 0.001
"""Even improbable candidates are kept, because an opt-out of any of them withholds the record."""


def link_probabilistically(
    sources: Sequence[Records],
    placement: Placement,
    fallback: Fallback,
    *,
    exact: Exact | None = None,
    decided: Decided = NOTHING_DECIDED,
    seed: int,
    earlier: Probabilistic | None = None,
    progress: Progress = silent,
) -> Probabilistic:
    """Link the records that the exact linkage left open: first to its persons, then with each other.

    A conflict is open too: the person with its NHS Number has another name and birth date. It can still be linked to
    that person, if all its other identifiers together speak for that person, and more than for anybody else.

    What is ``decided`` of open records holds: of which persons they are not, and which of them are of two persons.
    The model of an ``earlier`` fallback is kept as far as the settings say.

    Examples
    --------
    >>> from linkcore.linkage.exact.link_exactly import link_exactly
    >>> from linkcore.sources.source import Source
    >>> from linkcore.sources.records import standardise
    >>> columns = ["given_name", "family_name", "birth_date", "postcode"]
    >>> people = [["ANNA", "NG", "1980-02-03", "EX1 2AB"], ["JOHN", "OKORO", "1975-11-30", "PL4 8AA"]]
    >>> here, there = (pl.DataFrame(people, schema=columns, orient="row") for _ in range(2))
    >>> sources = [standardise(Source(name, frame)) for name, frame in (("here", here), ("there", there))]
    >>> linked = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    >>> linked.placement.links["there"].select("person_id", "method").rows()
    [(0, 'new_person'), (1, 'new_person')]
    """
    open_records = gather_open_records(sources, placement)
    comparable = enough_to_compare(open_records)
    compared = open_records.filter(comparable)
    if compared.is_empty():
        return _nothing_compared(sources, placement, open_records, compared, fallback)
    exact, taught = exact or Exact(), taught_by_numbers(sources, placement)
    inputs = FallbackInputs(
        *(sources, placement, fallback, open_records, comparable, compared),
        hidden=nothing_hidden(compared, placement.persons),
        taught=taught,
        decided=decided,
    )
    learning = LearnedOn(
        settings=settings_of_learning([records.source for records in sources], exact, fallback),
        records=identifier_fingerprints(compared.select(name_sources(sources)).to_series(), compared).to_frame("hash"),
    )
    kept, use = model_to_keep(earlier, fallback, learning, names=inputs.open_sources)
    if kept is not None:
        found = _run(replace(inputs, kept=kept), seed, progress)
        use = kept.judged(use, found, fallback)
        if use.kept and not isinstance(found, str):
            return replace(found, model_use=use, learned_on=kept.on)
    found = _run(replace(inputs, hidden=_hide_numbers(inputs, exact, seed)), seed, progress)
    assert not isinstance(found, str)
    assert found.learned_on is not None
    learned_on = replace(found.learned_on, settings=learning.settings, records=learning.records.unique().sort("hash"))
    return replace(found, model_use=use, learned_on=learned_on)


def _run(inputs: FallbackInputs, seed: int, progress: Progress) -> Probabilistic | str:
    """Link the records; or say why the model that is kept does not fit them."""
    kinds = further_kinds([records.source for records in inputs.sources])

    def run(people: PeopleTable) -> Probabilistic | str:
        engine = make_engine(people, inputs.settings, kinds)
        unfit = None if inputs.kept is None else inputs.kept.unfit(engine.comparisons)
        return unfit or _link(engine, inputs, seed, progress)

    return with_people_table(inputs.settings, *engine_tables(inputs), run, listed=inputs.persons)


def _hide_numbers(inputs: FallbackInputs, exact: Exact, seed: int) -> HiddenNumbers:
    """Hide numbers for the self-test, from which thresholds follow.

    A run with a trained model learns nothing. It still hides the same records, so that it chooses the same thresholds
    as the run that learned the model.
    """
    tested = [
        index
        for index in sorted(inputs.open_records["source_index"].unique())
        if not inputs.sources[index].source.spine and inputs.persons
    ]
    # What clerks have disproved must not be taken for the truth.
    believed = inputs.decided.without_disproved_numbers(inputs.sources)
    return hide_numbers(
        believed, inputs.placement, exact, tested=tested, keep=ENOUGH_LABELS, seed=seed, taught=inputs.taught
    )


def _nothing_compared(
    sources: Sequence[Records],
    placement: Placement,
    open_records: pl.DataFrame,
    compared: pl.DataFrame,
    fallback: Fallback,
) -> Probabilistic:
    return Probabilistic(
        placement=placement,
        model=None,
        learned_from="nothing",
        thresholds={},
        pi={},
        candidates=_possible_persons(sources, compared, NO_CANDIDATES, 0.0),
        counts={"open": open_records.height, "compared": 0},
        records=compared.with_columns(name_sources(sources), pl.lit(0.0).alias("unseen")),
        engine=fallback.engine or "native",
    )


def _link(engine: PairEngine, inputs: FallbackInputs, seed: int, progress: Progress) -> Probabilistic:
    progress("learn how records of one person differ", 0, _STEPS)
    learned, label_counts, scored = learn(engine, inputs, seed)
    progress("compare open records with persons", 1, _STEPS)
    found = find_persons(engine, learned, inputs)
    accepted = found.assignment.accepted
    progress("compare open records with each other", 2, _STEPS)
    groups = group_rest(engine, learned, inputs, accepted["record"], scored)
    checked = _check_weights(engine, learned, inputs, (found, groups))
    progress("estimate false and missed links", 3, _STEPS)
    sources, compared = inputs.sources, inputs.compared
    linked = place(sources, inputs.placement, _links_to_persons(compared, accepted, learned.model.prior_weight))
    names = [records.source.name for records in sources]
    return Probabilistic(
        placement=make_persons(sources, linked, compared, groups.members),
        model=learned.model,
        learned_from=learned.learned_from,
        thresholds={names[index]: threshold for index, threshold in found.thresholds.items()},
        pi={names[index]: share for index, share in found.pi.items()},
        candidates=_possible_persons(sources, compared, found.assignment.candidates, learned.model.prior_weight),
        counts={
            "open": inputs.open_records.height,
            "compared": compared.height,
            "hidden": inputs.hidden.records.height,
            **label_counts,
            **found.counts,
            **groups.counts,
            "left_out": sum(found.left_out.values()) + sum(groups.left_out.values()),
        },
        records=compared.with_columns(name_sources(sources), found.unseen),
        quality_inputs=_quality_inputs(inputs, found, groups),
        source_models={names[index]: model for index, model in learned.source_models.items()},
        relatives=learned.relatives,
        listed=inputs.persons,
        alternatives=inputs.alternatives,
        tested=_tested(inputs),
        engine="splink" if isinstance(engine, SplinkEngine) else "native",
        own_model=is_own(learned.model.comparisons, further_kinds([records.source for records in sources])),
        weights_checked=checked,
        learned_on=LearnedOn(departures=found.departures, unseen=_unseen_by_name(inputs, found.learned_unseen)),
    )


def _unseen_by_name(inputs: FallbackInputs, learned: pl.DataFrame) -> pl.DataFrame:
    names = pl.DataFrame({"source": inputs.names}).with_row_index("source_index").cast({"source_index": pl.Int32})
    return names.join(learned, on="source_index", how="right").drop("source_index")


def _tested(inputs: FallbackInputs) -> pl.DataFrame:
    """Return the hidden records without which their persons would be listed as they are."""
    hidden = inputs.hidden
    changed = pl.concat([hidden.stand_ins["person_id"].cast(pl.UInt32), hidden.removed_persons.cast(pl.UInt32)])
    unchanged = hidden.records.filter(~pl.col("true_person").is_in(changed.implode()))
    return unchanged.with_columns(name_sources(inputs.sources))


def _check_weights(
    engine: PairEngine, learned: Learned, inputs: FallbackInputs, results: tuple[PersonsFound, Groups]
) -> WeightCheck | None:
    """Check weights of pairs with persons or, where there are none, of pairs of records; of both if always."""
    found, groups = results
    compared = found.counts.get("pairs_with_persons", 0) + groups.counts.get("pairs_among_records", 0)
    samples = found.sampled, groups.sampled
    return check_weights(engine, learned, samples, compared=compared, check=inputs.settings.check)


def _quality_inputs(inputs: FallbackInputs, found: PersonsFound, groups: Groups) -> QualityInputs:
    return QualityInputs(
        open_records=inputs.open_records,
        comparable=inputs.comparable,
        listed=found.listed,
        accepted=found.assignment.accepted["record"],
        hidden=inputs.hidden,
        outcomes=found.outcomes,
        proposed=found.proposed,
        left_out=found.left_out,
        left_out_among_records=groups.left_out,
        departures=found.departures,
    )


def _links_to_persons(compared: pl.DataFrame, accepted: pl.DataFrame, prior_weight: float) -> pl.DataFrame:
    return compared[accepted["record"]].select(
        "source_index",
        "position",
        accepted["person"].alias("person_id"),
        pl.lit("probabilistic", METHOD).alias("method"),
        (accepted["weight"] + prior_weight).round(9).alias("match_weight"),
        accepted["probability"].alias("match_probability"),
    )


def _possible_persons(
    sources: Sequence[Records], compared: pl.DataFrame, candidates: pl.DataFrame, prior_weight: float
) -> pl.DataFrame:
    """Return every candidate whose probability is not negligible, with ``source`` and ``record_id``."""
    possible = candidates.filter(pl.col("probability") >= LEAST_PROBABILITY_KEPT)
    return compared[possible["record"]].select(
        name_sources(sources),
        "record_id",
        possible["person"].alias("person_id"),
        (possible["weight"] + prior_weight).round(9).alias("match_weight"),
        possible["probability"].alias("match_probability"),
    )
