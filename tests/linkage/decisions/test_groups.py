"""Groups of records, compared with a program that joins the best two groups, one pair at a time."""

import itertools
import math

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.decisions.groups import components, group
from linkcore.linkage.decisions.pair_odds import pair_odds

RECORDS = pl.Schema({"record": pl.UInt32, "source": pl.Int32})
ODDS = pl.Schema({"a": pl.UInt32, "b": pl.UInt32, "odds": pl.Float64})
PAIRS = pl.Schema({"a": pl.UInt32, "b": pl.UInt32, "weight": pl.Float64})


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1]), max_size=12))
def test_components_hold_the_records_that_edges_connect(edges: list[tuple[int, int]]) -> None:
    label = {node: node for edge in edges for node in edge}
    for _ in label:
        for a, b in edges:
            label[a] = label[b] = min(label[a], label[b])
    frame = pl.DataFrame(edges, schema={"a": pl.UInt32, "b": pl.UInt32}, orient="row")
    assert dict(components(frame).iter_rows()) == label


def records_of(sources: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"record": range(len(sources)), "source": sources}, schema=RECORDS)


def slow_groups(
    odds: dict[tuple[int, int], float], unknown: float, bar: float, sources: dict[int, int]
) -> set[frozenset[int]]:
    """Average linkage: join the best two groups until none may be joined."""
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
def test_groups_equal_those_of_joining_the_best_two_groups_until_none_are_left(
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


def test_neither_of_two_equal_rivals_is_joined() -> None:
    frame = pl.DataFrame([(0, 2, 50.0), (0, 3, 50.0)], schema=PAIRS, orient="row")
    odds, unknown = pair_odds(frame, records_of([0, 1, 2, 2]), exclusive=frozenset({2}))
    apart = pl.DataFrame({"record": [2, 3], "source": [2, 2]}, schema=RECORDS)
    assert group(odds, accept=0.5, unknown=unknown, exclusive=apart).is_empty()


def test_no_pairs_make_no_groups() -> None:
    odds, _ = pair_odds(pl.DataFrame(schema=PAIRS), records_of([0, 0]))
    assert group(odds, accept=0.9, unknown=-1.0, exclusive=pl.DataFrame(schema=RECORDS)).is_empty()
    assert components(pl.DataFrame(schema=PAIRS)).is_empty()
