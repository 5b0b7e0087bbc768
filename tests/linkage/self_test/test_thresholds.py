"""Thresholds, compared with trying every probability seen and counting each rate anew."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.thresholds import Threshold, choose_thresholds

Z = NormalDist().inv_cdf(0.975)


class Row(NamedTuple):
    record: int
    true_person: int
    source: int
    listed: bool
    probability: float
    right: bool
    doubtful: bool
    reweighted: float


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    columns = Outcomes.none().rows.schema
    made = pl.DataFrame(rows, schema=list(Row._fields), orient="row")
    return made.with_columns(chooses=True, weight=pl.lit(1.0)).select(*columns).cast(dict(columns))


def row(at: int, probability: float, *, right: bool = True, source: int = 0, weight: float = 1.0) -> Row:
    return Row(at, at, source, True, probability, right, False, weight)


def upper(events: float, trials: float) -> float:
    """Upper end of the score interval, by its textbook formula."""
    centre = (events + Z**2 / 2) / (trials + Z**2)
    half = Z / (trials + Z**2) * math.sqrt(events * (trials - events) / trials + Z**2 / 4)
    return centre + half


def in_all(accepted: Sequence[Row], weights: dict[Row, float]) -> tuple[float, float, float]:
    """Sum of all weights, sum of the weights of wrong links, and effective number of persons."""
    of_person: dict[int, float] = defaultdict(float)
    for each in accepted:
        of_person[each.true_person] += weights[each]
    total = sum(weights[each] for each in accepted)
    wrong = sum(weights[each] for each in accepted if not each.right)
    return total, wrong, total**2 / sum(weight**2 for weight in of_person.values())


def possible(rows: Sequence[Row]) -> list[Row]:
    return [each for each in rows if each.probability > 0.5 and not each.doubtful]


def as_threshold(at: float, rows: Sequence[Row]) -> float:
    return 0.5 if at == min(each.probability for each in rows) else max(math.floor(at * 1e6) / 1e6, 0.5)


def slow_lowest(rows: Sequence[Row], weights: dict[Row, float], rate: float) -> float | None:
    rows = possible(rows)
    for at in sorted({each.probability for each in rows}):
        total, wrong, cases = in_all([each for each in rows if each.probability >= at], weights)
        if upper(wrong / total * cases, cases) <= rate:
            return as_threshold(at, rows)
    return None


def slow_lowest_seen(rows: Sequence[Row], weights: dict[Row, float], rate: float, *, expecting: bool) -> float:
    rows = possible(rows)
    if not rows:
        return 0.5
    for at in sorted({each.probability for each in rows}):
        accepted = [each for each in rows if each.probability >= at]
        total, wrong, _ = in_all(accepted, weights)
        expected = sum(weights[each] * (1 - each.probability) for each in accepted)
        if wrong / total <= rate and (not expecting or expected / total <= rate):
            return as_threshold(at, rows)
    return as_threshold(max(each.probability for each in rows), rows)


def slow_choice(rows: Sequence[Row], numberless: dict[int, int], rate: float) -> dict[int, Threshold]:
    if not rows:
        return {source: Threshold(0.5, "no labels") for source in numberless}
    own = {each: each.reweighted for each in rows}
    of_source = {source: sum(each.reweighted for each in rows if each.source == source) for source in numberless}
    pooled = {each: each.reweighted / of_source[each.source] * numberless[each.source] for each in rows}
    certified = slow_lowest(rows, pooled, rate)
    of_all = (
        Threshold(slow_lowest_seen(rows, pooled, rate, expecting=True), "not certified")
        if certified is None
        else Threshold(certified, "pooled")
    )
    chosen = {}
    for source in numberless:
        its = [each for each in rows if each.source == source]
        at = slow_lowest(its, own, rate)
        if not its:
            chosen[source] = of_all
            continue
        shared = max(of_all.accept, slow_lowest_seen(its, own, rate, expecting=False))
        alone = at is not None and (at < shared or of_all.basis == "not certified")
        chosen[source] = Threshold(at, "own") if at is not None and alone else Threshold(shared, of_all.basis)
    return chosen


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(1, 3), st.floats(0.01, 0.3), st.integers(0, 2**32))
def test_the_threshold_is_the_lowest_probability_seen_at_which_the_bound_holds(
    size: int, sources: int, rate: float, seed: int
) -> None:
    chance = random.Random(seed)
    rows = [
        Row(
            record=at,
            true_person=chance.randrange(max(size // 2, 1)),
            source=chance.randrange(sources),
            listed=chance.random() < 0.5,
            # Few values, so that several rows share one; and fewer wrong the higher it is.
            probability=(probability := chance.randrange(40, 101) / 100),
            right=chance.random() < 1 - (1 - probability) / 3,
            doubtful=chance.random() < 0.05,
            reweighted=chance.choice([0.25, 0.5, 1.0, 2.0]),
        )
        for at in range(size)
    ]
    numberless = {source: 100 * (source + 1) for source in range(sources)}
    found = choose_thresholds(frame(rows), numberless, max_false_link_rate=rate)
    assert found == slow_choice(rows, numberless, rate)
    shuffled = frame(rows).sample(fraction=1, shuffle=True, seed=1)
    assert choose_thresholds(shuffled, numberless, max_false_link_rate=rate) == found


@pytest.mark.parametrize(("clean", "basis"), [(1917, "pooled"), (1916, "not certified")])
def test_certifying_one_in_500_needs_1917_links_without_an_error(clean: int, basis: str) -> None:
    rows = frame([row(at, 0.9999) for at in range(clean)] + [row(5000 + at, 0.6, right=False) for at in range(9)])
    (found,) = choose_thresholds(rows, {0: 10}, max_false_link_rate=0.002).values()
    assert found == Threshold(0.9999, basis)  # type: ignore[arg-type]


def test_a_source_keeps_its_own_threshold_if_that_of_all_sources_is_higher() -> None:
    good = [row(at, 0.9) for at in range(400)]
    bad = [row(1000 + at, 0.9, right=at % 4 > 0, source=1) for at in range(400)]
    bad += [row(2000 + at, 0.99, source=1) for at in range(400)]
    found = choose_thresholds(frame(good + bad), {0: 100, 1: 100}, max_false_link_rate=0.02)
    assert found == {0: Threshold(0.5, "own"), 1: Threshold(0.99, "pooled")}


def test_a_source_with_few_records_gets_the_threshold_of_all_sources() -> None:
    many = [row(at, 0.9) for at in range(400)] + [row(1000 + at, 0.7, right=at % 4 > 0) for at in range(100)]
    few = [row(2000 + at, 0.8, source=1) for at in range(5)]
    found = choose_thresholds(frame(many + few), {0: 99, 1: 1, 2: 50}, max_false_link_rate=0.02)
    assert found[1] == found[2] == Threshold(0.8, "pooled")


def test_the_threshold_of_all_sources_is_raised_for_a_source_with_too_many_false_links() -> None:
    many = [row(at, 0.9) for at in range(2000)]
    wrong = [row(5000 + at, 0.8, right=False, source=1) for at in range(20)]
    wrong += [row(6000 + at, 0.95, source=1) for at in range(400)]
    found = choose_thresholds(frame(many + wrong), {0: 1000, 1: 10}, max_false_link_rate=0.02)
    assert found == {0: Threshold(0.5, "pooled"), 1: Threshold(0.95, "pooled")}


def test_each_source_counts_by_its_records_without_a_number() -> None:
    good = [row(at, 0.9) for at in range(1000)]
    bad = [row(1000 + at, 0.9, right=at % 2 > 0, source=1) for at in range(1000)]
    by_size = {
        share: choose_thresholds(frame(good + bad), {0: 1000, 1: share}, max_false_link_rate=0.02)[0].basis
        for share in (1, 1000)
    }
    assert by_size == {1: "pooled", 1000: "own"}


def test_without_enough_links_the_predicted_rate_must_be_low_enough_too() -> None:
    rows = [row(0, 0.999), row(1, 0.99), row(2, 0.98), row(3, 0.6)]
    (found,) = choose_thresholds(frame(rows), {0: 10}, max_false_link_rate=0.01).values()
    assert found == Threshold(0.99, "not certified")
    (found,) = choose_thresholds(frame(rows), {0: 10}, max_false_link_rate=0.0001).values()
    assert found == Threshold(0.999, "not certified")


def test_without_labels_every_threshold_is_a_half() -> None:
    nobody = Outcomes.none().rows
    assert choose_thresholds(nobody, {3: 5}, max_false_link_rate=0.002) == {3: Threshold(0.5, "no labels")}


def test_without_candidates_nothing_is_certified() -> None:
    rows = frame([row(at, 0.0, right=False) for at in range(10)])
    assert choose_thresholds(rows, {0: 5}, max_false_link_rate=0.1) == {0: Threshold(0.5, "not certified")}


def test_a_threshold_is_rounded_down_so_that_its_own_row_is_accepted() -> None:
    seen = 0.912345678
    rows = frame([row(at, seen) for at in range(100)] + [row(1000 + at, 0.6, right=False) for at in range(9)])
    (found,) = choose_thresholds(rows, {0: 5}, max_false_link_rate=0.05).values()
    assert found.accept == 0.912345
    assert found.accept <= seen


def test_rows_without_weight_change_nothing() -> None:
    rows = [row(at, 0.9) for at in range(100)] + [row(1000 + at, 0.6, right=False) for at in range(20)]
    for_nobody = [row(2000, 0.9999, right=False, weight=0.0)]
    with_and_without = [
        choose_thresholds(frame(each), {0: 5}, max_false_link_rate=rate)
        for rate in (0.05, 0.001)
        for each in (rows, rows + for_nobody)
    ]
    assert with_and_without[0] == with_and_without[1]
    assert with_and_without[2] == with_and_without[3]


def test_a_source_whose_rows_have_no_weight_gets_the_threshold_of_all_sources() -> None:
    """All its open records are conflicts, and so none is without a number."""
    rows = [row(at, 0.9) for at in range(100)] + [row(1000 + at, 0.6, right=False) for at in range(20)]
    for_nobody = [row(2000 + at, 0.8, source=1, weight=0.0) for at in range(50)]
    found = choose_thresholds(frame(rows + for_nobody), {0: 5, 1: 0}, max_false_link_rate=0.05)
    assert found == dict.fromkeys((0, 1), Threshold(0.9, "pooled"))
    nothing = choose_thresholds(frame(for_nobody), {1: 0}, max_false_link_rate=0.05)
    assert nothing == {1: Threshold(0.5, "not certified")}
