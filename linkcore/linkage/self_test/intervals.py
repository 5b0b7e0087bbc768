"""Intervals for a rate that was seen in a sample."""

import math
from statistics import NormalDist
from typing import Final

__all__ = ["among_links", "wilson_upper"]

_CONFIDENCE: Final = 0.95
_DEVIATIONS: Final = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)


def wilson_upper(events: float, trials: float) -> float:
    """Give the upper end of the 95 % score interval of a probability.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference". Of ``trials`` without an event
    it is z² / (trials + z²): to be sure of 0.2 % takes 1,917 of them.

    Examples
    --------
    >>> round(wilson_upper(0, 1917), 6), round(wilson_upper(5, 100), 4)
    (0.002, 0.1118)
    """
    if trials <= 0:
        return 1.0
    z, rate = _DEVIATIONS, events / trials
    spread = z * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return min((rate + z**2 / (2 * trials) + spread) / (1 + z**2 / trials), 1.0)


def among_links(events: float, trials: float, links: int) -> tuple[float, float]:
    """Give the interval in which, with 95 % probability, the share of events among some other cases lies.

    A sample shows ``events`` of ``trials``; the question is how many of the ``links`` of this run are such, and these
    are a number of cases like the sample, not a probability. So the interval has the chance of both in it: a Beta
    posterior of the rate with Jeffreys' prior, and a binomial number of links (the beta-binomial predictive
    distribution; for the prior: Brown, Cai and DasGupta 2001, "Interval estimation for a binomial proportion").

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
    # Each probability from the one before it: no gamma function of large numbers is needed.
    steps = np.log((links - y) * (y + alpha)) - np.log((y + 1) * (links - y - 1 + beta))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    cumulative = np.cumsum(np.exp(logs - logs.max()))
    cumulative /= cumulative[-1]
    low, high = (int(np.searchsorted(cumulative, q)) for q in ((1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2))
    return low / links, min(high, links) / links
