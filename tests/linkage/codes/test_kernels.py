"""The compiled functions of texts, beside DuckDB's of the same names, which Splink calls."""

from fractions import Fraction

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from linkcore.linkage.codes.kernels import jaro_winkler, one_edit

TEXTS = st.one_of(
    st.text("AB C", max_size=9),
    st.text("ABCDEFŁИ 12", max_size=20),
    st.text("ABC", min_size=60, max_size=70),
)
BARS = (0.7, 0.88, 0.92)
CONNECTION = duckdb.connect(config={"threads": 1})


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two texts, of which one may be the other with an edit or two."""
    one = draw(TEXTS)
    if draw(st.booleans()):
        return one, draw(TEXTS)
    other = list(one)
    for _ in range(draw(st.integers(1, 2))):
        at, letter = draw(st.integers(0, len(other))), draw(st.sampled_from("ABC Ł"))
        edit = draw(st.integers(0, 3))
        if edit == 0:
            other.insert(at, letter)
        elif edit == 1:
            del other[at : at + 1]
        elif edit == 2:
            other[at : at + 1] = letter
        else:
            other[at : at + 2] = other[at : at + 2][::-1]
    return one, "".join(other)


@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(pairs(), min_size=40, max_size=40))
def test_similarities_and_edits_are_those_of_duckdb(asked: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(asked, schema=["a", "b"], orient="row")
    CONNECTION.register("frame", frame)
    asked_of_duckdb = "SELECT jaro_winkler_similarity(a, b), damerau_levenshtein(a, b) <= 1 FROM frame"
    for (a, b), (similarity, near) in zip(asked, CONNECTION.sql(asked_of_duckdb).fetchall(), strict=True):
        data = np.frombuffer((a + b).encode(), np.uint8)
        middle = len(a.encode())
        found = jaro_winkler(data, 0, middle, middle, data.size)
        # Where the processor multiplies and adds at once, DuckDB rounds once less. No bar is that near.
        assert found == pytest.approx(similarity, abs=2.3e-16)
        assert [found > bar for bar in BARS] == [similarity > bar for bar in BARS]
        assert one_edit(data, 0, middle, middle, data.size) == near


def test_at_a_bar_it_makes_no_difference_how_a_sum_is_rounded() -> None:
    """Of all texts up to 24 bytes whose similarity is a bar, in exact arithmetic, both ways decide alike."""
    tied = 0
    for la in range(1, 25):
        for lb in range(la, 25):
            for common in range(1, la + 1):
                for moved in range(common // 2 + 1):
                    exact = (Fraction(common, la) + Fraction(common, lb) + Fraction(common - moved, common)) / 3
                    jaro = (common / la + common / lb + (common - moved) / common) / 3.0
                    if jaro <= 0.7:
                        continue
                    for same in range(min(4, common) + 1):
                        similarity = exact + Fraction(same, 10) * (1 - exact)
                        for bar in BARS:
                            if similarity == Fraction(str(bar)):
                                twice = jaro + same * 0.1 * (1.0 - jaro)
                                once = float(Fraction(same * 0.1) * Fraction(1.0 - jaro) + Fraction(jaro))
                                assert (twice > bar) == (once > bar)
                                tied += 1
    assert tied > 50
