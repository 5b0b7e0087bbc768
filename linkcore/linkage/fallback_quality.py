"""The quality of the fallback: everything that its rounds have shown, as the tables of a report."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.tables import (
    Tested,
    calibration_table,
    candidates_table,
    curve_table,
    groups,
    rates_table,
)
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.quality.measures import FallbackQuality

__all__ = ["fallback_quality"]


def fallback_quality(
    *,
    names: Sequence[str],
    every: pl.DataFrame,
    told: pl.Series,
    accepted: pl.Series,
    pi: Mapping[int, float],
    thresholds: Mapping[int, Threshold],
    hidden: HiddenNumbers,
    outcomes: Outcomes | None,
    proposed: pl.DataFrame,
    left_out: Mapping[str, int],
    models: Mapping[int | None, Mapping[str, Any]],
    departures: pl.DataFrame,
    counts: Mapping[str, int],
    reference_date: dt.date | None,
) -> FallbackQuality:
    """Lay out what the fallback did, and what its test says of it.

    Parameters
    ----------
    names : sequence of str
        Of all sources, in order.
    every : polars.DataFrame
        All open records, with ``order``.
    told : polars.Series
        Boolean: which of them say enough to be compared.
    accepted : polars.Series
        Which of those (by position among them) were linked.
    pi : mapping of int to float
        By source.
    thresholds : mapping of int to Threshold
        By source.
    hidden : HiddenNumbers
        The records of the self-test.
    outcomes : Outcomes, optional
        What became of them; None where there were none.
    proposed : polars.DataFrame
        ``record``, ``person``: hidden records whose own person blocking has proposed.
    left_out : mapping of str to int
        By rule, how many persons stood in blocks that were too large.
    models : mapping of (int or None) to mapping
        Of each source, and with None of all.
    departures : polars.DataFrame
        Of :func:`linkcore.linkage.open_model.departures`.
    counts : mapping of str to int
        Of what was compared.
    reference_date : datetime.date, optional
        At which people are as old as they are.

    Returns
    -------
    FallbackQuality
    """
    open_of = _count(every["order"])
    compared = every["order"].filter(told)
    linked = _count(compared[accepted])
    hidden_of = _count(hidden.records["order"])
    sources = pl.DataFrame(
        [
            (
                names[order],
                open_of[order],
                _count(compared).get(order, 0),
                linked.get(order, 0),
                pi.get(order),
                thresholds[order].accept if order in thresholds else None,
                thresholds[order].basis if order in thresholds else None,
                hidden_of.get(order, 0),
            )
            for order in sorted(open_of)
        ],
        schema={
            "source": pl.String,
            "open": pl.Int64,
            "compared": pl.Int64,
            "linked": pl.Int64,
            "pi": pl.Float64,
            "accept": pl.Float64,
            "basis": pl.String,
            "hidden": pl.Int64,
        },
        orient="row",
    )
    named = dict(enumerate(names))
    numberless = every["nhs_number"].is_null()
    is_linked = pl.repeat(False, every.height, eager=True).scatter(told.arg_true()[accepted], True)
    tested = Tested(
        outcomes or Outcomes.none(),
        named,
        thresholds,
        _count(every["order"].filter(numberless)),
        _count(every["order"].filter(numberless & is_linked)),
        pi,
    )
    return FallbackQuality(
        sources=sources,
        rates=rates_table(tested, groups(hidden.records, reference_date)),
        calibration=calibration_table(tested),
        curve=curve_table(tested),
        candidates=candidates_table(hidden.records.with_row_index("record"), hidden.gone, proposed, named),
        left_out=pl.DataFrame(
            {"rule": list(left_out), "persons": list(left_out.values())},
            schema={"rule": pl.String, "persons": pl.Int64},
        ),
        model=_model(models, named),
        departures=departures,
        counts=dict(counts),
    )


def _count(orders: pl.Series) -> dict[int, int]:
    return {int(order): int(count) for order, count in orders.alias("order").value_counts().sort("order").iter_rows()}


def _model(models: Mapping[int | None, Mapping[str, Any]], names: Mapping[int, str]) -> pl.DataFrame:
    rows = [
        (
            "all" if order is None else names[order],
            comparison["output_column_name"],
            level.get("label_for_charts", level["sql_condition"]),
            level["m_probability"],
            level["u_probability"],
            math.log2(level["m_probability"] / level["u_probability"]),
        )
        for order, model in models.items()
        for comparison in model["comparisons"]
        for level in comparison["comparison_levels"]
        if not level.get("is_null_level", False)
    ]
    columns = {"source": pl.String, "comparison": pl.String, "level": pl.String}
    return pl.DataFrame(rows, schema=columns | dict.fromkeys(("m", "u", "weight"), pl.Float64), orient="row")
