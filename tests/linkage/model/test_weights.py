"""Weights of pairs, beside Splink's own prediction by the same model."""

import duckdb
import numpy as np
import polars as pl
import pytest
from splink import DuckDBAPI, Linker

from linkcore.errors import ProgrammeError
from linkcore.linkage.comparisons.comparisons import average_frequencies
from linkcore.linkage.model.weights import case_sql, levels_of_pairs, match_weight

NAMES = ["ANNA", "ANNE", "BOB", "ROB", "ZOE", None]
COMPARISONS = [
    {
        "output_column_name": "name",
        "comparison_levels": [
            {"sql_condition": "name_l IS NULL OR name_r IS NULL", "is_null_level": True},
            {
                "sql_condition": '"name_l" = "name_r"',
                "m_probability": 0.7,
                "u_probability": 0.15,
                "tf_adjustment_column": "name",
            },
            {
                "sql_condition": "left(name_l, 1) = left(name_r, 1)",
                "m_probability": 0.2,
                "u_probability": 0.1,
                "tf_adjustment_column": "name",
                "tf_adjustment_weight": 0.5,
                "tf_minimum_u_value": 0.2,
            },
            {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.75},
        ],
    },
    {
        "output_column_name": "age",
        "comparison_levels": [
            {"sql_condition": "abs(age_l - age_r) <= 1", "m_probability": 0.9, "u_probability": 0.3},
            {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.7},
        ],
    },
]


def people() -> pl.DataFrame:
    generator = np.random.default_rng(7)
    names = pl.Series([NAMES[at] for at in generator.integers(0, len(NAMES), 60)], dtype=pl.String)
    return pl.DataFrame({"unique_id": range(60), "name": names, "age": generator.integers(20, 26, 60)})


def test_weights_are_those_of_splink() -> None:
    table = people()
    connection = duckdb.connect()
    connection.register("frame", table)
    connection.execute("CREATE TABLE people AS SELECT * FROM frame")
    connection.execute(
        "CREATE TABLE pairs AS SELECT l.unique_id AS join_key_l, r.unique_id AS join_key_r "
        "FROM people AS l JOIN people AS r ON l.unique_id < r.unique_id"
    )
    named = table.drop_nulls("name")
    frequency = table["name"].replace_strict(
        dict(named["name"].value_counts().select("name", pl.col("count") / named.height).iter_rows()), default=None
    )
    pairs = levels_of_pairs(connection, COMPARISONS, people="people", pairs="pairs")
    weights = match_weight(pairs, COMPARISONS, {"name": frequency})

    settings = {
        "link_type": "dedupe_only",
        "comparisons": COMPARISONS,
        "blocking_rules_to_generate_predictions": ["1=1"],
        "probability_two_random_records_match": 0.5,  # no prior weight
    }
    api = DuckDBAPI(connection)
    linker = Linker(api.register("people", table_name="people"), settings, log_level=None)
    theirs = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().pl()
    wanted = (
        pairs.select("a", "b")
        .cast(pl.Int64)
        .join(theirs, left_on=["a", "b"], right_on=["unique_id_l", "unique_id_r"], how="left", maintain_order="left")
    )
    assert pairs.height == 60 * 59 // 2
    assert weights.to_list() == pytest.approx(wanted["match_weight"].to_list(), abs=1e-9)
    for name in ("gamma_name", "gamma_age"):
        assert pairs[name].to_list() == wanted[name].to_list()
    assert set(pairs["gamma_name"]) == {-1, 0, 1, 2}


def test_values_are_written_in_the_order_of_the_levels() -> None:
    sql = case_sql(COMPARISONS[1], [5, 7])
    assert duckdb.sql(f"SELECT {sql} FROM (VALUES (1, 2), (1, 3)) AS t(age_l, age_r)").fetchall() == [(5,), (7,)]


def test_a_model_that_cannot_know_the_average_frequency_is_refused() -> None:
    levels = [COMPARISONS[0]["comparison_levels"][2], COMPARISONS[0]["comparison_levels"][3]]  # type: ignore[index]
    with pytest.raises(ProgrammeError, match="how common values of name are"):
        average_frequencies([{"output_column_name": "name", "comparison_levels": levels}])
