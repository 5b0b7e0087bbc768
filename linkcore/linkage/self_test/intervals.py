"""Intervals for a rate that was measured on a sample."""

from statistics import NormalDist
from typing import Final

import polars as pl

__all__ = ["among_links", "wilson"]

_CONFIDENCE: Final = 0.95
_DEVIATIONS: Final = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)


def wilson(events: pl.Series, trials: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the ends of the 95 % score interval of a probability, ``low`` and ``high``; null without trials.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference". Of n trials without an event
    the upper end is z² / (n + z²): to be sure of 0.2 % takes 1,917 trials.

    Examples
    --------
    >>> [end.item() for end in wilson(pl.Series([5]), pl.Series([100]))]  # 5 of 100: 2.2 % to 11.2 %
    [0.02154..., 0.11175...]
    """
    # Squares of counts are more than whole numbers of 32 bits hold.
    events, trials = events.cast(pl.Float64), trials.cast(pl.Float64)
    trials = trials.set(trials <= 0, None)
    rate, square = events / trials, _DEVIATIONS**2
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    spread = _DEVIATIONS / (1 + square / trials) * (rate * (1 - rate) / trials + square / (4 * trials**2)).sqrt()
    return (middle - spread).clip(0, 1).alias("low"), (middle + spread).clip(0, 1).alias("high")


def among_links(events: float, trials: float, links: int) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the share of events among other cases.

    A sample shows ``events`` in ``trials``. The question is the share among the ``links`` of this run. They are a count
    of cases, as the sample is, and not a probability. So the interval covers the chance in both. It is that of the
    beta-binomial predictive distribution: a Beta posterior of the rate with Jeffreys' prior, and a binomial number of
    links (for the prior: Brown, Cai and DasGupta 2001, "Interval estimation for a binomial proportion").

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
    # Each probability comes from the one before it, without gamma functions of large numbers.
    steps = np.log((links - y) * (y + alpha)) - np.log((y + 1) * (links - y - 1 + beta))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    cumulative = np.cumsum(np.exp(logs - logs.max()))
    cumulative /= cumulative[-1]
    low, high = (int(np.searchsorted(cumulative, q)) for q in ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    return low / links, min(high, links) / links
