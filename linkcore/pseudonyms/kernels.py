"""HMAC-SHA-256 of a column of short texts, in vector registers.

SHA-256 is one long chain of operations, so a processor that hashes one message mostly waits. This code hashes several
messages side by side: a value is an LLVM vector with one 32-bit word of each of 4, 8 or 16 messages. The place of a
message in the vector is its *lane*. LLVM translates the same code to AVX-512, AVX2, SSE or NEON. All 64 rounds are
unrolled, so state and schedule stay in registers. LLVM did not vectorise plain loops over arrays, and they ran thirty
times slower.

Many processors have instructions for the rounds of SHA-256: SHA-NI on x86-64, the SHA2 instructions on AArch64. They
work on one message, and each waits for the one before. So four messages take turns. Only the compression function is
then another: it turns its four lanes into messages and back, which costs almost nothing, because the processor does so
while it waits for the rounds. On Zen 4 this is twice as fast as eight lanes of AVX2, and as fast as 16 of AVX-512.

HMAC (RFC 2104) applies SHA-256 twice, as an inner and an outer hash. The first block of each depends on the key alone.
The states after these two blocks, the *midstates*, are computed once for each key. A text of up to 55 bytes then takes
two compressions. Polars keeps a text of up to 12 bytes inside its 16-byte string view, so the kernel reads a column of
NHS Numbers in place. It copies longer texts first, block by block. The result of one stage goes to the next in a
small buffer; it is never written to a column.

The kernel receives addresses only. So no column is copied, an Arrow buffer may be read-only, and no Python frame holds
the words of a key. The machine code that Numba keeps on disk does not hold them either. It would hold them if they were
a global. Numba compiles the kernel again only if the file of the kernel changes, so everything that is compiled is in
this file.

This module takes a third of a second to import, and some seconds to compile after an installation: import it inside
functions.
"""
# ruff: noqa: PLR0917 -- kernels hand each other addresses

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from linkcore.compiled import compiled
from linkcore.keys.sha256 import ROUND_CONSTANTS

__all__ = ["INLINE", "Column", "Pseudonyms", "Stages", "hash_rows"]

INLINE: Final = 12
"""A string view holds a text of at most this many bytes. The view of a longer text points to a data buffer."""

Lanes = tuple[None, ...] | tuple[bool, ...]
"""One entry for each message that is hashed side by side: None, 4, 8 or 16 times, to compute the rounds in vectors;
True, four times, to use the processor's instructions for SHA-256. Numba sees length and kind as part of the type."""


class Column(NamedTuple):
    """The column to hash."""

    values: int
    """Address of string views (16 bytes each) or of 64-bit numbers below 10 :sup:`10`, hashed as ten digits."""
    numeric: bool
    """Whether the values are numbers."""
    validity: int
    """Address of the validity bitmap; 0 if no row is null."""
    buffers: int
    """Address of the list of addresses of the data buffers."""


class Stages(NamedTuple):
    """The keys to hash under, one for each stage."""

    midstates: int
    """Address of 16 words for each stage: eight of the inner midstate, eight of the outer."""
    total: int
    """Number of stages."""


class Pseudonyms(NamedTuple):
    """The buffers to write to."""

    data: int
    """Address of the data buffer, ``width`` bytes for each row; unused if the views hold the pseudonyms."""
    views: int
    """Address of the string views."""
    width: int
    """Bytes of a pseudonym: at most 64 if hex, at most 32 if binary."""
    hexadecimal: bool
    """Whether to write hex digits."""


_P = ParamSpec("_P")
_R = TypeVar("_R")
_WORD: Final = ir.IntType(32)

# --- SHA-256 (FIPS 180-4) on vectors ---------------------------------------------------------------------------------


class _Vectors:
    """Emits LLVM instructions on vectors: one 32-bit word of each of ``lanes`` messages."""

    def __init__(self, builder: Any, lanes: int, *, sha: bool) -> None:
        self.builder = builder
        self.lanes = lanes
        self.sha = sha
        self.type = ir.VectorType(_WORD, lanes)

    def constant(self, value: int) -> Any:
        return self.constants([value] * self.lanes)

    def constants(self, values: Iterable[int]) -> Any:
        return ir.Constant(self.type, [ir.Constant(_WORD, value) for value in values])

    def broadcast(self, word: Any) -> Any:
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, word, ir.Constant(_WORD, 0))
        return self.builder.shuffle_vector(first, undefined, self.constant(0))

    def _places(self, address: Any, kind: Any, count: int) -> list[Any]:
        pointer = self.builder.inttoptr(address, kind.as_pointer())
        indices = [ir.Constant(ir.IntType(64), index) for index in range(count)]
        return [self.builder.gep(pointer, [index], source_etype=kind) for index in indices]

    def load(self, address: Any, count: int) -> list[Any]:
        """Load ``count`` vectors that lie one after another."""
        return [self.builder.load(at, align=4, typ=self.type) for at in self._places(address, self.type, count)]

    def load_words(self, address: Any, count: int) -> list[Any]:
        """Load ``count`` words, and give each to all lanes."""
        words = [self.builder.load(at, align=4, typ=_WORD) for at in self._places(address, _WORD, count)]
        return [self.broadcast(word) for word in words]

    def store(self, vectors: Sequence[Any], address: Any) -> None:
        for vector, at in zip(vectors, self._places(address, self.type, len(vectors)), strict=True):
            self.builder.store(vector, at, align=4)

    def call(self, name: str, *operands: Any) -> Any:
        """Call an intrinsic function of LLVM, from vectors to a vector."""
        function_type = ir.FunctionType(self.type, [self.type] * len(operands))
        function = cgutils.get_or_insert_function(self.builder.module, function_type, f"llvm.{name}")
        return self.builder.call(function, operands)

    def swap_bytes(self, x: Any) -> Any:
        return self.call(f"bswap.v{self.lanes}i32", x)

    def rotate(self, x: Any, right: int) -> Any:
        return self.call(f"fshr.v{self.lanes}i32", x, x, self.constant(right))

    def shift(self, x: Any, right: int) -> Any:
        return self.builder.lshr(x, self.constant(right))

    def xor(self, x: Any, y: Any, z: Any) -> Any:
        return self.builder.xor(self.builder.xor(x, y), z)

    def sum(self, *terms: Any) -> Any:
        return functools.reduce(self.builder.add, terms)

    def shuffle(self, x: Any, y: Any, order: Iterable[int]) -> Any:
        return self.builder.shuffle_vector(x, y, self.constants(order))

    def columns(self, rows: list[Any]) -> list[Any]:
        """Transpose messages that lie one after another in memory: to their first words, their second words, ..."""
        if len(rows) == 1:
            return rows
        pairs = list(zip(rows[0::2], rows[1::2], strict=True))
        even = self.columns([self.shuffle(x, y, range(0, 2 * self.lanes, 2)) for x, y in pairs])
        odd = self.columns([self.shuffle(x, y, range(1, 2 * self.lanes, 2)) for x, y in pairs])
        return [word for pair in zip(even, odd, strict=True) for word in pair]

    def rows(self, columns: list[Any]) -> list[Any]:
        """Undo `columns`."""
        if len(columns) == 1:
            return columns
        halves = [range(self.lanes // 2), range(self.lanes // 2, self.lanes)]
        pairs = zip(self.rows(columns[0::2]), self.rows(columns[1::2]), strict=True)
        return [
            self.shuffle(x, y, [index for lane in half for index in (lane, lane + self.lanes)])
            for x, y in pairs
            for half in halves
        ]


def _compress(v: _Vectors, state: list[Any], block: list[Any]) -> list[Any]:
    """Apply the compression function (FIPS 180-4, 6.2.2) to a state of 8 words and a block of 16."""
    return _compress_by_instructions(v, state, block) if v.sha else _compress_in_vectors(v, state, block)


def _compress_in_vectors(v: _Vectors, state: list[Any], block: list[Any]) -> list[Any]:
    builder, schedule = v.builder, list(block)
    a, b, c, d, e, f, g, h = state
    for t, constant in enumerate(ROUND_CONSTANTS):
        if t >= 16:
            x, y = schedule[t - 15], schedule[t - 2]
            expand_0 = v.xor(v.rotate(x, 7), v.rotate(x, 18), v.shift(x, 3))
            expand_1 = v.xor(v.rotate(y, 17), v.rotate(y, 19), v.shift(y, 10))
            schedule.append(v.sum(expand_1, schedule[t - 7], builder.add(expand_0, schedule[t - 16])))
        sum_1 = v.xor(v.rotate(e, 6), v.rotate(e, 11), v.rotate(e, 25))
        choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
        step = v.sum(h, builder.add(schedule[t], v.constant(constant)), choice, sum_1)
        sum_0 = v.xor(v.rotate(a, 2), v.rotate(a, 13), v.rotate(a, 22))
        # One operation cheaper than the textbook's: a ^ b of this round is b ^ c of the next.
        majority = builder.xor(b, builder.and_(builder.xor(a, b), builder.xor(b, c)))
        a, b, c, d, e, f, g, h = v.sum(step, builder.add(sum_0, majority)), a, b, c, builder.add(d, step), e, f, g
    return [builder.add(before, after) for before, after in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


class _X86:
    """Four rounds, and four words of the schedule, by SHA-NI (Intel's manual, volume 2)."""

    halves: Final = ((5, 4, 1, 0), (7, 6, 3, 2))
    """The words of the state (a to h are 0 to 7) that each of the two registers of a message holds."""

    @staticmethod
    def rounds(v: _Vectors, first: Any, second: Any, words: Any) -> tuple[Any, Any]:
        second = v.call("x86.sha256rnds2", second, first, words)
        return v.call("x86.sha256rnds2", first, second, v.shuffle(words, words, (2, 3, 0, 0))), second

    @staticmethod
    def expand(v: _Vectors, w: Sequence[Any]) -> Any:
        partly = v.builder.add(v.call("x86.sha256msg1", w[0], w[1]), v.shuffle(w[2], w[3], (1, 2, 3, 4)))
        return v.call("x86.sha256msg2", partly, w[3])


class _AArch64:
    """The same by the SHA2 instructions of AArch64 (Arm's manual, C7.2). They ran in an emulator only."""

    halves: Final = ((0, 1, 2, 3), (4, 5, 6, 7))

    @staticmethod
    def rounds(v: _Vectors, first: Any, second: Any, words: Any) -> tuple[Any, Any]:
        return (
            v.call("aarch64.crypto.sha256h", first, second, words),
            v.call("aarch64.crypto.sha256h2", second, first, words),
        )

    @staticmethod
    def expand(v: _Vectors, w: Sequence[Any]) -> Any:
        return v.call("aarch64.crypto.sha256su1", v.call("aarch64.crypto.sha256su0", w[0], w[1]), w[2], w[3])


def _compress_by_instructions(v: _Vectors, state: list[Any], block: list[Any]) -> list[Any]:
    """Turn four lanes into messages of four words a vector, and let them take turns, four rounds each."""
    processor = _AArch64 if v.builder.module.triple.startswith(("aarch64", "arm64")) else _X86
    messages: list[Any] = list(zip(*(v.rows([state[word] for word in half]) for half in processor.halves), strict=True))
    schedules = list(zip(*(v.rows(block[start : start + 4]) for start in range(0, 16, 4)), strict=True))
    for t in range(0, 64, 4):
        constants = v.constants(ROUND_CONSTANTS[t : t + 4])
        if t >= 16:
            schedules = [(*words[1:], processor.expand(v, words)) for words in schedules]
        for lane, ((first, second), words) in enumerate(zip(messages, schedules, strict=True)):
            word = words[min(t // 4, 3)]
            messages[lane] = processor.rounds(v, first, second, v.builder.add(word, constants))
    after: dict[int, Any] = {}
    for half, rows in zip(processor.halves, zip(*messages, strict=True), strict=True):
        after.update(zip(half, v.columns(list(rows)), strict=True))
    return [v.builder.add(before, after[word]) for word, before in enumerate(state)]


def _end_text(v: _Vectors, words: Sequence[Any], length: Any) -> list[Any]:
    """Put the bit 1 after the end of a text, then zeros.

    ``length`` is the number of bytes from the start of ``words`` to the end of the text. It is negative if the text
    ended in an earlier block.
    """
    builder, ended = v.builder, []
    for index, word in enumerate(words):
        rest = builder.sub(length, v.constant(4 * index))
        within = builder.shl(builder.and_(rest, v.constant(3)), v.constant(3))
        text = builder.and_(word, builder.not_(builder.lshr(v.constant(0xFFFFFFFF), within)))
        closed = builder.or_(text, builder.lshr(v.constant(0x80000000), within))
        inside = builder.icmp_unsigned("<", rest, v.constant(4))
        over = builder.icmp_signed("<", rest, v.constant(0))
        # If the text and its end were in an earlier block, only zeros are left.
        ended.append(builder.select(inside, closed, builder.select(over, v.constant(0), word)))
    return ended


def _hex_digits(v: _Vectors, word: Any) -> list[Any]:
    """Spell a word as eight hex digits: two words of four characters, big-endian as SHA-256 reads them."""
    characters = ir.VectorType(ir.IntType(8), 4 * v.lanes)

    def constant(value: int) -> Any:
        return ir.Constant(characters, [ir.Constant(characters.element, value)] * characters.count)

    spelled = []
    for half in (v.shift(word, 16), v.builder.and_(word, v.constant(0xFFFF))):
        spread = half
        for bits, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F)):
            spread = v.builder.and_(v.builder.or_(spread, v.builder.shl(spread, v.constant(bits))), v.constant(mask))
        digits = v.builder.bitcast(spread, characters)
        letter = v.builder.icmp_unsigned(">", digits, constant(9))
        base = v.builder.select(letter, constant(ord("a") - 10), constant(ord("0")))
        spelled.append(v.builder.bitcast(v.builder.add(digits, base), v.type))
    return spelled


def _decimal_digits(v: _Vectors, number: Any) -> Any:
    """Spell a number below 10,000 as four characters, the first in the lowest byte."""
    builder = v.builder
    hundreds = v.shift(builder.mul(number, v.constant(5243)), 19)
    rest = builder.sub(number, builder.mul(hundreds, v.constant(100)))
    pairs = builder.or_(hundreds, builder.shl(rest, v.constant(16)))
    tens = builder.and_(v.shift(builder.mul(pairs, v.constant(103)), 10), v.constant(0x000F000F))
    ones = builder.sub(pairs, builder.mul(tens, v.constant(10)))
    return v.sum(builder.shl(ones, v.constant(8)), tens, v.constant(0x30303030))


# --- The vector code, callable from the kernel -----------------------------------------------------------------------
#
# Each function takes the lanes, then addresses and integers. It returns an integer, which is 0 if there is nothing to
# return. A `state` is eight vectors. A `midstate` is eight words, and all lanes start from it.


def _vector_code(emit: Callable[..., Any]) -> Any:
    """Make ``emit(v, *arguments)`` callable from a kernel as ``(lanes, *arguments)``."""

    def typed(_context: Any, lanes: Any, *arguments: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            v = _Vectors(builder, len(lanes), sha=isinstance(lanes.dtype, types.Boolean))
            return emit(v, *values[1:]) or ir.Constant(ir.IntType(64), 0)

        return types.int64(lanes, *[types.int64 for _ in arguments]), generate

    # Numba needs the name of every parameter.
    fixed, parameters = inspect.signature(typed).parameters, inspect.signature(emit).parameters
    typed.__signature__ = inspect.Signature([*fixed.values()][:2] + [*parameters.values()][1:])  # type: ignore[attr-defined]
    typed.__name__ = emit.__name__
    return intrinsic(typed)


@_vector_code
def _tile(v: _Vectors) -> Any:
    """Reserve 64 bytes for each lane, one block of SHA-256, on the stack of the kernel; return the address."""
    tile = cgutils.alloca_once(v.builder, ir.ArrayType(ir.IntType(8), 64 * v.lanes))
    tile.align = 64
    return v.builder.ptrtoint(tile, ir.IntType(64))


@_vector_code
def _copy(v: _Vectors, source: Any, count: Any, target: Any) -> None:
    byte = ir.IntType(8).as_pointer()
    cgutils.raw_memcpy(v.builder, v.builder.inttoptr(target, byte), v.builder.inttoptr(source, byte), count, 1)


@_vector_code
def _clear(v: _Vectors, target: Any, count: Any) -> None:
    cgutils.memset(v.builder, v.builder.inttoptr(target, ir.IntType(8).as_pointer()), count, 0)


def _load(v: _Vectors, address: Any, bits: int) -> Any:
    kind = ir.IntType(bits)
    return v.builder.load(v.builder.inttoptr(address, kind.as_pointer()), align=bits // 8, typ=kind)


@_vector_code
def _byte(v: _Vectors, address: Any) -> Any:
    return v.builder.zext(_load(v, address, 8), ir.IntType(64))


@_vector_code
def _word(v: _Vectors, address: Any) -> Any:
    return v.builder.zext(_load(v, address, 32), ir.IntType(64))


@_vector_code
def _long(v: _Vectors, address: Any) -> Any:
    return _load(v, address, 64)


@_vector_code
def _longest(v: _Vectors, views: Any) -> Any:
    """Return the length of the longest text of the lanes."""
    lengths = v.columns(v.load(views, 4))[0]
    name, function_type = f"llvm.vector.reduce.umax.v{v.lanes}i32", ir.FunctionType(_WORD, [v.type])
    longest = v.builder.call(cgutils.get_or_insert_function(v.builder.module, function_type, name), [lengths])
    return v.builder.zext(longest, ir.IntType(64))


@_vector_code
def _view_numbers(v: _Vectors, numbers: Any, views: Any) -> None:
    """Write 64-bit numbers as string views of ten digits."""
    long = ir.VectorType(ir.IntType(64), v.lanes)
    number = v.builder.load(v.builder.inttoptr(numbers, long.as_pointer()), align=8, typ=long)

    def quotient(twos: int, rest: int) -> Any:
        """Divide by ``2**twos * rest``; without the twos, a number below 10**10 has 32 bits."""
        bits = ir.Constant(long, [ir.Constant(ir.IntType(64), twos)] * v.lanes)
        return v.builder.udiv(v.builder.trunc(v.builder.lshr(number, bits), v.type), v.constant(rest))

    first_eight, first_four = quotient(2, 10**2 >> 2), quotient(6, 10**6 >> 6)
    next_four = v.builder.sub(first_eight, v.builder.mul(first_four, v.constant(10_000)))
    last_two = v.builder.sub(v.builder.trunc(number, v.type), v.builder.mul(first_eight, v.constant(100)))
    text = [_decimal_digits(v, part) for part in (first_four, next_four, last_two)]
    v.store(v.rows([v.constant(10), *text[:2], v.shift(text[2], 16)]), views)


@_vector_code
def _hash_views(v: _Vectors, views: Any, midstate: Any, state: Any) -> None:
    """Compute the inner hash of one text in each lane. Its string view holds the text, so it has at most 12 bytes."""
    length, *text = v.columns(v.load(views, 4))
    text = _end_text(v, [*map(v.swap_bytes, text), v.constant(0)], length)
    bits = v.builder.shl(v.builder.add(length, v.constant(64)), v.constant(3))
    v.store(_compress(v, v.load_words(midstate, 8), [*text, *[v.constant(0)] * 11, bits]), state)


@_vector_code
def _start(v: _Vectors, midstate: Any, state: Any) -> None:
    v.store(v.load_words(midstate, 8), state)


@_vector_code
def _hash_blocks(v: _Vectors, blocks: Any, start: Any, views: Any, state: Any) -> None:
    """Hash one more block in each lane: the one that begins at byte ``start`` of its text.

    The texts may have different lengths. A lane keeps its state if its text and padding ended in an earlier block.
    """
    length = v.columns(v.load(views, 4))[0]
    start = v.broadcast(v.builder.trunc(start, _WORD))
    rest = v.builder.sub(length, start)
    block = _end_text(v, [v.swap_bytes(word) for word in v.columns(v.load(blocks, 16))], rest)
    # The last block has room for the byte of the bit 1, and for the length of the message in bits, in 8 bytes.
    last = v.builder.icmp_signed("<", rest, v.constant(56))
    size = v.builder.add(length, v.constant(64))
    block[14] = v.builder.select(last, v.shift(size, 29), block[14])
    block[15] = v.builder.select(last, v.builder.shl(size, v.constant(3)), block[15])
    before = v.load(state, 8)
    after = _compress(v, before, block)
    # Earlier blocks had room for the text and these 9 bytes.
    ended = v.builder.icmp_signed("<=", rest, v.constant(-9 & 0xFFFFFFFF))
    v.store([v.builder.select(ended, old, new) for old, new in zip(before, after, strict=True)], state)


@_vector_code
def _hash_words(v: _Vectors, text: Any, midstate: Any, state: Any) -> None:
    """Hash 32 bytes in each lane: the inner hash, or the hex digits of the pseudonym of the stage before."""
    padding = [v.constant(0x80000000), *[v.constant(0)] * 6, v.constant(8 * (64 + 32))]
    v.store(_compress(v, v.load_words(midstate, 8), v.load(text, 8) + padding), state)


@_vector_code
def _spell(v: _Vectors, words: Any, text: Any) -> None:
    """Write four words of each lane as 32 hex digits, which take eight words."""
    v.store([characters for word in v.load(words, 4) for characters in _hex_digits(v, word)], text)


@_vector_code
def _lay_out(v: _Vectors, words: Any, rows: Any) -> None:
    """Write eight words of each lane as the 32 bytes of a row."""
    v.store(v.rows([v.swap_bytes(word) for word in v.load(words, 8)]), rows)


@_vector_code
def _lay_out_long(v: _Vectors, words: Any, rows: Any) -> None:
    """Write sixteen words of each lane as the 64 bytes of a row."""
    v.store(v.rows([v.swap_bytes(word) for word in v.load(words, 16)]), rows)


@_vector_code
def _point(v: _Vectors, words: Any, width: Any, row: Any, views: Any) -> None:
    """Write string views that point to data buffer 0, ``width`` bytes for each row, beginning with ``row``."""
    width, row = (v.broadcast(v.builder.trunc(value, _WORD)) for value in (width, row))
    row = v.builder.add(row, ir.Constant(v.type, [ir.Constant(_WORD, lane) for lane in range(v.lanes)]))
    prefix = v.swap_bytes(v.load(words, 1)[0])
    v.store(v.rows([width, prefix, v.constant(0), v.builder.mul(row, width)]), views)


# --- The kernel ------------------------------------------------------------------------------------------------------


_inlined: Final[Callable[[Callable[_P, _R]], Callable[_P, _R]]] = njit(inline="always")


@_inlined
def _nulls(lanes: Lanes, validity: int, first: int, count: int) -> int:
    """Return one bit for each lane: 1 if the row is null. ``first`` is a multiple of the lanes."""
    if validity == 0:
        return 0
    bits: int = _byte(lanes, validity + (first >> 3))
    if count > 8:
        bits |= _byte(lanes, validity + (first >> 3) + 1) << 8
    return ~(bits >> (first & 7)) & ((1 << count) - 1)


@_inlined
def _gather(lanes: Lanes, column: Column, nulls: int, first: int, count: int, group: int) -> None:
    """Write one string view for each lane to ``group``.

    This is needed if rows are numbers or null, or if there are fewer rows than lanes. A null becomes an empty text, and
    so does a lane without a row. Moves of a size known beforehand are far faster than others.
    """
    n = len(lanes)
    size = 8 if column.numeric else 16
    rows = column.values + size * first
    if count < n:
        _clear(lanes, group, 64 * n)
        _copy(lanes, rows, size * count, group + 16 * n)
        rows = group + 16 * n
    if column.numeric:
        _view_numbers(lanes, rows, group)
    else:
        _copy(lanes, rows, 16 * n, group)
    for lane in range(n):
        if nulls >> lane & 1:
            _clear(lanes, group + 16 * lane, 16)


@_inlined
def _hash_texts(lanes: Lanes, column: Column, views: int, longest: int, blocks: int, state: int) -> None:
    """Compute the inner hash of texts of any length, block by block."""
    for start in range(0, longest + 9, 64):
        for lane in range(len(lanes)):
            view = views + 16 * lane
            length = _word(lanes, view)
            if start < length:
                text = view + 4
                if length > 12:
                    text = _long(lanes, column.buffers + 8 * _word(lanes, view + 8)) + _word(lanes, view + 12)
                _copy(lanes, text + start, min(length - start, 64), blocks + 64 * lane)
        _hash_blocks(lanes, blocks, start, views, state)


@_inlined
def _move(lanes: Lanes, source: int, width: int, target: int) -> None:
    """Copy 8 to 64 bytes in two moves that may overlap: their size is known beforehand, so no function is called."""
    if width >= 32:
        _copy(lanes, source, 32, target)
        _copy(lanes, source + width - 32, 32, target + width - 32)
    elif width >= 16:
        _copy(lanes, source, 16, target)
        _copy(lanes, source + width - 16, 16, target + width - 16)
    else:
        _copy(lanes, source, 8, target)
        _copy(lanes, source + width - 8, 8, target + width - 8)


@_inlined
def _cut(lanes: Lanes, pseudonyms: Pseudonyms, rows: int, size: int, first: int, count: int) -> None:
    """Copy the first ``width`` bytes of each row, which takes ``size`` bytes, to the output."""
    width = pseudonyms.width
    for lane in range(count):
        target = pseudonyms.data + width * (first + lane)
        if width <= INLINE:  # the view holds the whole pseudonym
            target = pseudonyms.views + 16 * (first + lane) + 4
            _clear(lanes, target, 12)
        _move(lanes, rows + size * lane, width, target)


@_inlined
def _write(
    lanes: Lanes, pseudonyms: Pseudonyms, state: int, text: int, rows: int, group: int, first: int, count: int
) -> None:
    """Write the pseudonyms and their string views: in place if they fill their lanes, else from ``rows``, ``group``."""
    n, width = len(lanes), pseudonyms.width
    size = 64 if width > 32 else 32
    whole = count == n and width == size
    target = pseudonyms.data + width * first if whole else rows
    message = state
    if pseudonyms.hexadecimal:
        _spell(lanes, state, text)
        message = text
    if width > 32:
        _spell(lanes, state + 16 * n, text + 32 * n)
        _lay_out_long(lanes, text, target)
    else:
        _lay_out(lanes, message, target)
    if count == n:
        _point(lanes, message, width, first, pseudonyms.views + 16 * first)
    else:
        _point(lanes, message, width, first, group)
        _copy(lanes, group, 16 * count, pseudonyms.views + 16 * first)
    if not whole:
        _cut(lanes, pseudonyms, rows, size, first, count)


@_inlined
def _erase(lanes: Lanes, pseudonyms: Pseudonyms, nulls: int, first: int) -> None:
    """Write zeros for each null."""
    width = pseudonyms.width
    for lane in range(len(lanes)):
        if nulls >> lane & 1:
            _clear(lanes, pseudonyms.views + 16 * (first + lane), 16)
            if width > INLINE:
                _clear(lanes, pseudonyms.data + width * (first + lane), width)


@compiled
def hash_rows(lanes: Lanes, column: Column, stages: Stages, pseudonyms: Pseudonyms, begin: int, end: int) -> None:
    """Hash rows ``begin``, a multiple of 16, to ``end`` of a column."""
    n = len(lanes)
    group, blocks, state, text, rows = _tile(lanes), _tile(lanes), _tile(lanes), _tile(lanes), _tile(lanes)
    for first in range(begin, end, n):
        count = min(n, end - first)
        nulls = _nulls(lanes, column.validity, first, count)
        message = column.values + 16 * first
        if column.numeric or nulls or count < n:
            _gather(lanes, column, nulls, first, count, group)
            message = group
        longest = _longest(lanes, message)
        if longest <= INLINE:
            _hash_views(lanes, message, stages.midstates, state)
        else:
            _start(lanes, stages.midstates, state)
            _hash_texts(lanes, column, message, longest, blocks, state)
        for step in range(1, 2 * stages.total):  # outer hash, inner hash of the next stage, its outer hash ...
            message = state
            if step % 2 == 0:
                _spell(lanes, state, text)
                message = text
            _hash_words(lanes, message, stages.midstates + 32 * step, state)
        _write(lanes, pseudonyms, state, text, rows, group, first, count)
        if nulls:
            _erase(lanes, pseudonyms, nulls, first)
