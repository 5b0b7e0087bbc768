"""Soundex: one code for names that sound alike in English, so that a misspelt name is still found."""

from typing import Final

import polars as pl

from linkcore.identifiers.text import on_distinct

__all__ = ["soundex"]

_CODES: Final = {"BFPV": "1", "CGJKQSXZ": "2", "DT": "3", "L": "4", "MN": "5", "R": "6", "AEIOUY": "0"}
_LETTERS: Final = {letter: code for letters, code in _CODES.items() for letter in letters}
_SILENT: Final = ("H", "W")
_LENGTH: Final = 4


def soundex(name: pl.Expr) -> pl.Expr:
    """Return the American Soundex code of a standardised name (String).

    The code is the first letter and the codes of the next three consonants (Russell 1918, as the National Archives of
    the United States use it). Two neighbours with the same code count once, even with H or W between them, but not with
    a vowel between them.

    Examples
    --------
    >>> names = pl.DataFrame({"name": ["ROBERT", "RUPERT", "ASHCRAFT", "TYMCZAK", "PFISTER", "HONEYMAN", "NG"]})
    >>> names.select(soundex(pl.col("name"))).to_series().to_list()
    ['R163', 'R163', 'A261', 'T522', 'P236', 'H555', 'N200']
    """
    return on_distinct(name, _coded, pl.String)


def _coded(name: pl.Expr) -> pl.Expr:
    letters = name.str.replace_all(" ", "", literal=True)
    first, rest = letters.str.head(1), letters.str.slice(1)
    coded = first.str.replace_many([*_LETTERS, *_SILENT], [*_LETTERS.values(), "0", "0"])
    coded += rest.str.replace_many([*_LETTERS, *_SILENT], [*_LETTERS.values(), "", ""])
    for _ in range(6):  # each time halves a run of the same code, and no name has more than 64 letters
        coded = coded.str.replace_many([f"{d}{d}" for d in "0123456"], list("0123456"))
    following = coded.str.slice(1).str.replace_all("0", "", literal=True)
    return (first + following).str.head(_LENGTH).str.pad_end(_LENGTH, "0")
