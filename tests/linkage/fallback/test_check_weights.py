"""The check of a run's weights against Splink: it is made, it finds a wrong weight, and it says how."""

import re

import polars as pl
import pytest

from linkcore.errors import LinkcoreError
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.fallback.check_weights import check_weights
from tests.linkage.engine.people import learned, with_engine


def test_weights_of_a_run_are_splinks() -> None:
    def check(engine: NativeEngine) -> None:
        known = learned(engine)
        scored = engine.score_with_persons(known, all_pairs=True).pairs
        found = check_weights(engine, known, scored, compared=scored.height, check="always")
        assert found is not None
        assert 100 <= found.pairs <= scored.height
        assert found.largest_difference <= 2e-9
        assert check_weights(engine, known, scored, compared=scored.height, check="never") is None
        assert check_weights(engine, known, scored, compared=99_999, check="auto") is None
        assert check_weights(engine, known, scored, compared=100_000, check="auto") == found
        assert check_weights(engine, known, scored[:0], compared=0, check="always") is None
        splink = SplinkEngine(engine.people, engine.comparisons, engine.rules)
        assert check_weights(splink, known, scored, compared=scored.height, check="always") is None

    with_engine(check)


def test_weights_of_pairs_of_records_are_checked_as_well() -> None:
    def check(engine: NativeEngine) -> None:
        known, records = learned(engine), pl.int_range(engine.records, dtype=pl.UInt32, eager=True)
        scored = engine.score_among_records(known, records, [], all_pairs=True).pairs
        found = check_weights(engine, known, scored, compared=scored.height, check="always")
        assert found is not None
        assert found.pairs > 0

    with_engine(check)


@pytest.mark.parametrize("wrong", [1e-5, -3.0, float("nan")])
def test_one_wrong_weight_stops_the_run_and_shows_no_identifier(wrong: float) -> None:
    def check(engine: NativeEngine) -> None:
        known = learned(engine)
        scored = engine.score_with_persons(known, all_pairs=True).pairs
        row = pl.int_range(pl.len()) == scored.height // 2
        broken = scored.with_columns(pl.when(row).then(pl.col("weight") + wrong).otherwise("weight"))
        check_weights(engine, known, broken, compared=scored.height, check="always")

    with pytest.raises(LinkcoreError, match=r"linkcore gives a pair of records the weight \S+, and Splink 5") as caught:
        with_engine(check)
    said = str(caught.value)
    assert re.search(r"levels: name \d", said)
    assert not re.search(r"SMITH|ANNA|EX\d|19\d\d", said)


def test_every_level_that_occurs_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where few pairs are drawn; and the same pairs, whatever the order of rows."""
    monkeypatch.setattr("linkcore.linkage.fallback.check_weights._PAIRS", 5)
    monkeypatch.setattr("linkcore.linkage.fallback.check_weights._OF_EACH_LEVEL", 1)
    asked: list[pl.DataFrame] = []
    given = SplinkEngine.score_given

    def look(engine: SplinkEngine, learned: object, pairs: pl.DataFrame) -> pl.DataFrame:
        asked.append(pairs)
        return given(engine, learned, pairs)  # type: ignore[arg-type]

    monkeypatch.setattr(SplinkEngine, "score_given", look)

    def check(engine: NativeEngine) -> pl.DataFrame:
        known = learned(engine)
        scored = engine.score_with_persons(known, all_pairs=True).pairs
        for pairs in (scored, scored.reverse()):
            check_weights(engine, known, pairs, compared=scored.height, check="always")
        return scored

    scored = with_engine(check)
    one, other = (pairs.sort("record", "person") for pairs in asked)
    assert one.equals(other)
    assert one.height < scored.height / 5
    sample = one.join(scored, on=["record", "person"])
    for name in (name for name in scored.columns if name.startswith("gamma_")):
        assert set(sample[name]) == set(scored[name])


def test_only_the_largest_sources_are_looked_at_unless_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.linkage.engine.people import UNKNOWN

    sources = UNKNOWN.with_columns(source_index=pl.int_range(pl.len(), dtype=pl.Int32) % 4)
    # The first source has no record, the second half of them.
    sources = sources.with_columns(
        pl.when(pl.col("source_index") == 0).then(1).otherwise("source_index").cast(pl.Int32).alias("source_index")
    )
    asked: list[int] = []
    monkeypatch.setattr("linkcore.linkage.fallback.check_weights._SOURCES", 1)
    given = SplinkEngine.score_given

    def look(engine: SplinkEngine, learned: object, pairs: pl.DataFrame) -> pl.DataFrame:
        asked.append(engine.people.source_of_record[pairs["record"]].n_unique())
        return given(engine, learned, pairs)  # type: ignore[arg-type]

    monkeypatch.setattr(SplinkEngine, "score_given", look)

    def check(engine: NativeEngine) -> None:
        known = learned(engine)
        scored = engine.score_with_persons(known, all_pairs=True).pairs
        for how in ("auto", "always"):
            check_weights(engine, known, scored, compared=100_000, check=how)  # type: ignore[arg-type]

    with_engine(check, records=sources)
    assert asked == [1, 3]
