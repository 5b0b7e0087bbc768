"""NHS Numbers for people who do not exist: drawn within a range, and mistyped as a clerk would."""

from typing import Final

import numpy as np
import numpy.typing as npt

from linkcore.errors import ProgrammeError

__all__ = ["check_digits", "check_range", "draw_numbers", "in_test_range", "mistype", "retype"]

Integers = npt.NDArray[np.int64]

_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 10)  # from the ninth digit to the first
_TEST_RANGES: Final = ((500_000_000, 599_999_999), (900_000_000, 999_999_999))
# First nine digits that stand for nobody: the repdigits, the two runs, and a published example.
_NOBODY: Final = (*(digit * 111_111_111 for digit in range(10)), 12_345_678, 987_654_321, 943_476_591)


def check_digits(first_nine: Integers) -> Integers:
    """Compute the tenth digit of NHS Numbers by Modulus 11 (ISB 0149); 10 where the first nine digits make no number.

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
    """Check that the range of first nine digits is one and has room for so many people."""
    if not 0 <= first <= last <= 999_999_999:
        raise ProgrammeError(
            f"first_number and last_number are the first nine digits of NHS Numbers: {first} to {last} is no range "
            "within 000000000 to 999999999."
        )
    # One in eleven has no check digit; the margin keeps a tight range from being searched to its last number.
    if people > 0.85 * (last - first + 1) - len(_NOBODY):
        raise ProgrammeError(f"The numbers from {first} to {last} are too few for {people} people: widen the range.")


def in_test_range(first: int, last: int) -> bool:
    """Whether the range holds numbers that are set aside for testing."""
    return any(first <= end and last >= start for start, end in _TEST_RANGES)


def draw_numbers(rng: np.random.Generator, count: int, first: int, last: int) -> Integers:
    """Distinct NHS Numbers in random order, their first nine digits from ``first`` to ``last``.

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
        # Sampling with replacement and dropping doubles is far cheaper than permuting the whole range.
        candidates = np.unique(rng.integers(first, last + 1, size=wanted + wanted * wanted // size, dtype=np.int64))
    check = check_digits(candidates)
    usable = (check < 10) & ~np.isin(candidates, _NOBODY)
    numbers = candidates[usable] * 10 + check[usable]
    return rng.permutation(numbers)[:count]


def mistype(rng: np.random.Generator, numbers: Integers) -> Integers:
    """Numbers with one digit wrong, two neighbours swapped, or one digit lost: Modulus 11 catches the first two."""
    place = rng.integers(0, 9, size=len(numbers))
    power = np.power(10, place, dtype=np.int64)
    digit, left = numbers // power % 10, numbers // (power * 10) % 10
    substituted = numbers + ((digit + rng.integers(1, 10, size=len(numbers))) % 10 - digit) * power
    swapped = numbers + (digit - left) * 9 * power
    kind = rng.random(len(numbers))
    typed = np.where((kind < 0.4) & (digit != left), swapped, substituted)
    return np.where(kind > 0.9, numbers // 10, typed)


def retype(rng: np.random.Generator, numbers: Integers, first: int, last: int) -> Integers:
    """Numbers with two digits wrong that pass Modulus 11 all the same; unchanged where a try did not."""
    nine = numbers // 10
    power = np.power(10, rng.integers(0, 8, size=len(numbers)), dtype=np.int64)
    digit = nine // power % 10
    changed = nine + ((digit + rng.integers(1, 10, size=len(numbers))) % 10 - digit) * power
    check = check_digits(changed)
    fits = (check < 10) & (changed >= first) & (changed <= last) & ~np.isin(changed, _NOBODY)
    return np.where(fits, changed * 10 + check, numbers)
