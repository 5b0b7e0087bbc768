"""Blocks of persons who share a key with records, and the pairs that they propose.

The key of a block is 64 bits, mixed from codes. Two blocks that share a key by chance are one block, which costs a
comparison and loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from linkcore.linkage.blocking import Rule
from linkcore.linkage.codes.coded import CodedPeople
from linkcore.linkage.codes.numbered import number
from linkcore.parallel import side_by_side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.uint32]
    Codes = NDArray[np.int32]

__all__ = ["Blocks", "make_blocks"]

# Bounds the memory for pairs that several rules propose.
_PROPOSED_AT_A_TIME: Final = 1 << 24


@dataclass(frozen=True, eq=False)
class _RuleBlocks:
    """The blocks of a rule: that of each right row (0 for none), where each starts, the members, who is left out."""

    of_right: "Codes"
    starts: "NDArray[np.int64]"
    members: "Ids"
    left_out: int


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of all rules.

    Parameters
    ----------
    right : numpy.ndarray
        UInt32, the rows that look for others.
    left_out : mapping of str to int
        By rule, how many rows of the left side were in blocks that were too large.
    """

    right: "Ids" = field(repr=False)
    left_out: Mapping[str, int]
    _rules: Sequence[_RuleBlocks] = field(repr=False)
    _height: int

    def pairs(self, start: int, end: int) -> "tuple[Ids, Ids]":
        """Return the pairs of some of the right rows, by their positions: left and right rows, each pair once."""
        import numpy as np

        from linkcore.linkage.codes.kernels import pairs_of_blocks

        if not self._rules:
            return np.empty(0, np.uint32), np.empty(0, np.uint32)
        of_right = np.stack([rule.of_right[start:end] for rule in self._rules])
        members_before = np.cumsum([0, *(rule.members.size for rule in self._rules)])
        starts = [rule.starts + before for rule, before in zip(self._rules, members_before, strict=False)]
        rules = np.cumsum([0, *(each.size for each in starts)])[:-1]
        all_starts, members = np.concatenate(starts), np.concatenate([rule.members for rule in self._rules])
        sizes = np.zeros(end - start, np.int64)
        for rule, blocks in zip(self._rules, of_right, strict=True):
            sizes += np.diff(rule.starts)[blocks]
        seen, found = np.zeros(self._height, np.int32), []
        for part in _parts(sizes):
            most = int(sizes[part].sum())
            left, right = np.empty(most, np.uint32), np.empty(most, np.uint32)
            seen[:] = 0
            ids = self.right[start:end][part]
            count = pairs_of_blocks(ids, of_right[:, part], all_starts, rules, members, seen, left, right)
            found.append((left[:count], right[:count]))
        return np.concatenate([left for left, _ in found]), np.concatenate([right for _, right in found])


def _parts(sizes: "NDArray[np.int64]") -> list[slice]:
    """Cut rows into parts that are proposed so many others at most, as far as one row alone is not proposed more."""
    import numpy as np

    number = np.cumsum(sizes) // _PROPOSED_AT_A_TIME
    ends = [*np.flatnonzero(np.diff(number)) + 1, sizes.size]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def make_blocks(
    people: CodedPeople,
    rules: Sequence[Rule],
    left: "Ids",
    right: "Ids",
    *,
    largest: int | None = None,
    threads: int = 1,
) -> Blocks:
    """Put the left rows into the blocks for which there are right rows, as the rules say.

    ``largest``: how many left rows may share a key that is used, in place of what the rule says.
    """
    names = {name for rule in rules for pair in rule.equal for name in pair} | {
        name for rule in rules for name in rule.lacking
    }
    sides: list[dict[str, Codes]] = [{}, {}]
    for name in sorted(names):
        codes = people.column(name).codes
        for side, rows in zip(sides, (left, right), strict=True):
            side[name] = codes[rows]
    make = partial(_blocks_of_rule, left=left, sides=sides, largest=largest)
    made = list(side_by_side(make, rules, at_once=threads))
    left_out = {rule.sql: each.left_out for rule, each in zip(rules, made, strict=True) if each.left_out}
    return Blocks(right, left_out, made, people.height)


def _blocks_of_rule(
    rule: Rule, *, left: "Ids", sides: "Sequence[Mapping[str, Codes]]", largest: int | None
) -> _RuleBlocks:
    import numpy as np

    from linkcore.linkage.codes.kernels import fill_blocks, find_keys

    numbered = number(_keys(rule, 1, sides[1]))
    of_right, keys = numbered.found, _keys(rule, 0, sides[0])
    of_left, sizes = np.empty(keys.size, np.int32), np.zeros(numbered.count + 1, np.int64)
    find_keys(keys, numbered.shift, numbered.table, numbered.numbers, of_left, sizes)
    too_large = sizes > (rule.largest_block if largest is None else largest)
    left_out = int(sizes[too_large].sum())
    sizes[too_large] = 0
    starts = np.concatenate([[0], np.cumsum(sizes)])
    members = np.empty(starts[-1], np.uint32)
    fill_blocks(of_left, left, np.where(too_large, -1, starts[:-1]), members)
    of_right[sizes[of_right] == 0] = 0
    return _RuleBlocks(of_right, starts, members, left_out)


def _keys(rule: Rule, side: int, codes: "Mapping[str, Codes]") -> "NDArray[np.uint64]":
    """Return the key of each row of one side (0 or 1); 0 where it is in no block of the rule."""
    import numpy as np

    from linkcore.linkage.codes.kernels import mix

    first = codes[rule.equal[0][side]]
    keys = np.ones(first.size, np.uint64)
    for pair in rule.equal:
        mix(keys, codes[pair[side]])
    for name in rule.lacking if side == 1 else ():
        keys[codes[name] != 0] = 0
    return keys
