"""Weights of pairs, beside Splink's own prediction by the same model."""

import duckdb
import numpy as np
import polars as pl
import pytest
from splink import DuckDBAPI, Linker

from linkcore.linkage.model.model import Comparison, Level, Model, TermFrequency
from linkcore.linkage.model.splink_json import settings_of_one_table
from linkcore.linkage.model.weights import match_weight

NAMES = ["ANNA", "ANNE", "BOB", "ROB", "ZOE", None]
NAME = Comparison(
    "name",
    (
        Level("name_l IS NULL OR name_r IS NULL", "Missing", is_null=True),
        Level('"name_l" = "name_r"', "Agrees", m=0.7, u=0.15, term_frequency=TermFrequency("name")),
        Level(
            "left(name_l, 1) = left(name_r, 1)",
            "Initial agrees",
            m=0.2,
            u=0.1,
            term_frequency=TermFrequency("name", weight=0.5, minimum_u=0.2),
        ),
        Level("ELSE", "Differs", m=0.1, u=0.75),
    ),
)
AGE = Comparison(
    "age",
    (Level("abs(age_l - age_r) <= 1", "Near", m=0.9, u=0.3), Level("ELSE", "Differs", m=0.1, u=0.7)),
)
MODEL = Model((NAME, AGE), prior=0.5, blocking_rules=("1=1",), link_type="dedupe_only")  # no prior weight


def people() -> pl.DataFrame:
    generator = np.random.default_rng(7)
    names = pl.Series([NAMES[at] for at in generator.integers(0, len(NAMES), 60)], dtype=pl.String)
    return pl.DataFrame({"unique_id": range(60), "name": names, "age": generator.integers(20, 26, 60)})


def test_weights_are_those_of_splink() -> None:
    table = people()
    connection = duckdb.connect()
    connection.register("frame", table)
    connection.execute("CREATE TABLE people AS SELECT * FROM frame")
    named = table.drop_nulls("name")
    frequency = table["name"].replace_strict(
        dict(named["name"].value_counts().select("name", pl.col("count") / named.height).iter_rows()), default=None
    )
    api = DuckDBAPI(connection)
    linker = Linker(api.register("people", table_name="people"), settings_of_one_table(MODEL), log_level=None)
    theirs = linker.inference.predict(warning_mode="never").as_duckdbpyrelation().pl()
    pairs = theirs.select("^gamma_.*$", a="unique_id_l", b="unique_id_r")
    weights = match_weight(pairs, MODEL.comparisons, {"name": frequency})
    assert pairs.height == 60 * 59 // 2
    assert weights.to_list() == pytest.approx(theirs["match_weight"].to_list(), abs=1e-9)
    assert set(pairs["gamma_name"]) == {-1, 0, 1, 2}
