import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.synthetic.misspellings import misheard, misread, mistyped

NAMES = st.lists(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ'- ÉŁ", min_size=1, max_size=14), min_size=1, max_size=20)


def one_slip_apart(first: str, second: str) -> bool:
    """Whether one insertion, deletion, substitution or swap turns one text into the other; tries all of them."""
    if len(first) < len(second):
        first, second = second, first
    shorter = {first[:place] + first[place + 1 :] for place in range(len(first))}
    if len(first) > len(second):
        return second in shorter
    swaps = {first[:p] + first[p + 1] + first[p] + first[p + 2 :] for p in range(len(first) - 1)}
    return second in swaps or sum(a != b for a, b in zip(first, second, strict=True)) == 1


@given(NAMES, st.integers(0, 2**32))
def test_a_mistyped_name_is_one_error_away(texts, seed):
    typed = mistyped(np.random.default_rng(seed), pl.Series(texts))
    assert all(one_slip_apart(text, wrong) for text, wrong in zip(texts, typed, strict=True))


@pytest.mark.parametrize("misspell", [mistyped, misheard, misread])
@given(texts=NAMES, seed=st.integers(0, 2**32))
def test_a_misspelt_name_differs_and_is_not_empty(misspell, texts, seed):
    spelt = misspell(np.random.default_rng(seed), pl.Series(texts)).to_list()
    assert all(wrong and wrong != text for text, wrong in zip(texts, spelt, strict=True))


def test_misheard_names_sound_alike():
    names = pl.Series(["STEPHEN"] * 400 + ["CATHERINE"] * 400)
    heard = set(misheard(np.random.default_rng(1), names))
    assert {"STEFEN", "STEPHAN", "KATHERINE", "CATERINE"} <= heard
    assert len(heard) < 60


def test_misread_names_have_characters_of_similar_shape():
    read = set(misread(np.random.default_rng(1), pl.Series(["MORRISON"] * 300)))
    assert {"M0RRISON", "RNORRISON", "MORRI5ON"} <= read
