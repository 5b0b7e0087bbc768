"""Rates of false and missed links, compared with loops over the rows."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.self_test.intervals import among_links
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import Rate, calibration, false_links, missed_links, threshold_curve

Row = dict[str, Any]

ROW = st.fixed_dictionaries(
    {
        "record": st.integers(0, 9),
        "true_person": st.integers(0, 4),
        "source": st.integers(0, 1),
        "chooses": st.just(False),
        "listed": st.booleans(),
        "probability": st.sampled_from([0.0, 0.005, 0.01, 0.3, 0.5, 0.6, 0.9, 0.95, 0.999, 1.0]),
        "right": st.booleans(),
        "doubtful": st.booleans(),
        "weight": st.sampled_from([0.25, 1.0, 3.0]),
        "reweighted": st.sampled_from([0.0, 0.5, 2.0]),
    }
)
ROWS = st.lists(ROW, max_size=25)


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=Outcomes.none().rows.schema, orient="row")


def slow_rate(rows: Sequence[Row], event: Callable[[Row], bool], weight: str) -> Rate:
    of_person: dict[int, float] = defaultdict(float)
    total = events = 0.0
    for row in rows:
        total += row[weight]
        of_person[row["true_person"]] += row[weight]
        if event(row):
            events += row[weight]
    if total == 0:
        return Rate(None, 0.0)
    return Rate(events / total, total**2 / math.fsum(each**2 for each in of_person.values()))


def same(found: Rate, expected: Rate) -> bool:
    if expected.rate is None:
        return found == expected
    return (found.rate, found.cases) == (pytest.approx(expected.rate), pytest.approx(expected.cases))


@given(
    ROWS, st.sampled_from([0.0, 0.5, 0.6, 0.95, {0: 0.9}, {0: 0.5, 1: 0.99}]), st.sampled_from(["weight", "reweighted"])
)
def test_rates_of_false_and_missed_links_equal_those_of_a_loop(
    rows: list[Row], accept: float | dict[int, float], weight: str
) -> None:
    def accepted(row: Row) -> bool:
        bar = accept.get(row["source"], 1.0) if isinstance(accept, dict) else accept
        return bool(row["probability"] >= bar and row["probability"] > 0.5)

    certain = [row for row in rows if not row["doubtful"]]
    links = [row for row in certain if accepted(row)]
    listed = [row for row in certain if row["listed"]]
    assert same(false_links(frame(rows), accept, weight), slow_rate(links, lambda row: not row["right"], weight))
    missed = slow_rate(listed, lambda row: not (accepted(row) and row["right"]), weight)
    assert same(missed_links(frame(rows), accept, weight), missed)


def rows_of(*given: tuple[int, float, bool], doubtful: bool = False) -> list[Row]:
    return [
        {
            "record": at,
            "true_person": true_person,
            "source": 0,
            "chooses": False,
            "listed": True,
            "probability": probability,
            "right": right,
            "doubtful": doubtful,
            "weight": 1.0,
            "reweighted": 1.0,
        }
        for at, (true_person, probability, right) in enumerate(given)
    ]


def test_one_wrong_link_of_two_hundred_is_half_a_per_cent() -> None:
    rows = rows_of(*((at, 0.99, at > 0) for at in range(200)), *((200 + at, 0.4, True) for at in range(50)))
    assert false_links(frame(rows), 0.9, "weight") == Rate(1 / 200, 200.0)
    assert missed_links(frame(rows), 0.9, "weight") == Rate(51 / 250, 250.0)


def test_the_rows_of_one_person_are_one_case() -> None:
    apart = false_links(frame(rows_of(*((at, 0.99, True) for at in range(8)))), 0.9, "weight")
    twice = false_links(frame(rows_of(*((at // 2, 0.99, True) for at in range(8)))), 0.9, "weight")
    assert (apart.cases, twice.cases) == (8.0, 4.0)


def test_rows_with_a_doubtful_number_do_not_count() -> None:
    sound = rows_of((0, 0.99, True), (1, 0.99, True))
    doubtful = rows_of((2, 0.99, False), (3, 0.99, False), doubtful=True)
    assert false_links(frame(sound + doubtful), 0.9, "weight") == Rate(0.0, 2.0)
    assert missed_links(frame(sound + doubtful), 0.9, "weight") == Rate(0.0, 2.0)
    ((_, _, _, right),) = calibration(frame(sound + doubtful), "weight")
    assert right == Rate(1.0, 2.0)


def test_a_probability_of_a_half_is_no_link() -> None:
    rows = frame(rows_of((0, 0.5, True)))
    assert false_links(rows, 0.5, "weight").rate is None
    assert missed_links(rows, 0.5, "weight").rate == 1.0


def test_the_interval_is_for_the_given_number_of_links() -> None:
    rate = Rate(0.02, 350.0)
    assert rate.events == pytest.approx(7.0)
    assert rate.interval(800) == among_links(7.0, 350.0, 800)
    assert Rate(None, 0.0).interval(800) == (0.0, 1.0)


@settings(max_examples=15)
@given(ROWS)
def test_the_curve_has_the_rates_of_each_threshold_and_of_the_chosen_one(rows: list[Row]) -> None:
    curve = list(threshold_curve(frame(rows), 0.61, "reweighted"))
    thresholds = [threshold for threshold, _, _ in curve]
    assert thresholds == sorted({*thresholds, 0.61})
    assert thresholds[0] == 0.5
    for threshold, wrong, missed in curve:
        assert wrong == false_links(frame(rows), threshold, "reweighted")
        assert missed == missed_links(frame(rows), threshold, "reweighted")
    rates = [missed.rate or 0.0 for _, _, missed in curve]
    assert all(low <= high + 1e-12 for low, high in itertools.pairwise(rates))


@given(ROWS)
def test_calibration_equals_that_of_a_loop(rows: list[Row]) -> None:
    edges = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
    expected = {}
    for low, high in itertools.pairwise(edges):
        inside = [
            row
            for row in rows
            if not row["doubtful"]
            and row["probability"] > 0
            and low <= row["probability"]
            and (row["probability"] < high or high == 1.0)
        ]
        rate = slow_rate(inside, lambda row: row["right"], "reweighted")
        if rate.rate is not None:
            weight = sum(row["reweighted"] for row in inside)
            mean = sum(row["reweighted"] * row["probability"] for row in inside) / weight
            expected[low, high] = mean, rate
    found = {(low, high): (mean, rate) for low, high, mean, rate in calibration(frame(rows), "reweighted")}
    assert found.keys() == expected.keys()
    for ends, (mean, rate) in expected.items():
        assert found[ends][0] == pytest.approx(mean)
        assert same(found[ends][1], rate)
