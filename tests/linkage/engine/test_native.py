"""linkcore's own engine: what it finds, and that its weights are those of Splink by the same model."""

from pathlib import Path

import duckdb
import polars as pl
import pytest
from splink import DuckDBAPI, Linker

from linkcore.errors import ProgrammeError
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.engine.engine import Scored
from linkcore.linkage.engine.learn import use_given_models
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.tables import PeopleTable, with_people_table
from linkcore.linkage.model.model import Comparison, Level, Model
from linkcore.linkage.model.splink_json import model_json
from linkcore.linkage.settings import Fallback
from linkcore.schema import OTHER
from tests.linkage.engine.people import PERSONS, UNKNOWN, learned, with_engine


def score(engine: NativeEngine) -> pl.DataFrame:
    return engine.score_with_persons(learned(engine)).pairs


def test_every_record_finds_its_person() -> None:
    found = with_engine(score)
    best = found.sort("record", "weight", descending=[False, True]).unique("record", keep="first", maintain_order=True)
    assert best["person"].to_list() == list(range(0, 400, 4))
    assert found.select("record", "person").is_duplicated().sum() == 0


def test_u_is_of_all_pairs_but_those_of_one_person() -> None:
    model = with_engine(lambda engine: learned(engine).model, fallback=Fallback(threads=2))
    gender = next(each for each in model.comparisons if each.name == "gender")
    ids, genders = range(PERSONS.height), PERSONS["gender"].to_list()
    agree = [genders[i] == genders[label] for i in ids for label in ids[1::4] if i != label]
    u = [level.u for _, level in gender.judging]
    assert u == pytest.approx([sum(agree) / len(agree), 1 - sum(agree) / len(agree)], rel=1e-5)


def test_the_model_is_plain_splinks_and_gives_the_same_weights(tmp_path: Path) -> None:
    """An analyst opens the saved model in Splink, blocks by its rules, and gets the weights that linkcore used."""

    ours, model = with_engine(lambda engine: (score(engine), learned(engine).model))
    connection = duckdb.connect()
    api = DuckDBAPI(connection)
    tables = []
    for name, frame in (("persons", PERSONS), ("records", UNKNOWN)):
        connection.register(f"{name}_frame", comparable(frame).with_row_index("unique_id"))
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM {name}_frame")
        tables.append(api.register(name, table_name=name))
    (tmp_path / "model.json").write_text(model_json(model))
    linker = Linker(tables, str(tmp_path / "model.json"), log_level=None)
    linker._settings_obj._link_type = "link_only"
    # The frequency of a value is that among persons, and one more of each of 1/u values.
    for column, u in model.average_frequencies.items():
        frequencies = connection.sql(
            f"SELECT {column}, count(*) / ((SELECT count({column}) FROM persons) - 1 + {1 / u}) AS tf_{column} "
            f"FROM persons WHERE {column} IS NOT NULL GROUP BY {column}"
        ).pl()
        table = api.register(frequencies.to_arrow(), table_name=f"frequencies_{column}")
        linker.table_management.register_term_frequency_lookup(table, column)
    theirs = (
        linker.inference.predict(warning_mode="never")
        .as_duckdbpyrelation()
        .select("unique_id_l AS person, unique_id_r AS record, match_weight")
        .pl()
        .cast({"person": pl.UInt32, "record": pl.UInt32})
    )
    both = ours.join(theirs, on=["record", "person"], how="left")
    assert both.height >= 100
    assert (both["weight"] + model.prior_weight).to_list() == pytest.approx(both["match_weight"].to_list(), abs=1e-6)


def test_a_model_given_back_scores_the_same() -> None:
    def score_by(engine: NativeEngine, model: Model) -> pl.DataFrame:
        return engine.score_with_persons(use_given_models(engine, model, {}, seed=0)).pairs

    first, model = with_engine(lambda engine: (score(engine), learned(engine).model))
    assert with_engine(lambda engine: score_by(engine, model)).equals(first)


def test_records_are_scored_in_rounds_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round has all candidates of its records, so rounds bound the memory and change nothing."""

    def score_twice(engine: NativeEngine) -> tuple[Scored, Scored]:
        known, everybody = learned(engine), pl.int_range(UNKNOWN.height, dtype=pl.UInt32, eager=True)
        return engine.score_with_persons(known), engine.score_among_records(known, everybody, [])

    whole = with_engine(score_twice)
    monkeypatch.setattr("linkcore.linkage.engine.native.RECORDS_AT_A_TIME", 40)
    for one, other in zip(whole, with_engine(score_twice), strict=True):
        assert one.pairs.height > 0
        assert one.pairs.equals(other.pairs)
        assert one.left_out == other.left_out


def test_watched_pairs_are_reported_where_some_rule_proposes_them() -> None:
    watched = pl.DataFrame(
        {"record": [0, 0, 7], "person": [0, 399, 28]}, schema={"record": pl.UInt32, "person": pl.UInt32}
    )
    scored = with_engine(lambda engine: engine.score_with_persons(learned(engine), watched))
    assert scored.proposed.rows() == [(0, 0), (7, 28)]
    assert scored.compared >= scored.pairs.height > 0


def test_given_pairs_are_scored_as_those_that_rules_propose() -> None:
    def score_both(engine: NativeEngine) -> tuple[pl.DataFrame, pl.DataFrame]:
        known, everybody = learned(engine), pl.int_range(UNKNOWN.height, dtype=pl.UInt32, eager=True)
        proposed = engine.score_among_records(known, everybody, []).pairs
        return proposed, engine.score_records(known, proposed.select("a", "b"))

    proposed, given = with_engine(score_both)
    assert given.equals(proposed)


def test_two_persons_are_scored_once_whichever_comes_first() -> None:
    pairs = pl.DataFrame({"a": [5, 0, 1], "b": [3, 1, 0]}, schema={"a": pl.UInt32, "b": pl.UInt32})
    found = with_engine(lambda engine: engine.score_persons(learned(engine), pairs))
    assert found.columns[:5] == ["a", "b", "weight", "relative", "gamma_name"]
    assert found.select("a", "b").rows() == [(0, 1), (3, 5)]


def test_records_that_are_kept_apart_are_not_compared() -> None:
    records = pl.concat([UNKNOWN[:50]] * 4)
    everybody = pl.int_range(200, dtype=pl.UInt32, eager=True)

    def score_three_times(engine: NativeEngine) -> list[pl.DataFrame]:
        known = learned(engine)
        ranges: list[list[tuple[int, int]]] = [[], [(0, 99)], [(0, 99), (100, 199)]]
        return [engine.score_among_records(known, everybody, apart).pairs for apart in ranges]

    free, half, across = with_engine(score_three_times, records=records)
    first = pl.col("b") < 100
    assert free.filter(first).height > 0
    assert half.equals(free.filter(~first))
    assert across.equals(free.filter((pl.col("a") < 100) & (pl.col("b") >= 100)))


def test_a_model_that_compares_what_no_source_has_is_refused() -> None:
    level = Level("first_name_l = first_name_r", "Agrees", m=0.9, u=0.1)
    model = Model((Comparison("first_name", (level,)),), prior=0.01)
    with pytest.raises(ProgrammeError, match="first_name"):
        with_engine(lambda engine: use_given_models(engine, model, {}, seed=0))


def test_a_labelled_record_does_not_agree_with_what_only_it_has_taught() -> None:
    """The persons have moved; the first half of the records are the only ones with the former postcode."""
    moved = pl.Series(OTHER + "postcode", [["EX99 9ZZ"]] * PERSONS.height)
    former = PERSONS.with_columns(postcode=pl.lit("EX99 9ZZ"))
    labelled = former[1::4].with_columns(
        pl.int_range(1, 400, 4, dtype=pl.UInt32, eager=True).alias("label"), pl.lit(0, pl.Int32).alias("source_index")
    )
    by_others = pl.Series(OTHER + "postcode", [None] * 50 + [["EX99 9ZZ"]] * 50, pl.List(pl.String))

    def former_postcodes(people: PeopleTable) -> int:
        counts = NativeEngine.of(people, {}).count_labelled(labelled.with_columns(by_others), seed=0).one_person
        (place,) = (each for each in NativeEngine.of(people, {}).comparisons if each.name == "postcode")
        position = [level.label for level in place.levels].index("Former postcode agrees")
        of_level = counts.filter((pl.col("comparison") == "postcode") & (pl.col("position") == position))
        return int(of_level["pairs"].sum())

    assert with_people_table(Fallback(), PERSONS.with_columns(moved), UNKNOWN, former_postcodes) == 50
