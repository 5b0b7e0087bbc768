"""What the open records and the hidden records of the self-test show together, before anything is linked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from linkcore.linkage.decisions.listed_share import estimate_pi
from linkcore.linkage.decisions.persons import Evidence, listed_chances, probabilities
from linkcore.linkage.engine.engine import Engine, Learned
from linkcore.linkage.enough_identifiers import enough_to_tell
from linkcore.linkage.fallback.inputs import FallbackInputs
from linkcore.linkage.fallback.person_scores import PersonScores, same_person
from linkcore.linkage.self_test.outcomes import Outcomes, Trial, best_candidates
from linkcore.linkage.self_test.unseen import learn_unseen, unseen_shares

__all__ = ["Estimates", "estimate"]

# A record without a name or a birth date, whose person is listed, often looks as if the person were not: such records
# have more mistakes than those that the model has learned from, in the few fields that they have. So they can only make
# π of a source too low. With so many records that can tell, π is known to three hundredths, better than the bias.
_FEWEST_TELLING: Final = 100


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """What has to be known before records are linked.

    Parameters
    ----------
    pi : mapping of int to float
        By source, the share of its open records whose person is listed.
    unseen : polars.Series
        Float64, of each compared record: the chance that its person, being listed, is not among its candidates.
    best_of_open : polars.DataFrame
        The best candidate of each open record: of :func:`linkcore.linkage.self_test.outcomes.best_candidates`;
        ``listed``, the chance that its person is listed; and ``expected``, the chance by which listed persons are
        counted: where the records of a source that cannot tell look less often listed than π, it is π.
    outcomes : Outcomes, optional
        What became of the hidden records; None without any.
    learned_unseen : polars.DataFrame
        What ``unseen`` was taken from: :func:`linkcore.linkage.self_test.unseen.learn_unseen`.
    """

    pi: Mapping[int, float]
    unseen: pl.Series
    best_of_open: pl.DataFrame
    outcomes: Outcomes | None
    learned_unseen: pl.DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class _Chances:
    """π of each source, and the chance of an unseen person of each compared and of each hidden record."""

    pi: Mapping[int, float]
    unseen: pl.Series
    unseen_of_hidden: pl.Series
    learned_unseen: pl.DataFrame


def estimate(
    engine: Engine, learned: Learned, inputs: FallbackInputs, scores: PersonScores, evidence: Evidence
) -> Estimates:
    """Estimate π and unseen persons of the open records, and decide about the hidden records.

    This takes two passes. The hidden records show how often a listed person is unseen, once they are weighted to stand
    for the records without a number; and their weights depend on how often a listed person is unseen.

    Where a model is kept, no records are hidden, and how often a listed person is unseen is kept as well.
    """
    size = inputs.hidden.records.height
    first = _chances(inputs, scores, evidence, pl.repeat(1.0, size, eager=True))
    if not size:
        best = _best_of_open(inputs, evidence, first)
        return Estimates(first.pi, first.unseen, best, None, first.learned_unseen)
    trial = Trial(
        hidden=inputs.hidden,
        candidates=scores.hidden_candidates,
        persons=inputs.persons,
        taken=inputs.taken,
        same_person=partial(same_person, engine, learned, inputs),
    )
    true_pairs = trial.true_pairs(first.pi, first.unseen_of_hidden)

    def outcomes(chances: _Chances, best: pl.DataFrame) -> Outcomes:
        return trial.outcomes(inputs.open_records, best, true_pairs, pi=chances.pi, unseen=chances.unseen_of_hidden)

    weights = outcomes(first, _best_of_open(inputs, evidence, first)).weights_of_listed(size)
    second = _chances(inputs, scores, evidence, weights)
    best = _best_of_open(inputs, evidence, second)
    return Estimates(second.pi, second.unseen, best, outcomes(second, best), second.learned_unseen)


def _chances(inputs: FallbackInputs, scores: PersonScores, evidence: Evidence, weights: pl.Series) -> _Chances:
    """Learn from the hidden records, each of its weight, how often a listed person is unseen; and estimate π by it."""
    kept = inputs.kept
    learned = _learn_unseen(inputs, scores, weights) if kept is None else kept.unseen(inputs.names)
    unseen = unseen_shares(learned, inputs.compared)
    of_hidden = unseen_shares(learned, inputs.hidden.records)
    return _Chances(_estimate_pi(inputs, evidence.totals(unseen)), unseen, of_hidden, learned)


def _learn_unseen(inputs: FallbackInputs, scores: PersonScores, weights: pl.Series) -> pl.DataFrame:
    records = inputs.hidden.records.with_row_index("record")
    found_pairs = scores.hidden_candidates.select("record", true_person="person", found=True)
    found = records.join(found_pairs, on=["record", "true_person"], how="left", maintain_order="left")["found"]
    # The half that reports must not decide anything.
    learned_from = records["chooses"] & ~records["true_person"].is_in(inputs.hidden.removed_persons.implode())
    return learn_unseen(
        records.filter(learned_from), weights.filter(learned_from), found.is_not_null().filter(learned_from)
    )


def _estimate_pi(inputs: FallbackInputs, totals: pl.DataFrame) -> dict[int, float]:
    """Estimate π of each source by all its records and by those that can tell; the higher is nearer to the truth."""
    by_all, by_telling = (estimate_pi(totals.filter(some)) for some in (True, _telling(inputs)))
    return {source: max(pi, by_telling.get(source, 0.0)) for source, pi in by_all.items()}


def _telling(inputs: FallbackInputs) -> pl.Series:
    """Return which compared records π is estimated by: all of a source, where too few of it can tell."""
    told = inputs.records.select("source").with_columns(enough_to_tell(inputs.compared).alias("tells"))
    return told.select(pl.col("tells") | (pl.col("tells").sum().over("source") < _FEWEST_TELLING)).to_series()


def _best_of_open(inputs: FallbackInputs, evidence: Evidence, chances: _Chances) -> pl.DataFrame:
    """Return the best candidate of every open record, and ``listed``: the chance that its person is listed."""
    position = inputs.comparable.arg_true().cast(pl.UInt32)
    candidates = evidence.candidates.with_columns(
        position[evidence.candidates["record"]].alias("record"), probabilities(evidence, chances.pi, chances.unseen)
    )
    best = best_candidates(candidates, pl.int_range(inputs.open_records.height, dtype=pl.UInt32, eager=True))
    # Of a record that was not compared, as much is known as of its source.
    pi = inputs.open_records["source_index"].replace_strict(dict(chances.pi), default=0.5, return_dtype=pl.Float64)
    compared = listed_chances(evidence, chances.pi, chances.unseen)
    # Of records that cannot tell, at least the share π is expected to be listed.
    source = inputs.records["source"]
    mean = pl.col("listed").mean().over("source", "tells")
    of_source = source.replace_strict(dict(chances.pi), default=0.5, return_dtype=pl.Float64)
    expected = pl.DataFrame({"source": source, "tells": _telling(inputs), "listed": compared, "pi": of_source}).select(
        pl.when(pl.col("tells") | (mean >= pl.col("pi"))).then("listed").otherwise("pi")
    )
    # A Series is changed in place where values are scattered into it.
    return best.with_columns(
        pi.clone().scatter(position, compared).alias("listed"),
        pi.clone().scatter(position, expected.to_series()).alias("expected"),
    )
