"""The check of a run's weights against Splink: it is made, it finds a wrong weight, and it says how."""

import re
from collections.abc import Sequence

import polars as pl
import pytest

import linkcore as lc
from linkcore.errors import LinkcoreError
from linkcore.linkage.engine import native as native_module
from linkcore.linkage.engine.engine import Scored
from linkcore.linkage.engine.native import NativeEngine
from linkcore.linkage.engine.splink import SplinkEngine
from linkcore.linkage.fallback.check_weights import check_weights
from linkcore.linkage.model.model import Comparison
from linkcore.synthetic import synthesise
from tests.linkage.engine.people import UNKNOWN, learned, with_engine


def scored(engine: NativeEngine, sample: int = 4_000) -> Scored:
    return engine.score_with_persons(learned(engine), sample=sample)


def among_records(engine: NativeEngine, sample: int = 4_000) -> Scored:
    records = pl.int_range(engine.records, dtype=pl.UInt32, eager=True)
    return engine.score_among_records(learned(engine), records, [], sample=sample)


def test_weights_of_a_run_are_splinks() -> None:
    def check(engine: NativeEngine) -> None:
        known, samples = learned(engine), [scored(engine).sampled, among_records(engine).sampled]
        found = check_weights(engine, known, samples, compared=10, check="always")
        assert found is not None
        assert found.pairs == sum(sample.height for sample in samples)
        assert all(sample.height for sample in samples)
        assert found.largest_difference <= 2e-9
        assert check_weights(engine, known, samples, compared=10**6, check="never") is None
        assert check_weights(engine, known, samples, compared=99_999, check="auto") is None
        first = check_weights(engine, known, samples, compared=100_000, check="auto")
        assert first is not None
        assert first.pairs == samples[0].height
        alone = check_weights(engine, known, samples[1:], compared=100_000, check="auto")
        assert alone is not None
        assert alone.pairs == samples[1].height
        assert check_weights(engine, known, [samples[0][:0]], compared=10**6, check="always") is None
        splink = SplinkEngine(engine.people, engine.comparisons, engine.rules)
        assert check_weights(splink, known, samples, compared=10**6, check="always") is None

    with_engine(check)


@pytest.mark.parametrize("wrong", [1e-5, -3.0, float("nan")])
@pytest.mark.parametrize("which", [0, 1])
def test_one_wrong_weight_stops_the_run_and_shows_no_identifier(wrong: float, which: int) -> None:
    def check(engine: NativeEngine) -> None:
        samples = [scored(engine).sampled, among_records(engine).sampled]
        row = pl.int_range(pl.len()) == samples[which].height // 2
        broken = samples[which].with_columns(pl.when(row).then(pl.col("weight") + wrong).otherwise("weight"))
        samples[which] = broken
        check_weights(engine, learned(engine), samples, compared=10, check="always")

    with pytest.raises(LinkcoreError, match=r"linkcore gives a pair of records the weight \S+, and Splink 5") as caught:
        with_engine(check)
    said = str(caught.value)
    assert re.search(r"levels: name \d", said)
    assert not re.search(r"SMITH|ANNA|EX\d|19\d\d", said)


def test_a_level_that_weighs_far_too_little_is_found_in_a_run(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pairs are dropped as improbable. So the sample is drawn before that."""
    made = synthesise(tmp_path_factory.mktemp("ics"), people=2_000, seed=3)
    programme = lc.Programme.load(made.programme)
    monkeypatch.setattr("linkcore.linkage.fallback.check_weights._MANY_PAIRS", 0)
    assert programme.link().probabilistic.weights_checked.pairs > 500  # type: ignore[union-attr]
    right = native_module.match_weight

    def wrong(pairs: pl.DataFrame, comparisons: Sequence[Comparison], frequencies: dict[str, pl.Series]) -> pl.Series:
        too_low = pl.when(pl.col("gamma_birth_date") == 0).then(-60.0).otherwise(0.0)
        return right(pairs, comparisons, frequencies) + pairs.select(too_low).to_series()

    monkeypatch.setattr(native_module, "match_weight", wrong)
    with pytest.raises(LinkcoreError, match=r"birth_date 0"):
        programme.link()


def test_a_sample_has_every_level_and_source_and_does_not_depend_on_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linkcore.linkage.engine.pair_engine._OF_EACH_LEVEL", 2)
    monkeypatch.setattr("linkcore.linkage.engine.pair_engine._LOW_PAIRS", 60)
    sources = UNKNOWN.with_columns(source_index=(pl.int_range(pl.len()) % 4).cast(pl.Int32))

    def look(engine: NativeEngine) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
        everything = engine.score_with_persons(learned(engine), all_pairs=True).pairs
        records = pl.int_range(engine.records, dtype=pl.UInt32, eager=True)
        of_records = engine.score_among_records(learned(engine), records, [], all_pairs=True).pairs
        return [
            (
                everything.with_columns(source=engine.people.source_of_record[everything["record"]]),
                scored(engine, 5).sampled,
            ),
            (of_records, among_records(engine, 5).sampled),
        ]

    whole = with_engine(look, records=sources)
    monkeypatch.setattr("linkcore.linkage.engine.native.RECORDS_AT_A_TIME", 30)
    for (pairs, sample), (_, in_rounds) in zip(whole, with_engine(look, records=sources), strict=True):
        keys = list(pairs.columns[:2])
        assert in_rounds.sort(keys).equals(sample.sort(keys))
        assert 5 <= sample.height < pairs.height / 4
        drawn = sample.join(pairs.select(*keys, *({"source"} & set(pairs.columns))), on=keys)
        assert drawn.height == sample.height
        for name in (name for name in pairs.columns if name.startswith("gamma_") or name == "source"):
            assert set(drawn[name]) == set(pairs[name])


def test_only_the_largest_sources_are_looked_at_unless_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = pl.int_range(pl.len(), dtype=pl.Int32) % 4
    # The first source has no record, and the second has two in four.
    sources = UNKNOWN.with_columns(source_index=pl.when(kind == 0).then(1).otherwise(kind).cast(pl.Int32))
    asked: list[list[int]] = []
    monkeypatch.setattr("linkcore.linkage.fallback.check_weights._SOURCES", 1)
    given = SplinkEngine.score_given

    def look(engine: SplinkEngine, learned: object, pairs: pl.DataFrame) -> pl.DataFrame:
        asked.append(engine.people.source_of_record[pairs["record"]].unique().sort().to_list())
        return given(engine, learned, pairs)  # type: ignore[arg-type]

    monkeypatch.setattr(SplinkEngine, "score_given", look)

    def check(engine: NativeEngine) -> None:
        samples = [scored(engine).sampled]
        check_weights(engine, learned(engine), samples, compared=100_000, check="auto")
        check_weights(engine, learned(engine), samples, compared=100_000, check="always")

    with_engine(check, records=sources)
    assert asked == [[1], [1, 2, 3]]
