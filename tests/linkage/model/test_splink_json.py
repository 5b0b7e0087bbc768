"""A model written as Splink itself writes it, and read back."""

import json
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from splink import DuckDBAPI, Linker

from linkcore.errors import ProgrammeError
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.levels import Shares, with_probabilities
from linkcore.linkage.model.model import Model, TermFrequency
from linkcore.linkage.model.splink_json import model_json, read_models, settings_of_one_table, to_splink
from linkcore.schema import RECORDS

COLUMNS = comparable(pl.DataFrame(schema=RECORDS)).columns


def learned() -> Model:
    made = comparisons(COLUMNS, {})
    shares = {each.name: Shares(dict.fromkeys(range(len(each.levels)), 0.1), 1000) for each in made}
    return Model(
        with_probabilities(made, m=shares, u=shares), prior=0.00012, blocking_rules=('l."birth_date" = r."birth_date"',)
    )


def saved_by_splink(settings: dict[str, Any]) -> dict[str, Any]:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE people (unique_id BIGINT, {', '.join(f'{name} VARCHAR' for name in COLUMNS)})")
    people = DuckDBAPI(connection).register("people", table_name="people")
    own = settings | {"link_type": "dedupe_only", "linker_uid": "linkcore", "retain_matching_columns": False}
    linker = Linker(people, own, log_level=None, validate_settings=False)
    saved: dict[str, Any] = linker.misc.save_model_to_json()
    return saved


def read(stated: dict[str, Any]) -> Model:
    return read_models(stated)[None]


def test_a_model_is_written_as_splink_writes_it() -> None:
    ours = to_splink(learned())
    theirs = saved_by_splink(ours)
    assert ours["comparisons"] == theirs["comparisons"]
    assert ours == theirs | {"link_type": "link_and_dedupe"}
    assert list(ours) == list(theirs)


def test_a_model_that_was_written_and_read_is_the_same() -> None:
    assert read(to_splink(learned())) == learned()


def test_what_splink_saved_comes_through_unchanged() -> None:
    saved = saved_by_splink(to_splink(learned()))
    assert json.dumps(to_splink(read(saved))) == json.dumps(saved)
    level = saved["comparisons"][0]["comparison_levels"][1] | {
        "tf_adjustment_column": "full_name",
        "tf_adjustment_weight": 0.5,
        "tf_minimum_u_value": 0.01,
        "disable_tf_exact_match_detection": True,
    }
    saved["comparisons"][0]["comparison_levels"][1] = level
    model = read(saved)
    expected = TermFrequency("full_name", weight=0.5, minimum_u=0.01, of_exact_match=False)
    assert model.comparisons[0].levels[1].term_frequency == expected
    assert json.dumps(to_splink(model)) == json.dumps(saved)


def test_what_linkcore_does_not_use_of_somebody_elses_model_comes_through_unchanged() -> None:
    level = {
        "sql_condition": "ELSE",
        "label_for_charts": "All other",
        "m_probability": 0.1,
        "u_probability": 1,
        "fix_m_probability": True,
        "is_null_level": False,
        "note": "by hand",
    }
    comparison = {"output_column_name": "x", "comparison_description": "Ours", "why": None}
    stated = {
        "link_type": "link_only",
        "probability_two_random_records_match": 0.01,
        "unique_id_column_name": "person",
        "em_convergence": 0.5,
        "additional_columns_to_retain": ["cluster"],
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": "l.x = r.x", "sql_dialect": "spark", "salting_partitions": 3}
        ],
        "made_by": "us",
    }
    model = read(stated | {"comparisons": [comparison | {"comparison_levels": [level]}]})
    assert (model.blocking_rules, model.link_type) == (("l.x = r.x",), "link_only")
    written = to_splink(model)
    assert written == written | stated
    (own,) = written["comparisons"]
    assert own == own | comparison
    assert own["comparison_levels"] == [level | {"fix_u_probability": False}]
    assert read(written) == read(json.loads(model_json(model))) == model


def test_splink_charts_a_model_by_our_columns_and_by_nothing_that_linkcore_does_not_use() -> None:
    stated = to_splink(learned()) | {"unique_id_column_name": "person", "additional_columns_to_retain": ["cluster"]}
    settings = settings_of_one_table(read(stated))
    assert settings["unique_id_column_name"] == "unique_id"
    assert settings["additional_columns_to_retain"] == []


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"comparisons": [{"comparison_levels": [{"sql_condition": "ELSE", "m_probability": 0.5}]}]},
        {"comparisons": [], "probability_two_random_records_match": 0.1},
        {"comparisons": 7},
    ],
)
def test_a_model_that_was_not_trained_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ProgrammeError, match="not a trained model"):
        read_models(broken)


def test_a_model_whose_m_splink_has_not_learned_is_refused() -> None:
    stated = to_splink(learned())
    stated["comparisons"][0]["comparison_levels"][1]["m_probability"] = "level not observed in training dataset"
    with pytest.raises(ProgrammeError, match="not a trained model") as caught:
        read_models(stated)
    assert caught.value.__context__ is None


def test_a_model_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for file in ("broken.json", "absent.json"):
        with pytest.raises(ProgrammeError, match=file):
            read_models(tmp_path / file)


def test_the_models_of_sources_lie_beside_that_of_all(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(model_json(learned()))
    (tmp_path / "model.gp.json").write_text(model_json(learned()))
    assert read_models(tmp_path / "model.json") == {None: learned(), "gp": learned()}
    assert read_models({None: learned(), "gp": to_splink(learned())}) == {None: learned(), "gp": learned()}
    assert read_models(learned()) == {None: learned()}
