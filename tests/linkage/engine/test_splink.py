"""What Splink is asked for: the weight of pairs and of each comparison, and a chart; and that it says nothing."""

import logging
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.comparisons.levels import missing
from linkcore.linkage.engine.learn import use_given_models
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.splink import SplinkEngine, weigh_fields
from linkcore.linkage.model.model import OTHERWISE, Comparison, Level, Model, TermFrequency
from tests.linkage.engine.people import learned, with_engine


def weighed(engine: NativeEngine) -> tuple[pl.DataFrame, pl.DataFrame, float, str]:
    known = learned(engine)
    scored = engine.score_with_persons(known).pairs.head(20)
    decided = scored.select("record", "person", probability=pl.lit(0.9))
    fields, page = weigh_fields(engine.people, known.model, decided)
    return scored, fields, known.model.prior_weight, page


def test_the_weights_of_the_comparisons_sum_to_that_of_the_engine() -> None:
    scored, fields, prior, page = with_engine(weighed)
    parts = fields.select(pl.sum_horizontal(pl.col("^mw_.*$").fill_null(0.0))).to_series()
    assert (parts + prior).to_list() == pytest.approx(fields["match_weight"].to_list())
    assert fields["match_weight"].to_list() == pytest.approx((scored["weight"] + prior).to_list(), abs=1e-6)
    assert "splink-chart" in page


def test_splink_says_nothing_and_its_logger_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("splink")
    before = list(logger.handlers), logger.propagate, logger.level
    with caplog.at_level(logging.DEBUG):
        with_engine(weighed)
    assert caplog.records == []
    assert (logger.handlers, logger.propagate, logger.level) == before


COLUMNS = ("given_name", "family_name", "birth_year", "gender", "postcode", "postcode_area")
LADDER = ("{0}_l = {0}_r", "jaro_winkler_similarity({0}_l, {0}_r) > 0.8", "damerau_levenshtein({0}_l, {0}_r) <= 1")
SHARE = st.floats(0.001, 1.0).map(lambda value: float(f"{value:.6g}"))


@st.composite
def comparisons_of(draw: st.DrawFn, column: str) -> Comparison:
    """A ladder on one column: with or without a level of missing values, and with or without counting values."""
    counted = draw(st.sampled_from([None, 1.0, 0.5]))
    levels = [Level(missing(column), "Missing", is_null=True)] * draw(st.integers(0, 1))
    for number, condition in enumerate(LADDER[: draw(st.integers(1, 3))]):
        of_exact = draw(st.booleans()) or number == 0
        minimum = draw(st.sampled_from([0.0, 0.01]))
        term = counted and TermFrequency(column, weight=counted, minimum_u=minimum, of_exact_match=of_exact)
        levels.append(
            Level(condition.format(column), "Level", m=draw(SHARE), u=draw(SHARE), term_frequency=term or None)
        )
    return Comparison(column, (*levels, Level(OTHERWISE, "Differs", m=draw(SHARE), u=draw(SHARE))))


@st.composite
def models(draw: st.DrawFn) -> Model:
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True))
    return Model(tuple(draw(comparisons_of(column)) for column in columns), prior=draw(st.floats(1e-6, 0.9)))


@settings(max_examples=6, deadline=None)
@given(models(), models())
def test_any_model_weighs_pairs_as_splink_does(model: Model, of_source: Model) -> None:
    """Of all sources, and with m of its own for a source."""
    other_m = [level.m for each in of_source.comparisons for level in each.levels if level.m is not None]

    def own(comparison: Comparison) -> Comparison:
        return comparison.with_m(dict(zip(comparison.m_by_position, other_m, strict=False)))

    source_model = replace(model, comparisons=tuple(map(own, model.comparisons)))

    def both(engine: NativeEngine) -> list[pl.DataFrame]:
        scored = []
        for each in (engine, SplinkEngine(engine.people, engine.comparisons, engine.rules)):
            known = use_given_models(each, model, {0: source_model}, seed=0)
            everybody = pl.int_range(20, dtype=pl.UInt32, eager=True)
            scored += [
                each.score_with_persons(known, all_pairs=True).pairs,
                each.score_among_records(known, everybody, [], all_pairs=True).pairs,
                each.score_persons(
                    known, pl.DataFrame({"a": [0, 7], "b": [8, 3]}, schema=dict.fromkeys("ab", pl.UInt32))
                ),
            ]
        return scored

    found = with_engine(both)
    for native, splink in zip(found[:3], found[3:], strict=True):
        assert native.height > 0
        exact = [name for name in native.columns if name not in ("weight", "relative")]
        assert splink.select(exact).equals(native.select(exact))
        assert splink["weight"].to_list() == pytest.approx(native["weight"].to_list(), abs=2.1e-9)


def test_pairs_are_weighed_in_rounds_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(engine: NativeEngine) -> pl.DataFrame:
        return SplinkEngine(engine.people, engine.comparisons, engine.rules).score_with_persons(learned(engine)).pairs

    whole = with_engine(score)
    monkeypatch.setattr("linkcore.linkage.engine.splink._PAIRS_AT_A_TIME", whole.height // 2)
    assert with_engine(score).equals(whole)
    assert whole.height > 100


def test_splink_leaves_no_table_behind() -> None:
    def score(engine: NativeEngine) -> list[str]:
        SplinkEngine(engine.people, engine.comparisons, engine.rules).score_with_persons(learned(engine))
        return [name for (name,) in engine.people.connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()]

    assert not [name for name in with_engine(score) if name.startswith("__splink")]
