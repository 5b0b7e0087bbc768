"""Levels and their counts by codes, beside DuckDB's by the SQL of the same comparisons."""

import numpy as np
import polars as pl
import pytest

from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.codes.compared import ComparedPeople
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.levels import counts_of_levels
from tests.linkage.codes.people import FURTHER, people, table_of

SIZE = 260
WITHOUT = {
    "nothing": [],
    "other values": ["other_given_name", "other_family_name", "other_postcode", "other_address"],
    "given names": ["given_name", "other_given_name"],
    "addresses": ["address", "other_address"],
    "postcodes": ["postcode", "other_postcode"],
}


@pytest.mark.parametrize("missing", WITHOUT)
def test_levels_and_counts_are_those_of_the_sql(missing: str) -> None:
    frame = people(SIZE, seed=len(missing))
    frame = frame.with_columns(pl.lit(None, frame.schema[name]).alias(name) for name in WITHOUT[missing])
    columns = comparable(frame)
    asked = comparisons([name for name in columns.columns if columns[name].null_count() < SIZE], FURTHER)
    compared = ComparedPeople(CodedPeople(frame), asked, threads=2)
    left, right = (np.array(side, np.uint32) for side in (np.repeat(range(SIZE), SIZE), np.tile(range(SIZE), SIZE)))
    connection = table_of(frame)
    sides = ", ".join(f'{side}."{name}" AS "{name}_{side}"' for name in columns.columns for side in "lr")
    levels = ", ".join(f'({each.case_sql(each.numbers)})::TINYINT AS "{each.gamma}"' for each in asked)
    wanted = connection.sql(
        f"SELECT {levels} FROM (SELECT l.unique_id AS a, r.unique_id AS b, {sides} FROM people l, people r) "
        "ORDER BY a, b"
    ).pl()
    assert compared.levels(left, right).equals(wanted)
    seen = {each.name: wanted[each.gamma].n_unique() for each in asked}
    assert sum(seen.values()) > 0.85 * sum(len(each.levels) for each in asked), seen

    group = left % 3
    counted = compared.count(
        [lambda: (left[:1000], right[:1000], group[:1000]), lambda: (left[1000:], right[1000:], group[1000:])]
    )
    in_sql = counts_of_levels(
        connection, asked, columns.columns, left="people", right="people", on="TRUE", group="(l.unique_id % 3)::BIGINT"
    )
    assert counted.sort(counted.columns).equals(in_sql.sort(in_sql.columns))


def test_no_pairs_have_no_levels() -> None:
    frame = people(10, seed=1)
    asked = comparisons(["given_name", "family_name", "birth_date"], {})
    nobody = np.zeros(0, np.uint32)
    assert ComparedPeople(CodedPeople(frame), asked).levels(nobody, nobody).shape == (0, 2)
    assert ComparedPeople(CodedPeople(frame), asked).count([]).is_empty()
    everybody = np.arange(10, dtype=np.uint32)
    nothing = ComparedPeople(CodedPeople(frame), []).count([lambda: (everybody, everybody, np.zeros(10, np.int64))])
    assert nothing.is_empty()
