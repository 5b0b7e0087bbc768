"""The probability from which a link is accepted: the lowest at which false links are sure to be few enough."""

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
"""How a threshold was chosen: on the source's own records; on those of all sources, since its own were too few, and
raised, if need be, to where its own show no more false links than may be; likewise, but all were too few as well, so
that the bound holds for what was seen and expected and not for certain; by the caller; or not at all, since no records
have numbers."""

ACCEPT_WITHOUT_TEST: Final = 0.5


@dataclass(frozen=True)
class Threshold:
    """From which probability the links of a source are accepted.

    Parameters
    ----------
    accept : float
        The probability.
    basis : str
        How it was chosen.
    """

    accept: float
    basis: Basis


def choose_thresholds(
    rows: pl.DataFrame, numberless: Mapping[int, int], *, max_false_link_rate: float
) -> dict[int, Threshold]:
    """Choose for each source the lowest threshold whose false-link rate is, with 95 % confidence, low enough."""
    if rows.is_empty():
        return dict.fromkeys(numberless, Threshold(ACCEPT_WITHOUT_TEST, "no labels"))
    # Where all that is open are conflicts, the hidden records of a source stand for nobody.
    rows = rows.filter(pl.col("reweighted") > 0)
    tested = {int(source): part for (source,), part in rows.group_by("source", maintain_order=True)}
    # Each source counts by its records without a number, not by how many were drawn.
    stands_for = {
        source: numberless.get(source, 0) / float(part["reweighted"].sum()) for source, part in tested.items()
    }
    scale = pl.col("source").replace_strict(stands_for, return_dtype=pl.Float64)
    pooled = rows.with_columns(pl.col("reweighted") * scale).filter(pl.col("reweighted") > 0)
    certified = _lowest(pooled, max_false_link_rate)
    of_all = (
        Threshold(certified, "pooled")
        if certified is not None
        else Threshold(_lowest_seen(pooled, max_false_link_rate, expected=True), "not certified")
    )
    chosen = {}
    for source in numberless:
        if source not in tested:
            chosen[source] = of_all
            continue
        # One wrong link more or less moves the bound of a single source far. So the threshold of all sources serves it
        # too, raised to where the source itself shows no more false links than may be; unless its own bound is lower.
        shared = max(of_all.accept, _lowest_seen(tested[source], max_false_link_rate, expected=False))
        own = _lowest(tested[source], max_false_link_rate)
        certified_alone = own is not None and (own < shared or of_all.basis == "not certified")
        chosen[source] = (
            Threshold(own, "own") if own is not None and certified_alone else Threshold(shared, of_all.basis)
        )
    return chosen


def _lowest(rows: pl.DataFrame, rate: float) -> float | None:
    """Give the lowest threshold at which the upper bound of the false links is low enough; None if none is."""
    accepted = _from_the_surest(rows)
    import numpy as np

    weights, wrong = accepted["reweighted"].to_numpy(), (~accepted["right"]).to_numpy()
    squares = np.cumsum(_growth_of_squares(accepted))
    ends = _ends(accepted)
    totals, wrong_links = np.cumsum(weights)[ends], np.cumsum(weights * wrong)[ends]
    cases = totals**2 / squares[ends]
    _, high = wilson(pl.Series(wrong_links / totals * cases), pl.Series(cases))
    certified = ends[(high <= rate).to_numpy()]
    return _as_threshold(accepted, int(certified[-1])) if certified.size else None


def _lowest_seen(rows: pl.DataFrame, rate: float, *, expected: bool) -> float:
    """Give the lowest threshold at which what was seen is not too much, nor (if asked) what the probabilities expect.

    The highest probability that was seen, if there is none.
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
    for at in _ends(accepted)[::-1]:
        if wrong[at] <= rate:
            return _as_threshold(accepted, int(at))
    return _as_threshold(accepted, 0)


def _from_the_surest(rows: pl.DataFrame) -> pl.DataFrame:
    possible = rows.filter((pl.col("probability") > ACCEPT_WITHOUT_TEST) & ~pl.col("doubtful"))
    return possible.sort("probability", "record", "listed", descending=[True, False, True])


def _growth_of_squares(accepted: pl.DataFrame) -> "NDArray[np.float64]":
    """Say by how much the sum of the squared weights of persons grows with each row: a second row adds to the first."""
    weight = pl.col("reweighted")
    so_far = weight.cum_sum().over("true_person") - weight
    growth: NDArray[np.float64] = accepted.select(weight**2 + 2 * weight * so_far).to_series().to_numpy()
    return growth


def _ends(accepted: pl.DataFrame) -> "NDArray[np.int64]":
    """Positions at which a threshold may lie: the last row of each probability."""
    last = accepted["probability"] != accepted["probability"].shift(-1)
    return last.fill_null(True).arg_true().to_numpy().astype("int64")


def _as_threshold(accepted: pl.DataFrame, at: int) -> float:
    """Round down to six digits, so that the order of a sum cannot show; as low as may be, if all were accepted."""
    if at == accepted.height - 1:
        return ACCEPT_WITHOUT_TEST
    return max(math.floor(float(accepted["probability"][at]) * 1e6) / 1e6, ACCEPT_WITHOUT_TEST)
