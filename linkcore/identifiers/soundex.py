"""Soundex gives names that sound alike in English the same code, so that misspelt names are still compared."""

from typing import Final

import polars as pl

from linkcore.identifiers.text import on_distinct

__all__ = ["soundex"]

_CODES: Final = {"BFPV": "1", "CGJKQSXZ": "2", "DT": "3", "L": "4", "MN": "5", "R": "6", "AEIOUY": "0"}
_LETTERS: Final = {letter: code for letters, code in _CODES.items() for letter in letters}
_SILENT: Final = ("H", "W")
_LENGTH: Final = 4


def soundex(name: pl.Expr) -> pl.Expr:
    """Compute the American Soundex code of a standardised name.

    The code is the first letter and the codes of the next three consonants (Russell 1918, as the National Archives of
    the United States use it). Neighbouring letters with the same code count once, even with H or W between them; a
    vowel between them separates them.

    Examples
    --------
    >>> names = pl.DataFrame({"name": ["ROBERT", "RUPERT", "ASHCRAFT", "TYMCZAK", "PFISTER", "HONEYMAN", "NG"]})
    >>> names.select(soundex(pl.col("name"))).to_series().to_list()
    ['R163', 'R163', 'A261', 'T522', 'P236', 'H555', 'N200']
    """
    return on_distinct(name, _code, pl.String)


def _code(name: pl.Expr) -> pl.Expr:
    """Compute the codes of names letter by letter."""
    letters = name.str.replace_all(" ", "", literal=True)
    first, rest = letters.str.head(1), letters.str.slice(1)
    coded = first.str.replace_many([*_LETTERS, *_SILENT], [*_LETTERS.values(), "0", "0"])
    coded += rest.str.replace_many([*_LETTERS, *_SILENT], [*_LETTERS.values(), "", ""])
    for _ in range(6):  # each pass halves a run of equal codes, and no name has a run longer than 64
        coded = coded.str.replace_many([f"{d}{d}" for d in "0123456"], list("0123456"))
    following = coded.str.slice(1).str.replace_all("0", "", literal=True)
    return (first + following).str.head(_LENGTH).str.pad_end(_LENGTH, "0")
