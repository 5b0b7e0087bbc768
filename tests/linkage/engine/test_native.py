"""The scorer: what it leaves behind (nothing), what it says (nothing), and that its model is plain Splink's."""

import logging
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from splink import DuckDBAPI, Linker

from linkcore.errors import LinkcoreError, ProgrammeError
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.engine.native import Scorer, with_scorer
from linkcore.linkage.model.model import Comparison, Level, Model
from linkcore.linkage.model.splink_json import model_json
from linkcore.linkage.settings import Fallback
from linkcore.schema import RECORDS

GIVEN = ["ANNA", "PETER", "CHIKE", "OLWEN", "MARIA", "JOHN", "AISHA", "TOMASZ"]
FAMILY = ["SMITH", "OKAFOR", "NG", "REES", "KHAN", "NOWAK", "JONES"]


def people(count: int, *, year: int = 1950) -> pl.DataFrame:
    rows = [
        {
            "record_id": str(i),
            "given_name": GIVEN[i % len(GIVEN)],
            "family_name": FAMILY[i // 8 % len(FAMILY)],
            "gender": "female" if i % 2 else "male",
            "postcode": f"EX{1 + i % 9} {1 + i // 9 % 9}AB",
        }
        for i in range(count)
    ]
    dates = pl.date_range(pl.date(year, 1, 1), pl.date(year + 99, 1, 1), "13d", eager=True)[:count]
    return pl.DataFrame(rows, schema=RECORDS).with_columns(dates.alias("birth_date"))


PERSONS = people(400)
UNKNOWN = PERSONS[::4].with_columns(pl.when(pl.col("record_id").str.ends_with("8")).then("postcode").alias("postcode"))


def taught(scorer: Scorer) -> Scorer:
    labelled = PERSONS[1::4].with_columns(
        pl.int_range(1, 400, 4, dtype=pl.UInt32, eager=True).alias("label"), pl.lit(0, pl.Int32).alias("order")
    )
    scorer.learn_from_labels(labelled, seed=0)
    return scorer


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def spills_to(scorer: Scorer) -> Path:
    (setting,) = scorer._connection.sql("SELECT current_setting('temp_directory')").fetchall()[0]
    return Path(setting)


def test_the_temporary_directory_is_private_and_gone_afterwards(temporary: Path) -> None:
    def look(scorer: Scorer) -> Path:
        directory = spills_to(scorer)
        assert directory.parent == temporary
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        return directory

    assert not with_scorer(Fallback(), PERSONS, UNKNOWN, {}, look).exists()


@pytest.mark.usefixtures("temporary")
def test_the_temporary_directory_is_gone_after_an_error_too() -> None:
    def fail(scorer: Scorer) -> None:
        assert spills_to(scorer).exists()
        raise KeyError("anything")

    with pytest.raises(KeyError):
        with_scorer(Fallback(), PERSONS, UNKNOWN, {}, fail)


@pytest.mark.usefixtures("temporary")
def test_an_error_of_the_database_is_told_without_its_values() -> None:
    def fail(scorer: Scorer) -> None:
        scorer._connection.execute("SELECT CAST(given_name AS INTEGER) FROM people").fetchall()

    with pytest.raises(LinkcoreError, match="failed in Splink") as caught:
        with_scorer(Fallback(), PERSONS, UNKNOWN, {}, fail)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.usefixtures("temporary")
def test_too_little_memory_is_told_as_such() -> None:
    def fail(scorer: Scorer) -> None:
        scorer._connection.execute("SET max_temp_directory_size = '0B'")
        scorer._connection.execute("CREATE TABLE large AS SELECT random() AS a FROM range(100000000)")

    with pytest.raises(LinkcoreError, match=re.escape("raise Fallback(memory=...)")):
        with_scorer(Fallback(memory="64MB"), PERSONS, UNKNOWN, {}, fail)


def test_splink_says_nothing_and_its_logger_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("splink")
    before = list(logger.handlers), logger.propagate, logger.level
    with caplog.at_level(logging.DEBUG):
        with_scorer(Fallback(), PERSONS, UNKNOWN, {}, lambda scorer: taught(scorer).score_with_persons())
    assert caplog.records == []
    assert (logger.handlers, logger.propagate, logger.level) == before


def test_every_record_finds_its_person() -> None:
    found = with_scorer(Fallback(), PERSONS, UNKNOWN, {}, lambda scorer: taught(scorer).score_with_persons())
    best = found.sort("record", "weight", descending=[False, True]).unique("record", keep="first", maintain_order=True)
    assert best["person"].to_list() == list(range(0, 400, 4))
    assert found.select("record", "person").is_duplicated().sum() == 0


def test_u_is_of_all_pairs_but_those_of_one_person() -> None:
    model = with_scorer(Fallback(threads=2), PERSONS, UNKNOWN, {}, lambda scorer: taught(scorer).model)
    assert model is not None
    gender = next(each for each in model.comparisons if each.name == "gender")
    ids, genders = range(PERSONS.height), PERSONS["gender"].to_list()
    agree = [genders[i] == genders[label] for i in ids for label in ids[1::4] if i != label]
    u = [level.u for _, level in gender.judging]
    assert u == pytest.approx([sum(agree) / len(agree), 1 - sum(agree) / len(agree)], rel=1e-5)


def test_the_model_is_plain_splinks_and_gives_the_same_weights(tmp_path: Path) -> None:
    """An analyst opens the saved model in Splink, blocks by its rules, and gets the weights that linkcore used."""

    def score(scorer: Scorer) -> tuple[pl.DataFrame, Model, float]:
        taught(scorer)
        return scorer.score_with_persons(), scorer.known_model, scorer.prior_weight

    ours, model, prior_weight = with_scorer(Fallback(), PERSONS, UNKNOWN, {}, score)
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
    assert (both["weight"] + prior_weight).to_list() == pytest.approx(both["match_weight"].to_list(), abs=1e-6)


def test_a_model_given_back_scores_the_same() -> None:
    def score(scorer: Scorer) -> tuple[pl.DataFrame, Model]:
        return taught(scorer).score_with_persons(), scorer.known_model

    def score_again(scorer: Scorer) -> pl.DataFrame:
        scorer.use(model)
        scorer.learn_relatives(seed=0)
        return scorer.score_with_persons()

    first, model = with_scorer(Fallback(), PERSONS, UNKNOWN, {}, score)
    assert with_scorer(Fallback(model=model), PERSONS, UNKNOWN, {}, score_again).equals(first)


def test_records_are_scored_in_rounds_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round has all candidates of its records, so rounds bound the memory and change nothing."""

    def score(scorer: Scorer) -> tuple[pl.DataFrame, pl.DataFrame]:
        taught(scorer)
        everybody = pl.int_range(UNKNOWN.height, dtype=pl.UInt32, eager=True)
        return scorer.score_with_persons(), scorer.score_among(everybody, [])

    whole = with_scorer(Fallback(), PERSONS, UNKNOWN, {}, score)
    monkeypatch.setattr("linkcore.linkage.engine.native._RECORDS_AT_A_TIME", 40)
    for one, other in zip(whole, with_scorer(Fallback(), PERSONS, UNKNOWN, {}, score), strict=True):
        assert one.height > 0
        assert one.equals(other)


def test_records_that_are_kept_apart_are_not_compared() -> None:
    unknown = pl.concat([UNKNOWN[:50]] * 4)
    everybody = pl.int_range(200, dtype=pl.UInt32, eager=True)

    def score(scorer: Scorer) -> list[pl.DataFrame]:
        taught(scorer)
        return [scorer.score_among(everybody, apart) for apart in ([], [(0, 99)], [(0, 99), (100, 199)])]

    free, half, across = with_scorer(Fallback(), PERSONS, unknown, {}, score)
    first = pl.col("b") < 100
    assert free.filter(first).height > 0
    assert half.equals(free.filter(~first))
    assert across.equals(free.filter((pl.col("a") < 100) & (pl.col("b") >= 100)))


def test_a_model_that_compares_what_is_not_there_is_refused() -> None:
    level = Level("first_name_l = first_name_r", "Agrees", m=0.9, u=0.1)
    model = Model((Comparison("first_name", (level,)),), prior=0.01)
    with pytest.raises(ProgrammeError, match="first_name"):
        with_scorer(Fallback(model=model), PERSONS, UNKNOWN, {}, lambda scorer: scorer.use(model))


@pytest.mark.parametrize(
    "settings",
    [{"accept": 0.4}, {"accept": 1.0}, {"memory": "much"}, {"memory": "3GB; DROP TABLE x"}, {"threads": 0}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ProgrammeError, match=next(iter(settings))):
        Fallback(**settings)  # type: ignore[arg-type]


@given(st.floats(0.5, 1.0, exclude_max=True))
def test_settings_that_make_sense_are_taken(accept: float) -> None:
    assert Fallback(accept=accept, memory="1.5 GiB", threads=2).accept == accept
