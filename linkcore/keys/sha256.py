"""SHA-256 as in FIPS 180-4: its constants, and its compression function in plain Python.

Plain Python is fast enough for the two blocks of a key. The compiled kernels hash the columns.
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["INITIAL_STATE", "ROUND_CONSTANTS", "compress"]

INITIAL_STATE: Final = (
    *(0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19),
)
"""State before the first block (5.3.3)."""

ROUND_CONSTANTS: Final = (
    *(0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5),
    *(0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174),
    *(0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA),
    *(0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967),
    *(0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85),
    *(0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070),
    *(0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3),
    *(0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2),
)
"""One word for each round (4.2.2)."""

_WORD: Final = 0xFFFFFFFF


def _rotate(x: int, right: int) -> int:
    return (x >> right | x << (32 - right)) & _WORD


def compress(state: Sequence[int], block: bytes) -> tuple[int, ...]:
    r"""Return the state after one more block (6.2.2).

    Examples
    --------
    The state after the one block of the empty message is its SHA-256.

    >>> "".join(f"{word:08x}" for word in compress(INITIAL_STATE, b"\x80" + bytes(63)))
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    words = [int.from_bytes(block[start : start + 4], "big") for start in range(0, 64, 4)]
    for t in range(16, 64):
        x, y = words[t - 15], words[t - 2]
        expand_0 = _rotate(x, 7) ^ _rotate(x, 18) ^ x >> 3
        expand_1 = _rotate(y, 17) ^ _rotate(y, 19) ^ y >> 10
        words.append((words[t - 16] + expand_0 + words[t - 7] + expand_1) & _WORD)
    a, b, c, d, e, f, g, h = state
    for constant, word in zip(ROUND_CONSTANTS, words, strict=True):
        sum_1 = _rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)
        step = h + sum_1 + (e & f ^ ~e & g) + constant + word
        sum_0 = _rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)
        majority = a & b ^ a & c ^ b & c
        a, b, c, d, e, f, g, h = (step + sum_0 + majority) & _WORD, a, b, c, (d + step) & _WORD, e, f, g
    return tuple((before + after) & _WORD for before, after in zip(state, (a, b, c, d, e, f, g, h), strict=True))
