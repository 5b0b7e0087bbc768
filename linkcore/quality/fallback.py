"""The quality of the fallback: what it did and what its self-test found, as tables."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version

import polars as pl

from linkcore.linkage.fallback.result import Probabilistic, QualityInputs
from linkcore.linkage.model.model import Model
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.quality.blocking_recall import blocking_table
from linkcore.quality.demographics import demographic_groups
from linkcore.quality.fallback_tables import (
    FallbackTest,
    calibration_table,
    candidates_table,
    curve_table,
    rates_of_now,
    rates_table,
)
from linkcore.quality.measures import FallbackQuality, Weights
from linkcore.quality.tables import FALLBACK_TABLES
from linkcore.schema import ALL

__all__ = ["fallback_quality"]


def fallback_quality(result: LinkageResult, earlier: FallbackQuality | None = None) -> FallbackQuality | None:
    """Measure the quality of the fallback; None where no record was open.

    ``earlier``: that of the fallback before, whose self-test still holds if its model was kept.
    """
    probabilistic = result.probabilistic
    if probabilistic is None or probabilistic.quality_inputs is None:
        return None
    inputs = probabilistic.quality_inputs
    names = dict(enumerate(source.name for source in result.sources))
    test = _test(inputs, probabilistic, names)
    measured = FallbackQuality(
        sources=_sources(inputs, test),
        rates=rates_table(test, demographic_groups(inputs.hidden.records, result.reference_date)),
        calibration=calibration_table(test),
        curve=curve_table(test),
        candidates=candidates_table(
            inputs.hidden.records.with_row_index("record"), inputs.hidden.removed_persons, inputs.proposed, names
        ),
        blocking=blocking_table(test, inputs.hidden.records.height, inputs.proposed),
        left_out=_left_out(inputs),
        model=_model(probabilistic),
        departures=inputs.departures,
        counts=dict(probabilistic.counts),
        weights=_weights(probabilistic),
        model_use=probabilistic.model_use,
    )
    return measured if earlier is None or not measured.model_use.kept else _tested_before(measured, earlier, test)


def _tested_before(measured: FallbackQuality, earlier: FallbackQuality, test: FallbackTest) -> FallbackQuality:
    """Take over the self-test by which thresholds were chosen; what it predicts is predicted for the links of now."""
    hidden = pl.col("source").replace_strict(
        dict(earlier.sources.select("source", "hidden").iter_rows()), default=0, return_dtype=pl.Int64
    )
    return replace(
        measured,
        sources=measured.sources.with_columns(hidden.alias("hidden")),
        rates=rates_of_now(earlier.rates, test),
        calibration=earlier.calibration,
        curve=earlier.curve,
        candidates=earlier.candidates,
        blocking=earlier.blocking,
    )


def _weights(probabilistic: Probabilistic) -> Weights:
    checked, own = probabilistic.weights_checked, probabilistic.own_model
    if probabilistic.engine == "splink":
        return Weights("splink", version("splink"), own_model=own)
    if checked is None:
        return Weights("native", own_model=own)
    return Weights("native", checked.splink, checked.pairs, checked.largest_difference, own)


def _left_out(inputs: QualityInputs) -> pl.DataFrame:
    with_persons, among_records = inputs.left_out, inputs.left_out_among_records
    rules = dict.fromkeys([*with_persons, *among_records])
    rows = [(rule, with_persons.get(rule, 0), among_records.get(rule, 0)) for rule in rules]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["left_out"], orient="row")


def _test(inputs: QualityInputs, probabilistic: Probabilistic, names: Mapping[int, str]) -> FallbackTest:
    open_records, comparable = inputs.open_records, inputs.comparable
    index_of = {name: source_index for source_index, name in names.items()}
    numberless = open_records["nhs_number"].is_null()
    linked = pl.repeat(False, open_records.height, eager=True)
    linked = linked.scatter(comparable.arg_true()[inputs.accepted], True)
    listed = (
        open_records.select(source="source_index", listed=inputs.listed)
        .filter(numberless)
        .group_by("source", maintain_order=True)
        .agg(pl.col("listed").sum().round(6))
    )
    return FallbackTest(
        outcomes=inputs.outcomes or Outcomes.none(),
        names=names,
        thresholds={index_of[name]: threshold for name, threshold in probabilistic.thresholds.items()},
        numberless=_count_by_source(open_records["source_index"].filter(numberless)),
        links=_count_by_source(open_records["source_index"].filter(numberless & linked)),
        listed=dict(listed.iter_rows()),
        pi={index_of[name]: pi for name, pi in probabilistic.pi.items()},
    )


def _sources(inputs: QualityInputs, test: FallbackTest) -> pl.DataFrame:
    compared_records = inputs.open_records["source_index"].filter(inputs.comparable)
    opened = _count_by_source(inputs.open_records["source_index"])
    compared = _count_by_source(compared_records)
    linked = _count_by_source(compared_records[inputs.accepted])
    hidden = _count_by_source(inputs.hidden.records["source_index"])
    rows = [
        (
            test.names[source_index],
            opened[source_index],
            compared.get(source_index, 0),
            linked.get(source_index, 0),
            test.pi.get(source_index),
            test.thresholds[source_index].accept if source_index in test.thresholds else None,
            test.thresholds[source_index].basis if source_index in test.thresholds else None,
            hidden.get(source_index, 0),
        )
        for source_index in sorted(opened)
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["sources"], orient="row")


def _count_by_source(source_indices: pl.Series) -> dict[int, int]:
    counts = source_indices.alias("source_index").value_counts().sort("source_index")
    return {int(source_index): int(count) for source_index, count in counts.iter_rows()}


def _model(probabilistic: Probabilistic) -> pl.DataFrame:
    common = {} if probabilistic.model is None else {ALL: probabilistic.model}
    models: list[tuple[str, Model]] = [*common.items(), *probabilistic.source_models.items()]
    rows = [
        (source, comparison.name, level.label, level.m, level.u, level.bits)
        for source, model in models
        for comparison in model.comparisons
        for _, level in comparison.judging
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["model"], orient="row")
