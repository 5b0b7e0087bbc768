"""The quality of the fallback: what it did, and how well it did in its self-test."""

from collections.abc import Mapping

import polars as pl

from linkcore.linkage.fallback.result import Probabilistic, QualityInputs
from linkcore.linkage.model.model import Model
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.quality.fallback_tables import SelfTest, calibration_table, candidates_table, curve_table, rates_table
from linkcore.quality.measures import FallbackQuality
from linkcore.quality.people_groups import people_groups
from linkcore.quality.tables import FALLBACK_TABLES
from linkcore.schema import ALL

__all__ = ["fallback_quality"]


def fallback_quality(result: LinkageResult) -> FallbackQuality | None:
    """Measure the fallback; None where the exact linkage left no record open."""
    probabilistic = result.probabilistic
    if probabilistic is None or probabilistic.quality_inputs is None:
        return None
    inputs = probabilistic.quality_inputs
    names = dict(enumerate(source.name for source in result.sources))
    positions = {name: position for position, name in names.items()}
    self_test = _self_test(inputs, probabilistic, names)
    left_out = inputs.left_out
    of_all = {} if probabilistic.model is None else {None: probabilistic.model}
    models = of_all | {positions[name]: model for name, model in probabilistic.source_models.items()}
    return FallbackQuality(
        sources=_sources(inputs, self_test),
        rates=rates_table(self_test, people_groups(inputs.hidden.records, result.reference_date)),
        calibration=calibration_table(self_test),
        curve=curve_table(self_test),
        candidates=candidates_table(
            inputs.hidden.records.with_row_index("record"), inputs.hidden.removed_persons, inputs.proposed, names
        ),
        left_out=pl.DataFrame(
            {"rule": list(left_out), "persons": list(left_out.values())}, schema=FALLBACK_TABLES["left_out"]
        ),
        model=_model(models, names),
        departures=inputs.departures,
        counts=dict(probabilistic.counts),
    )


def _self_test(inputs: QualityInputs, probabilistic: Probabilistic, names: Mapping[int, str]) -> SelfTest:
    open_records, comparable = inputs.open_records, inputs.comparable
    positions = {name: position for position, name in names.items()}
    numberless = open_records["nhs_number"].is_null()
    is_linked = pl.repeat(False, open_records.height, eager=True)
    is_linked = is_linked.scatter(comparable.arg_true()[inputs.accepted], True)
    return SelfTest(
        inputs.outcomes or Outcomes.none(),
        names,
        {positions[name]: threshold for name, threshold in probabilistic.thresholds.items()},
        _count_by_source(open_records["order"].filter(numberless)),
        _count_by_source(open_records["order"].filter(numberless & is_linked)),
        {positions[name]: pi for name, pi in probabilistic.pi.items()},
    )


def _sources(inputs: QualityInputs, self_test: SelfTest) -> pl.DataFrame:
    source_index = inputs.open_records["order"]
    compared = source_index.filter(inputs.comparable)
    open_records, compared_records = _count_by_source(source_index), _count_by_source(compared)
    linked_records = _count_by_source(compared[inputs.accepted])
    hidden_records = _count_by_source(inputs.hidden.records["order"])
    thresholds = self_test.thresholds
    rows = [
        (
            self_test.names[source],
            open_records[source],
            compared_records.get(source, 0),
            linked_records.get(source, 0),
            self_test.pi.get(source),
            thresholds[source].accept if source in thresholds else None,
            thresholds[source].basis if source in thresholds else None,
            hidden_records.get(source, 0),
        )
        for source in sorted(open_records)
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["sources"], orient="row")


def _count_by_source(source_index: pl.Series) -> dict[int, int]:
    counts = source_index.alias("source").value_counts().sort("source")
    return {int(source): int(count) for source, count in counts.iter_rows()}


def _model(models: Mapping[int | None, Model], names: Mapping[int, str]) -> pl.DataFrame:
    rows = [
        (ALL if source is None else names[source], comparison.name, level.label, level.m, level.u, level.bits)
        for source, model in models.items()
        for comparison in model.comparisons
        for _, level in comparison.judging
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["model"], orient="row")
