"""People whose codes are compared by a compiled loop: the levels of pairs, and how many pairs are on each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.codes.questions import Graph, graph_of
from linkcore.linkage.comparisons.birth_date import as_learned
from linkcore.linkage.model.model import Comparison
from linkcore.parallel import side_by_side
from linkcore.schema import OTHER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from linkcore.linkage.codes.kernels import Nodes, Rows

    Ids = NDArray[np.uint32]
    _Pairs = Callable[[], tuple[Ids, Ids, NDArray[np.int64]]]

__all__ = ["ComparedPeople"]

_OF_TEXT: Final = frozenset({"similar", "one edit", "shortened", "part"})
_OF_NUMBERS: Final = frozenset({"near", "within"})

# One thread takes so many pairs at a time.
_PAIRS_AT_A_TIME: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class ComparedPeople:
    """Persons and records as codes, and the comparisons of two of them.

    Parameters
    ----------
    people : CodedPeople
        Persons and records; a pair names them by their rows.
    comparisons : sequence of Comparison
        What is compared: only conditions that linkcore would write itself.
    threads : int
        How many threads compare.
    """

    people: CodedPeople
    comparisons: Sequence[Comparison]
    threads: int = 1

    def levels(self, left: "Ids", right: "Ids") -> pl.DataFrame:
        """Find the level of each pair in each comparison: ``gamma_*`` (Int8), Splink's number of the level."""
        import numpy as np

        find = self._compiled(_of_numbers(self.comparisons))
        parts = [slice(start, start + _PAIRS_AT_A_TIME) for start in range(0, max(left.size, 1), _PAIRS_AT_A_TIME)]
        parts_found = side_by_side(lambda part: find(left[part], right[part]), parts, at_once=self.threads)
        found = np.concatenate(list(parts_found), axis=1)
        return pl.DataFrame({each.gamma: found[row] for row, each in enumerate(self.comparisons)})

    def count(
        self,
        pairs: "Sequence[_Pairs]",
        compared: Sequence[Comparison] | None = None,
    ) -> pl.DataFrame:
        """Count the pairs on each level, as COUNTS; whole birth dates count in comparisons of their parts too.

        ``pairs``: functions that return some of the pairs, and the group of each, from 0.
        """
        import numpy as np

        compared = self.comparisons if compared is None else compared
        if not compared:
            return _as_counts([], np.zeros((0, 0, 0), np.int64))
        find = self._compiled(_learned(compared))
        # From -1, where a ladder has no end and nothing is known.
        most = 1 + max((len(each.levels) for each in compared), default=0)

        def count(some: "_Pairs") -> "NDArray[np.int64]":
            left, right, group = some()
            size = most * (int(group.max(initial=0)) + 1)
            return np.array([np.bincount(group * most + levels + 1, minlength=size) for levels in find(left, right)])

        counted = list(side_by_side(count, pairs, at_once=self.threads))
        total = np.zeros((len(compared), max((each.shape[1] for each in counted), default=0)), np.int64)
        for each in counted:
            total[:, : each.shape[1]] += each
        return _as_counts(compared, total.reshape(len(compared), -1, most))

    @cached_property
    def _slots(self) -> "tuple[dict[str, int], Rows]":
        """Lay out the columns that the comparisons ask for: the place of each, and all of them."""
        graphs = [
            _graph_of(_conditions(ladders))[0]
            for ladders in (_of_numbers(self.comparisons), _learned(self.comparisons))
        ]
        kinds: dict[str, set[str]] = {}
        for question in (question for graph in graphs for question in graph.questions):
            for name in (question.left, question.right):
                kinds.setdefault(name, set()).add(question.kind)
        return _lay_out(self.people, kinds)

    def _compiled(self, ladders: "_Ladders") -> "Callable[[Ids, Ids], NDArray[np.int8]]":
        """Return a function that finds the levels of pairs: a row for each ladder."""
        import numpy as np

        from linkcore.linkage.codes.kernels import levels

        slots, rows = self._slots
        graph, starts = _graph_of(_conditions(ladders))
        nodes, roots = _as_arrays(graph, slots), np.array(starts, np.int32)

        def find(left: "Ids", right: "Ids") -> "NDArray[np.int8]":
            found = np.empty((len(starts), left.size), np.int8)
            levels(nodes, roots, rows, _writable(left), _writable(right), found)
            return found

        return find


def _writable(ids: "Ids") -> "Ids":
    """Return one kind of array for all: Numba compiles anew for those of Polars, which can only be read."""
    import numpy as np

    writable: Ids = np.require(ids, np.uint32, ["C", "W"])
    return writable


_Ladders = Sequence[tuple[Comparison, Sequence[int]]]


def _of_numbers(comparisons: Sequence[Comparison]) -> _Ladders:
    return [(each, each.numbers) for each in comparisons]


def _learned(comparisons: Sequence[Comparison]) -> _Ladders:
    """Name the levels by their positions; comparisons of parts of birth dates are as they are learned."""
    return [(as_learned(each), range(len(each.levels))) for each in comparisons]


def _conditions(ladders: _Ladders) -> tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]:
    return tuple((tuple(level.condition for level in each.levels), tuple(numbers)) for each, numbers in ladders)


# Each round of pairs is asked the same questions.
_graph_of = lru_cache(maxsize=8)(graph_of)


def _as_counts(comparisons: Sequence[Comparison], found: "NDArray[np.int64]") -> pl.DataFrame:
    """Turn counts by comparison, group and level, from -1, into COUNTS, in order."""
    from linkcore.linkage.learning.levels import COUNTS

    rows = [
        (comparison.name, group, position, int(found[number, group, position + 1]))
        for number, comparison in enumerate(comparisons)
        for group in range(found.shape[1])
        for position, level in enumerate(comparison.levels)
        if found[number, group, position + 1] and not level.is_null
    ]
    return pl.DataFrame(rows, schema=COUNTS, orient="row")


def _as_arrays(graph: Graph, slots: dict[str, int]) -> "Nodes":
    """Turn a graph into what the compiled loop takes."""
    import numpy as np

    from linkcore.linkage.codes.kernels import Nodes
    from linkcore.linkage.codes.questions import KINDS

    asked = graph.questions
    pairs = {(each.left, each.right): 0 for each in asked if each.kind == "similar"}
    memo_of = {pair: number for number, pair in enumerate(pairs)}
    return Nodes(
        kind=np.array([KINDS.index(each.kind) for each in asked], np.int8),
        left=np.array([slots[each.left] for each in asked], np.int16),
        right=np.array([slots[each.right] for each in asked], np.int16),
        number=np.array([each.number for each in asked], np.float64),
        memo=np.array([memo_of.get((each.left, each.right), 0) for each in asked], np.int16),
        yes=np.array(graph.yes, np.int32),
        no=np.array(graph.no, np.int32),
    )


def _lay_out(people: CodedPeople, kinds: dict[str, set[str]]) -> "tuple[dict[str, int], Rows]":
    """Put the columns beside each other, and the values behind their codes after each other."""
    import numpy as np

    from linkcore.linkage.codes.kernels import Rows, letters

    slots = {name: slot for slot, name in enumerate(sorted(kinds))}
    codes = np.zeros((people.height, max(len(slots), 1)), np.int32)
    base = np.zeros(max(len(slots), 1), np.int64)
    texts, numbers, lists, held = _Texts(), [np.zeros(1)], [np.zeros(1, np.int64)], [np.zeros(0, np.int32)]
    for name, slot in slots.items():
        if name.startswith(OTHER) or name == "given_groups":
            column = people.lists(name)
            codes[:, slot], base[slot] = column.rows, sum(each.size for each in lists)
            lists.append(column.starts + sum(each.size for each in held))
            held.append(column.codes)
            continue
        single = people.column(name)
        codes[:, slot] = single.codes
        if kinds[name] & _OF_TEXT:
            base[slot] = texts.place(single.values)
        elif kinds[name] & _OF_NUMBERS:
            base[slot] = sum(each.size for each in numbers)
            numbers.append(_as_numbers(single.values))
    starts, data = texts.laid_out()
    seen = np.zeros(starts.size, np.uint64)
    letters(data, starts, seen)
    return slots, Rows(
        codes, base, starts, data, seen, np.concatenate(lists), np.concatenate(held), np.concatenate(numbers)
    )


class _Texts:
    """The texts of some tables, one after the other; a table that two columns share is there once."""

    def __init__(self) -> None:
        self._tables: list[pl.Series] = []

    def place(self, values: pl.Series) -> int:
        """Return the place of the first text of a table."""
        place = 0
        for table in self._tables:
            if table is values:
                return place
            place += table.len() + 1
        self._tables.append(values)
        return place

    def laid_out(self) -> "tuple[NDArray[np.int64], NDArray[np.uint8]]":
        """Return where each text starts, with the end of each table, and the bytes of all texts."""
        import numpy as np

        starts, data, size = [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)], 0
        for table in self._tables:
            texts = table.fill_null("")
            ends = texts.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
            starts.append(np.concatenate([[0], ends]) + size)
            data.append(np.frombuffer(texts.str.join("").item().encode(), np.uint8))
            size += int(ends[-1])
        return np.concatenate([*starts, np.zeros(1, np.int64) + size]), np.concatenate(data)


def _as_numbers(values: pl.Series) -> "NDArray[np.float64]":
    if values.dtype == pl.Date:
        values = values.to_physical()
    numbers: NDArray[np.float64] = values.cast(pl.Float64, strict=False).fill_null(0.0).to_numpy()
    return numbers
