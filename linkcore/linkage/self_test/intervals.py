"""Intervals for a rate that was measured on a sample, and for a count that it predicts."""

from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["exact_interval", "predicted_count", "wilson"]

_CONFIDENCE: Final = 0.95
_DEVIATIONS: Final = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)


def wilson(events: pl.Series, trials: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return ``low`` and ``high``, the ends of the 95 % score interval of a probability; null if there are no trials.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference". If none of n
    trials is an event, the upper end is z² / (n + z²). To show that a probability is below 0.2 % takes 1,917 such
    trials.

    Examples
    --------
    >>> [end.item() for end in wilson(pl.Series([5]), pl.Series([100]))]  # 5 of 100: 2.2 % to 11.2 %
    [0.02154..., 0.11175...]
    """
    # The square of a count can exceed a 32-bit integer.
    events, trials = events.cast(pl.Float64), trials.cast(pl.Float64)
    trials = trials.set(trials <= 0, None)
    rate, square = events / trials, _DEVIATIONS**2
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    spread = _DEVIATIONS / (1 + square / trials) * (rate * (1 - rate) / trials + square / (4 * trials**2)).sqrt()
    return (middle - spread).clip(0, 1).alias("low"), (middle + spread).clip(0, 1).alias("high")


def exact_interval(
    rates: "NDArray[np.float64]", cases: "NDArray[np.float64]"
) -> tuple["NDArray[np.float64]", "NDArray[np.float64]"]:
    """Return the ends of the exact 95 % interval of each rate that was seen in so many cases.

    Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial". With
    effective cases of a weighted sample it is the interval of Korn and Graubard 1998, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data". If none of n cases is an
    event, the upper end is 1 - 0.025^(1/n). To show that a rate is below 0.2 % takes 1,843 such cases.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = exact_interval(np.array([0.0, 0.05]), np.array([1000.0, 100.0]))
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.0, 0.0164], [0.0037, 0.1128])
    """
    import numpy as np
    from scipy.special import betaincinv

    tail = (1 - _CONFIDENCE) / 2
    events = np.clip(rates, 0, 1) * cases
    others = np.maximum(cases - events, 0.0)
    with np.errstate(invalid="ignore"):
        low = np.where(events > 0, betaincinv(np.maximum(events, 1e-300), others + 1, tail), 0.0)
        high = np.where(others > 0, betaincinv(events + 1, np.maximum(others, 1e-300), 1 - tail), 1.0)
    return low, high


def predicted_count(events: float, trials: float, of: int) -> tuple[int, int]:
    """Return the fewest and the most events that a run has among ``of`` cases, with 95 % probability.

    A sample had ``events`` in ``trials``. The prediction allows for chance twice: in the sample, and among the cases of
    the run. It is the prediction interval of the beta-binomial distribution: the rate has a Beta posterior with
    Jeffreys' prior, and the number of events is binomial (for the prior: Brown, Cai and DasGupta 2001, "Interval
    estimation for a binomial proportion").

    Examples
    --------
    >>> predicted_count(0, 1000, 100)
    (0, 1)
    >>> predicted_count(20, 1000, 10_000)
    (123, 306)
    """
    if trials <= 0 or of <= 0:
        return 0, max(of, 0)
    import numpy as np

    events = min(max(events, 0.0), trials)
    alpha, beta = events + 0.5, trials - events + 0.5
    y = np.arange(of, dtype=np.float64)
    # The ratio of the probabilities of y + 1 and of y events needs no gamma functions of large numbers.
    log_ratios = np.log((of - y) * (y + alpha)) - np.log((y + 1) * (of - y - 1 + beta))
    # Up to a constant, which the division below removes.
    log_probabilities = np.concatenate([[0.0], np.cumsum(log_ratios)])
    cumulative = np.cumsum(np.exp(log_probabilities - log_probabilities.max()))
    cumulative /= cumulative[-1]
    low, high = (int(np.searchsorted(cumulative, q)) for q in ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    return low, min(high, of)
