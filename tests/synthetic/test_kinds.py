import numpy as np
import polars as pl
import pytest

from linkcore.synthetic.kinds import draw_kinds, overwrite


def test_kinds_are_drawn_by_their_shares():
    kinds = draw_kinds(np.random.default_rng(1), {"a": 6, "b": 3, "c": 1, "never": 0}, 20_000)
    assert [(kinds == kind).mean() for kind in ("a", "b", "c", "never")] == pytest.approx([0.6, 0.3, 0.1, 0], abs=0.01)


def test_an_impossible_kind_is_not_drawn_and_the_others_take_its_share():
    can = np.arange(20_000) % 2 == 0
    kinds = draw_kinds(np.random.default_rng(1), {"a": 1, "b": 2, "c": 1}, 20_000, {"b": can})
    assert not (kinds[~can] == "b").any()
    assert (kinds[can] == "b").mean() == pytest.approx(0.5, abs=0.02)
    assert (kinds[~can] == "a").mean() == pytest.approx(0.5, abs=0.02)


def test_overwrite_changes_only_the_given_rows():
    frame = pl.DataFrame({"a": list("pqrst"), "b": range(5)})
    new = overwrite(frame, np.array([3, 0]), pl.DataFrame({"a": ["X", None]}))
    assert new["a"].to_list() == [None, "q", "r", "X", "t"]
    assert new["b"].to_list() == list(range(5))
