"""Odds that two records are of one person: what rivals and other records change."""

import polars as pl
import pytest

from linkcore.linkage.decisions.pair_odds import pair_odds

RECORDS = pl.Schema({"record": pl.UInt32, "source": pl.Int32})
PAIRS = pl.Schema({"a": pl.UInt32, "b": pl.UInt32, "weight": pl.Float64})


def odds_of(weights: dict[tuple[int, int], float], sources: list[int], *exclusive: int) -> list[float]:
    frame = pl.DataFrame([(*pair, weight) for pair, weight in weights.items()], schema=PAIRS, orient="row")
    records = pl.DataFrame({"record": range(len(sources)), "source": sources}, schema=RECORDS)
    odds, _ = pair_odds(frame, records, exclusive=frozenset(exclusive))
    return [2**value for value in odds["odds"]]


def test_two_rivals_in_a_source_of_one_record_a_person_get_even_odds() -> None:
    weights = {(0, 2): 50.0, (0, 3): 50.0}
    assert odds_of(weights, [0, 1, 2, 2], 2) == pytest.approx([1.0, 1.0])
    # Where a person may have several records in a source, both may be right.
    assert min(odds_of(weights, [0, 1, 2, 2])) > 1e6


def test_a_record_with_a_better_pair_is_less_likely_to_belong_to_this_one() -> None:
    sources = [0] * 50 + [1] * 50
    everybody = {(i, i + 50): 40.0 for i in range(1, 50)}
    doubtful = {(0, 50): 6.0}
    (alone, *_) = odds_of(doubtful | everybody, sources)
    (taken, *_) = odds_of(doubtful | everybody | {(0, 51): 40.0}, sources)
    assert alone > 1 > taken
