"""Unseen persons, compared with counting the records of each kind one by one."""

from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.self_test.unseen import learn_unseen, unseen_shares

Record = tuple[int, bool, bool]  # source, whether it has a family name, and a telephone number
RECORD = st.tuples(st.integers(0, 2), st.booleans(), st.booleans())
TESTED = st.lists(st.tuples(RECORD, st.sampled_from([0.5, 1.0, 2.0]), st.booleans()), max_size=30)


def frame(records: Sequence[Record]) -> pl.DataFrame:
    rows = [(order, "NG" if named else None, "01392" if called else None) for order, named, called in records]
    schema = {"source_index": pl.Int32, "family_name": pl.String, "further_telephone": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def slow_share(tested: Sequence[tuple[Record, float, bool]], wanted: Record) -> float:
    def unseen(rows: Sequence[tuple[Record, float, bool]]) -> float:
        return sum(weight for _, weight, found in rows if not found)

    def size(rows: Sequence[tuple[Record, float, bool]]) -> float:
        return sum(weight for _, weight, _ in rows)

    if not tested:
        return 0.0
    of_all = (unseen(tested) + 0.5) / (size(tested) + 1)
    of_source = [each for each in tested if each[0][0] == wanted[0]]
    if not of_source:
        return of_all
    like = [each for each in of_source if each[0] == wanted]
    if not like:
        return 1.0
    leaning = (unseen(of_source) + of_all) / (size(of_source) + 1)
    return (unseen(like) + leaning) / (size(like) + 1)


@given(TESTED, st.lists(RECORD, min_size=1, max_size=12))
def test_shares_equal_those_of_counting(tested: list[tuple[Record, float, bool]], wanted: list[Record]) -> None:
    weights = pl.Series([weight for _, weight, _ in tested], dtype=pl.Float64)
    found = pl.Series([found for *_, found in tested], dtype=pl.Boolean)
    shares = unseen_shares(learn_unseen(frame([record for record, *_ in tested]), weights, found), frame(wanted))
    assert shares.to_list() == pytest.approx([slow_share(tested, record) for record in wanted])
    assert shares.is_between(0, 1).all()


def test_a_frequent_pattern_of_fields_gets_its_own_share() -> None:
    named, nameless = (0, True, False), (0, False, False)
    tested = frame([named] * 900 + [nameless] * 100)
    found = pl.Series([True] * 900 + [False] * 50 + [True] * 50)
    shares = unseen_shares(learn_unseen(tested, pl.repeat(1.0, 1000, eager=True), found), frame([named, nameless]))
    assert shares.to_list() == pytest.approx([0.0, 0.5], abs=0.01)


def test_a_record_of_more_weight_counts_more() -> None:
    tested, found = frame([(0, True, True)] * 2), pl.Series([True, False])
    even, more = (
        unseen_shares(learn_unseen(tested, pl.Series([1.0, weight]), found), tested[:1]).item()
        for weight in (1.0, 500.0)
    )
    assert even == pytest.approx(0.5)
    assert more > 0.99
