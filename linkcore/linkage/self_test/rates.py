"""False links and missed links, estimated from the outcomes of the self-test."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.self_test.intervals import among_links

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Rate", "calibration", "false_links", "missed_links", "threshold_curve"]

_CURVE: Final = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999)
_CALIBRATION: Final = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)


@dataclass(frozen=True)
class Rate:
    """An estimated share of cases.

    Parameters
    ----------
    rate : float or None
        The share; None where there were no cases.
    cases : float
        The effective number of cases, since they may weigh differently (Kish 1965, "Survey sampling").

    Examples
    --------
    >>> Rate(0.01, 1000.0).interval(500)
    (0.002, 0.024)
    """

    rate: float | None
    cases: float

    @property
    def events(self) -> float:
        """The effective number of events: ``rate`` times ``cases``."""
        return (self.rate or 0.0) * self.cases

    def interval(self, links: int) -> tuple[float, float]:
        """Return the 95 % interval of the rate among so many links."""
        return among_links(self.events, self.cases, links)


def false_links(rows: pl.DataFrame, accept: float | Mapping[int, float], weight: str) -> Rate:
    """Estimate the share of accepted links that are to the wrong person."""
    accepted = rows.filter(_accepted(accept) & ~pl.col("doubtful"))
    return _rate(accepted, ~accepted["right"], weight)


def missed_links(rows: pl.DataFrame, accept: float | Mapping[int, float], weight: str) -> Rate:
    """Estimate the share of records with a listed person that are not linked to that person."""
    listed = rows.filter(pl.col("listed") & ~pl.col("doubtful"))
    return _rate(listed, ~listed.select(_accepted(accept) & pl.col("right")).to_series(), weight)


def _accepted(accept: float | Mapping[int, float]) -> pl.Expr:
    bar = (
        pl.lit(float(accept))
        if isinstance(accept, float | int)
        else pl.col("source").replace_strict(dict(accept), default=1.0, return_dtype=pl.Float64)
    )
    return (pl.col("probability") >= bar) & (pl.col("probability") > 0.5)


def _rate(rows: pl.DataFrame, events: pl.Series, weight: str) -> Rate:
    import numpy as np

    weights = rows[weight].to_numpy()
    total = float(weights.sum())
    if total <= 0:
        return Rate(None, 0.0)
    # All rows of a person are one case, because persons were drawn.
    persons = np.unique(rows["true_person"].to_numpy(), return_inverse=True)[1]
    of_person = np.bincount(persons, weights)
    return Rate(float(weights[events.to_numpy()].sum()) / total, total**2 / float((of_person**2).sum()))


def threshold_curve(rows: pl.DataFrame, chosen: float, weight: str) -> Iterator[tuple[float, Rate, Rate]]:
    """Yield each threshold with the rates of false and of missed links."""
    for threshold in sorted({*_CURVE, chosen}):
        yield threshold, false_links(rows, threshold, weight), missed_links(rows, threshold, weight)


def calibration(rows: pl.DataFrame, weight: str) -> Iterator[tuple[float, float, float, Rate]]:
    """Yield, by band of probability: its ends, the mean predicted probability, and the rate of right candidates."""
    certain = rows.filter(~pl.col("doubtful") & (pl.col("probability") > 0))
    for low, high in pairwise(_CALIBRATION):
        within = pl.col("probability").is_between(low, high, closed="both" if high == 1 else "left")
        inside = certain.filter(within)
        rate = _rate(inside, inside["right"], weight)
        if rate.rate is not None:
            weights: NDArray[np.float64] = inside[weight].to_numpy()
            yield low, high, float((weights * inside["probability"].to_numpy()).sum() / weights.sum()), rate
