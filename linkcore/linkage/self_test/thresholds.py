"""The threshold of a source: the lowest probability at which its false links are certified to be few enough."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from linkcore.linkage.self_test.intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ACCEPT_WITHOUT_TEST", "Basis", "Threshold", "choose_thresholds"]

Basis = Literal["own", "pooled", "not certified", "given", "no labels"]
"""How a threshold was chosen.

``own``: on the tested records of the source. ``pooled``: on those of all sources, because its own were too few; raised,
if necessary, to where its own records show few enough false links. ``not certified``: like ``pooled``, but those of all
sources were too few as well, so the bound holds for the links seen and expected, without 95 % confidence. ``given``: by
the caller. ``no labels``: not at all, because no records have numbers."""

ACCEPT_WITHOUT_TEST: Final = 0.5
"""The threshold where nothing can be tested; no threshold is lower."""


@dataclass(frozen=True)
class Threshold:
    """The probability from which links of a source are accepted.

    Parameters
    ----------
    accept : float
        The probability.
    basis : str
        How it was chosen: one of :data:`Basis`.
    """

    accept: float
    basis: Basis


def choose_thresholds(
    rows: pl.DataFrame, numberless: Mapping[int, int], *, max_false_link_rate: float
) -> dict[int, Threshold]:
    """Choose for each source the lowest threshold whose false-link rate is low enough with 95 % confidence.

    ``rows``: outcomes of the half that chooses. ``numberless``: by source, its open records without a number.
    """
    if rows.is_empty():
        return dict.fromkeys(numberless, Threshold(ACCEPT_WITHOUT_TEST, "no labels"))
    # Where all open records of a source are conflicts, its hidden records stand for nobody.
    rows = rows.filter(pl.col("reweighted") > 0)
    tested = {int(source): part for (source,), part in rows.group_by("source", maintain_order=True)}
    # A source counts by its records without a number, not by the number of hidden records.
    stands_for = {
        source: numberless.get(source, 0) / float(part["reweighted"].sum()) for source, part in tested.items()
    }
    scale = pl.col("source").replace_strict(stands_for, return_dtype=pl.Float64)
    pooled = rows.with_columns(pl.col("reweighted") * scale).filter(pl.col("reweighted") > 0)
    certified = _lowest(pooled, max_false_link_rate)
    if certified is not None:
        of_all = Threshold(certified, "pooled")
    else:
        of_all = Threshold(_lowest_seen(pooled, max_false_link_rate, expected=True), "not certified")
    chosen = {}
    for source in numberless:
        if source not in tested:
            chosen[source] = of_all
            continue
        # One wrong link more or less moves the bound of a single source far. So it uses the threshold of all sources,
        # raised to where its own records show few enough false links; or its own threshold, if that is lower.
        shared = max(of_all.accept, _lowest_seen(tested[source], max_false_link_rate, expected=False))
        own = _lowest(tested[source], max_false_link_rate)
        if own is not None and (own < shared or of_all.basis == "not certified"):
            chosen[source] = Threshold(own, "own")
        else:
            chosen[source] = Threshold(shared, of_all.basis)
    return chosen


def _lowest(rows: pl.DataFrame, rate: float) -> float | None:
    """Return the lowest threshold at which the upper bound of the false-link rate is low enough; None without any."""
    import numpy as np

    accepted = _from_the_surest(rows)
    weights, wrong = accepted["reweighted"].to_numpy(), (~accepted["right"]).to_numpy()
    squares = np.cumsum(_growth_of_squares(accepted))
    ends = _ends(accepted)
    totals, wrong_links = np.cumsum(weights)[ends], np.cumsum(weights * wrong)[ends]
    cases = totals**2 / squares[ends]
    _, high = wilson(pl.Series(wrong_links / totals * cases), pl.Series(cases))
    certified = ends[(high <= rate).to_numpy()]
    return _as_threshold(accepted, int(certified[-1])) if certified.size else None


def _lowest_seen(rows: pl.DataFrame, rate: float, *, expected: bool) -> float:
    """Return the lowest threshold at which the false-link rate that was seen is low enough; without any, the highest.

    If ``expected``, the rate that the probabilities predict must be low enough too.
    """
    import numpy as np

    accepted = _from_the_surest(rows)
    if accepted.is_empty():
        return ACCEPT_WITHOUT_TEST
    weights = accepted["reweighted"].to_numpy()
    totals = np.maximum(np.cumsum(weights), np.finfo(np.float64).tiny)
    wrong = np.cumsum(weights * (~accepted["right"]).to_numpy()) / totals
    if expected:
        wrong = np.maximum(wrong, np.cumsum(weights * (1 - accepted["probability"].to_numpy())) / totals)
    ends = _ends(accepted)
    low_enough = ends[wrong[ends] <= rate]
    return _as_threshold(accepted, int(low_enough[-1]) if low_enough.size else 0)


def _from_the_surest(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that could be accepted, the most probable first."""
    possible = rows.filter((pl.col("probability") > ACCEPT_WITHOUT_TEST) & ~pl.col("doubtful"))
    return possible.sort("probability", "record", "listed", descending=[True, False, True])


def _growth_of_squares(accepted: pl.DataFrame) -> "NDArray[np.float64]":
    """Return by how much each row raises the sum over persons of their squared weights; rows of a person add up."""
    weight = pl.col("reweighted")
    so_far = weight.cum_sum().over("true_person") - weight
    growth: NDArray[np.float64] = accepted.select(weight**2 + 2 * weight * so_far).to_series().to_numpy()
    return growth


def _ends(accepted: pl.DataFrame) -> "NDArray[np.int64]":
    """Return the positions at which a threshold may lie: the last row of each probability."""
    last = accepted["probability"] != accepted["probability"].shift(-1)
    return last.fill_null(True).arg_true().to_numpy().astype("int64")


def _as_threshold(accepted: pl.DataFrame, last: int) -> float:
    """Return the threshold that accepts the rows up to ``last``; the lowest possible one, if these are all rows.

    It is rounded down to six digits, so that the order of summation cannot show.
    """
    if last == accepted.height - 1:
        return ACCEPT_WITHOUT_TEST
    return max(math.floor(float(accepted["probability"][last]) * 1e6) / 1e6, ACCEPT_WITHOUT_TEST)
