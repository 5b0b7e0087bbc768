"""The person of each record, compared with decision 9 of the design written out in plain numbers."""

import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.decisions.listed_share import estimate_pi
from linkcore.linkage.decisions.persons import (
    Assignment,
    decide,
    listed_chances,
    probabilities,
    weigh,
)

CANDIDATES = pl.Schema({"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64})
RECORDS = pl.Schema({"record": pl.UInt32, "source": pl.Int32})

PERSONS = 1000


def candidates_of(weights: dict[tuple[int, int], float]) -> pl.DataFrame:
    rows = [(record, person, weight) for (record, person), weight in weights.items()]
    return pl.DataFrame(rows, schema=CANDIDATES, orient="row")


def records_of(sources: Sequence[int]) -> pl.DataFrame:
    return pl.DataFrame({"record": range(len(sources)), "source": sources}, schema=RECORDS)


def decided(
    candidates: pl.DataFrame,
    records: pl.DataFrame,
    *,
    accept: float,
    exclusive: frozenset[int] = frozenset(),
    taken: pl.DataFrame | None = None,
) -> tuple[Assignment, dict[int, float]]:
    """Estimate π and decide, as the fallback does."""
    evidence = weigh(candidates, records, persons=PERSONS, taken=taken)
    pi = estimate_pi(evidence.totals())
    return decide(evidence, pi, accept=dict.fromkeys(pi, accept), exclusive=exclusive), pi


def slow_pi(weights: dict[tuple[int, int], float], records: Sequence[int], leaning: float) -> float:
    pi, n = leaning, len(records)
    for _ in range(1000):
        explained = 0.0
        for record in records:
            likelihood = sum(2**w / PERSONS for (r, _), w in weights.items() if r == record)
            explained += pi * likelihood / (pi * likelihood + 1 - pi)
        pi = min(max((explained + leaning) / (n + 1), 0.5 / (n + 1)), (n + 0.5) / (n + 1))
    return pi


SOURCES = st.lists(st.integers(0, 2), min_size=1, max_size=6)
WEIGHTS = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 4)), st.integers(-20, 40).map(float), max_size=12)


@settings(max_examples=25)
@given(SOURCES, WEIGHTS)
def test_probabilities_are_those_of_decision_9(sources: list[int], drawn: dict[tuple[int, int], float]) -> None:
    weights = {pair: weight for pair, weight in drawn.items() if pair[0] < len(sources)}
    found, pi_of = decided(candidates_of(weights), records_of(sources), accept=0.9)
    pooled = slow_pi(weights, range(len(sources)), 0.5)
    for source in set(sources):
        pi = slow_pi(weights, [record for record, other in enumerate(sources) if other == source], pooled)
        assert pi_of[source] == pytest.approx(pi, abs=1e-3)
    for record, person, weight, probability in found.candidates.iter_rows():
        pi = pi_of[sources[record]]
        against = 1 - pi + sum(pi / PERSONS * 2**w for (r, _), w in weights.items() if r == record)
        assert probability == pytest.approx(pi / PERSONS * 2**weight / against, rel=1e-9)
        assert weight == weights[record, person]
    best = {record: probability for record, _, _, probability in found.accepted.iter_rows()}
    assert len(best) == found.accepted.height
    accepted = found.candidates.filter(pl.col("probability") >= 0.9)
    assert best == dict(accepted.select("record", "probability").iter_rows())


def test_neither_of_two_twins_is_accepted() -> None:
    weights = {(0, 1): 60.0, (0, 2): 60.0, (1, 1): 60.0, (1, 2): 50.0}
    found, _ = decided(candidates_of(weights), records_of([0, 0]), accept=0.5)
    assert (found.candidates.filter(record=0)["probability"] <= 0.5).all()
    assert found.accepted.select("record", "person").rows() == [(1, 1)]


def test_enormous_weights_do_not_overflow() -> None:
    found, _ = decided(candidates_of({(0, 1): 900.0, (0, 2): -900.0}), records_of([0]), accept=0.9)
    assert found.candidates["probability"].to_list() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({(0, 7): 40.0, (1, 7): 30.0}, [(0, 7)]),  # the better of two
        ({(0, 7): 40.0, (1, 7): 40.0}, []),  # two as good as each other
        ({(0, 7): 40.0, (1, 7): 39.0}, []),  # nearly as good as each other
        ({(0, 7): 40.0, (1, 8): 40.0}, [(0, 7), (1, 8)]),
    ],
)
def test_in_a_source_of_one_record_a_person_rivals_are_not_linked(
    weights: dict[tuple[int, int], float], expected: list[tuple[int, int]]
) -> None:
    for exclusive, accepted in ((frozenset({0}), expected), (frozenset({1}), list(weights))):
        found, _ = decided(candidates_of(weights), records_of([0, 0]), accept=0.9, exclusive=frozenset(exclusive))
        assert found.accepted.select("record", "person").rows() == accepted


def test_a_person_who_is_taken_is_no_candidate() -> None:
    taken = pl.DataFrame({"source": [0], "person": [7]}, schema={"source": pl.Int32, "person": pl.UInt32})
    weights = {(0, 7): 60.0, (0, 8): 40.0, (1, 7): 60.0}
    found, _ = decided(candidates_of(weights), records_of([0, 1]), accept=0.9, taken=taken)
    assert found.accepted.select("record", "person").rows() == [(0, 8), (1, 7)]


@settings(max_examples=25)
@given(SOURCES, WEIGHTS, st.floats(0.01, 0.99), st.floats(0, 0.5))
def test_evidence_can_be_used_again_with_another_pi_and_threshold(
    sources: list[int], drawn: dict[tuple[int, int], float], pi: float, unseen: float
) -> None:
    candidates = candidates_of({pair: weight for pair, weight in drawn.items() if pair[0] < len(sources)})
    records, shares = records_of(sources), dict.fromkeys(range(3), pi)
    evidence = weigh(candidates, records, persons=PERSONS)
    for share in (0.0, unseen):
        unseen_persons = pl.repeat(share, records.height, eager=True)
        for threshold in (0.5, 0.9):
            accept = dict.fromkeys(shares, threshold)
            anew = weigh(candidates, records, persons=PERSONS)
            again = decide(evidence, shares, accept=accept, unseen=unseen_persons)
            once = decide(anew, shares, accept=accept, unseen=unseen_persons)
            assert again.candidates.equals(once.candidates)
            assert again.accepted.equals(once.accepted)
            assert probabilities(evidence, shares, unseen_persons).equals(once.candidates["probability"])
            listed = listed_chances(evidence, shares, unseen_persons)
            assert listed.equals(listed_chances(anew, shares, unseen_persons))


@settings(max_examples=25)
@given(SOURCES, WEIGHTS, st.sets(st.tuples(st.integers(0, 1), st.integers(0, 4))))
def test_a_taken_person_changes_no_other_probability(
    sources: list[int], drawn: dict[tuple[int, int], float], taken: set[tuple[int, int]]
) -> None:
    weights = {pair: weight for pair, weight in drawn.items() if pair[0] < len(sources)}
    left = {(r, p): weight for (r, p), weight in weights.items() if (sources[r], p) not in taken}
    removed = pl.DataFrame(sorted(taken), schema={"source": pl.Int32, "person": pl.UInt32}, orient="row")
    one, _ = decided(candidates_of(weights), records_of(sources), accept=0.9, taken=removed)
    other, _ = decided(candidates_of(left), records_of(sources), accept=0.9)
    assert one.candidates.equals(other.candidates)
    assert one.accepted.equals(other.accepted)


@settings(max_examples=25)
@given(SOURCES, WEIGHTS, st.randoms())
def test_the_order_of_rows_does_not_matter(
    sources: list[int], weights: dict[tuple[int, int], float], chance: random.Random
) -> None:
    pairs = [item for item in weights.items() if item[0][0] < len(sources)]
    shuffled = sorted(pairs, key=lambda _: chance.random())
    (one, one_pi), (other, other_pi) = (
        decided(candidates_of(dict(each)), records_of(sources), accept=0.9) for each in (pairs, shuffled)
    )
    assert one.candidates.equals(other.candidates)
    assert one_pi == other_pi


def test_of_two_records_of_two_persons_only_the_likelier_is_of_their_candidate() -> None:
    candidates = pl.DataFrame(
        {"record": [0, 1, 2, 3], "person": [7, 7, 7, 8], "weight": [30.0, 31.0, 29.0, 30.0]},
        schema_overrides={"record": pl.UInt32, "person": pl.UInt32},
    )
    records = pl.DataFrame({"record": range(4), "source": [0] * 4}, schema_overrides={"record": pl.UInt32})
    evidence = weigh(candidates, records, persons=1000)
    apart = pl.DataFrame({"a": [0, 0], "b": [1, 3]}, schema={"a": pl.UInt32, "b": pl.UInt32})
    assert decide(evidence, {0: 0.5}, accept={0: 0.9}).accepted["record"].to_list() == [0, 1, 2, 3]
    assert decide(evidence, {0: 0.5}, accept={0: 0.9}, apart=apart).accepted["record"].to_list() == [1, 2, 3]
    tie = pl.DataFrame({"a": [3, 0], "b": [0, 1]}, schema={"a": pl.UInt32, "b": pl.UInt32})
    equal = weigh(candidates.with_columns(weight=30.0, person=pl.lit(7, pl.UInt32)), records, persons=1000)
    assert decide(equal, {0: 0.5}, accept={0: 0.9}, apart=tie).accepted["record"].to_list() == [2]


def test_who_is_decided_not_to_be_the_person_leaves_its_chance_to_the_others() -> None:
    twins = pl.DataFrame({"record": [0, 0], "person": [7, 8], "weight": [30.0, 30.0]})
    records = pl.DataFrame({"record": [0], "source": [0]})
    not_of = pl.DataFrame({"record": [0], "person": [7]})
    assert decide(weigh(twins, records, persons=1000), {0: 0.5}, accept={0: 0.9}).accepted.is_empty()
    found = decide(weigh(twins, records, persons=1000, not_of=not_of), {0: 0.5}, accept={0: 0.9})
    assert found.accepted["person"].to_list() == [8]
    assert found.candidates["person"].to_list() == [8]
