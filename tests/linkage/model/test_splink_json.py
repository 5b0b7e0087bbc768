"""A model written as Splink itself writes it, and read back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from linkcore.errors import ProgrammeError
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.levels import Shares, with_probabilities
from linkcore.linkage.model.model import Model, TermFrequency, UntrainedModel
from linkcore.linkage.model.splink_json import is_by_linkcore, model_json, read_models, settings_of_one_table, to_splink
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
    model = read_models(stated)[None]
    assert isinstance(model, Model)
    return model


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
    ("broken", "why"),
    [
        ({}, "is not a model"),
        ({"comparisons": [{"comparison_levels": [{"m_probability": 0.5}]}]}, "is not a model"),
        ({"comparisons": [], "probability_two_random_records_match": 0.1}, "compares nothing"),
        ({"comparisons": 7}, "is not a model"),
        (
            {"comparisons": [{"output_column_name": "x", "comparison_levels": [{"sql_condition": "x_l = x_r"}]}]},
            "comparison 'x' has no level for all other pairs; end it with ELSE",
        ),
        (
            {"comparisons": [{"output_column_name": 'x" y', "comparison_levels": [{"sql_condition": "ELSE"}]}]},
            "letters",
        ),
    ],
)
def test_what_is_no_model_is_refused(broken: dict[str, object], why: str) -> None:
    with pytest.raises(ProgrammeError, match=why) as caught:
        read_models(broken)
    assert caught.value.__context__ is None


def test_what_splink_has_not_learned_the_run_learns() -> None:
    stated = to_splink(learned())
    stated["comparisons"][0]["comparison_levels"][1]["m_probability"] = "level not observed in training dataset"
    read_back = read_models(stated)[None]
    assert isinstance(read_back, UntrainedModel)
    unseen = read_back.comparisons[0].levels[1]
    assert (unseen.m, unseen.u) == (None, 0.1)
    assert read_back.prior == 0.00012
    # Splink's words do not come back over what was learned.
    assert unseen.extra == {}
    with pytest.raises(ProgrammeError, match="that of source 'gp' is not trained"):
        read_models({None: learned(), "gp": stated})


def test_settings_by_splinks_own_creators_are_read_as_splink_writes_them() -> None:
    """As an object, as the mapping that it writes, and as a mapping of creators."""
    compared: list[Any] = [
        cl.NameComparison("given_name"),
        cl.ExactMatch("gender").configure(m_probabilities=[0.9, 0.1], u_probabilities=[0.5, 0.5]),
    ]
    rules: list[Any] = [block_on("birth_date"), "l.postcode = r.postcode"]
    creator = SettingsCreator(link_type="link_only", comparisons=compared, blocking_rules_to_generate_predictions=rules)
    of_creators = {
        "link_type": "link_only",
        "comparisons": compared,
        "blocking_rules_to_generate_predictions": rules,
    }
    models = [read_models(each)[None] for each in (creator, creator.create_settings_dict("duckdb"), of_creators)]
    for model in models:
        assert isinstance(model, UntrainedModel)
        assert [each.name for each in model.comparisons] == ["given_name", "gender"]
        assert [level.m for level in model.comparisons[1].levels] == [None, 0.9, 0.1]
        assert model.blocking_rules == ('l."birth_date" = r."birth_date"', "l.postcode = r.postcode")
        # 0.0001 is what Splink writes if nobody has said anything.
        assert model.prior is None
    assert models[0].comparisons == models[1].comparisons == models[2].comparisons


def test_a_comparison_without_a_name_is_named_as_splink_names_it() -> None:
    levels = [{"sql_condition": "given_name_l = family_name_r"}, {"sql_condition": "else"}]
    model = read_models({"comparisons": [{"comparison_levels": levels}]})[None]
    people = duckdb.sql("SELECT 1 AS unique_id, '' AS given_name, '' AS family_name")
    table = DuckDBAPI().register(people.to_arrow_table(), table_name="people")
    settings = {"link_type": "dedupe_only", "comparisons": [{"comparison_levels": levels}]}
    linker = Linker(table, settings, log_level=None, validate_settings=False)
    theirs = linker._settings_obj.comparisons[0].output_column_name
    assert model.comparisons[0].name == "custom_family_name_given_name"
    assert theirs in ("custom_family_name_given_name", "custom_given_name_family_name")
    assert model.comparisons[0].levels[1].condition == "ELSE"


def test_rules_that_take_lists_apart_are_refused() -> None:
    rule = block_on("given_groups", arrays_to_explode=["given_groups"])
    creator = SettingsCreator("link_only", [cl.ExactMatch("gender")], [rule])
    with pytest.raises(ProgrammeError, match="blocking rule 1 takes lists apart"):
        read_models(creator)


def test_sql_in_a_model_is_checked_wherever_it_stands() -> None:
    stated = to_splink(learned())
    stated["comparisons"][0]["comparison_levels"][1]["sql_condition"] += "; COPY people TO 'x.csv'"
    with pytest.raises(ProgrammeError, match="level 2 of comparison 'name' is not one expression"):
        read_models(stated)
    stated = to_splink(learned()) | {"blocking_rules_to_generate_predictions": ["l.x = (SELECT 1)"]}
    with pytest.raises(ProgrammeError, match="blocking rule 1 holds a query"):
        read_models(stated)
    stated = to_splink(learned())
    stated["comparisons"][0]["comparison_levels"][1]["tf_adjustment_column"] = 'x", (SELECT 1) AS "y'
    with pytest.raises(ProgrammeError, match="is not the name of a column"):
        read_models(stated)
    with pytest.raises(ProgrammeError, match="holds a query"):
        read_models(replace(learned(), blocking_rules=("l.x = (SELECT 1)",)))


def test_a_model_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for file in ("broken.json", "deep.json", "absent.json"):
        with pytest.raises(ProgrammeError, match=file) as caught:
            read_models(tmp_path / file)
        assert caught.value.__context__ is None


def test_the_models_of_sources_lie_beside_that_of_all(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(model_json(learned()))
    (tmp_path / "model.gp.json").write_text(model_json(learned()))
    assert read_models(tmp_path / "model.json") == {None: learned(), "gp": learned()}
    assert read_models({None: learned(), "gp": to_splink(learned())}) == {None: learned(), "gp": learned()}
    assert read_models(learned()) == {None: learned()}


def test_who_has_made_a_model_is_known() -> None:
    assert is_by_linkcore(learned())
    assert is_by_linkcore(read(to_splink(learned())))
    stated = to_splink(learned())
    assert not is_by_linkcore(read(stated | {"linker_uid": "ab12cd34"}))
    del stated["linker_uid"]
    assert not is_by_linkcore(read(stated))


def one_comparison(**level: object) -> dict[str, object]:
    first = {"sql_condition": "x_l = x_r", "m_probability": 0.9, "u_probability": 0.1, **level}
    last = {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.9}
    comparison = {"output_column_name": "x", "comparison_levels": [first, last]}
    return {"comparisons": [comparison], "probability_two_random_records_match": 0.01}


@pytest.mark.parametrize(
    ("level", "why"),
    [
        ({"m_probability": 10**400}, "m or u of a level"),
        ({"m_probability": 1e-300}, "m or u of a level"),
        ({"u_probability": True}, "m or u of a level"),
        ({"tf_adjustment_column": "x", "tf_adjustment_weight": float("nan")}, "term frequency of 'x'"),
        ({"tf_adjustment_column": "x", "tf_adjustment_weight": 1e308}, "term frequency of 'x'"),
        ({"tf_adjustment_column": "x", "tf_adjustment_weight": -1}, "term frequency of 'x'"),
        ({"tf_adjustment_column": "x", "tf_minimum_u_value": 2}, "term frequency of 'x'"),
        ({"tf_adjustment_column": "x", "tf_adjustment_weight": 10**400}, "is not a model"),
    ],
)
def test_numbers_that_cannot_be_are_refused(level: dict[str, object], why: str) -> None:
    with pytest.raises(ProgrammeError, match=why):
        read_models(one_comparison(**level))


def test_what_splink_makes_of_a_level_linkcore_makes_of_it_too() -> None:
    """Splink takes a weight of 0 for 1; an empty label is the condition; half a character is shown as an escape."""
    level = (
        read(one_comparison(tf_adjustment_column="x", tf_adjustment_weight=0, label_for_charts=""))
        .comparisons[0]
        .levels[0]
    )
    assert level.term_frequency == TermFrequency("x", weight=1.0)
    assert level.label == "x_l = x_r"
    assert read(one_comparison(label_for_charts="\ud800")).comparisons[0].levels[0].label == "\\ud800"


def test_ladders_and_names_that_splink_or_the_run_cannot_take_are_refused() -> None:
    many = [{"sql_condition": f"x_l = {number}"} for number in range(101)]
    with pytest.raises(ProgrammeError, match="at most 100 are possible"):
        read_models(
            {"comparisons": [{"output_column_name": "x", "comparison_levels": [*many, {"sql_condition": "ELSE"}]}]}
        )
    nothing = {"sql_condition": "ELSE", "is_null_level": True}
    with pytest.raises(ProgrammeError, match="has no level for all other pairs"):
        read_models({"comparisons": [{"output_column_name": "x", "comparison_levels": [nothing]}]})
    stated = one_comparison()
    stated["comparisons"][0]["output_column_name"] = "tf_adj_x"  # type: ignore[index]
    with pytest.raises(ProgrammeError, match="does not begin with tf_adj_"):
        read_models(stated)
    named = replace(learned(), comparisons=(replace(learned().comparisons[0], name='x" AS y'),))
    with pytest.raises(ProgrammeError, match="is letters, digits and _"):
        read_models(named)
    with pytest.raises(ProgrammeError, match="that of all is not; give the models of one run"):
        read_models(
            {None: {"comparisons": stated["comparisons"]} | one_comparison(m_probability=None), "gp": learned()}
        )


def test_models_of_sources_are_found_whatever_the_file_is_called(tmp_path: Path) -> None:
    for name in ("model[1].json", "model[1].gp.json"):
        (tmp_path / name).write_text(model_json(learned()))
    assert set(read_models(tmp_path / "model[1].json")) == {None, "gp"}
