"""Synthetic NHS Numbers are valid and distinct, and mistyped ones fail or pass the check as intended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.synthetic.nhs_numbers import (
    check_digits,
    check_range,
    draw_numbers,
    in_test_range,
    mistype,
    mistype_to_valid,
)
from tests.synthetic.conftest import is_nhs_number

FIRST, LAST = 900_000_000, 999_999_999
NUMBERS = draw_numbers(np.random.default_rng(1), 5_000, FIRST, LAST)


@given(st.integers(0, 999_999_999))
def test_only_the_check_digit_passes_the_check(first_nine):
    digit = int(check_digits(np.array([first_nine]))[0])
    passing = [last for last in range(10) if is_nhs_number(f"{first_nine:09d}{last}")]
    assert passing == ([] if digit == 10 else [digit])


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        (FIRST, LAST, 3_000),  # sampled from a wide range
        (400_000_000, 400_004_000, 3_000),  # a nearly full range
        (10_000_000, 10_009_999, 2_000),  # numbers that begin with 0
    ],
)
def test_drawn_numbers_are_distinct_valid_and_in_range(first, last, count):
    numbers = draw_numbers(np.random.default_rng(2), count, first, last)
    assert len(set(numbers.tolist())) == count
    assert all(is_nhs_number(f"{number:010d}") for number in numbers.tolist())
    assert first <= numbers.min() // 10 <= numbers.max() // 10 <= last
    assert not (np.sort(numbers) == numbers).all()


def test_placeholders_and_published_examples_are_never_drawn():
    numbers = draw_numbers(np.random.default_rng(2), 80, 999_999_900, LAST)
    assert 9_999_999_999 not in numbers
    numbers = draw_numbers(np.random.default_rng(2), 80, 943_476_500, 943_476_600)
    assert 9_434_765_919 not in numbers


def test_mistyped_numbers_differ_and_never_pass_the_check():
    wrong = mistype(np.random.default_rng(3), NUMBERS)
    assert (wrong != NUMBERS).all()
    assert not any(is_nhs_number(str(number)) for number in wrong.tolist())
    short = np.mean([len(str(number)) == 9 for number in wrong.tolist()])
    assert 0.07 < short < 0.13


@pytest.mark.parametrize("numbers", [NUMBERS, draw_numbers(np.random.default_rng(1), 5_000, 500_000_000, 599_999_999)])
def test_a_mistyped_test_number_never_looks_like_a_number_of_a_real_range(numbers):
    wrong = [str(number) for seed in range(20) for number in mistype(np.random.default_rng(seed), numbers).tolist()]
    assert {text[0] for text in wrong if len(text) == 10} == {str(numbers[0])[0]}
    # Nine digits are read as a Scottish number that lost its first 0, where it passes the check.
    assert not any(is_nhs_number(f"0{text}") for text in wrong if len(text) == 9)


def test_numbers_mistyped_to_valid_ones_pass_the_check_and_stay_in_range():
    wrong = mistype_to_valid(np.random.default_rng(4), NUMBERS, FIRST, LAST)
    assert all(is_nhs_number(str(number)) for number in wrong.tolist())
    assert FIRST <= wrong.min() // 10 <= wrong.max() // 10 <= LAST
    assert 0.85 < (wrong != NUMBERS).mean() < 0.97
    changed = [sum(a != b for a, b in zip(str(x), str(y), strict=True)) for x, y in zip(wrong, NUMBERS, strict=True)]
    assert set(changed) <= {0, 2}


@pytest.mark.parametrize(
    ("first", "last", "people"), [(-1, 10, 1), (5, 4, 1), (0, 1_000_000_000, 1), (400_000_000, 400_000_999, 900)]
)
def test_an_invalid_range_is_refused(first, last, people):
    with pytest.raises(ProgrammeError):
        check_range(first, last, people)


def test_ranges_that_overlap_a_test_range_are_recognised():
    assert in_test_range(FIRST, LAST)
    assert in_test_range(490_000_000, 500_000_000)
    assert not in_test_range(400_000_000, 499_999_999)
    assert not in_test_range(600_000_000, 899_999_999)
