"""Second round: score open records with the persons, test on hidden records, choose thresholds, and decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from linkcore.linkage.decisions.persons import Assignment, Evidence, decide, probabilities, weigh
from linkcore.linkage.engine.engine import Engine, Learned
from linkcore.linkage.fallback.estimates import Estimates, estimate
from linkcore.linkage.fallback.inputs import FallbackInputs
from linkcore.linkage.fallback.person_scores import score_with_persons
from linkcore.linkage.learning.departures import departures
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.thresholds import Threshold, choose_thresholds
from linkcore.linkage.self_test.unseen import NOTHING_TESTED
from linkcore.sampling import draw

__all__ = ["NO_CANDIDATES", "PersonsFound", "find_persons"]

NO_CANDIDATES: Final = pl.DataFrame(
    schema={"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64, "probability": pl.Float64}
)
"""Candidates with their probabilities, where there are none."""

# So many records show how records differ as well as all would: a level with one in a hundred of them is known to 5 %.
_MANY_RECORDS: Final = 50_000


@dataclass(frozen=True, eq=False, repr=False)
class PersonsFound:
    """The persons found for the open records, and what the self-test showed.

    Parameters
    ----------
    assignment : Assignment
        Candidates of the open records, and those accepted.
    pi : mapping of int to float
        By source, the share of its open records whose person is listed.
    unseen : polars.Series
        Float64, of each compared record: the chance that its person, being listed, is not among its candidates.
    listed : polars.Series
        Float64, of each open record: the chance that its person is listed.
    thresholds : mapping of int to Threshold
        By source, the probability from which it was linked.
    outcomes : Outcomes, optional
        What became of the hidden records; None without any.
    proposed : polars.DataFrame
        ``record`` and ``person``: hidden records whose true person some blocking rule proposed.
    left_out : mapping of str to int
        By blocking rule, how many times a person was in a block too large to be compared.
    departures : polars.DataFrame
        How the open records differ from what was learned: :func:`linkcore.linkage.learning.departures.departures`.
    counts : mapping of str to int
        ``pairs_with_persons``; empty where there are no persons.
    sampled : polars.DataFrame
        Some of all scored pairs, by which Splink checks the weights.
    learned_unseen : polars.DataFrame
        What ``unseen`` was taken from: :func:`linkcore.linkage.self_test.unseen.learn_unseen`.
    """

    assignment: Assignment
    pi: Mapping[int, float]
    unseen: pl.Series
    listed: pl.Series
    thresholds: Mapping[int, Threshold]
    outcomes: Outcomes | None
    proposed: pl.DataFrame
    left_out: Mapping[str, int]
    departures: pl.DataFrame
    counts: Mapping[str, int]
    sampled: pl.DataFrame = field(default_factory=NO_CANDIDATES.clone)
    learned_unseen: pl.DataFrame = field(default_factory=NOTHING_TESTED.clone)


def find_persons(engine: Engine, learned: Learned, inputs: FallbackInputs) -> PersonsFound:
    """Find the persons of the open records among the persons listed."""
    if not inputs.persons:
        return _nobody_listed(learned, inputs)
    scores = score_with_persons(engine, learned, inputs)
    evidence = weigh(
        scores.candidates, inputs.records, persons=inputs.persons, taken=inputs.taken, not_of=inputs.not_of
    )
    estimates = estimate(engine, learned, inputs, scores, evidence)
    thresholds = _choose_thresholds(inputs, estimates)
    assignment = decide(
        evidence,
        estimates.pi,
        accept={source: threshold.accept for source, threshold in thresholds.items()},
        exclusive=inputs.exclusive,
        unseen=estimates.unseen,
        apart=inputs.apart,
    )
    return PersonsFound(
        assignment=assignment,
        pi=estimates.pi,
        unseen=estimates.unseen,
        listed=estimates.best_of_open["expected"],
        thresholds=thresholds,
        outcomes=estimates.outcomes,
        proposed=scores.proposed,
        left_out=scores.left_out,
        departures=_departures(learned, inputs, evidence, estimates.pi, estimates.unseen),
        counts={"pairs_with_persons": scores.compared},
        sampled=scores.sampled,
        learned_unseen=estimates.learned_unseen,
    )


def _nobody_listed(learned: Learned, inputs: FallbackInputs) -> PersonsFound:
    unseen = pl.repeat(0.0, inputs.compared.height, eager=True).alias("unseen")
    evidence = weigh(NO_CANDIDATES, inputs.records, persons=0)
    return PersonsFound(
        assignment=Assignment(NO_CANDIDATES, NO_CANDIDATES),
        pi={},
        unseen=unseen,
        listed=pl.repeat(0.0, inputs.open_records.height, eager=True),
        thresholds={},
        outcomes=None,
        proposed=NO_CANDIDATES.select("record", "person"),
        left_out={},
        departures=_departures(learned, inputs, evidence, {}, unseen),
        counts={},
    )


def _choose_thresholds(inputs: FallbackInputs, estimates: Estimates) -> dict[int, Threshold]:
    """Choose for each source the probability from which its records are linked."""
    records = inputs.open_records
    if inputs.kept is not None:
        return inputs.kept.thresholds(inputs.names)
    if inputs.settings.accept is not None:
        sources = records["source_index"].unique().sort().to_list()
        return dict.fromkeys(sources, Threshold(inputs.settings.accept, "given"))
    best = estimates.best_of_open.select("probability", source=records["source_index"])
    outcomes = estimates.outcomes or Outcomes.none()
    # A conflict has a number: the hidden records do not stand for it.
    numberless = best.with_columns(pl.when(records["nhs_number"].is_null()).then("probability").otherwise(0.0))
    return choose_thresholds(
        outcomes.half(chooses=True), numberless, max_false_link_rate=inputs.settings.max_false_link_rate
    )


def _departures(
    learned: Learned, inputs: FallbackInputs, evidence: Evidence, pi: Mapping[int, float], unseen: pl.Series
) -> pl.DataFrame:
    """Compare the open records that have no number with what was learned of those that have one."""
    models = learned.source_models or dict.fromkeys(inputs.source_indices, learned.model)
    numberless = inputs.compared["nhs_number"].is_null().arg_true()
    fingerprints = inputs.record_fingerprints(inputs.compared[numberless])
    some = numberless[draw(fingerprints, _MANY_RECORDS, seed=0, purpose="departures")]
    candidates = evidence.candidates.filter(pl.col("record").is_in(some.implode()))

    def probabilities_by(weights: pl.Series) -> pl.Series:
        weighed_anew = replace(evidence, candidates=candidates.with_columns(weights))
        return probabilities(weighed_anew, pi, unseen)

    return departures(candidates, inputs.records["source"], models, probabilities_by)
