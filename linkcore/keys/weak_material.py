"""Material that is surely not random: text, padding, repetition and counting.

Of 32 random bytes, each rule refuses by mistake at most the share that stands beside it; all together three in 10^11.
Longer material is refused still more rarely. What only looks random, such as the hash of a passphrase, is not found.
"""

import math
import re
from typing import Final

from linkcore.keys.secret import Secret

__all__ = ["weakness"]

_FEWEST_BYTES: Final = 18  # different ones; 32 random bytes have about 30
_LONGEST_RUN: Final = 7
_LONGEST_PERIOD: Final = 24
_LONGEST_COUNTER: Final = 8
_LONGEST_WORDS: Final = 18  # letters and spaces in a row
_BYTES_OF_A_SCRIPT: Final = 4
_UNLIKELY: Final = 1e-11
_PRINTABLE: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r")
_IN_TEXT: Final = "\t\n\r\0\ufeff"  # beside what can be printed: line ends, padding, a byte order mark


def weakness(material: Secret[bytes]) -> str | None:
    """Say in a few words why material of a key is surely not random; None if it may be.

    Examples
    --------
    >>> weakness(Secret(bytes(range(32))))
    'counts'
    >>> import secrets
    >>> weakness(Secret(secrets.token_bytes(32)))
    """
    if len(set(material.reveal())) == 1:
        return "holds the same few bytes again and again"
    if any(is_so(material.reveal()) for is_so in (_is_text, _is_mostly_text, _is_wide_text)):  # 1.6e-11, 1e-11, 5e-21
        return "is text"
    if len(set(material.reveal())) < _FEWEST_BYTES:  # 3e-12
        return "holds the same few bytes again and again"
    if any(bytes([byte]) * (_LONGEST_RUN + 1) in material.reveal() for byte in range(256)):  # 4e-16
        return "holds one byte many times in a row"
    if any(not any(_steps(material.reveal(), lag)) for lag in range(1, _LONGEST_PERIOD + 1)):  # 6e-20
        return "repeats itself"
    # Each byte differs from the one before it by the same step; of a counter of several bytes, each lane does.
    lags = range(1, _LONGEST_COUNTER + 1)
    return "counts" if any(not any(_steps(_steps(material.reveal(), lag), lag)) for lag in lags) else None  # 3e-39


def _is_text(material: bytes) -> bool:
    try:
        return all(character.isprintable() or character in _IN_TEXT for character in material.decode())
    except UnicodeDecodeError:
        return False


def _is_mostly_text(material: bytes) -> bool:
    """Whether more bytes can be printed, or more letters stand in a row, than by chance; as in an old code page."""
    length = len(material)
    printable = sum(byte in _PRINTABLE for byte in material)
    share = len(_PRINTABLE) / 256
    chance = sum(math.comb(length, n) * share**n * (1 - share) ** (length - n) for n in range(printable, length + 1))
    words = max(_LONGEST_WORDS, length // 2)
    return chance < _UNLIKELY or re.search(rb"[A-Za-z ]{%d}" % words, material) is not None


def _is_wide_text(material: bytes) -> bool:
    """Whether every second byte is one of a few, as in UTF-16 text of one script."""
    return any(len(set(material[start::2])) <= _BYTES_OF_A_SCRIPT for start in (0, 1))


def _steps(material: bytes, lag: int) -> bytes:
    """Return how far each byte lies above the one ``lag`` places before it, modulo 256."""
    return bytes((after - before) % 256 for before, after in zip(material, material[lag:], strict=False))
