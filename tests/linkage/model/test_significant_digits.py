"""Rounding to six significant digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.model.significant_digits import significant


@given(st.floats(1e-12, 1.0))
def test_six_significant_digits(value: float) -> None:
    assert significant(value) == pytest.approx(value, rel=5e-6)
    assert significant(significant(value) * (1 + 1e-12)) == significant(value)
