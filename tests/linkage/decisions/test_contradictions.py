"""What a pair says against a group, compared with a program that goes from triple to triple."""

import itertools
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.decisions.contradictions import against_by_comparison, bound_by_third_records
from linkcore.linkage.decisions.groups import group
from linkcore.linkage.model.model import Comparison, Level, Model

Pair = tuple[int, int]
ODDS = pl.Schema({"a": pl.UInt32, "b": pl.UInt32, "odds": pl.Float64})
NOBODY = pl.DataFrame(schema={"record": pl.UInt32, "source": pl.Int32})
NAMES = ("name", "birth_date")


def slow_bound(odds: dict[Pair, float], against: dict[Pair, tuple[float, ...]]) -> dict[Pair, float]:
    bounded = dict(odds)
    for (a, b), own in odds.items():
        for c in {record for pair in odds for record in pair} - {a, b}:
            of_a, of_b = (min(a, c), max(a, c)), (min(b, c), max(b, c))
            if own >= 0 or min(odds.get(of_a, 0.0), odds.get(of_b, 0.0)) <= 0:
                continue
            news = sum(
                min(direct - of_link - of_other, 0.0)
                for direct, of_link, of_other in zip(against[a, b], against[of_a], against[of_b], strict=True)
            )
            both = 1.0
            for link in (of_a, of_b):
                both *= 2 ** odds[link] / (1 + 2 ** odds[link])
            bounded[a, b] = max(bounded[a, b], math.log2(both * 2**news + (1 - both) * 2**own))
    return bounded


def bound(odds: dict[Pair, float], against: dict[Pair, tuple[float, ...]]) -> pl.DataFrame:
    pairs = pl.DataFrame([(*pair, value) for pair, value in odds.items()], schema=ODDS, orient="row")
    said = (
        pl.Series(f"against_{name}", [against[pair][at] for pair in odds], dtype=pl.Float64)
        for at, name in enumerate(NAMES)
    )
    return bound_by_third_records(pairs, pairs.select("a", "b", *said))


PAIRS = st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda pair: pair[0] < pair[1])
BITS = st.floats(-20, 0)


@given(st.dictionaries(PAIRS, st.tuples(st.floats(-20, 20), BITS, BITS), max_size=15))
def test_a_pair_is_bounded_by_the_third_record_that_leaves_least_against_it(
    drawn: dict[Pair, tuple[float, float, float]],
) -> None:
    odds = {pair: values[0] for pair, values in drawn.items()}
    against = {pair: values[1:] for pair, values in drawn.items()}
    found = bound(odds, against)
    expected = slow_bound(odds, against)
    assert [(a, b) for a, b, _ in found.iter_rows()] == list(odds)
    assert found["odds"].to_list() == pytest.approx(list(expected.values()), abs=1e-9)


def test_each_comparison_speaks_against_a_pair_by_its_level_and_never_for_it() -> None:
    null = Level("x_l IS NULL", "Missing", is_null=True)
    levels = Level("x_l = x_r", "Agrees", m=0.9, u=0.1), Level("x_l < x_r", "Near", m=0.08, u=0.32)
    model = Model((Comparison("x", (null, *levels, Level("ELSE", "Differs", m=0.02, u=0.64))),), prior=0.1)
    pairs = pl.DataFrame({"a": [0] * 5, "b": [1, 2, 3, 4, 5], "gamma_x": [2, 1, 0, -1, None]})
    found = against_by_comparison(pairs, model)
    assert found["against_x"].to_list() == pytest.approx([0.0, -2.0, -5.0, 0.0, 0.0])


def groups_of(odds: dict[Pair, float], against: dict[Pair, tuple[float, ...]], unknown: float = -12.0) -> set[Pair]:
    return set(group(bound(odds, against), accept=0.5, unknown=unknown, exclusive=NOBODY).iter_rows())


def test_a_record_with_a_wrong_name_stays_with_its_person_whom_another_record_links_to_it() -> None:
    """0 and 1 agree on the address, 1 and 2 on the name; the name of 0 is wrong, and 2 has moved."""
    odds = {(0, 1): 8.0, (1, 2): 8.0, (0, 2): -25.0}
    against = {(0, 1): (-7.0, 0.0), (1, 2): (0.0, 0.0), (0, 2): (-7.0, 0.0)}
    assert groups_of(odds, against) == {(0, 0), (1, 0), (2, 0)}
    assert group(
        pl.DataFrame([(*pair, value) for pair, value in odds.items()], schema=ODDS, orient="row"),
        accept=0.5,
        unknown=-12.0,
        exclusive=NOBODY,
    ).rows() == [(0, 0), (1, 0)]


def test_a_record_that_lacks_what_twins_differ_in_does_not_join_them() -> None:
    """Records 0 to 2 are of one twin and 3 to 5 of the other; 6 has neither given name nor gender."""
    one, other = (0, 1, 2), (3, 4, 5)
    odds = dict.fromkeys([*itertools.combinations(one, 2), *itertools.combinations(other, 2)], 20.0)
    odds |= dict.fromkeys([(record, 6) for record in (*one, *other)], 9.0)
    against: dict[Pair, tuple[float, ...]] = dict.fromkeys(odds, (0.0, 0.0))
    for pair in itertools.product(one, other):
        odds[pair], against[pair] = -9.0, (-12.0, 0.0)
    groups = dict(groups_of(odds, against))
    assert {groups[record] for record in one} == {0}
    assert {groups[record] for record in other} == {3}


def test_a_chain_of_relatives_does_not_become_one_person() -> None:
    """Father, son and grandson have one name; a record without a birth date stands between each two of them."""
    odds = {(0, 1): 4.0, (1, 2): 4.0, (2, 3): 4.0, (3, 4): 4.0, (1, 3): 4.0}
    against: dict[Pair, tuple[float, ...]] = dict.fromkeys(odds, (0.0, 0.0))
    for pair in ((0, 2), (2, 4), (0, 4)):
        odds[pair], against[pair] = 4.0 - 13.0, (0.0, -13.0)
    for pair in ((0, 3), (1, 4)):
        odds[pair], against[pair] = 4.0, (0.0, 0.0)
    groups = dict(groups_of(odds, against))
    assert len({groups.get(record, record) for record in (0, 2, 4)}) == 3


def test_links_that_hardly_hold_excuse_little() -> None:
    paid = {(0, 1): (-7.0, 0.0), (1, 2): (0.0, 0.0), (0, 2): (-7.0, 0.0)}
    weak, strong = (
        bound({(0, 1): link, (1, 2): link, (0, 2): -20.0}, paid)["odds"].to_list()[2] for link in (0.1, 10.0)
    )
    assert weak < -1.8
    assert strong > -0.01


def test_without_pairs_nothing_is_bounded() -> None:
    assert bound({}, {}).is_empty()
