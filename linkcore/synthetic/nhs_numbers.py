"""NHS Numbers for people who do not exist: draw them from a range, and mistype them as a clerk would."""

from typing import Final

import numpy as np
import numpy.typing as npt

from linkcore.errors import ProgrammeError

__all__ = ["check_digits", "check_range", "draw_numbers", "in_test_range", "mistype", "mistype_to_valid"]

Integers = npt.NDArray[np.int64]

_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 10)  # from the ninth digit to the first
_TEST_RANGES: Final = ((500_000_000, 599_999_999), (900_000_000, 999_999_999))
# First nine digits that belong to nobody: one digit nine times, the two runs of digits, and a published example.
_RESERVED: Final = (*(digit * 111_111_111 for digit in range(10)), 12_345_678, 987_654_321, 943_476_591)


def check_digits(first_nine: Integers) -> Integers:
    """Compute the tenth digit of NHS Numbers by Modulus 11 (ISB 0149); 10 means that no such number exists.

    Examples
    --------
    >>> import numpy as np
    >>> check_digits(np.array([943_476_591, 400_000_000]))
    array([9, 4])
    """
    rest, total = first_nine, np.zeros_like(first_nine)
    for weight in _WEIGHTS:
        rest, digit = np.divmod(rest, 10)
        total += weight * digit
    return (11 - total % 11) % 11


def check_range(first: int, last: int, people: int) -> None:
    """Check that the range of first nine digits is valid and large enough for the people."""
    if not 0 <= first <= last <= 999_999_999:
        raise ProgrammeError(
            f"number_range: {first} to {last} is not a valid range. It holds the first nine digits of NHS Numbers: "
            "give two numbers from 0 to 999999999, the smaller one first."
        )
    # One in eleven has no check digit. The margin keeps a tight range from being searched to its last number.
    if people > 0.85 * (last - first + 1) - len(_RESERVED):
        raise ProgrammeError(
            f"number_range: {first} to {last} holds too few NHS Numbers for {people} people; widen the range."
        )


def in_test_range(first: int, last: int) -> bool:
    """Whether the range overlaps the ranges that are reserved for testing."""
    return any(first <= end and last >= start for start, end in _TEST_RANGES)


def draw_numbers(rng: np.random.Generator, count: int, first: int, last: int) -> Integers:
    """Draw distinct NHS Numbers in random order; their first nine digits lie between ``first`` and ``last``.

    Examples
    --------
    >>> import numpy as np
    >>> draw_numbers(np.random.default_rng(1), 3, 900_000_000, 999_999_999) // 10**9
    array([9, 9, 9])
    """
    size = last - first + 1
    wanted = round(count * 1.2) + 100
    if wanted * 2 > size:
        candidates = np.arange(first, last + 1, dtype=np.int64)
    else:
        # It is far cheaper to sample with replacement and drop duplicates than to permute the whole range.
        candidates = np.unique(rng.integers(first, last + 1, size=wanted + wanted * wanted // size, dtype=np.int64))
    check = check_digits(candidates)
    usable = (check < 10) & ~np.isin(candidates, _RESERVED)
    numbers = candidates[usable] * 10 + check[usable]
    return rng.permutation(numbers)[:count]


def mistype(rng: np.random.Generator, numbers: Integers) -> Integers:
    """Change one digit, swap two neighbours or drop the last digit, so that no number passes as an NHS Number.

    The first digit stays, so that a test number never becomes one of a range that is issued to patients.
    """
    place = rng.integers(0, 9, size=len(numbers))
    power = np.power(10, place, dtype=np.int64)
    digit, left = numbers // power % 10, numbers // (power * 10) % 10
    substituted = numbers + ((digit + rng.integers(1, 10, size=len(numbers))) % 10 - digit) * power
    swapped = numbers + (digit - left) * 9 * power
    kind = rng.random(len(numbers))
    typed = np.where((kind < 0.4) & (digit != left) & (place < 8), swapped, substituted)
    # Nine digits that pass the check would be read as a Scottish number that lost its first 0.
    shortened = numbers // 10
    passes = check_digits(shortened // 10) == shortened % 10
    return np.where((kind > 0.9) & ~passes, shortened, typed)


def mistype_to_valid(rng: np.random.Generator, numbers: Integers, first: int, last: int) -> Integers:
    """Change two digits so that the number still passes Modulus 11; a number stays as it is where that fails."""
    nine = numbers // 10
    power = np.power(10, rng.integers(0, 8, size=len(numbers)), dtype=np.int64)
    digit = nine // power % 10
    changed = nine + ((digit + rng.integers(1, 10, size=len(numbers))) % 10 - digit) * power
    check = check_digits(changed)
    valid = (check < 10) & (changed >= first) & (changed <= last) & ~np.isin(changed, _RESERVED)
    return np.where(valid, changed * 10 + check, numbers)
