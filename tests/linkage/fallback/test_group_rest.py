"""Grouping the records without a person, by an engine that answers from a list."""

from types import SimpleNamespace
from typing import Any

import polars as pl

from linkcore.linkage.engine.engine import Scored
from linkcore.linkage.fallback.group_rest import group_rest
from linkcore.linkage.model.model import Comparison, Level, Model

SCHEMA = {"a": pl.UInt32, "b": pl.UInt32, "weight": pl.Float64, "relative": pl.Float64, "gamma_name": pl.Int8}
MODEL = Model((Comparison("name", (Level("ELSE", "Differs", m=0.01, u=0.9),)),), prior=0.1)
NOBODY_APART = pl.DataFrame(schema={"a": pl.UInt32, "b": pl.UInt32})
NO_RELATIVES = float("-inf")


def scored(*pairs: tuple[int, int, float]) -> pl.DataFrame:
    return pl.DataFrame([(*pair, NO_RELATIVES, -1) for pair in pairs], schema=SCHEMA, orient="row")


def test_a_pair_that_links_connect_is_scored_and_counted_though_no_rule_proposed_it() -> None:
    asked: list[tuple[Any, ...]] = []

    def score_records(_: object, pairs: pl.DataFrame) -> pl.DataFrame:
        asked.extend(pairs.rows())
        return scored(*((a, b, 30.0) for a, b in pairs.rows()))

    engine: Any = SimpleNamespace(
        score_among_records=lambda *_, **_sample: Scored(
            scored((0, 1, 30.0), (1, 2, 30.0)), compared=5, left_out={"a rule": 7}
        ),
        score_records=score_records,
    )
    records = pl.DataFrame({"record": range(6), "source": [0] * 6}, schema={"record": pl.UInt32, "source": pl.Int32})
    inputs: Any = SimpleNamespace(
        records=records,
        exclusive=frozenset(),
        exclusive_ranges=[],
        apart=NOBODY_APART,
        settings=SimpleNamespace(accept=0.9),
    )
    learned: Any = SimpleNamespace(learned_from="labels", model=MODEL)
    groups = group_rest(engine, learned, inputs, pl.Series([5], dtype=pl.UInt32))
    assert asked == [(0, 2)]
    assert groups.members.rows() == [(0, 0), (1, 0), (2, 0)]
    assert groups.counts == {"pairs_among_records": 6}
    assert groups.left_out == {"a rule": 7}


def test_records_of_two_persons_are_in_two_groups_whatever_speaks_for_one() -> None:
    """0 to 4 look like one person; a clerk has decided that 0 and 1 are two."""
    pairs = scored(*((a, b, 60.0) for a in range(5) for b in range(a + 1, 5)))
    engine: Any = SimpleNamespace(
        score_among_records=lambda *_, **_sample: Scored(pairs, compared=10, left_out={}),
        score_records=lambda _, asked: scored(*((a, b, 60.0) for a, b in asked.rows())),
    )
    records = pl.DataFrame({"record": range(5), "source": [0] * 5}, schema={"record": pl.UInt32, "source": pl.Int32})
    learned: Any = SimpleNamespace(learned_from="labels", model=MODEL)
    found = {}
    for decided in ([], [(0, 1)]):
        inputs: Any = SimpleNamespace(
            records=records,
            exclusive=frozenset(),
            exclusive_ranges=[],
            apart=pl.DataFrame(decided, schema=NOBODY_APART.schema, orient="row"),
            settings=SimpleNamespace(accept=0.9),
        )
        members = group_rest(engine, learned, inputs, pl.Series([], dtype=pl.UInt32)).members
        found[len(decided)] = dict(members.iter_rows())
    assert len(set(found[0].values())) == 1
    assert found[1].get(0, -1) != found[1].get(1, -2)
    assert len(found[1]) >= 4
