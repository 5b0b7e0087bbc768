"""Intervals, compared with the inverted score test, with sums of binomial chances, with SciPy, and by simulation."""

import math
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from linkcore.linkage.self_test.intervals import among_links, wilson

Z = NormalDist().inv_cdf(0.975)
NEARLY = 1e-9  # the error of sums of rounded numbers


def upper(events: float, trials: float) -> float:
    return float(wilson(pl.Series([events]), pl.Series([trials]))[1].item())


def slow_upper(events: float, trials: float) -> float:
    """The highest probability that the score test does not reject, found by bisection."""
    seen = events / trials
    low, high = seen, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        rejected = middle - seen > Z * math.sqrt(middle * (1 - middle) / trials)
        low, high = (low, middle) if rejected else (middle, high)
    return low


@given(st.floats(0, 1), st.floats(0.1, 1e6))
def test_the_upper_end_is_the_highest_rate_that_the_score_test_does_not_reject(share: float, trials: float) -> None:
    assert upper(share * trials, trials) == pytest.approx(slow_upper(share * trials, trials), abs=1e-7)


def test_intervals_equal_published_ones() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    published = {(81, 263): 0.3662, (15, 148): 0.1605, (0, 20): 0.1611, (1, 29): 0.1718}
    assert {case: round(upper(*case), 4) for case in published} == published


def test_certifying_one_in_500_takes_1917_trials_without_an_event() -> None:
    assert upper(0, 1917) <= 0.002 < upper(0, 1916)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_score_intervals_equal_those_of_scipy(case: tuple[int, int]) -> None:
    low, high = (end.item() for end in wilson(*(pl.Series([count]) for count in case)))
    expected = binomtest(*case).proportion_ci(method="wilson")
    assert low == pytest.approx(expected.low, abs=1e-9)
    assert high == pytest.approx(expected.high, abs=1e-9)


def test_without_trials_there_is_no_interval() -> None:
    assert [end.to_list() for end in wilson(pl.Series([0]), pl.Series([0]))] == [[None], [None]]
    assert among_links(0, 0, 10) == (0.0, 1.0)
    assert among_links(3, 10, 0) == (0.0, 1.0)


@settings(max_examples=30)
@given(st.integers(0, 60), st.integers(1, 60))
def test_more_events_raise_the_bounds_and_more_trials_lower_them(events: int, more: int) -> None:
    trials = 120
    assert upper(events, trials) < upper(min(events + more, trials), trials)
    assert upper(events, trials) > upper(events, trials + more)
    low, high = among_links(events, trials, 50)
    more_low, more_high = among_links(events + more, trials, 50)
    assert low <= more_low
    assert high <= more_high


def chance(k: int, links: int, alpha: float, beta: float) -> float:
    """Chance of k events among the links, for a Beta rate: C(n, k) · B(k+a, n-k+b) / B(a, b)."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    return math.comb(links, k) * math.exp(log_beta(k + alpha, links - k + beta) - log_beta(alpha, beta))


@given(st.floats(0, 1), st.floats(0.5, 3000), st.integers(1, 90))
def test_each_end_is_the_first_count_at_which_the_summed_chances_reach_its_quantile(
    share: float, trials: float, links: int
) -> None:
    events = share * trials
    low, high = (round(end * links) for end in among_links(events, trials, links))
    chances = [chance(k, links, events + 0.5, trials - events + 0.5) for k in range(links + 1)]
    assert math.fsum(chances) == pytest.approx(1)
    for end, part in ((low, 0.025), (high, 0.975)):
        assert math.fsum(chances[: end + 1]) >= part - NEARLY
        assert math.fsum(chances[:end]) < part + NEARLY


def test_events_are_limited_to_the_trials() -> None:
    assert among_links(10.5, 10, 40) == among_links(10, 10, 40)
    assert among_links(-0.5, 10, 40) == among_links(0, 10, 40)


@settings(max_examples=10)
@given(st.integers(0, 40), st.integers(2_000, 200_000))
def test_for_very_many_links_the_interval_is_that_of_the_rate(events: int, links: int) -> None:
    """The quantiles of the Beta posterior are found by drawing from it."""
    posterior = np.random.default_rng(1).beta(events + 0.5, 1000 - events + 0.5, 200_000)
    counts = np.random.default_rng(2).binomial(links, posterior) / links
    ends = among_links(events, 1000, links)
    assert ends == pytest.approx(tuple(np.quantile(counts, [0.025, 0.975])), abs=1 / links, rel=0.04)


@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.3])
@pytest.mark.parametrize(("trials", "links"), [(300, 2000), (2000, 300)])
def test_the_interval_covers_the_true_share_as_often_as_it_claims(rate: float, trials: int, links: int) -> None:
    generator = np.random.default_rng(17)
    seen, true = generator.binomial(trials, rate, 3000), generator.binomial(links, rate, 3000)
    ends = {events: among_links(events, trials, links) for events in set(seen.tolist())}
    covered = [
        low <= events / links <= high for (low, high), events in zip(map(ends.get, seen.tolist()), true, strict=True)
    ]
    assert sum(covered) / len(covered) >= 0.93
