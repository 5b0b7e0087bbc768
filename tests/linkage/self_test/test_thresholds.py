"""Thresholds, compared with trying every probability seen and counting each rate anew."""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.thresholds import Threshold, choose_thresholds


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


def open_records(probabilities: dict[int, Sequence[float]]) -> pl.DataFrame:
    """Best candidates of records without a number, by source."""
    pairs = [(source, each) for source, its in probabilities.items() for each in its]
    return pl.DataFrame(pairs, schema={"source": pl.Int32, "probability": pl.Float64}, orient="row")


def surely(records: dict[int, int]) -> pl.DataFrame:
    """So many records without a number in each source, all of which are sure to be linked rightly."""
    return open_records({source: [1.0] * size or [0.0] for source, size in records.items()})


def upper(events: float, trials: float) -> float:
    """Upper end of the exact interval, by its textbook formula."""
    return float(beta.ppf(0.975, events + 1, trials - events)) if events < trials else 1.0


def lower(rate: float, cases: float) -> float:
    return float(beta.ppf(0.025, rate * cases, cases - rate * cases + 1)) if rate else 0.0


def in_all(accepted: Sequence[Row], weights: dict[Row, float]) -> tuple[float, float, float]:
    """Sum of all weights, sum of the weights of wrong links, and effective number of persons."""
    of_person: dict[int, float] = defaultdict(float)
    for each in accepted:
        of_person[each.true_person] += weights[each]
    total = sum(weights[each] for each in accepted)
    wrong = sum(weights[each] for each in accepted if not each.right)
    return total, wrong, total**2 / sum(weight**2 for weight in of_person.values())


def possible(rows: Sequence[Row]) -> list[Row]:
    return [each for each in rows if each.probability > 0.5 and not each.doubtful and each.reweighted]


def by_threshold(rows: Sequence[Row], weights: dict[Row, float]) -> list[tuple[float, float, float, float]]:
    """Each probability seen, the lowest first; its weight, false weight, and cases."""
    found, fewest = [], float("inf")
    for at in sorted({each.probability for each in rows}):
        accepted = [each for each in rows if each.probability >= at]
        total, wrong, cases = in_all(accepted, weights)
        fewest = min(fewest, cases)
        found.append((at, total, wrong, fewest))
    return found


def slow_certified(rows: Sequence[Row], weights: dict[Row, float], rate: float) -> float | None:
    for at, total, wrong, cases in by_threshold(rows, weights):
        if upper(wrong / total * cases, cases) <= rate:
            return at
    return None


def lowest(found: Sequence[tuple[float, bool]]) -> float:
    """The lowest probability that holds; 0.5 if it is the lowest of all, the highest if none holds."""
    for at, holds in sorted(found):
        if holds:
            return 0.5 if at == min(found)[0] else at
    return max((at for at, _ in found), default=0.5)


def slow_seen(rows: Sequence[Row], weights: dict[Row, float], rate: float) -> float:
    return lowest([(at, wrong / total <= rate) for at, total, wrong, _ in by_threshold(rows, weights)])


def slow_proven(rows: Sequence[Row], weights: dict[Row, float], rate: float) -> float:
    return lowest(
        [(at, lower(wrong / total, cases) <= rate) for at, total, wrong, cases in by_threshold(rows, weights)]
    )


def slow_expected(to_link: Sequence[float], rate: float) -> float:
    """The lowest probability so that the false links that all of at least this probability predict are few enough."""
    found = []
    for at in set(to_link):
        accepted = [each for each in to_link if each >= at]
        found.append((at, sum(1 - each for each in accepted) <= max(rate * len(accepted), 0.5)))
    return 1 - rate if found and not any(holds for _, holds in found) else lowest(found)


def slow_choice(rows: Sequence[Row], to_link: dict[int, Sequence[float]], rate: float) -> dict[int, Threshold]:
    if not rows:
        return {source: Threshold(0.5, "no labels") for source in to_link}
    rows = possible(rows)
    to_link = {source: [each for each in its if each > 0.5] for source, its in to_link.items()}
    own = {each: each.reweighted for each in rows}
    of_source = {source: sum(each.reweighted for each in rows if each.source == source) for source in to_link}
    counted = [each for each in rows if to_link.get(each.source)]
    pooled = {each: each.reweighted / of_source[each.source] * len(to_link[each.source]) for each in counted}
    certified = slow_certified(counted, pooled, rate)
    of_all = [
        (slow_expected([each for its in to_link.values() for each in its], rate), "expected"),
        (slow_seen(counted, pooled, rate), "seen"),
    ]
    chosen = {}
    for source, wanted in to_link.items():
        its = [each for each in rows if each.source == source]
        proven = slow_proven(its, own, rate)
        estimates = [*of_all, (slow_expected(wanted, rate), "expected"), (proven, "seen")]
        accept, basis = max(estimates, key=lambda each: each[0])
        certificates = [(max(certified, proven), "pooled")] if certified is not None and its else []
        if (by_own := slow_certified(its, own, rate)) is not None:
            certificates.append((by_own, "own"))
        if certificates:
            bar, of_bar = min(certificates, key=lambda each: each[0])
            if bar <= accept:
                accept, basis = bar, of_bar
            elif not any(accept <= each.probability < bar for each in its):
                basis = of_bar
        chosen[source] = Threshold(accept, basis)  # type: ignore[arg-type]
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
    to_link = {
        source: [chance.randrange(40, 101) / 100 for _ in range(chance.randrange(40))] or [0.0]
        for source in range(sources)
    }
    found = choose_thresholds(frame(rows), open_records(to_link), max_false_link_rate=rate)
    expected = slow_choice(rows, to_link, rate)
    assert {source: each.accept for source, each in found.items()} == pytest.approx(
        {source: each.accept for source, each in expected.items()}, abs=1e-6
    )
    assert {source: each.basis for source, each in found.items()} == {
        source: each.basis for source, each in expected.items()
    }
    shuffled = frame(rows).sample(fraction=1, shuffle=True, seed=1)
    assert choose_thresholds(shuffled, open_records(to_link), max_false_link_rate=rate) == found


@settings(max_examples=60)
@given(st.integers(1, 2000), st.floats(0.002, 0.05), st.integers(0, 2**32))
def test_a_threshold_never_certifies_what_a_lower_one_with_the_same_false_links_does_not(
    size: int, rate: float, seed: int
) -> None:
    """Heavy links drop out first: their number of effective cases rises with the threshold."""
    chance = random.Random(seed)
    rows = [
        row(at, round(1 - 0.4 * chance.random(), 6), weight=20.0 if chance.random() < 0.05 else 1.0)
        for at in range(size)
    ]
    rows = [each._replace(probability=each.probability - 0.05) if each.reweighted > 1 else each for each in rows]
    (found,) = choose_thresholds(frame(rows), surely({0: 10}), max_false_link_rate=rate).values()
    _, _, cases = in_all(rows, {each: each.reweighted for each in rows})
    # No link is false, so the lowest threshold is certified, or none is.
    assert found == Threshold(0.5, "pooled" if upper(0, cases) <= rate else "expected")


@pytest.mark.parametrize(("clean", "basis"), [(1843, "pooled"), (1842, "seen")])
def test_certifying_one_in_500_needs_1843_links_without_an_error(clean: int, basis: str) -> None:
    rows = frame([row(at, 0.9999) for at in range(clean)] + [row(5000 + at, 0.6, right=False) for at in range(9)])
    (found,) = choose_thresholds(rows, surely({0: 10}), max_false_link_rate=0.002).values()
    assert found == Threshold(0.9999, basis)  # type: ignore[arg-type]


def test_a_source_keeps_its_own_threshold_if_that_of_all_sources_is_higher() -> None:
    good = [row(at, 0.9) for at in range(400)]
    bad = [row(1000 + at, 0.9, right=at % 4 > 0, source=1) for at in range(400)]
    bad += [row(2000 + at, 0.99, source=1) for at in range(400)]
    found = choose_thresholds(frame(good + bad), surely({0: 100, 1: 100}), max_false_link_rate=0.02)
    assert found == {0: Threshold(0.9, "own"), 1: Threshold(0.99, "pooled")}


def test_a_source_with_few_records_gets_the_threshold_of_all_sources() -> None:
    many = [row(at, 0.9) for at in range(400)] + [row(1000 + at, 0.7, right=at % 4 > 0) for at in range(100)]
    few = [row(2000 + at, 0.8, source=1) for at in range(5)]
    found = choose_thresholds(frame(many + few), surely({0: 99, 1: 1, 2: 50}), max_false_link_rate=0.02)
    assert found[1] == Threshold(0.8, "pooled")
    # No test is about source 2, so no certificate is.
    assert found[2] == Threshold(0.8, "seen")


def test_the_threshold_of_all_sources_is_raised_for_a_source_with_too_many_false_links() -> None:
    many = [row(at, 0.9) for at in range(2000)]
    wrong = [row(5000 + at, 0.8, right=False, source=1) for at in range(20)]
    wrong += [row(6000 + at, 0.95, source=1) for at in range(400)]
    found = choose_thresholds(frame(many + wrong), surely({0: 1000, 1: 10}), max_false_link_rate=0.02)
    assert found == {0: Threshold(0.5, "pooled"), 1: Threshold(0.95, "pooled")}


def test_each_source_counts_by_its_records_without_a_number() -> None:
    good = [row(at, 0.9) for at in range(1000)]
    bad = [row(1000 + at, 0.9, right=at % 2 > 0, source=1) for at in range(1000)]
    by_size = {
        share: choose_thresholds(frame(good + bad), surely({0: 1000, 1: share}), max_false_link_rate=0.02)[0].basis
        for share in (1, 1000)
    }
    assert by_size == {1: "pooled", 1000: "own"}


def test_without_enough_tested_links_the_probabilities_of_the_records_to_be_linked_decide() -> None:
    tested = frame([row(at, 0.9999) for at in range(50)])
    to_link = open_records({0: [0.999] * 1000 + [0.9, 0.8, 0.6]})
    (found,) = choose_thresholds(tested, to_link, max_false_link_rate=0.002).values()
    # 1000 x 0.001 + 0.1 + 0.2 + 0.4 = 1.7 false links of 1003 are expected.
    assert found == Threshold(0.5, "expected")
    (found,) = choose_thresholds(tested, to_link, max_false_link_rate=0.0012).values()
    assert found == Threshold(0.9, "expected")


def test_a_source_of_few_links_may_expect_half_a_false_link() -> None:
    tested = frame([row(at, 0.9999) for at in range(50)])
    to_link = open_records({0: [0.9999] * 2000, 1: [0.99] * 8 + [0.8, 0.7, 0.6]})
    found = choose_thresholds(tested, to_link, max_false_link_rate=0.002)
    assert found == {0: Threshold(0.5, "expected"), 1: Threshold(0.8, "expected")}


def test_without_enough_tested_links_those_seen_must_be_right_too() -> None:
    tested = frame([*(row(at, 0.95) for at in range(100)), row(100, 0.9, right=False), row(101, 0.85)])
    (found,) = choose_thresholds(tested, surely({0: 100}), max_false_link_rate=0.002).values()
    assert found == Threshold(0.95, "seen")


def test_a_threshold_of_nearly_one_is_not_rounded_to_where_nothing_was_certified() -> None:
    surest, nearly = 1 - 2e-7, 1 - 3e-7
    tested = [row(at, surest) for at in range(2000)] + [row(3000 + at, nearly, right=False) for at in range(20)]
    (found,) = choose_thresholds(frame(tested), surely({0: 100}), max_false_link_rate=0.002).values()
    assert found.basis == "pooled"
    assert nearly < found.accept <= surest


def test_heavy_links_that_are_less_probable_cannot_make_the_rest_look_like_more() -> None:
    """The fault that cost a fifth of the links of small areas: a threshold of 0.999999, certified for other sources."""
    light = [row(at, 0.9999999) for at in range(1900)]
    heavy = [row(5000 + at, 0.99, source=1, weight=30.0) for at in range(60)]
    to_link = open_records({0: [0.9999] * 500, 1: [0.999] * 500})
    found = choose_thresholds(frame(light + heavy), to_link, max_false_link_rate=0.002)
    assert found == {0: Threshold(0.5, "own"), 1: Threshold(0.5, "expected")}


def test_without_labels_every_threshold_is_a_half() -> None:
    nobody = Outcomes.none().rows
    assert choose_thresholds(nobody, surely({3: 5}), max_false_link_rate=0.002) == {3: Threshold(0.5, "no labels")}


def test_without_candidates_nothing_is_certified() -> None:
    rows = frame([row(at, 0.0, right=False) for at in range(10)])
    assert choose_thresholds(rows, surely({0: 5}), max_false_link_rate=0.1) == {0: Threshold(0.5, "expected")}


def test_a_threshold_is_rounded_down_so_that_its_own_row_is_accepted() -> None:
    seen = 0.912345678
    rows = frame([row(at, seen) for at in range(100)] + [row(1000 + at, 0.6, right=False) for at in range(9)])
    (found,) = choose_thresholds(rows, surely({0: 5}), max_false_link_rate=0.05).values()
    assert found.accept == 0.9123456
    assert found.accept <= seen


def test_rows_without_weight_change_nothing() -> None:
    rows = [row(at, 0.9) for at in range(100)] + [row(1000 + at, 0.6, right=False) for at in range(20)]
    for_nobody = [row(2000, 0.9999, right=False, weight=0.0)]
    with_and_without = [
        choose_thresholds(frame(each), surely({0: 5}), max_false_link_rate=rate)
        for rate in (0.05, 0.001)
        for each in (rows, rows + for_nobody)
    ]
    assert with_and_without[0] == with_and_without[1]
    assert with_and_without[2] == with_and_without[3]


def test_a_source_whose_rows_have_no_weight_gets_the_threshold_of_all_sources() -> None:
    """All its open records are conflicts, and so none is without a number."""
    rows = [row(at, 0.9) for at in range(100)] + [row(1000 + at, 0.6, right=False) for at in range(20)]
    for_nobody = [row(2000 + at, 0.8, source=1, weight=0.0) for at in range(50)]
    found = choose_thresholds(frame(rows + for_nobody), surely({0: 5, 1: 0}), max_false_link_rate=0.05)
    assert found == {0: Threshold(0.9, "pooled"), 1: Threshold(0.9, "seen")}
    nothing = choose_thresholds(frame(for_nobody), surely({1: 0}), max_false_link_rate=0.05)
    assert nothing == {1: Threshold(0.5, "expected")}


def test_a_certified_threshold_that_is_higher_than_the_estimates_ask_for_is_not_taken() -> None:
    """With fewer surest links nothing is certified; more of them must not lead to fewer links."""
    likely = [row(at, 0.9, right=at > 1) for at in range(400)]
    few, many = ([row(1000 + at, 0.9999) for at in range(size)] for size in (1100, 1500))
    for surest in (few, many):
        (found,) = choose_thresholds(frame(likely + surest), surely({0: 100}), max_false_link_rate=0.003).values()
        assert found == Threshold(0.5, "expected")


def test_a_certificate_is_not_about_records_unlike_all_that_were_tested() -> None:
    tested = frame([row(at, 0.999) for at in range(4000)])
    to_link = open_records({0: [0.9999] * 500 + [0.55] * 400, 1: [0.6] * 5000})
    found = choose_thresholds(tested, to_link, max_false_link_rate=0.002)
    assert found == {0: Threshold(0.999, "pooled"), 1: Threshold(0.9999, "expected")}


def test_where_no_threshold_is_good_enough_only_the_surest_are_accepted() -> None:
    tested = frame([row(at, 0.99, right=at % 30 > 0) for at in range(300)])
    (found,) = choose_thresholds(tested, surely({0: 10}), max_false_link_rate=0.002).values()
    assert found == Threshold(0.99, "seen")
    (found,) = choose_thresholds(tested, open_records({0: [0.6] * 5000}), max_false_link_rate=0.002).values()
    assert found == Threshold(0.998, "expected")


def test_one_false_link_of_few_does_not_raise_the_threshold_of_a_source() -> None:
    sure = [row(at, 0.99) for at in range(4000)]
    few = [row(5000 + at, 0.95, right=at > 0, source=1) for at in range(300)]
    found = choose_thresholds(frame(sure + few), surely({0: 2000, 1: 200}), max_false_link_rate=0.005)
    assert found[1] == Threshold(0.5, "pooled")
    many_false = [each._replace(right=each.record % 10 > 0) for each in few]
    found = choose_thresholds(frame(sure + many_false), surely({0: 2000, 1: 20}), max_false_link_rate=0.005)
    assert found[1] == Threshold(0.95, "pooled")
