"""The quality of the fallback: everything that its rounds have shown, as the tables of a report."""

from collections.abc import Mapping

import polars as pl

from linkcore.linkage.fallback.result import Probabilistic, QualityInputs
from linkcore.linkage.model.model import Model
from linkcore.linkage.result import LinkageResult
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.quality.fallback_tables import (
    Tested,
    calibration_table,
    candidates_table,
    curve_table,
    groups,
    rates_table,
)
from linkcore.quality.measures import FallbackQuality
from linkcore.quality.tables import FALLBACK_TABLES

__all__ = ["fallback_quality"]


def fallback_quality(result: LinkageResult) -> FallbackQuality | None:
    """Lay out what the fallback did, and what its test says of it; None where no record was open."""
    probabilistic = result.probabilistic
    if probabilistic is None or probabilistic.quality_inputs is None:
        return None
    inputs = probabilistic.quality_inputs
    names = dict(enumerate(source.name for source in result.sources))
    numbers = {name: number for number, name in names.items()}
    tested = _tested(inputs, probabilistic, names)
    left_out = inputs.left_out
    of_all = {} if probabilistic.model is None else {None: probabilistic.model}
    models = of_all | {numbers[name]: model for name, model in probabilistic.source_models.items()}
    return FallbackQuality(
        sources=_sources(inputs, tested),
        rates=rates_table(tested, groups(inputs.hidden.records, result.reference_date)),
        calibration=calibration_table(tested),
        curve=curve_table(tested),
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


def _tested(inputs: QualityInputs, probabilistic: Probabilistic, names: Mapping[int, str]) -> Tested:
    open_records, comparable = inputs.open_records, inputs.comparable
    numbers = {name: number for number, name in names.items()}
    numberless = open_records["nhs_number"].is_null()
    is_linked = pl.repeat(False, open_records.height, eager=True)
    is_linked = is_linked.scatter(comparable.arg_true()[inputs.accepted], True)
    return Tested(
        inputs.outcomes or Outcomes.none(),
        names,
        {numbers[name]: threshold for name, threshold in probabilistic.thresholds.items()},
        _count(open_records["order"].filter(numberless)),
        _count(open_records["order"].filter(numberless & is_linked)),
        {numbers[name]: pi for name, pi in probabilistic.pi.items()},
    )


def _sources(inputs: QualityInputs, tested: Tested) -> pl.DataFrame:
    open_of = _count(inputs.open_records["order"])
    compared = inputs.open_records["order"].filter(inputs.comparable)
    compared_of, linked = _count(compared), _count(compared[inputs.accepted])
    hidden_of = _count(inputs.hidden.records["order"])
    rows = [
        (
            tested.names[order],
            open_of[order],
            compared_of.get(order, 0),
            linked.get(order, 0),
            tested.pi.get(order),
            tested.thresholds[order].accept if order in tested.thresholds else None,
            tested.thresholds[order].basis if order in tested.thresholds else None,
            hidden_of.get(order, 0),
        )
        for order in sorted(open_of)
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["sources"], orient="row")


def _count(orders: pl.Series) -> dict[int, int]:
    return {int(order): int(count) for order, count in orders.alias("order").value_counts().sort("order").iter_rows()}


def _model(models: Mapping[int | None, Model], names: Mapping[int, str]) -> pl.DataFrame:
    rows = [
        ("all" if source is None else names[source], comparison.name, level.label, level.m, level.u, level.bits)
        for source, model in models.items()
        for comparison in model.comparisons
        for _, level in comparison.judging
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["model"], orient="row")
