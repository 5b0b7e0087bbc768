"""NHS Numbers of people who do not exist: draw them from a range, and mistype them as a clerk would."""

from typing import Final

import numpy as np
import numpy.typing as npt

from linkcore.errors import ProgrammeError

__all__ = ["check_digits", "check_range", "draw_numbers", "in_test_range", "mistype", "retype"]

Integers = npt.NDArray[np.int64]

_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 10)  # from the ninth digit to the first
_TEST_RANGES: Final = ((500_000_000, 599_999_999), (900_000_000, 999_999_999))
# First nine digits of numbers that belong to nobody: one digit repeated, the digits in order, a published example.
_NOBODY: Final = (*(digit * 111_111_111 for digit in range(10)), 12_345_678, 987_654_321, 943_476_591)


def check_digits(first_nine: Integers) -> Integers:
    """Compute the tenth digit of NHS Numbers by Modulus 11 (ISB 0149); 10 if no number begins with these nine digits.

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
    """Check that a range of first nine digits is valid and large enough for all people."""
    if not 0 <= first <= last <= 999_999_999:
        raise ProgrammeError(
            f"number_range holds the smallest and the largest first nine digits of NHS Numbers: {first} to {last} "
            "is not a range within 000000000 to 999999999."
        )
    # One in eleven has no check digit; the margin leaves a reserve in a tight range.
    if people > 0.85 * (last - first + 1) - len(_NOBODY):
        raise ProgrammeError(
            f"number_range: {first} to {last} has too few numbers for {people} people; widen the range."
        )


def in_test_range(first: int, last: int) -> bool:
    """Whether a range holds numbers that are set aside for testing."""
    return any(first <= end and last >= start for start, end in _TEST_RANGES)


def draw_numbers(rng: np.random.Generator, count: int, first: int, last: int) -> Integers:
    """Draw distinct NHS Numbers in random order, with first nine digits from ``first`` to ``last``.

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
        # To sample with replacement and drop duplicates is much faster than to permute the whole range.
        candidates = np.unique(rng.integers(first, last + 1, size=wanted + wanted * wanted // size, dtype=np.int64))
    check = check_digits(candidates)
    usable = (check < 10) & ~np.isin(candidates, _NOBODY)
    numbers = candidates[usable] * 10 + check[usable]
    return rng.permutation(numbers)[:count]


def mistype(rng: np.random.Generator, numbers: Integers) -> Integers:
    """Get one digit wrong, swap two neighbours or lose a digit; Modulus 11 notices the first two errors."""
    place = rng.integers(0, 9, size=len(numbers))
    power = np.power(10, place, dtype=np.int64)
    digit, left = numbers // power % 10, numbers // (power * 10) % 10
    substituted = numbers + ((digit + rng.integers(1, 10, size=len(numbers))) % 10 - digit) * power
    swapped = numbers + (digit - left) * 9 * power
    kind = rng.random(len(numbers))
    typed = np.where((kind < 0.4) & (digit != left), swapped, substituted)
    return np.where(kind > 0.9, numbers // 10, typed)


def retype(rng: np.random.Generator, numbers: Integers, first: int, last: int) -> Integers:
    """Get two digits wrong so that Modulus 11 does not notice; a number for which this fails stays unchanged."""
    nine = numbers // 10
    power = np.power(10, rng.integers(0, 8, size=len(numbers)), dtype=np.int64)
    digit = nine // power % 10
    changed = nine + ((digit + rng.integers(1, 10, size=len(numbers))) % 10 - digit) * power
    check = check_digits(changed)
    fits = (check < 10) & (changed >= first) & (changed <= last) & ~np.isin(changed, _NOBODY)
    return np.where(fits, changed * 10 + check, numbers)
