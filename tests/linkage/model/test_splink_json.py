"""A model written out as Splink itself writes it."""

from typing import Any

import duckdb
import polars as pl
from splink import DuckDBAPI, Linker

from linkcore.linkage.comparisons.comparisons import comparable, comparisons
from linkcore.linkage.learning.labels import Shares, with_probabilities
from linkcore.linkage.model.splink_json import as_splink_saves
from linkcore.schema import RECORDS


def learned() -> dict[str, Any]:
    there = comparable(pl.DataFrame(schema=RECORDS)).columns
    made = comparisons(there, {})
    shares = {
        each["output_column_name"]: Shares(dict.fromkeys(range(len(each["comparison_levels"])), 0.1), 1000)
        for each in made
    }
    return {
        "link_type": "link_and_dedupe",
        "comparisons": with_probabilities(made, m=shares, u=shares),
        "blocking_rules_to_generate_predictions": ['l."birth_date" = r."birth_date"'],
        "probability_two_random_records_match": 0.00012,
    }


def saved_by_splink(settings: dict[str, Any]) -> dict[str, Any]:
    columns = comparable(pl.DataFrame(schema=RECORDS)).columns
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE people (unique_id BIGINT, {', '.join(f'{name} VARCHAR' for name in columns)})")
    people = DuckDBAPI(connection).register("people", table_name="people")
    own = settings | {"link_type": "dedupe_only", "linker_uid": "linkcore", "retain_matching_columns": False}
    linker = Linker(people, own, log_level=None, validate_settings=False)
    saved: dict[str, Any] = linker.misc.save_model_to_json()
    return saved


def test_it_is_what_splink_saves() -> None:
    settings = learned()
    ours = as_splink_saves(settings)
    theirs = saved_by_splink(settings)
    assert ours["comparisons"] == theirs["comparisons"]
    assert ours == theirs | {"link_type": "link_and_dedupe"}
    assert list(ours) == list(theirs)


def test_what_splink_saved_is_saved_as_it_is() -> None:
    saved = saved_by_splink(learned())
    assert as_splink_saves(saved) == saved
    level = saved["comparisons"][0]["comparison_levels"][1] | {
        "tf_adjustment_column": "full_name",
        "tf_adjustment_weight": 0.5,
        "tf_minimum_u_value": 0.01,
        "disable_tf_exact_match_detection": True,
    }
    saved["comparisons"][0]["comparison_levels"][1] = level
    assert as_splink_saves(saved)["comparisons"][0]["comparison_levels"][1] == level
