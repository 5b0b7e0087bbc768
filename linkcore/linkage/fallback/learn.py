"""First round: the model, given or learned."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import polars as pl

from linkcore.linkage.engine.engine import Engine, Learned, Scored
from linkcore.linkage.engine.learn import learn_from_labels, learn_without_labels, use_given_models
from linkcore.linkage.exact.alternatives import beside_labelled
from linkcore.linkage.fallback.inputs import FallbackInputs
from linkcore.linkage.fallback.person_scores import without_replaced
from linkcore.linkage.learning.labels import decided_records, labelled_records, reviewed_records
from linkcore.linkage.model.model import Model, UntrainedModel

__all__ = ["ENOUGH_LABELS", "learn"]

ENOUGH_LABELS: Final = 1_000
"""The fallback learns from labels if at least so many persons have one. With fewer, a level on which one pair in a
hundred stands would be known no better than to a third of itself."""


_Lesson = tuple[Learned, Mapping[str, int], Scored | None]


def learn(engine: Engine, inputs: FallbackInputs, seed: int) -> _Lesson:
    """Take the model that is kept, or that of the settings; learn what it does not state from labels, or all pairs.

    Returns what was learned; the counts of the labels; and all pairs among the records, if they were scored. Counts are
    ``labels``; ``labels_lost``, where reviewers gave some, whose record or person is not there any more; and
    ``unsettled_pairs``, where it was learned from pairs and did not converge.
    """
    if inputs.kept is not None:
        return inputs.kept.learned(engine, inputs.names), inputs.kept.labels, None
    given = inputs.settings.models
    trained = {name: model for name, model in given.items() if isinstance(model, Model)}
    if None in trained:
        return _use_given(engine, inputs, trained, seed), {}, None
    learned, counts, scored = _learn(engine, inputs, seed)
    untrained = given.get(None)
    if isinstance(untrained, UntrainedModel):
        of_sources = {source: untrained.as_learned(model) for source, model in learned.source_models.items()}
        learned = replace(learned, model=untrained.as_learned(learned.model), source_models=of_sources)
    return learned, counts, scored


def _learn(engine: Engine, inputs: FallbackInputs, seed: int) -> _Lesson:
    """Learn from labels, or else from all pairs."""
    labelled = labelled_records(inputs.sources, inputs.placement, inputs.compared, seed, hidden=inputs.hidden.records)
    counts = {}
    reviewed = decided_records(inputs.sources, inputs.placement)
    labelled = pl.concat([reviewed, labelled], how="diagonal").unique("label", keep="first", maintain_order=True)
    if inputs.settings.labels is not None:
        reviewed = reviewed_records(inputs.sources, inputs.placement, inputs.settings.labels)
        counts["labels_lost"] = int(inputs.settings.labels["match"].sum()) - reviewed.height
        # What reviewers said comes before what numbers say; still at most one record a person.
        both = pl.concat([reviewed, labelled], how="diagonal")
        labelled = both.unique("label", keep="first", maintain_order=True)
    counts["labels"] = labelled.height
    if labelled.height >= ENOUGH_LABELS:
        return learn_from_labels(engine, beside_labelled(labelled, inputs.taught, inputs.sources), seed), counts, None
    # A hidden record would agree with what only it has taught of its person.
    usable = partial(without_replaced, inputs)
    learned, scored = learn_without_labels(engine, inputs.exclusive_ranges, seed, usable)
    if learned.unsettled_pairs:
        counts["unsettled_pairs"] = learned.unsettled_pairs
    return learned, counts, scored


def _use_given(engine: Engine, inputs: FallbackInputs, models: Mapping[str | None, Model], seed: int) -> Learned:
    """Use the given model for all sources, and a source's own model for that source."""
    index_of = {records.source.name: index for index, records in enumerate(inputs.sources)}
    of_sources = {index_of[name]: model for name, model in models.items() if name in index_of}
    of_all = dict.fromkeys(inputs.source_indices, models[None])
    return use_given_models(engine, models[None], of_all | of_sources, seed)
