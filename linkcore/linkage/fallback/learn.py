"""First round: the scorer gets its model, given or learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import polars as pl

from linkcore.linkage.engine.native import Scorer
from linkcore.linkage.fallback.inputs import FallbackInputs
from linkcore.linkage.learning.labels import labelled_records, reviewed_records

__all__ = ["ENOUGH_LABELS", "Learned", "learn"]

ENOUGH_LABELS: Final = 1_000
"""The fallback learns from labels if at least so many persons have one. With fewer, a level on which one pair in a
hundred stands would be known no better than to a third of itself."""


@dataclass(frozen=True)
class Learned:
    """What the model of a run was learned from.

    Parameters
    ----------
    source : str
        ``"labels"``, ``"expectation maximisation"`` or ``"given"``.
    counts : mapping of str to int
        ``labels``; and ``labels_lost``, where reviewers gave some, whose record or person is not there any more.
    """

    source: Literal["labels", "expectation maximisation", "given"]
    counts: Mapping[str, int]


def learn(scorer: Scorer, inputs: FallbackInputs, seed: int) -> Learned:
    """Give the scorer its model: the one of the settings, or else one learned from labels, or else from all pairs."""
    if inputs.settings.model is not None:
        _use_given(scorer, inputs, inputs.settings.model, seed)
        return Learned("given", {})
    labelled = labelled_records(inputs.sources, inputs.placement, inputs.compared, seed, hidden=inputs.hidden.records)
    counts = {}
    if inputs.settings.labels is not None:
        reviewed = reviewed_records(inputs.sources, inputs.placement, inputs.settings.labels)
        counts["labels_lost"] = int(inputs.settings.labels["match"].sum()) - reviewed.height
        # What reviewers said comes before what numbers say; still at most one record a person.
        both = pl.concat([reviewed, labelled], how="diagonal")
        labelled = both.unique("label", keep="first", maintain_order=True)
    counts["labels"] = labelled.height
    if labelled.height >= ENOUGH_LABELS:
        scorer.learn_from_labels(labelled, seed)
        return Learned("labels", counts)
    scorer.learn_without_labels(seed)
    scorer.learn_from_pairs(_all_pairs(scorer, inputs))
    return Learned("expectation maximisation", counts)


def _use_given(scorer: Scorer, inputs: FallbackInputs, models: Any, seed: int) -> None:
    """Use the given model for all sources, and a source's own model for that source."""
    scorer.use(models[None])
    index_of = {records.source.name: index for index, records in enumerate(inputs.sources)}
    of_sources = {index_of[name]: model for name, model in models.items() if name in index_of}
    scorer.use_of_sources(dict.fromkeys(inputs.source_indices, models[None]) | of_sources)
    scorer.learn_relatives(seed)


def _all_pairs(scorer: Scorer, inputs: FallbackInputs) -> pl.DataFrame:
    """Score every pair that a blocking rule proposes: with persons or, where there are none, among the records."""
    if inputs.persons:
        return scorer.score_with_persons(all_pairs=True)
    return scorer.score_among(inputs.records["record"], inputs.exclusive_ranges, all_pairs=True)
