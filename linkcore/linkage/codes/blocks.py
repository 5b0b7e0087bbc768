"""Blocks of persons who share a key with records, and the pairs that they propose.

The key of a block is 64 bits, mixed from codes. Two blocks that share a key by chance are one block, which costs a
comparison and loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Self

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
    starts: "Codes"
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
    of_right : numpy.ndarray
        Int32, a row for each rule: the block of each right row; 0 for none.
    starts, members : numpy.ndarray
        Where each block starts among the members of its rule (int32), and the rows that are in them (UInt32): those of
        each rule one after the other.
    first_block, first_member : numpy.ndarray
        Int64, where the blocks and the members of each rule begin.
    height : int
        How many rows there are.
    """

    right: "Ids" = field(repr=False)
    left_out: Mapping[str, int]
    of_right: "Codes" = field(repr=False)
    starts: "Codes" = field(repr=False)
    members: "Ids" = field(repr=False)
    first_block: "NDArray[np.int64]" = field(repr=False)
    first_member: "NDArray[np.int64]" = field(repr=False)
    height: int

    @classmethod
    def of(cls, made: Sequence[_RuleBlocks], right: "Ids", left_out: Mapping[str, int], height: int) -> Self:
        """Put the blocks of some rules after each other."""
        import numpy as np

        return cls(
            right,
            left_out,
            np.stack([each.of_right for each in made]) if made else np.zeros((0, right.size), np.int32),
            np.concatenate([each.starts for each in made] or [np.zeros(0, np.int32)]),
            np.concatenate([each.members for each in made] or [np.zeros(0, np.uint32)]),
            np.cumsum([0, *(each.starts.size for each in made)])[:-1],
            np.cumsum([0, *(each.members.size for each in made)])[:-1],
            height,
        )

    def pairs(self, start: int, end: int) -> "tuple[Ids, Ids]":
        """Return the pairs of some of the right rows, by their positions: left and right rows, each pair once."""
        import numpy as np

        from linkcore.linkage.codes.kernels import pairs_of_blocks

        of_right, sizes = self.of_right[:, start:end], np.zeros(end - start, np.int64)
        for first, blocks in zip(self.first_block, of_right, strict=True):
            places = first + blocks
            sizes += self.starts[places + 1] - self.starts[places]
        seen, found = np.empty(self.height, np.int32), []
        for part in _parts(sizes):
            left, right = (np.empty(int(sizes[part].sum()), np.uint32) for _ in range(2))
            seen[:] = 0
            ids, blocks = self.right[start:end][part], np.ascontiguousarray(of_right[:, part])
            members = self.starts, self.first_block, self.first_member, self.members
            count = pairs_of_blocks(ids, blocks, *members, seen, left, right)
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
            side[name] = codes[_as_slice(rows)]
    make = partial(_blocks_of_rule, left=left, sides=sides, largest=largest)
    made = list(side_by_side(make, rules, at_once=threads))
    del make, sides  # hundreds of megabytes, of a whole ICS
    left_out = {rule.sql: each.left_out for rule, each in zip(rules, made, strict=True) if each.left_out}
    return Blocks.of(made, right, left_out, people.height)


def _as_slice(rows: "Ids") -> "Ids | slice":
    """Return rows that follow each other as a slice, which copies nothing."""
    first, size = int(rows[0]) if rows.size else 0, rows.size
    follow = size > 0 and int(rows[-1]) - first == size - 1 and bool((rows[1:] > rows[:-1]).all())
    return slice(first, first + size) if follow else rows


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
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    members = np.empty(starts[-1], np.uint32)
    fill_blocks(of_left, left, np.where(too_large, np.int32(-1), starts[:-1]), members)
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
