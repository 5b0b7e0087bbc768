"""Assignment: against decision 9 written out in plain numbers, and against joining groups one pair at a time."""

import itertools
import math
import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.decisions.persons import (
    assign,
    components,
    decide,
    group,
    pair_odds,
    probabilities,
    weigh,
)

CANDIDATES = pl.Schema({"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64})
RECORDS = pl.Schema({"record": pl.UInt32, "source": pl.Int32})
ODDS = pl.Schema({"a": pl.UInt32, "b": pl.UInt32, "odds": pl.Float64})
PAIRS = pl.Schema({"a": pl.UInt32, "b": pl.UInt32, "weight": pl.Float64})

PERSONS = 1000


def candidates_of(weights: dict[tuple[int, int], float]) -> pl.DataFrame:
    rows = [(record, person, weight) for (record, person), weight in weights.items()]
    return pl.DataFrame(rows, schema=CANDIDATES, orient="row")


def records_of(sources: Sequence[int]) -> pl.DataFrame:
    return pl.DataFrame({"record": range(len(sources)), "source": sources}, schema=RECORDS)


def slow_pi(weights: dict[tuple[int, int], float], records: Sequence[int], leaning: float) -> float:
    pi, n = leaning, len(records)
    for _ in range(5000):
        explained = 0.0
        for record in records:
            likelihood = sum(2**w / PERSONS for (r, _), w in weights.items() if r == record)
            explained += pi * likelihood / (pi * likelihood + 1 - pi)
        pi = min(max((explained + leaning) / (n + 1), 0.5 / (n + 1)), (n + 0.5) / (n + 1))
    return pi


SOURCES = st.lists(st.integers(0, 2), min_size=1, max_size=6)
WEIGHTS = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 4)), st.integers(-20, 40).map(float), max_size=12)


@given(SOURCES, WEIGHTS)
def test_probabilities_are_those_of_decision_9(sources: list[int], drawn: dict[tuple[int, int], float]) -> None:
    weights = {pair: weight for pair, weight in drawn.items() if pair[0] < len(sources)}
    found = assign(candidates_of(weights), records_of(sources), persons=PERSONS, accept=0.9)
    pooled = slow_pi(weights, range(len(sources)), 0.5)
    for source in set(sources):
        pi = slow_pi(weights, [i for i, of in enumerate(sources) if of == source], pooled)
        assert found.pi[source] == pytest.approx(pi, abs=1e-3)
    for record, person, weight, probability in found.candidates.iter_rows():
        pi = found.pi[sources[record]]
        against = 1 - pi + sum(pi / PERSONS * 2**w for (r, _), w in weights.items() if r == record)
        assert probability == pytest.approx(pi / PERSONS * 2**weight / against, rel=1e-9)
        assert weight == weights[record, person]
    best = {record: probability for record, _, _, probability in found.accepted.iter_rows()}
    assert len(best) == found.accepted.height
    accepted = found.candidates.filter(pl.col("probability") >= 0.9)
    assert best == dict(accepted.select("record", "probability").iter_rows())


def test_of_twins_neither_is_accepted() -> None:
    weights = {(0, 1): 60.0, (0, 2): 60.0, (1, 1): 60.0, (1, 2): 50.0}
    found = assign(candidates_of(weights), records_of([0, 0]), persons=PERSONS, accept=0.5)
    assert (found.candidates.filter(record=0)["probability"] <= 0.5).all()
    assert found.accepted.select("record", "person").rows() == [(1, 1)]


def test_enormous_weights_do_not_overflow() -> None:
    found = assign(candidates_of({(0, 1): 900.0, (0, 2): -900.0}), records_of([0]), persons=PERSONS, accept=0.9)
    assert found.candidates["probability"].to_list() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({(0, 7): 40.0, (1, 7): 30.0}, [(0, 7)]),  # the better of two
        ({(0, 7): 40.0, (1, 7): 40.0}, []),  # two as good as each other
        ({(0, 7): 40.0, (1, 7): 39.0}, []),  # and nearly so
        ({(0, 7): 40.0, (1, 8): 40.0}, [(0, 7), (1, 8)]),
    ],
)
def test_one_record_a_person_where_the_source_says_so(
    weights: dict[tuple[int, int], float], expected: list[tuple[int, int]]
) -> None:
    for exclusive, accepted in ((frozenset({0}), expected), (frozenset({1}), list(weights))):
        found = assign(
            candidates_of(weights), records_of([0, 0]), persons=PERSONS, accept=0.9, exclusive=frozenset(exclusive)
        )
        assert found.accepted.select("record", "person").rows() == accepted


def test_a_person_who_is_taken_is_no_candidate() -> None:
    taken = pl.DataFrame({"source": [0], "person": [7]}, schema={"source": pl.Int32, "person": pl.UInt32})
    weights = {(0, 7): 60.0, (0, 8): 40.0, (1, 7): 60.0}
    found = assign(candidates_of(weights), records_of([0, 1]), persons=PERSONS, accept=0.9, taken=taken)
    assert found.accepted.select("record", "person").rows() == [(0, 8), (1, 7)]


@given(SOURCES, WEIGHTS, st.floats(0.01, 0.99), st.floats(0, 0.5))
def test_evidence_serves_for_any_pi_and_threshold(
    sources: list[int], drawn: dict[tuple[int, int], float], pi: float, unseen: float
) -> None:
    candidates = candidates_of({pair: weight for pair, weight in drawn.items() if pair[0] < len(sources)})
    records, shares = records_of(sources), dict.fromkeys(range(3), pi)
    evidence = weigh(candidates, records, persons=PERSONS)
    for absent in (0.0, unseen):
        for accept in (0.5, 0.9):
            again = decide(evidence, accept=accept, pi=shares, unseen=pl.repeat(absent, records.height, eager=True))
            anew = assign(candidates, records.with_columns(unseen=absent), persons=PERSONS, accept=accept, pi=shares)
            assert again.candidates.equals(anew.candidates)
            assert again.accepted.equals(anew.accepted)
            assert again.listed.equals(anew.listed)
            found = probabilities(evidence, shares, pl.repeat(absent, records.height, eager=True))
            assert found.equals(anew.candidates["probability"])


@given(SOURCES, WEIGHTS, st.sets(st.tuples(st.integers(0, 1), st.integers(0, 4))))
def test_who_is_taken_might_as_well_not_be_there(
    sources: list[int], drawn: dict[tuple[int, int], float], taken: set[tuple[int, int]]
) -> None:
    weights = {pair: weight for pair, weight in drawn.items() if pair[0] < len(sources)}
    left = {(r, p): weight for (r, p), weight in weights.items() if (sources[r], p) not in taken}
    gone = pl.DataFrame(sorted(taken), schema={"source": pl.Int32, "person": pl.UInt32}, orient="row")
    one = assign(candidates_of(weights), records_of(sources), persons=PERSONS, accept=0.9, taken=gone)
    other = assign(candidates_of(left), records_of(sources), persons=PERSONS, accept=0.9)
    assert one.candidates.equals(other.candidates)
    assert one.accepted.equals(other.accepted)


@given(SOURCES, WEIGHTS, st.randoms())
def test_the_order_of_rows_does_not_matter(
    sources: list[int], weights: dict[tuple[int, int], float], chance: random.Random
) -> None:
    pairs = [item for item in weights.items() if item[0][0] < len(sources)]
    shuffled = sorted(pairs, key=lambda _: chance.random())
    one, other = (
        assign(candidates_of(dict(each)), records_of(sources), persons=PERSONS, accept=0.9)
        for each in (pairs, shuffled)
    )
    assert one.candidates.equals(other.candidates)
    assert one.pi == other.pi


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1]), max_size=12))
def test_components_are_what_can_be_reached(edges: list[tuple[int, int]]) -> None:
    label = {node: node for edge in edges for node in edge}
    for _ in label:
        for a, b in edges:
            label[a] = label[b] = min(label[a], label[b])
    frame = pl.DataFrame(edges, schema={"a": pl.UInt32, "b": pl.UInt32}, orient="row")
    assert dict(components(frame).iter_rows()) == label


def slow_groups(
    odds: dict[tuple[int, int], float], unknown: float, bar: float, sources: dict[int, int]
) -> set[frozenset[int]]:
    """Average linkage: join the best two groups, again and again."""
    groups = [frozenset({node}) for node in sorted({node for pair in odds for node in pair})]
    while True:
        possible = []
        for one, other in itertools.combinations(sorted(groups, key=min), 2):
            of_one = [sources[node] for node in one if node in sources]
            if any(sources.get(node) in of_one for node in other if node in sources):
                continue
            between = [odds.get((min(a, b), max(a, b)), unknown) for a in one for b in other]
            if math.fsum(between) / len(between) >= bar:
                possible.append((-math.fsum(between) / len(between), min(one), min(other), one, other))
        if not possible:
            return {each for each in groups if len(each) > 1}
        *_, one, other = min(possible, key=lambda entry: entry[:3])
        groups = [each for each in groups if each not in (one, other)] + [one | other]


PAIRS_OF_NODES = st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] < pair[1])


@given(
    st.dictionaries(PAIRS_OF_NODES, st.floats(-20, 20), max_size=15),
    st.dictionaries(st.integers(0, 6), st.integers(0, 1)),
)
def test_groups_are_those_of_joining_the_best_two_again_and_again(
    drawn: dict[tuple[int, int], float], sources: dict[int, int]
) -> None:
    # In the parts of a bit that are counted in, so that both sum the same numbers.
    odds = {pair: round(value * 2**20) / 2**20 for pair, value in drawn.items()}
    frame = pl.DataFrame([(*pair, value) for pair, value in odds.items()], schema=ODDS, orient="row")
    exclusive = pl.DataFrame(list(sources.items()), schema=RECORDS, orient="row")
    found = group(frame, accept=0.9, unknown=-3.0, exclusive=exclusive)
    bar = round(math.log2(9) * 2**20) / 2**20
    sets = {frozenset(of) for _, of in found.group_by("group").agg("record").iter_rows()}
    assert sets == slow_groups(odds, -3.0, bar, sources)
    assert all(min(of) == name for name, of in found.group_by("group").agg("record").iter_rows())


def test_a_chain_does_not_become_a_group() -> None:
    """0 links to 1 and 1 to 2, but 0 and 2 contradict each other."""
    odds = {(0, 1): 6.0, (1, 2): 5.0, (0, 2): -10.0}
    frame = pl.DataFrame([(*pair, value) for pair, value in odds.items()], schema=ODDS, orient="row")
    found = group(frame, accept=0.9, unknown=-20.0, exclusive=pl.DataFrame(schema=RECORDS))
    assert found.rows() == [(0, 0), (1, 0)]


def odds_of(weights: dict[tuple[int, int], float], sources: list[int], *exclusive: int) -> list[float]:
    frame = pl.DataFrame([(*pair, weight) for pair, weight in weights.items()], schema=PAIRS, orient="row")
    odds, _ = pair_odds(frame, records_of(sources), exclusive=frozenset(exclusive))
    return [2**value for value in odds["odds"]]


def test_rivals_share_what_only_one_of_them_can_have() -> None:
    weights = {(0, 2): 50.0, (0, 3): 50.0}
    assert odds_of(weights, [0, 1, 2, 2], 2) == pytest.approx([1.0, 1.0])
    # Where a person may have several records in a source, both may be right.
    assert min(odds_of(weights, [0, 1, 2, 2])) > 1e6


def test_who_belongs_to_somebody_else_is_less_likely_to_belong_here() -> None:
    sources = [0] * 50 + [1] * 50
    everybody = {(i, i + 50): 40.0 for i in range(1, 50)}
    doubtful = {(0, 50): 6.0}
    (alone, *_) = odds_of(doubtful | everybody, sources)
    (taken, *_) = odds_of(doubtful | everybody | {(0, 51): 40.0}, sources)
    assert alone > 1 > taken


def test_of_rivals_that_are_equally_good_neither_is_joined() -> None:
    frame = pl.DataFrame([(0, 2, 50.0), (0, 3, 50.0)], schema=PAIRS, orient="row")
    odds, unknown = pair_odds(frame, records_of([0, 1, 2, 2]), exclusive=frozenset({2}))
    apart = pl.DataFrame({"record": [2, 3], "source": [2, 2]}, schema=RECORDS)
    assert group(odds, accept=0.5, unknown=unknown, exclusive=apart).is_empty()


def test_there_is_nothing_to_group_in_nothing() -> None:
    odds, _ = pair_odds(pl.DataFrame(schema=PAIRS), records_of([0, 0]))
    assert group(odds, accept=0.9, unknown=-1.0, exclusive=pl.DataFrame(schema=RECORDS)).is_empty()
    assert components(pl.DataFrame(schema=PAIRS)).is_empty()
