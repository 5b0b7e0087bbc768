"""Time to weigh pairs, beside Splink's prediction and DuckDB's levels of the same pairs by the same model."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from splink import DuckDBAPI, Linker

from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.codes.compared import ComparedPeople
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.levels import Shares, with_probabilities
from linkcore.linkage.model.model import Model
from linkcore.linkage.model.splink_json import model_json
from linkcore.linkage.model.weights import match_weight
from linkcore.private_database import make_table
from linkcore.programme.programme import Programme
from linkcore.sources.records import standardise


def learned(present: list[str]) -> Model:
    """Return a model with some m and u; the speed does not depend on their values."""
    compared = comparisons(present, {})
    shares = {
        comparison.name: Shares(
            {position: 1 / len(comparison.levels) for position in range(len(comparison.levels))}, 1000
        )
        for comparison in compared
    }
    return Model(tuple(with_probabilities(compared, m=shares, u=shares)), prior=0.5)


def fastest(run: Callable[[], pl.DataFrame], rounds: int = 3) -> tuple[float, pl.DataFrame]:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


@pytest.mark.parametrize("pairs", [1_000, pytest.param(300_000, marks=pytest.mark.ratio)])
def test_weights_beside_splinks(
    benchmark: BenchmarkFixture, ics: Path, pairs: int, check_ratio: Callable[[str, float], None]
) -> None:
    (spine,) = (source for source in Programme.load(ics / "programme.toml").sources() if source.spine)
    frame = standardise(spine, usable=["test"]).frame
    people = comparable(frame)
    model = learned([name for name in people.columns if people[name].null_count() < people.height])
    generator = np.random.default_rng(1)
    some = generator.choice(people.height * (people.height - 1), size=pairs, replace=False)
    asked = pl.DataFrame({"join_key_l": some // people.height, "join_key_r": some % people.height})
    with duckdb.connect() as connection:
        make_table(connection, "people", people.with_row_index("unique_id"))
        make_table(connection, "pairs", asked.with_columns(match_key=pl.lit("0")))
        frequencies = {}
        for column in model.average_frequencies:
            count = people.group_by(column).len("count").with_columns(frequency=pl.col("count") / people.height)
            frequencies[column] = people.join(count, on=column, how="left", maintain_order="left")["frequency"]

        compared = ComparedPeople(CodedPeople(frame), model.comparisons, threads=pl.thread_pool_size())
        left, right = (asked[side].cast(pl.UInt32).to_numpy() for side in asked.columns)

        def ours() -> pl.DataFrame:
            levels = compared.levels(left, right).with_columns(a=left, b=right)
            return levels.with_columns(match_weight(levels, model.comparisons, frequencies))

        def levels_by_duckdb() -> pl.DataFrame:
            sides = ", ".join(f'{side}."{name}" AS "{name}_{side}"' for name in people.columns for side in "lr")
            levels = ", ".join(
                f'({each.case_sql(each.numbers)})::TINYINT AS "{each.gamma}"' for each in model.comparisons
            )
            return connection.sql(
                f"SELECT join_key_l, join_key_r, {levels} FROM (SELECT join_key_l, join_key_r, {sides} FROM pairs "
                "JOIN people AS l ON l.unique_id = join_key_l JOIN people AS r ON r.unique_id = join_key_r)"
            ).pl()

        api = DuckDBAPI(connection)
        saved = json.loads(model_json(model))
        settings = {name: saved[name] for name in ("comparisons", "probability_two_random_records_match")}
        settings["link_type"] = "dedupe_only"
        linker = Linker(api.table_to_splink_dataframe("people", "people"), settings, log_level=None)
        linker.table_management.register_blocked_pairs_for_predict(api.table_to_splink_dataframe("pairs", "pairs"))
        began = time.perf_counter()
        scored = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().select("match_weight").pl()
        theirs = time.perf_counter() - began
        found = benchmark.pedantic(ours, rounds=3, warmup_rounds=1)
        assert found.height == scored.height == pairs
        seconds, by_duckdb = fastest(levels_by_duckdb)
        of_codes, by_codes = fastest(lambda: compared.levels(left, right))
        assert by_codes.with_columns(asked).equals(
            asked.join(by_duckdb, on=asked.columns, maintain_order="left").select(*by_codes.columns, *asked.columns)
        )
        if benchmark.stats:
            best = benchmark.stats.stats.min
            benchmark.extra_info |= {"splink_s": theirs, "times_as_fast": theirs / best, "pairs_a_second": pairs / best}
            if pairs > 1_000:
                check_ratio("weights, to Splink's predict", theirs / best)
                check_ratio("levels by codes, to DuckDB's", seconds / of_codes)
