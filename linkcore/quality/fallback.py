"""The quality of the fallback: everything that its rounds have shown, as the tables of a report."""

from collections.abc import Mapping

import polars as pl

from linkcore.linkage.fallback.probabilistic import Findings, Probabilistic
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
    if probabilistic is None or probabilistic.findings is None:
        return None
    findings = probabilistic.findings
    names = dict(enumerate(source.name for source in result.sources))
    numbers = {name: number for number, name in names.items()}
    tested = _tested(findings, probabilistic, names)
    left_out = findings.left_out
    of_all = {} if probabilistic.model is None else {None: probabilistic.model}
    models = of_all | {numbers[name]: model for name, model in probabilistic.source_models.items()}
    return FallbackQuality(
        sources=_sources(findings, tested),
        rates=rates_table(tested, groups(findings.hidden.records, result.reference_date)),
        calibration=calibration_table(tested),
        curve=curve_table(tested),
        candidates=candidates_table(
            findings.hidden.records.with_row_index("record"), findings.hidden.gone, findings.proposed, names
        ),
        left_out=pl.DataFrame(
            {"rule": list(left_out), "persons": list(left_out.values())}, schema=FALLBACK_TABLES["left_out"]
        ),
        model=_model(models, names),
        departures=findings.departures,
        counts=dict(probabilistic.counts),
    )


def _tested(findings: Findings, probabilistic: Probabilistic, names: Mapping[int, str]) -> Tested:
    every, comparable = findings.open_records, findings.comparable
    numbers = {name: number for number, name in names.items()}
    numberless = every["nhs_number"].is_null()
    is_linked = pl.repeat(False, every.height, eager=True)
    is_linked = is_linked.scatter(comparable.arg_true()[findings.accepted], True)
    return Tested(
        findings.outcomes or Outcomes.none(),
        names,
        {numbers[name]: threshold for name, threshold in probabilistic.thresholds.items()},
        _count(every["order"].filter(numberless)),
        _count(every["order"].filter(numberless & is_linked)),
        {numbers[name]: pi for name, pi in probabilistic.pi.items()},
    )


def _sources(findings: Findings, tested: Tested) -> pl.DataFrame:
    open_of = _count(findings.open_records["order"])
    compared = findings.open_records["order"].filter(findings.comparable)
    compared_of, linked = _count(compared), _count(compared[findings.accepted])
    hidden_of = _count(findings.hidden.records["order"])
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
        ("all" if order is None else names[order], comparison.name, level.label, level.m, level.u, level.bits)
        for order, model in models.items()
        for comparison in model.comparisons
        for _, level in comparison.judging
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["model"], orient="row")
