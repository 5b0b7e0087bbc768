"""No value can be read back from a shape: all texts with digits and letters in the same places have the same one."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.profile.shapes import LEAST_OF_SHAPE, OTHER_SHAPES, shape, shapes


def shape_of(*texts: str) -> list[str]:
    return pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(shape(pl.col("text"))).to_series().to_list()


ALPHABETS = ["0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZÀÉŁЖ", "abcdefghijklmnopqrstuvwxyzàéłж", "#&@!~€☂"]
PLACES = st.lists(st.tuples(st.sampled_from(ALPHABETS), st.integers(0, 9**9), st.integers(0, 9**9)), max_size=60)


@settings(max_examples=60, deadline=None)
@given(PLACES)
def test_another_value_of_the_same_form_has_the_same_shape(places: list[tuple[str, int, int]]) -> None:
    one = "".join(letters[pick % len(letters)] for letters, pick, _ in places)
    other = "".join(letters[pick % len(letters)] for letters, _, pick in places)
    assert len(set(shape_of(one, other))) == 1


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_a_shape_has_nothing_but_marks_of_kinds(text: str) -> None:
    (found,) = shape_of(text)
    assert set(found) <= set("9Aa…?-/.,:'()+=_ ")
    assert len(found) <= 41


def test_rare_shapes_are_folded() -> None:
    values = ["9" * 10] * 50 + ["AA9 9AA"] * LEAST_OF_SHAPE + ["A-9"] * (LEAST_OF_SHAPE - 1) + ["?"]
    assert shapes(pl.Series(values)) == [("9" * 10, 50), ("AA9 9AA", LEAST_OF_SHAPE), (OTHER_SHAPES, LEAST_OF_SHAPE)]


def test_a_column_with_nothing_has_no_shapes() -> None:
    assert shapes(pl.Series([None, None], dtype=pl.String)) == []
