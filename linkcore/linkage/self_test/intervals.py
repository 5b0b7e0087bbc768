"""Intervals for a rate that was measured on a sample."""

from statistics import NormalDist
from typing import Final

import polars as pl

__all__ = ["among_links", "wilson"]

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


def among_links(events: float, trials: float, links: int) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the share of events among the ``links`` of a run.

    A sample had ``events`` in ``trials``. The share among the links is a share of finitely many cases, as the sample's
    is, and not a probability. So the interval allows for chance twice: in the sample, and among the links. It is the
    prediction interval of the beta-binomial distribution: the rate has a Beta posterior with Jeffreys' prior, and the
    number of events among the links is binomial (for the prior: Brown, Cai and DasGupta 2001, "Interval estimation for
    a binomial proportion").

    Examples
    --------
    >>> among_links(0, 1000, 100)
    (0.0, 0.01)
    >>> low, high = among_links(20, 1000, 1_000_000)
    >>> round(low, 4), round(high, 4)
    (0.0126, 0.0301)
    """
    if trials <= 0 or links <= 0:
        return 0.0, 1.0
    import numpy as np

    events = min(max(events, 0.0), trials)
    alpha, beta = events + 0.5, trials - events + 0.5
    y = np.arange(links, dtype=np.float64)
    # The ratio of the probabilities of y + 1 and of y events needs no gamma functions of large numbers.
    log_ratios = np.log((links - y) * (y + alpha)) - np.log((y + 1) * (links - y - 1 + beta))
    # Up to a constant, which the division below removes.
    log_probabilities = np.concatenate([[0.0], np.cumsum(log_ratios)])
    cumulative = np.cumsum(np.exp(log_probabilities - log_probabilities.max()))
    cumulative /= cumulative[-1]
    low, high = (int(np.searchsorted(cumulative, q)) for q in ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    return low / links, min(high, links) / links
