"""Blocks and the pairs that they propose, by codes and by the SQL of the same rules in DuckDB."""

import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.linkage.blocking import blocking_rules, pairs_sql
from linkcore.linkage.blocking import make_blocks as make_blocks_in_sql
from linkcore.linkage.codes.blocks import make_blocks
from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.private_database import make_table
from linkcore.programme.programme import Programme
from linkcore.sources.records import standardise


@pytest.mark.ratio
def test_blocks_beside_sql(benchmark: BenchmarkFixture, ics: Path, check_ratio: Callable[[str, float], None]) -> None:
    sources = {source.name: source for source in Programme.load(ics / "programme.toml").sources()}
    persons, records = (standardise(sources[name], usable=["test"]).frame for name in ("gp", "inpatient"))
    some = records.head(persons.height // 5)
    coded = CodedPeople.of(persons, some)
    columns = comparable(coded.frame)
    rules = blocking_rules([name for name in columns.columns if columns[name].null_count() < columns.height])
    left, right = np.arange(persons.height, dtype=np.uint32), np.arange(persons.height, coded.height, dtype=np.uint32)

    def by_codes() -> int:
        people = CodedPeople(coded.frame)
        blocks = make_blocks(people, rules, left, right, threads=pl.thread_pool_size())
        return int(blocks.pairs(0, right.size)[0].size)

    def in_sql() -> int:
        with duckdb.connect() as connection:
            make_table(connection, "people", comparable(coded.frame).with_row_index("unique_id"))
            sides = [f"(SELECT * FROM people WHERE unique_id {side} {persons.height})" for side in ("<", ">=")]
            make_blocks_in_sql(connection, rules, *sides)
            return int(connection.sql(f"SELECT count(*) FROM ({pairs_sql(rules, sides[1])})").fetchall()[0][0])

    found = benchmark.pedantic(by_codes, rounds=3, warmup_rounds=1)
    began = time.perf_counter()
    theirs = in_sql()
    seconds = time.perf_counter() - began
    assert found == theirs > 1_000
    if benchmark.stats:
        benchmark.extra_info |= {"pairs": found, "sql_s": seconds}
        check_ratio("blocks by codes, to DuckDB's", seconds / benchmark.stats.stats.min)
