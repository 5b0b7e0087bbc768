"""Which counts of a set of tables must not be shown, so that none of the small ones can be worked out from the others.

Counts are known by a key of their own, so that one that stands in several tables is one count; and the sums among them
are told: a margin of its cells, a whole of its parts. Small counts are suppressed, the others are rounded. A margin
less the cells beside a suppressed one is then known only as well as all of these are, and most often that is enough;
where it is not, further counts are suppressed, the smallest first.

Whether it is enough is found by attack. Whoever knows how counts are rounded, and which suppressed ones are small,
knows bounds of every count, and narrows them by every sum in which it stands, again and again (the shuttle algorithm;
Buzzigoli and Giusti 1999, Dobra and Fienberg 2000). Every small count must keep several possible values. So must those
small counts that stand in no table, but are a difference of two that do, such as the records that are not linked.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

__all__ = ["ROUND_TO", "SMALLEST_COUNT", "Counts", "rounded", "suppressed"]

SMALLEST_COUNT: Final = 8
"""Counts below it, but for 0, are not shown (Hospital Episode Statistics)."""

ROUND_TO: Final = 5
"""Other counts are shown as the nearest multiple of it."""

# A small count is safe if it can still be any of so many values.
_POSSIBLE_VALUES: Final = 3
_UNBOUNDED: Final = 1 << 60


def rounded(count: int) -> int:
    """Round a count to the nearest multiple of ``ROUND_TO``.

    Examples
    --------
    >>> [rounded(count) for count in (0, 8, 12, 13)]
    [0, 10, 10, 15]
    """
    return (count + ROUND_TO // 2) // ROUND_TO * ROUND_TO


class Counts:
    """Counts by key, and the sums among them.

    Examples
    --------
    >>> counts = Counts()
    >>> for key, value in {"young": 3, "men": 12, "women": 12, "all": 27}.items():
    ...     counts.add(key, value)
    >>> counts.add_sum("all", ["young", "men", "women"])  # shown as 25 less 10 less 10: any of 1 to 7
    >>> suppressed(counts)
    {'young'}
    >>> for key, value in {"old": 6, "here": 12, "there": 18}.items():
    ...     counts.add(key, value)
    >>> counts.add_sum("there", ["old", "here"])  # 20 less 10: 18 or more less 12 or fewer, and so 6 or 7
    >>> sorted(suppressed(counts))
    ['here', 'old', 'young']
    """

    def __init__(self) -> None:
        self.keys: list[Hashable] = []
        self.values: list[int] = []
        self.shown: list[bool] = []
        self.sums: list[tuple[int, tuple[int, ...]]] = []
        self._at: dict[Hashable, int] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._at

    def value(self, key: Hashable) -> int:
        """Give the true count of a key."""
        return self.values[self._at[key]]

    def add(self, key: Hashable, value: int, *, shown: bool = True) -> None:
        """Add a count; one that is there already has the same value, and is shown if it ever is."""
        at = self._at.setdefault(key, len(self.keys))
        if at == len(self.keys):
            self.keys.append(key)
            self.values.append(value)
            self.shown.append(shown)
        assert self.values[at] == value, f"two values of one count: {key}"
        self.shown[at] |= shown

    def add_sum(self, total: Hashable, parts: Iterable[Hashable]) -> None:
        """Say that a count is the sum of others, if it is; a total that is no count yet is not shown."""
        # What is 0 is shown as 0, and tells nothing of the other parts.
        at = tuple(self._at[part] for part in dict.fromkeys(parts) if self.value(part))
        value = sum(self.values[part] for part in at)
        if total not in self._at:
            self.add(total, value, shown=False)
        if at and value == self.value(total) and at != (self._at[total],):
            self.sums.append((self._at[total], at))

    def add_part(self, whole: Hashable, part: Hashable, rest: Hashable) -> None:
        """Say that a count is part of another; the rest of it is protected too, though it may stand nowhere."""
        remains = self.value(whole) - self.value(part)
        if remains < 0:
            return
        if rest not in self._at:
            self.add(rest, remains, shown=False)
        self.add_sum(whole, [part, rest])


def suppressed(counts: Counts) -> set[Hashable]:
    """Choose the counts that are not shown: the small ones, and those by which they could be worked out."""
    small = [at for at, value in enumerate(counts.values) if 0 < value < SMALLEST_COUNT]
    unknown = {at for at in range(len(counts.values)) if not counts.shown[at]} | set(small)
    sums_of: dict[int, list[int]] = defaultdict(list)
    for number, (total, parts) in enumerate(counts.sums):
        for at in (total, *parts):
            sums_of[at].append(number)
    # Seven cells of 1 and their margin of 7: who knew that it is small, too, would know them all. But nobody can tell.
    beyond_help: set[int] = set()
    while exposed := [at for at in _exposed(counts, small, unknown, sums_of) if at not in beyond_help]:
        for at in exposed:
            further = _cheapest(at, counts, unknown, sums_of)
            if further is None:
                beyond_help.add(at)
            else:
                unknown.add(further)
    return {counts.keys[at] for at in unknown if counts.shown[at]}


def _exposed(counts: Counts, small: Sequence[int], unknown: set[int], sums_of: dict[int, list[int]]) -> list[int]:
    low, high = _bounds(counts, unknown, sums_of)
    return [at for at in small if high[at] - low[at] + 1 < _POSSIBLE_VALUES]


def _cheapest(at: int, counts: Counts, unknown: set[int], sums_of: dict[int, list[int]]) -> int | None:
    """Give the smallest shown count in a sum with this one or, where there is none, with what is unknown beside it."""
    met, border = {at}, [at]
    while border:
        numbers = dict.fromkeys(number for each in border for number in sums_of[each])
        beside = dict.fromkeys(member for number in numbers for member in _members(counts.sums[number]))
        known = [member for member in beside if member not in unknown and counts.values[member]]
        if known:
            return min(known, key=lambda member: (counts.values[member], member))
        border = [member for member in beside if member not in met]
        met.update(border)
    return None


def _members(of: tuple[int, tuple[int, ...]]) -> tuple[int, ...]:
    return of[0], *of[1]


def _bounds(counts: Counts, unknown: set[int], sums_of: dict[int, list[int]]) -> tuple[list[int], list[int]]:
    """Narrow every count down as far as the sums allow, from what is shown of it."""
    both = list(_shown_bounds(counts, unknown))
    low, high = [least for least, _ in both], [most for _, most in both]
    waiting = dict.fromkeys(range(len(counts.sums)))
    while waiting:
        number = next(iter(waiting))
        del waiting[number]
        total, parts = counts.sums[number]
        for at in _narrowed(total, parts, low, high):
            waiting.update(dict.fromkeys(sums_of[at]))
    return low, high


def _shown_bounds(counts: Counts, unknown: set[int]) -> Iterator[tuple[int, int]]:
    reach = ROUND_TO // 2
    for at, value in enumerate(counts.values):
        if not counts.shown[at]:
            yield 0, _UNBOUNDED
        elif not value:
            yield 0, 0
        elif value < SMALLEST_COUNT:
            yield 1, SMALLEST_COUNT - 1
        elif at in unknown:
            yield SMALLEST_COUNT, _UNBOUNDED
        else:
            yield max(rounded(value) - reach, SMALLEST_COUNT), rounded(value) + reach


def _narrowed(total: int, parts: Sequence[int], low: list[int], high: list[int]) -> Iterator[int]:
    """Narrow the members of one sum by each other, and give those that it narrowed."""
    least, most = sum(low[at] for at in parts), sum(high[at] for at in parts)
    if _narrow(total, least, most, low, high):
        yield total
    for at in parts:
        others_least, others_most = least - low[at], most - high[at]
        before = low[at], high[at]
        if _narrow(at, low[total] - others_most, high[total] - others_least, low, high):
            least, most = least + low[at] - before[0], most + high[at] - before[1]
            yield at


def _narrow(at: int, least: int, most: int, low: list[int], high: list[int]) -> bool:
    if least <= low[at] and most >= high[at]:
        return False
    low[at], high[at] = max(low[at], least), min(high[at], most)
    return True
