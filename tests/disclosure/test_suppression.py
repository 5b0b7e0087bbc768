"""Suppression: integer programming on everything that is shown cannot work out a small count."""

from collections.abc import Hashable, Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from linkcore.disclosure.suppression import (
    ROUND_TO,
    SMALLEST_COUNT,
    Counts,
    _Bounds,
    _shown_bounds,
    rounded,
    suppressed,
)

# Small counts, and counts that rounding moves farthest, because sums of these reveal most.
COUNT = st.one_of(st.integers(0, 8), st.sampled_from([12, 13, 17, 18, 22, 23]), st.integers(0, 60))


MANY = 10**5


def possible(
    counts: Counts, hidden: set[Hashable], of: Hashable, *, knows_which_are_small: bool = False
) -> tuple[int, int]:
    """The smallest and largest possible value of a count, by integer programming over all sums."""
    keys = list(counts.keys)
    low, high = [], []
    for key, value, shown in zip(keys, counts.values, counts.shown, strict=True):
        if not shown:
            low, high = [*low, 0], [*high, MANY]
        elif key in hidden:
            low, high = [*low, 1], [*high, 7 if knows_which_are_small and value <= 7 else MANY]
        else:
            seen = 0 if value == 0 else rounded(value)
            low = [*low, 0 if value == 0 else max(SMALLEST_COUNT, seen - ROUND_TO // 2)]
            high = [*high, 0 if value == 0 else seen + ROUND_TO // 2]
    rows = np.zeros((len(counts.sums), len(keys)))
    for row, (total, parts) in zip(rows, counts.sums, strict=True):
        row[total] = -1
        row[list(parts)] = 1
    ends = []
    for sign in (1, -1):
        objective = np.zeros(len(keys))
        objective[keys.index(of)] = sign
        found = milp(
            objective,
            constraints=LinearConstraint(rows, 0, 0),
            bounds=Bounds(np.array(low), np.array(high)),
            integrality=np.ones(len(keys)),
        )
        ends.append(round(sign * found.fun))
    return ends[0], ends[1]


def cross_table(cells: Sequence[Sequence[int]]) -> Counts:
    """A table with its totals; part of the first cell of each row is linked."""
    counts = Counts()
    rows, columns = range(len(cells)), range(len(cells[0]))
    for i in rows:
        for j in columns:
            counts.add((i, j), cells[i][j])
    for i in rows:
        counts.add((i, "all"), sum(cells[i]))
        counts.add_sum((i, "all"), [(i, j) for j in columns])
    for j in columns:
        counts.add(("all", j), sum(row[j] for row in cells))
        counts.add_sum(("all", j), [(i, j) for i in rows])
    counts.add(("all", "all"), sum(map(sum, cells)))
    counts.add_sum(("all", "all"), [(i, "all") for i in rows])
    counts.add_sum(("all", "all"), [("all", j) for j in columns])
    for i in rows:
        counts.add((i, "linked"), cells[i][0] * 9 // 10)
        counts.add_part((i, 0), (i, "linked"), (i, "not linked"))
    return counts


@given(st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(COUNT, min_size=n, max_size=n), min_size=2, max_size=4)))
@settings(max_examples=60)
def test_no_small_count_can_be_worked_out(cells: list[list[int]]) -> None:
    counts = cross_table(cells)
    hidden = suppressed(counts)
    for key, value, shown in zip(counts.keys, counts.values, counts.shown, strict=True):
        small = 0 < value < SMALLEST_COUNT
        assert not (small and shown) or key in hidden
        assert value != 0 or key not in hidden
        if small:
            least, most = possible(counts, hidden, key)
            assert least <= value <= most
            assert most - least >= 2


def test_where_rounding_reveals_a_small_count_another_is_suppressed() -> None:
    # 12 + 12 + 12 + 7 = 43 is shown as 45 and 10 + 10 + 10: of all small counts, only 7 is large enough.
    counts = Counts()
    for key, value in {"a": 12, "b": 12, "c": 12, "small": 7, "all": 43}.items():
        counts.add(key, value)
    counts.add_sum("all", ["a", "b", "c", "small"])
    assert possible(counts, {"small"}, "small", knows_which_are_small=True) == (7, 7)
    hidden = suppressed(counts)
    assert hidden == {"small", "a"}
    assert possible(counts, hidden, "small", knows_which_are_small=True) == (1, 7)


def test_a_count_in_two_tables_is_protected_in_both() -> None:
    counts = Counts()
    for key, value in {"here": 6, "there": 12, "all": 18, "men": 6, "women": 12}.items():
        counts.add(key, value)
    counts.add_sum("all", ["here", "there"])
    counts.add_sum("all", ["men", "women"])
    hidden = suppressed(counts)
    assert all(np.subtract(*reversed(possible(counts, hidden, key))) >= 2 for key in ("here", "men"))


def test_parts_that_do_not_add_up_are_no_sum_and_a_count_has_one_value() -> None:
    counts = Counts()
    counts.add("part", 5)
    counts.add("whole", 100)
    counts.add_sum("whole", ["part"])
    assert counts.sums == []
    with pytest.raises(AssertionError):
        counts.add("part", 6)


def test_a_small_difference_of_two_counts_is_protected() -> None:
    counts = Counts()
    # Both are shown as a multiple of 5, so only their rounding hides the difference of 1.
    counts.add("records", 13)
    counts.add("linked", 12)
    counts.add_part("records", "linked", "others")
    least, most = possible(counts, suppressed(counts), "others")
    assert most - least >= 2


@given(st.integers(SMALLEST_COUNT, 10**7))
def test_counts_are_rounded_to_the_nearest_multiple(count: int) -> None:
    assert rounded(count) % ROUND_TO == 0
    assert abs(rounded(count) - count) <= ROUND_TO // 2


def test_a_count_that_its_recipient_can_make_exactly_is_no_cover_for_what_is_beside_it() -> None:
    counts = Counts()
    for key, value in {"records": 1002, "released": 1001, "withheld": 1}.items():
        counts.add(key, value)
    counts.add_sum("records", ["released", "withheld"])
    # Shown as 1,000 less 1,000: up to 4. Whoever counts 1,001 rows knows that it is 1.
    assert suppressed(counts) == {"withheld"}
    counts.known_exactly("released")
    assert suppressed(counts) == {"withheld", "records"}


def test_a_small_count_is_suppressed_though_its_recipient_can_make_it() -> None:
    counts = Counts()
    for key, value in {"records": 60, "released": 3, "withheld": 57}.items():
        counts.add(key, value)
    counts.add_sum("records", ["released", "withheld"])
    counts.known_exactly("released")
    assert suppressed(counts) == {"released"}


def naive_bounds(counts: Counts, further: set[int]) -> list[tuple[int, int]]:
    """Every bound from the start: narrow all counts by all sums until nothing changes."""
    low, high = zip(*_shown_bounds(counts), strict=True)
    low = [SMALLEST_COUNT if cell in further else least for cell, least in enumerate(low)]
    high = [1 << 60 if cell in further else most for cell, most in enumerate(high)]
    before = None
    while before != (low, high):
        before = list(low), list(high)
        for total, parts in counts.sums:
            low[total] = max(low[total], sum(low[part] for part in parts))
            high[total] = min(high[total], sum(high[part] for part in parts))
            for cell in parts:
                others = [part for part in parts if part != cell]
                low[cell] = max(low[cell], low[total] - sum(high[part] for part in others))
                high[cell] = min(high[cell], high[total] - sum(low[part] for part in others))
    return list(zip(low, high, strict=True))


@given(
    st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(COUNT, min_size=n, max_size=n), min_size=2, max_size=5)),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_bounds_that_are_kept_are_those_of_a_new_start(cells: list[list[int]], random: Random) -> None:
    counts = cross_table(cells)
    bounds, further = _Bounds(counts), set[int]()
    assert list(zip(bounds._low, bounds._high, strict=True)) == naive_bounds(counts, further)
    large = [cell for cell, value in enumerate(counts.values) if counts.shown[cell] and value >= SMALLEST_COUNT]
    while left := [cell for cell in large if cell not in further]:
        more = set(random.sample(left, min(len(left), 2)))
        bounds.suppress(more)
        further |= more
        assert list(zip(bounds._low, bounds._high, strict=True)) == naive_bounds(counts, further)


def test_only_the_bounds_that_came_from_a_count_are_worked_out_anew() -> None:
    asked = set[int]()

    class Asked(list):  # type: ignore[type-arg]
        def __getitem__(self, number):  # type: ignore[no-untyped-def]
            asked.add(number)
            return super().__getitem__(number)

    counts = cross_table([[3, 20], [30, 40]])
    own = len(counts.sums)
    for key, value in {"one": 5, "other": 50, "both": 55}.items():
        counts.add(key, value)
    counts.add_sum("both", ["one", "other"])
    bounds = _Bounds(counts)
    bounds._sums = Asked(counts.sums)
    bounds.suppress([counts.keys.index("other")])
    assert asked == {own}
