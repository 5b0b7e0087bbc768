"""False links and missed links, estimated from the outcomes of the self-test and from what is known of the run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.self_test.intervals import exact_interval, predicted_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Rate", "calibration", "false_links", "missed_in_run", "missed_links", "rate_of", "threshold_curve"]

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
        The effective number of cases: a simple random sample of so many would show the share as precisely.

    Examples
    --------
    >>> Rate(0.01, 1000.0).interval()
    (0.004..., 0.018...)
    >>> Rate(0.01, 1000.0).predicted(500)
    (1, 12)
    """

    rate: float | None
    cases: float

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the rate."""
        import numpy as np

        if self.rate is None or self.cases <= 0:
            return 0.0, 1.0
        low, high = exact_interval(np.array([self.rate]), np.array([self.cases]))
        return float(low[0]), float(high[0])

    def predicted(self, of: int) -> tuple[int, int]:
        """Return the fewest and the most events that are expected among so many cases of a run."""
        return predicted_count((self.rate or 0.0) * self.cases, self.cases, of)


def false_links(rows: pl.DataFrame, accept: float | Mapping[int, float], weight: str) -> Rate:
    """Estimate the share of accepted links that are to the wrong person."""
    accepted = rows.filter(_accepted(accept) & ~pl.col("doubtful"))
    return rate_of(accepted, ~accepted["right"], weight)


def missed_links(rows: pl.DataFrame, accept: float | Mapping[int, float], weight: str) -> Rate:
    """Estimate the share of records with a listed person that are not linked to that person."""
    listed = rows.filter(pl.col("listed") & ~pl.col("doubtful"))
    return rate_of(listed, ~listed.select(_accepted(accept) & pl.col("right")).to_series(), weight)


def missed_in_run(links: int, false_rate: float, listed: float, tested: Rate) -> Rate:
    """Estimate the share of missed links in this run from what is known of it: 1 - links (1 - f) / listed.

    The links made are known, and f of them are false. All other records whose person is listed are missed. So the rate
    depends on the test only by f; and by ``tested``, the rate of missed links in the test, whose cases tell how precise
    it is.

    ``listed``: how many records have a listed person: the sum of the chances of all records without a number.

    Examples
    --------
    >>> missed_in_run(90, 0.0, 100.0, Rate(0.08, 400.0))
    Rate(rate=0.1, cases=400.0)
    """
    if tested.rate is None or listed <= 0:
        return Rate(None, 0.0)
    return Rate(round(min(max(1 - links * (1 - false_rate) / listed, 0.0), 1.0), 12), tested.cases)


def _accepted(accept: float | Mapping[int, float]) -> pl.Expr:
    bar = (
        pl.lit(float(accept))
        if isinstance(accept, float | int)
        else pl.col("source").replace_strict(dict(accept), default=1.0, return_dtype=pl.Float64)
    )
    return (pl.col("probability") >= bar) & (pl.col("probability") > 0.5)


def rate_of(rows: pl.DataFrame, events: pl.Series, weight: str) -> Rate:
    """Estimate a rate, and from how many cases of a simple random sample it would be as precise.

    With weights w, events e and rate R, the linearised variance is V = Σ_person (Σ w (e - R))² / (Σ w)², and the cases
    are R (1 - R) / V (Korn and Graubard 1998). They are at most Kish's (Σ w)² / Σ_person (Σ w)², since few events show
    little of their variance. Persons are the clusters, because persons were drawn.
    """
    import numpy as np

    weights = rows[weight].to_numpy()
    total = float(weights.sum())
    if total <= 0:
        return Rate(None, 0.0)
    persons = np.unique(rows["true_person"].to_numpy(), return_inverse=True)[1]
    of_persons = float((np.bincount(persons, weights) ** 2).sum())
    if of_persons <= 0:  # weights so small that their squares are 0 say nothing
        return Rate(None, 0.0)
    event = events.to_numpy().astype(np.float64)
    rate = float((weights * event).sum()) / total
    cases = total**2 / of_persons
    variance = float((np.bincount(persons, weights * (event - rate)) ** 2).sum()) / total**2
    if 0 < rate < 1 and variance > 0:
        cases = min(cases, rate * (1 - rate) / variance)
    return Rate(rate, cases)


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
        rate = rate_of(inside, inside["right"], weight)
        if rate.rate is not None:
            weights: NDArray[np.float64] = inside[weight].to_numpy()
            yield low, high, float((weights * inside["probability"].to_numpy()).sum() / weights.sum()), rate
