"""Blocks of codes, beside those that a database makes by the SQL of the same rules."""

import numpy as np
import polars as pl
import pytest

from linkcore.linkage.blocking import blocking_rules, make_blocks, pairs_sql
from linkcore.linkage.codes import blocks as blocks_module
from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.comparisons.comparable import comparable
from tests.linkage.codes.people import people, table_of

SIZE, PERSONS = 420, 300


@pytest.mark.parametrize("at_a_time", [1, 1 << 24])
def test_pairs_and_those_left_out_are_those_of_the_sql(monkeypatch: pytest.MonkeyPatch, at_a_time: int) -> None:
    monkeypatch.setattr(blocks_module, "_PROPOSED_AT_A_TIME", at_a_time)
    frame = people(SIZE, seed=5)
    columns = comparable(frame)
    rules = blocking_rules([name for name in columns.columns if columns[name].null_count() < SIZE])
    connection = table_of(frame)
    sides = (f"(SELECT * FROM people WHERE unique_id {side} {PERSONS})" for side in ("<", ">="))
    persons, records = sides
    left_out = make_blocks(connection, rules, persons, records)
    wanted = connection.sql(f"SELECT * FROM ({pairs_sql(rules, records)}) ORDER BY ALL").pl()
    left, right = np.arange(PERSONS, dtype=np.uint32), np.arange(PERSONS, SIZE, dtype=np.uint32)
    found = blocks_module.make_blocks(CodedPeople(frame), rules, left, right, threads=2)
    pairs = [pl.DataFrame(dict(zip("ab", found.pairs(*some), strict=True))) for some in ((0, 50), (50, SIZE - PERSONS))]
    assert found.left_out == left_out
    assert pl.concat(pairs).sort("a", "b").rows() == wanted.rows()
    assert len(left_out) > 3
    assert wanted.height > 300


def test_without_rules_or_rows_there_are_no_pairs() -> None:
    coded, nobody = CodedPeople(people(20, seed=6)), np.zeros(0, np.uint32)
    some = np.arange(20, dtype=np.uint32)
    for rules, left, right in (([], some, some), (blocking_rules(["postcode"]), nobody, some)):
        one, other = blocks_module.make_blocks(coded, rules, left, right).pairs(0, right.size)
        assert one.size == other.size == 0
