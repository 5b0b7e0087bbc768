"""The rule by which a model is kept, reason by reason; drift; and the hashes by which records are known again."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.linkage.fallback.keep_model import (
    KeptModel,
    drift,
    identifier_fingerprints,
    model_to_keep,
    settings_of_learning,
)
from linkcore.linkage.fallback.model_use import LearnedOn, ModelUse
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.model.model import OTHERWISE, Comparison, Level, Model
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.linkage.settings import Exact, Fallback, Relearn
from linkcore.schema import LABELS
from linkcore.sources.source import Source

AGREES, DIFFERS = Level("name_l = name_r", "Agrees", m=0.9, u=0.1), Level(OTHERWISE, "Differs", m=0.1, u=0.9)
MODEL = Model((Comparison("name", (AGREES, DIFFERS)),), prior=0.001)
SEEN = Source("seen", pl.DataFrame({"family_name": ["Ng"]}))


def learned_on(
    records: range, *, m_open: float = 0.9, source: Source = SEEN, fallback: Fallback | None = None
) -> LearnedOn:
    rows = [("name", "Agrees", 0.9, m_open), ("name", "Differs", 0.1, 1 - m_open)]
    return LearnedOn(
        date="2026-01-01",
        settings=settings_of_learning([source], Exact(), fallback or Fallback()),
        records=pl.DataFrame({"hash": records}, schema={"hash": pl.UInt64}),
        departures=pl.DataFrame(rows, schema=["comparison", "level", "m_learned", "m_open"], orient="row"),
    )


def found(on: LearnedOn | None) -> Probabilistic:
    return Probabilistic(
        placement=Placement(pl.DataFrame(), {}),
        model=MODEL,
        learned_from="labels",
        thresholds={"seen": Threshold(0.9, "own")},
        pi={},
        candidates=pl.DataFrame(),
        counts={"labels": 5, "hidden": 3},
        records=pl.DataFrame(),
        learned_on=on,
    )


EARLIER = found(learned_on(range(100)))


def rule(now: LearnedOn, fallback: Fallback | None = None, *, earlier: Probabilistic | None = EARLIER) -> ModelUse:
    kept, use = model_to_keep(earlier, fallback or Fallback(), now, names=["seen"])
    assert (kept is not None) == use.kept
    return use


def test_a_model_is_kept_while_at_most_a_fifth_of_the_records_is_new() -> None:
    assert rule(learned_on(range(20, 120))) == ModelUse(
        kept=True, why="the records still are like those of then", learned_on="2026-01-01", new_records=0.2
    )
    assert rule(learned_on(range(21, 121))) == ModelUse(
        why="more than 20% of the compared records are new since it was learned", new_records=0.21
    )
    # Who goes away is not new.
    assert rule(learned_on(range(5))).new_records == 0.0


@pytest.mark.parametrize(
    ("now", "fallback", "why"),
    [
        (learned_on(range(100)), Fallback(relearn="always"), "the settings ask for it"),
        (learned_on(range(100)), Fallback(labels=pl.DataFrame(schema=LABELS)), "reviewers' answers are given"),
        (learned_on(range(100), fallback=Fallback(accept=0.7)), Fallback(accept=0.7), "accept is set otherwise"),
        (learned_on(range(100), source=replace(SEEN, one_record_per_person=True)), Fallback(), "source 'seen' is set"),
        (learned_on(range(100)), Fallback(model=MODEL), "a model was given"),
    ],
)
def test_a_model_is_learned_anew_for_a_reason_that_is_told(now: LearnedOn, fallback: Fallback, why: str) -> None:
    assert rule(now, fallback).why.startswith(why)


def test_a_model_that_was_given_is_not_kept_when_it_is_given_no_more() -> None:
    given = found(learned_on(range(100), fallback=Fallback(model=MODEL)))
    assert rule(learned_on(range(100)), earlier=given).why == "model is set otherwise than when the model was learned"


def test_without_an_earlier_model_one_is_learned_whatever_the_settings() -> None:
    for relearn in ("when_changed", "always", "never"):
        now, settings = learned_on(range(9)), Fallback(relearn=relearn)
        assert not rule(now, settings, earlier=None).kept
        assert not rule(now, settings, earlier=found(None)).kept
        assert not rule(now, settings, earlier=replace(EARLIER, model=None)).kept


def test_never_keeps_what_is_outdated_and_refuses_what_does_not_fit() -> None:
    never = Fallback(relearn="never")
    assert rule(learned_on(range(100, 200)), never).new_records == 1.0
    with pytest.raises(ProgrammeError, match=r"relearn is 'never', but the model .* accept is set otherwise"):
        rule(learned_on(range(100), fallback=Fallback(accept=0.7)), never)
    with pytest.raises(ProgrammeError, match="source 'new' had no open records"):
        model_to_keep(EARLIER, never, learned_on(range(100)), names=["new", "seen"])
    kept = KeptModel(EARLIER, MODEL, learned_on(range(100)))
    with pytest.raises(ProgrammeError, match="other identifiers are compared"):
        kept.judged(ModelUse(), str(kept.unfit([])), never)


def test_a_new_source_and_other_comparisons_are_learned() -> None:
    kept, use = model_to_keep(EARLIER, Fallback(), learned_on(range(100)), names=["new", "seen"])
    assert (kept, use.why) == (None, "source 'new' had no open records when the model was learned")
    kept = KeptModel(EARLIER, MODEL, learned_on(range(100)))
    assert kept.unfit(MODEL.comparisons) is None
    assert not kept.judged(ModelUse(kept=True), str(kept.unfit([])), Fallback()).kept


def test_a_model_from_which_records_drift_is_learned_anew() -> None:
    kept = KeptModel(EARLIER, MODEL, learned_on(range(100)))
    near, far = (found(learned_on(range(100), m_open=m_open)) for m_open in (0.86, 0.84))
    use = ModelUse(kept=True, learned_on="2026-01-01")
    assert kept.judged(use, near, Fallback()) == replace(use, drift={"name": 0.04})
    judged = kept.judged(use, far, Fallback())
    assert (judged.kept, judged.drift, judged.learned_on) == (False, {"name": 0.06}, None)
    assert judged.why == "records of one person agree on name otherwise than when it was learned"
    assert kept.judged(use, far, Fallback(relearn="never")).kept


SHARES = st.lists(st.floats(0.001, 1.0), min_size=3, max_size=3)


def open_shares(weights: list[float]) -> pl.DataFrame:
    m_open = pl.Series("m_open", weights) / sum(weights)
    return pl.DataFrame({"comparison": ["name"] * 3, "level": ["a", "b", "c"], "m_learned": [0.3] * 3}).with_columns(
        m_open
    )


@given(SHARES, SHARES)
def test_drift_is_the_share_that_must_move(one: list[float], other: list[float]) -> None:
    a, b = open_shares(one), open_shares(other)
    (there,), (back,) = drift(a, b).values(), drift(b, a).values()
    gains = [max(y / sum(other) - x / sum(one), 0.0) for x, y in zip(one, other, strict=True)]
    assert there == pytest.approx(back, abs=1e-6)
    assert there == pytest.approx(sum(gains), abs=1e-5)
    assert drift(a, a) == {"name": 0.0}
    # A level that occurs in one of them only counts in full.
    assert drift(a, b.filter(level="a").with_columns(m_open=pl.lit(1.0)))["name"] == pytest.approx(
        1 - one[0] / sum(one), abs=1e-5
    )
    assert drift(a, b.clear()) == {}


def test_a_record_is_known_by_each_of_its_identifiers_and_its_source() -> None:
    record = {"given_name": "ANN", "family_name": "NG", "postcode": "EX1 2AB", "further_ward": "1", "record_id": "7"}
    frame = pl.DataFrame([record] * 6)
    changed = frame.with_columns(
        pl.Series("given_name", ["ANN", "ANN", None, "NG", "ANN", "ANN"]),
        pl.Series("family_name", ["NG", "NG", "NG", "ANN", "NG", "NG"]),
        pl.Series("further_ward", ["1", "1", "1", "1", "2", "1"]),
        pl.Series("record_id", ["7", "8", "7", "7", "7", "7"]),
    )
    known = identifier_fingerprints(pl.Series(["gp", "gp", "gp", "gp", "gp", "seen"]), changed)
    assert known[0] == known[1]  # whatever its id
    assert known.n_unique() == 5


def test_what_is_not_one_of_the_three_is_refused() -> None:
    relearn: Relearn = "sometimes"  # type: ignore[assignment]
    with pytest.raises(ProgrammeError, match="relearn is 'sometimes'; it is 'when_changed', 'always' or 'never'"):
        Fallback(relearn=relearn)
