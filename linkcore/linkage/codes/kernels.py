"""The compiled loops over codes: levels of pairs, blocks, and pairs of codes as codes.

What they find is what DuckDB's functions of the same names find, which Splink calls: bytes are compared, and not
characters. Importing this module takes a third of a second: import it in functions.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from linkcore.compiled import compiled
from linkcore.linkage.codes.questions import KINDS

__all__ = [
    "Nodes",
    "Rows",
    "fill_blocks",
    "find_keys",
    "jaro_winkler",
    "letters",
    "levels",
    "mix",
    "number_keys",
    "one_edit",
    "pairs_of_blocks",
]


class Rows(NamedTuple):
    """What persons and records are, as codes.

    ``codes`` (int32) has a row for each of them and a column for each column that is asked for. What a code stands for
    is at the position ``base`` of its column and the code: where a text starts in ``data``, and its ``letters``; where
    a list starts in ``held``; or a number.
    """

    codes: Any
    base: Any
    starts: Any
    data: Any
    letters: Any
    lists: Any
    held: Any
    numbers: Any


class Nodes(NamedTuple):
    """A graph of questions as arrays, one element a node; ``memo`` numbers the similarities of two columns."""

    kind: Any
    left: Any
    right: Any
    number: Any
    memo: Any
    yes: Any
    no: Any


_MISSING: Final = KINDS.index("missing")
_EQUAL: Final = KINDS.index("equal")
_SIMILAR: Final = KINDS.index("similar")
_ONE_EDIT: Final = KINDS.index("one edit")
_SHORTENED: Final = KINDS.index("shortened")
_PART: Final = KINDS.index("part")
_SHARE: Final = KINDS.index("share")
_LISTED: Final = KINDS.index("listed")
_NEAR: Final = KINDS.index("near")
_WITHIN: Final = KINDS.index("within")

_WORD: Final = 64
_SPACE: Final = 32
_ONE: Final = np.uint64(1)
_BOOST: Final = 0.7
# No bar is lower. A billionth is more than what rounding can change.
_LEAST: Final = 0.7 - 1e-9


@compiled
def letters(data: Any, starts: Any, found: Any) -> None:
    """Write which bytes each text has, by their last six bits."""
    for i in range(starts.size - 1):
        mask = np.uint64(0)
        for at in range(starts[i], starts[i + 1]):
            mask |= _ONE << np.uint64(data[at] & np.uint8(63))
        found[i] = mask


@compiled
def _bits(mask: Any) -> Any:
    """Count the bits of a word (Warren, Hacker's Delight, 5-1)."""
    mask = mask - ((mask >> np.uint64(1)) & np.uint64(0x5555555555555555))
    mask = (mask & np.uint64(0x3333333333333333)) + ((mask >> np.uint64(2)) & np.uint64(0x3333333333333333))
    mask = (mask + (mask >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((mask * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def _most_alike(la: Any, lb: Any, letters_a: Any, letters_b: Any) -> Any:
    """Return a similarity (Jaro's) that two texts cannot exceed, with these lengths and letters."""
    matches = min(la - _bits(letters_a & ~letters_b), lb - _bits(letters_b & ~letters_a))
    return (matches / la + matches / lb + 1.0) / 3.0


@compiled
def _jaro_of_long(data: Any, a: Any, la: Any, b: Any, lb: Any) -> Any:
    """Return Jaro's similarity of two texts of any length."""
    taken, matched = np.zeros(la, np.bool_), np.zeros(lb, np.bool_)
    window = max(la, lb) // 2 - 1
    common = 0
    for j in range(lb):
        for i in range(max(0, j - window), min(la, j + window + 1)):
            if not taken[i] and data[a + i] == data[b + j]:
                taken[i] = matched[j] = True
                common += 1
                break
    if common == 0:
        return 0.0
    moved, i = 0, 0
    for j in range(lb):
        if matched[j]:
            while not taken[i]:
                i += 1
            moved += data[a + i] != data[b + j]
            i += 1
    return (common / la + common / lb + (common - moved // 2) / common) / 3.0


@compiled
def _jaro_of_short(data: Any, a: Any, la: Any, b: Any, lb: Any) -> Any:
    """Return Jaro's similarity of two texts of at most 64 bytes."""
    window = max(0, max(la, lb) // 2 - 1)
    taken, matched, common = np.uint64(0), np.uint64(0), 0
    for j in range(lb):
        letter = data[b + j]
        for i in range(max(0, j - window), min(la, j + window + 1)):
            if data[a + i] == letter and (taken >> np.uint64(i)) & _ONE == 0:
                taken |= _ONE << np.uint64(i)
                matched |= _ONE << np.uint64(j)
                common += 1
                break
    if common == 0:
        return 0.0
    moved, i = 0, 0
    for j in range(lb):
        if (matched >> np.uint64(j)) & _ONE:
            while (taken >> np.uint64(i)) & _ONE == 0:
                i += 1
            moved += data[a + i] != data[b + j]
            i += 1
    return (common / la + common / lb + (common - moved // 2) / common) / 3.0


@compiled
def jaro_winkler(data: Any, a: Any, a_end: Any, b: Any, b_end: Any) -> Any:
    """Return the Jaro-Winkler similarity of two texts, as DuckDB does; of an empty one, 0."""
    la, lb = a_end - a, b_end - b
    if la == 0 or lb == 0:
        return 0.0
    if la <= _WORD and lb <= _WORD:
        similarity = _jaro_of_short(data, a, la, b, lb)
    else:
        similarity = _jaro_of_long(data, a, la, b, lb)
    if similarity > _BOOST:
        same = 0
        while same < min(4, la, lb) and data[a + same] == data[b + same]:
            same += 1
        similarity += same * 0.1 * (1.0 - similarity)
    return similarity


@compiled
def one_edit(data: Any, a: Any, a_end: Any, b: Any, b_end: Any) -> Any:
    """Whether the Damerau-Levenshtein distance of two texts is at most 1."""
    while a < a_end and b < b_end and data[a] == data[b]:
        a, b = a + 1, b + 1
    while a < a_end and b < b_end and data[a_end - 1] == data[b_end - 1]:
        a_end, b_end = a_end - 1, b_end - 1
    la, lb = a_end - a, b_end - b
    if la <= 1 and lb <= 1:
        return True
    return la == 2 and lb == 2 and data[a] == data[b + 1] and data[a + 1] == data[b]


@compiled
def _at(data: Any, place: Any, b: Any, b_end: Any) -> Any:
    """Whether a text stands at a place."""
    for i in range(b_end - b):  # noqa: SIM110  Numba compiles no generator
        if data[place + i] != data[b + i]:
            return False
    return True


@compiled
def _starts(data: Any, a: Any, a_end: Any, b: Any, b_end: Any) -> Any:
    return a_end - a >= b_end - b and _at(data, a, b, b_end)


@compiled
def _has_part(data: Any, a: Any, a_end: Any, b: Any, b_end: Any) -> Any:
    """Whether a text starts or ends with another one and a space between."""
    size = b_end - b
    if a_end - a <= size:
        return False
    if data[a_end - size - 1] == _SPACE and _at(data, a_end - size, b, b_end):
        return True
    return data[a + size] == _SPACE and _at(data, a, b, b_end)


@compiled
def _of_text(kind: Any, data: Any, a: Any, a_end: Any, b: Any, b_end: Any) -> Any:  # noqa: PLR0917
    """Answer a question about two texts."""
    if kind == _ONE_EDIT:
        return one_edit(data, a, a_end, b, b_end)
    if kind == _SHORTENED:
        return _starts(data, a, a_end, b, b_end) or _starts(data, b, b_end, a, a_end)
    return _has_part(data, a, a_end, b, b_end) or _has_part(data, b, b_end, a, a_end)


@compiled
def levels(nodes: Any, roots: Any, rows: Any, left: Any, right: Any, found: Any) -> None:  # noqa: PLR0912, PLR0917
    """Write the level of each pair in each comparison: ``found``, int8, a row for each comparison.

    This is one function, because each array that another one is given would cost as much as a comparison.
    """
    kinds, lefts, rights, bars, memos, yes, no = nodes
    codes, base, starts, data, letters_of, lists, held, numbers = rows
    similarities, known = np.empty(memos.size, np.float64), np.full(memos.size, -1)
    for pair in range(left.size):
        one, other = left[pair], right[pair]
        for each in range(roots.size):
            node = roots[each]
            while node >= 0:
                kind, x, y = kinds[node], lefts[node], rights[node]
                a, b = codes[one, x], codes[other, y]
                if kind == _EQUAL:
                    answer = a == b and a != 0
                elif kind == _MISSING:
                    answer = a == 0 or b == 0
                elif a == 0 or b == 0:
                    answer = False
                else:
                    i, j = base[x] + a, base[y] + b
                    if kind == _SIMILAR:
                        memo = memos[node]
                        if known[memo] != pair:
                            known[memo] = pair
                            si, ei, sj, ej = starts[i], starts[i + 1], starts[j], starts[j + 1]
                            # Without more than 0.7 of Jaro's similarity there is no more than that of Winkler's either.
                            if (
                                ei > si
                                and ej > sj
                                and _most_alike(ei - si, ej - sj, letters_of[i], letters_of[j]) < _LEAST
                            ):
                                similarities[memo] = 0.0
                            elif a == b and x == y:
                                similarities[memo] = 1.0 if ei > si else 0.0
                            else:
                                similarities[memo] = jaro_winkler(data, si, ei, sj, ej)
                        answer = similarities[memo] > bars[node]
                    elif kind == _SHARE:
                        answer = False
                        for p in range(lists[i], lists[i + 1]):
                            for q in range(lists[j], lists[j + 1]):
                                answer = answer or held[p] == held[q]
                    elif kind == _LISTED:
                        answer = False
                        for p in range(lists[i], lists[i + 1]):
                            answer = answer or held[p] == b
                    elif kind == _NEAR:
                        answer = not abs(numbers[i] - numbers[j]) > bars[node]
                    elif kind == _WITHIN:
                        # As in DuckDB, no number is above one that is not a number.
                        most = bars[node] * max(abs(numbers[i]), abs(numbers[j]))
                        answer = not abs(numbers[i] - numbers[j]) > most
                    else:
                        answer = _of_text(kind, data, starts[i], starts[i + 1], starts[j], starts[j + 1])
                node = yes[node] if answer else no[node]
            found[each, pair] = -2 - node


# 2^64 divided by the golden ratio spreads numbers that differ little (Knuth, The Art of Computer Programming 3, 6.4).
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
# Mixing of MurmurHash3 (Appleby), by which 64 bits become others.
_FIRST: Final = np.uint64(0xFF51AFD7ED558CCD)
_SECOND: Final = np.uint64(0xC4CEB9FE1A85EC53)
_THIRTY_THREE: Final = np.uint64(33)
EMPTY: Final = np.uint64(0)


@compiled
def mix(keys: Any, codes: Any) -> None:
    """Mix a code into each key; one that is 0, for a missing value, makes the key 0, and it stays so."""
    for i in range(keys.size):
        if codes[i] == 0 or keys[i] == EMPTY:
            keys[i] = EMPTY
            continue
        key = keys[i] ^ np.uint64(codes[i])
        key = (key ^ (key >> _THIRTY_THREE)) * _FIRST
        key = (key ^ (key >> _THIRTY_THREE)) * _SECOND
        keys[i] = (key ^ (key >> _THIRTY_THREE)) | _ONE


@compiled
def number_keys(keys: Any, shift: Any, table: Any, blocks: Any, found: Any) -> Any:
    """Give the different keys numbers from 1, in ``found``, and return how many there are; a key of 0 has none.

    ``table`` and ``blocks``: an open table of twice as many places or more, all 0: 2 to the power of 64 - ``shift``.
    """
    mask, count = np.uint64(table.size - 1), 0
    for i in range(keys.size):
        found[i] = 0
        if keys[i] == EMPTY:
            continue
        place = (keys[i] * _SPREAD) >> shift
        while table[place] != EMPTY and table[place] != keys[i]:
            place = (place + _ONE) & mask
        if table[place] == EMPTY:
            count += 1
            table[place], blocks[place] = keys[i], count
        found[i] = blocks[place]
    return count


@compiled
def find_keys(  # noqa: PLR0917
    keys: Any, shift: Any, table: Any, blocks: Any, found: Any, sizes: Any
) -> None:
    """Write the number of each key, 0 if it has none, and count how often each number is found."""
    mask = np.uint64(table.size - 1)
    for i in range(keys.size):
        found[i] = 0
        if keys[i] == EMPTY:
            continue
        place = (keys[i] * _SPREAD) >> shift
        while table[place] != EMPTY and table[place] != keys[i]:
            place = (place + _ONE) & mask
        if table[place] != EMPTY:
            found[i] = blocks[place]
            sizes[found[i]] += 1


@compiled
def fill_blocks(found: Any, ids: Any, ends: Any, members: Any) -> None:
    """Put ids into their blocks; ``ends``: where each block ends so far; -1 for one that is not used."""
    for i in range(found.size):
        block = found[i]
        if block and ends[block] >= 0:
            members[ends[block]] = ids[i]
            ends[block] += 1


@compiled
def pairs_of_blocks(  # noqa: PLR0917
    ids: Any,
    blocks: Any,
    starts: Any,
    first_block: Any,
    first_member: Any,
    members: Any,
    seen: Any,
    left: Any,
    right: Any,
) -> Any:
    """Write the pairs of some ids with all who share a block with them, each once, and return how many there are.

    ``blocks``: the block of each id by each rule, 0 for none; ``starts`` to ``members`` as those of all blocks;
    ``seen``: 0 for each who may be a member.
    """
    count = 0
    for i in range(ids.size):
        for rule in range(first_block.size):
            if blocks[rule, i]:
                block = first_block[rule] + blocks[rule, i]
                for at in range(starts[block], starts[block + 1]):
                    member = members[first_member[rule] + at]
                    if seen[member] != i + 1:
                        seen[member] = i + 1
                        left[count], right[count] = member, ids[i]
                        count += 1
    return count
