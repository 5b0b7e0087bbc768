"""Rates of false and missed links, compared with loops over the rows."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.self_test.intervals import exact_interval, predicted_count
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import (
    Rate,
    calibration,
    false_links,
    missed_in_run,
    missed_links,
    rate_of,
    threshold_curve,
)

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
    """The rate, and its cases by the formulae of Kish and of Korn and Graubard, person by person."""
    of_person: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        of_person[row["true_person"]].append(row)
    total = math.fsum(row[weight] for row in rows)
    if total == 0:
        return Rate(None, 0.0)
    rate = math.fsum(row[weight] for row in rows if event(row)) / total
    kish = total**2 / math.fsum(sum(row[weight] for row in its) ** 2 for its in of_person.values())
    deviations = [sum(row[weight] * (event(row) - rate) for row in its) for its in of_person.values()]
    variance = math.fsum(each**2 for each in deviations) / total**2
    if 0 < rate < 1 and variance > 1e-20:
        return Rate(rate, min(kish, rate * (1 - rate) / variance))
    return Rate(rate, kish)


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
    assert same(false_links(frame(rows), 0.9, "weight"), Rate(1 / 200, 200.0))
    assert same(missed_links(frame(rows), 0.9, "weight"), Rate(51 / 250, 250.0))


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


def test_a_rate_has_an_interval_and_predicts_a_count() -> None:
    rate = Rate(0.02, 350.0)
    assert rate.interval() == tuple(float(end[0]) for end in exact_interval(np.array([0.02]), np.array([350.0])))
    assert rate.predicted(800) == predicted_count(7.0, 350.0, 800)
    assert Rate(None, 0.0).interval() == (0.0, 1.0)
    assert Rate(0.0, 2680.0).interval() == (0.0, pytest.approx(0.001376, abs=1e-6))


def test_events_of_few_heavy_persons_are_known_less_precisely() -> None:
    """Half of the weight is on ten persons, all of whose links are wrong."""
    light = rows_of(*((at, 0.99, True) for at in range(100)))
    heavy = [row | {"weight": 10.0} for row in rows_of(*((100 + at, 0.99, False) for at in range(10)))]
    rate = false_links(frame(light + heavy), 0.9, "weight")
    assert rate.rate == 0.5
    assert rate.cases == pytest.approx(0.25 / (1100 * 0.25 / 200**2))


def test_missed_links_of_a_run_are_those_listed_less_those_found() -> None:
    tested = Rate(0.05, 300.0)
    assert missed_in_run(90, 0.1, 100.0, tested) == Rate(pytest.approx(0.19), 300.0)
    # More links than listed persons, by chance: none is missed.
    assert missed_in_run(101, 0.0, 100.0, tested) == Rate(0.0, 300.0)
    assert missed_in_run(0, 0.0, 100.0, tested) == Rate(1.0, 300.0)
    assert missed_in_run(0, 0.0, 0.0, tested) == missed_in_run(9, 0.0, 10.0, Rate(None, 0.0)) == Rate(None, 0.0)


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


def test_weights_so_small_that_their_squares_are_nothing_give_no_rate() -> None:
    rows = pl.DataFrame({"true_person": [0, 1], "weight": [1e-200, 1e-200]})
    assert rate_of(rows, pl.Series([True, False]), "weight") == Rate(None, 0.0)
