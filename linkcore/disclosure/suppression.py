"""Choose which counts to suppress, so that no small count can be worked out from the others.

Each count has a key, so a count that is in several tables is one count. The sums among counts are known: a margin is
the sum of its cells, a whole the sum of its parts. Small counts are suppressed and the others rounded. Subtracting
rounded cells from a rounded margin gives a range, which is usually wide enough. Where it is not, further counts are
suppressed, the smallest first.

An attack decides what is wide enough. The attacker knows how counts are rounded and which suppressed ones are small. So
it knows bounds of every count, and narrows them with every sum, again and again (the shuttle algorithm; Buzzigoli and
Giusti 1999, Dobra and Fienberg 2000). Every small count must keep several possible values. So must small counts that
are in no table but are the difference of two, such as records that are not linked.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

__all__ = ["ROUND_TO", "SMALLEST_COUNT", "Counts", "rounded", "shown", "suppressed"]

SMALLEST_COUNT: Final = 8
"""Smaller counts, except 0, are suppressed, as in Hospital Episode Statistics."""

ROUND_TO: Final = 5
"""Other counts are rounded to the nearest multiple of this."""

# A small count is safe if an attacker cannot exclude all but fewer values than this.
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


def shown(count: int) -> int | None:
    """Round a count that stands alone; None if it is small.

    Examples
    --------
    >>> [shown(count) for count in (0, 7, 12)]
    [0, None, 10]
    """
    return None if 0 < count < SMALLEST_COUNT else rounded(count)


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
        self.exact: set[int] = set()
        self._positions: dict[Hashable, int] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._positions

    def value(self, key: Hashable) -> int:
        """Return the true count of a key."""
        return self.values[self._positions[key]]

    def add(self, key: Hashable, value: int, *, shown: bool = True) -> None:
        """Add a count. One that exists must have the same value; it counts as shown if any table shows it."""
        cell = self._positions.setdefault(key, len(self.keys))
        if cell == len(self.keys):
            self.keys.append(key)
            self.values.append(value)
            self.shown.append(shown)
        assert self.values[cell] == value, f"two values of one count: {key}"
        self.shown[cell] |= shown

    def known_exactly(self, key: Hashable) -> None:
        """Record that somebody can make this count exactly, so that neither rounding nor suppressing it helps."""
        # A small count is still kept from everybody else.
        if self.value(key) >= SMALLEST_COUNT:
            self.exact.add(self._positions[key])

    def add_sum(self, total: Hashable, parts: Iterable[Hashable]) -> None:
        """Record that a count is the sum of others, if it is. A total that is not a count yet is added as not shown."""
        # A 0 is shown as 0, and says nothing about the other parts.
        members = tuple(self._positions[part] for part in dict.fromkeys(parts) if self.value(part))
        value = sum(self.values[part] for part in members)
        if total not in self._positions:
            self.add(total, value, shown=False)
        if members and value == self.value(total) and members != (self._positions[total],):
            self.sums.append((self._positions[total], members))

    def add_part(self, whole: Hashable, part: Hashable, rest: Hashable) -> None:
        """Record that a count is part of another. The rest is protected too, even if no table shows it."""
        remains = self.value(whole) - self.value(part)
        if remains < 0:
            return
        if rest not in self._positions:
            self.add(rest, remains, shown=False)
        self.add_sum(whole, [part, rest])


def suppressed(counts: Counts) -> set[Hashable]:
    """Return the keys to suppress: small counts, and counts from which they could be worked out."""
    small = [cell for cell, value in enumerate(counts.values) if 0 < value < SMALLEST_COUNT]
    unknown = {cell for cell in range(len(counts.values)) if not counts.shown[cell]} | set(small)
    bounds = _Bounds(counts)
    # For example seven cells of 1 with a margin of 7. Suppressing more does not help, but nobody can tell.
    unprotectable: set[int] = set()
    while exposed := [cell for cell in small if cell not in unprotectable and bounds.values(cell) < _POSSIBLE_VALUES]:
        before = set(unknown)
        for cell in exposed:
            further = _cheapest(cell, counts, unknown, bounds.sums_of)
            if further is None:
                unprotectable.add(cell)
            else:
                unknown.add(further)
        bounds.suppress(unknown - before)
    return {counts.keys[cell] for cell in unknown if counts.shown[cell]}


def _cheapest(cell: int, counts: Counts, unknown: set[int], sums_of: dict[int, list[int]]) -> int | None:
    """Return the smallest shown count in a sum with this one or, if there is none, with its unknown neighbours."""
    met, border = {cell}, [cell]
    while border:
        numbers = dict.fromkeys(number for each in border for number in sums_of[each])
        beside = dict.fromkeys(member for number in numbers for member in _members(counts.sums[number]))
        known = [
            member
            for member in beside
            if member not in unknown and member not in counts.exact and counts.values[member]
        ]
        if known:
            return min(known, key=lambda member: (counts.values[member], member))
        border = [member for member in beside if member not in met]
        met.update(border)
    return None


def _members(of: tuple[int, tuple[int, ...]]) -> tuple[int, ...]:
    return of[0], *of[1]


class _Bounds:
    """The bounds of every count, narrowed as far as the sums allow.

    If further counts are suppressed, only the bounds that came from theirs are worked out anew. The narrowest bounds
    are the same in whatever order sums narrow them, so they are those of a new start.
    """

    def __init__(self, counts: Counts) -> None:
        self.sums_of: dict[int, list[int]] = defaultdict(list)
        for number, of in enumerate(counts.sums):
            for cell in _members(of):
                self.sums_of[cell].append(number)
        self._sums = counts.sums
        self._shown = list(_shown_bounds(counts))
        self._low, self._high = [least for least, _ in self._shown], [most for _, most in self._shown]
        self._narrowed_by: list[set[int]] = [set() for _ in self._shown]
        self._narrow(range(len(counts.sums)))

    def values(self, cell: int) -> int:
        """Return how many values a count can have."""
        return self._high[cell] - self._low[cell] + 1

    def suppress(self, cells: Iterable[int]) -> None:
        """Let counts that are not small be suppressed too."""
        touched = set(cells)
        for cell in touched:
            self._shown[cell] = SMALLEST_COUNT, _UNBOUNDED
        border = list(touched)
        while border:
            sums = self.sums_of[border.pop()]
            came_from = {
                member
                for number in sums
                for member in _members(self._sums[number])
                if number in self._narrowed_by[member] and member not in touched
            }
            touched |= came_from
            border += came_from
        for cell in touched:
            self._low[cell], self._high[cell] = self._shown[cell]
            self._narrowed_by[cell].clear()
        self._narrow(sorted({number for cell in touched for number in self.sums_of[cell]}))

    def _narrow(self, sums: Iterable[int]) -> None:
        waiting = dict.fromkeys(sums)
        while waiting:
            number = next(iter(waiting))
            del waiting[number]
            total, parts = self._sums[number]
            for cell in _narrowed(total, parts, self._low, self._high):
                self._narrowed_by[cell].add(number)
                waiting.update(dict.fromkeys(self.sums_of[cell]))


def _shown_bounds(counts: Counts) -> Iterator[tuple[int, int]]:
    """Yield the bounds of each count that show without any sum, if no more than the small ones are suppressed."""
    reach = ROUND_TO // 2
    for cell, value in enumerate(counts.values):
        if not counts.shown[cell]:
            yield 0, _UNBOUNDED
        elif cell in counts.exact:
            yield value, value
        elif not value:
            yield 0, 0
        elif value < SMALLEST_COUNT:
            yield 1, SMALLEST_COUNT - 1
        else:
            yield max(rounded(value) - reach, SMALLEST_COUNT), rounded(value) + reach


def _narrowed(total: int, parts: Sequence[int], low: list[int], high: list[int]) -> Iterator[int]:
    """Narrow the bounds of the members of one sum, and yield the members whose bounds changed."""
    least, most = sum(low[cell] for cell in parts), sum(high[cell] for cell in parts)
    if _narrow(total, least, most, low, high):
        yield total
    for cell in parts:
        others_least, others_most = least - low[cell], most - high[cell]
        before = low[cell], high[cell]
        if _narrow(cell, low[total] - others_most, high[total] - others_least, low, high):
            least, most = least + low[cell] - before[0], most + high[cell] - before[1]
            yield cell


def _narrow(cell: int, least: int, most: int, low: list[int], high: list[int]) -> bool:
    if least <= low[cell] and most >= high[cell]:
        return False
    low[cell], high[cell] = max(low[cell], least), min(high[cell], most)
    return True
