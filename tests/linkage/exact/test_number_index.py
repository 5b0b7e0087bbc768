"""The index of NHS Numbers, compared with a dictionary."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.exact import number_index
from linkcore.linkage.exact.number_index import NumberIndex

# Few, so that they meet; the largest and the smallest; and some that differ in their last digits only.
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 4010232137, 4010232145, 9999999999]), st.integers(0, 9_999_999_999), st.none()
)


# Few numbers are joined, and many are looked up in compiled code.
@pytest.mark.parametrize("few", [number_index._FEW, -1])
@given(known=st.lists(NUMBERS), wanted=st.lists(NUMBERS))
def test_a_number_is_found_at_its_first_position(few: int, known: list[int | None], wanted: list[int | None]) -> None:
    first: dict[int, int] = {}
    for at, number in enumerate(known):
        if number is not None:
            first.setdefault(number, at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_index, "_FEW", few)
        found = NumberIndex(pl.Series(known, dtype=pl.Int64)).find(pl.Series("n", wanted, dtype=pl.Int64))
    assert (found.name, found.dtype) == ("n", pl.UInt32)
    assert found.to_list() == [None if number is None else first.get(number) for number in wanted]


def test_many_neighbouring_numbers_are_kept_apart() -> None:
    known = pl.int_range(4_000_000_000, 4_000_200_000, eager=True)
    found = NumberIndex(known).find(known.reverse())
    assert found.to_list() == list(range(200_000))[::-1]
    assert NumberIndex(known).find(known - 200_000).null_count() == 200_000
