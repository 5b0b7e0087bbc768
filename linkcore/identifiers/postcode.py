"""Standardise postcodes to the form ``EX1 2AB``, correct common typing errors, and recognise pseudo-postcodes."""

from typing import Final

import polars as pl

from linkcore.identifiers.text import MISSING_WORDS, as_text, ascii_digits, by_dtype, compact, on_present

__all__ = ["NO_PLACE", "PSEUDO_PREFIX", "STATUS", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "pseudo", "malformed"])
"""The kinds of postcode. ``pseudo``: the health service's own code for no fixed abode, not known, or abroad."""

PSEUDO_PREFIX: Final = "ZZ99"
"""Beginning of pseudo-postcodes: ZZ99 3VZ is no fixed abode, ZZ99 3WZ not known, others are countries."""

NO_PLACE: Final = ("NFA", "NOFIXEDABODE", "NOFIXEDADDRESS")
"""Words for no fixed abode; only letters."""

_OUTWARD: Final = "[A-Z](?:[1-9]|[A-HJ-Z][0-9])[0-9A-HJ-NP-Z]?|GIR"
_INWARD: Final = "[0-9][A-Z]{2}"
_STANDARD: Final = f"^(?:{_OUTWARD}) {_INWARD}$"
_UNSPACED: Final = f"^(?:{_OUTWARD}){_INWARD}$"
"""Royal Mail's forms: outward A9, A99, A9A, AA9, AA99, AA9A or GIR, inward 9AA.

Of the letters that are not in use, only those that look like a digit are refused, and only where a digit can be. With
any other such letter the postcode is mistyped, but the rest of it is still evidence.
"""

_FOUND: Final = pl.Struct({"value": pl.String, "text": pl.String, "status": STATUS})


def standardise(column: pl.Expr) -> pl.Expr:
    """Standardise postcodes to capitals with one space, and correct letters and digits that look alike.

    Returns a struct of ``value`` (String, a complete postcode; null unless valid), ``text`` (String, the capitals and
    digits of a malformed postcode or of an outward code alone, for edit distance; null in all other cases) and
    ``status`` (``STATUS``, never null).

    Notes
    -----
    Only values with at least two letters are corrected. Where only a digit can be, O and I become 0 and 1; where only a
    letter can be, 0, 1 and 5 become O, I and S. S becomes 5 only at the beginning of the inward part. The second
    character may be either: there I becomes 1, because no postcode area has I there; and 0 becomes O after C, P, S and
    Y if a district follows, because CO, PO, SO and YO are areas and no district of a one-letter area begins with 0.

    Examples
    --------
    >>> frame = pl.DataFrame({"home": ["ex12ab", "EXI 2AB", "S014 OAA", "ZZ99 3VZ", "EX1"]})
    >>> frame.select(standardise(pl.col("home"))).unnest("home")
    shape: (5, 3)
    ┌──────────┬──────┬───────────┐
    │ value    ┆ text ┆ status    │
    │ ---      ┆ ---  ┆ ---       │
    │ str      ┆ str  ┆ enum      │
    ╞══════════╪══════╪═══════════╡
    │ EX1 2AB  ┆ null ┆ valid     │
    │ EX1 2AB  ┆ null ┆ valid     │
    │ SO14 0AA ┆ null ┆ valid     │
    │ null     ┆ null ┆ pseudo    │
    │ null     ┆ EX1  ┆ malformed │
    └──────────┴──────┴───────────┘
    """
    return by_dtype(column, _standardise)


def _standardise(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    text, plain, other = map(pl.field, ("text", "plain", "other"))
    standard = text.str.contains(_STANDARD) & text.str.starts_with(PSEUDO_PREFIX).not_()
    return (
        pl.struct(text=as_text(column, dtype))
        .struct.with_fields(plain=pl.when(standard).then(text))
        .struct.with_fields(rest=pl.when(plain.is_null()).then(text))
        .struct.with_fields(other=on_present(pl.field("rest"), _spaced, _FOUND))
        .struct.with_fields(
            value=pl.coalesce(plain, other.struct.field("value")),
            text=other.struct.field("text"),
            status=pl.when(plain.is_not_null())
            .then(_status("valid"))
            .otherwise(pl.coalesce(other.struct.field("status"), _status("missing"))),
        )
        .struct.eval(pl.field("value"), text, pl.field("status"))
    )


def _spaced(text: pl.Expr) -> pl.Expr:
    """Read postcodes that only lack capitals or the right space; :func:`_repaired` reads all others."""
    original, close, plain, other = map(pl.field, ("original", "close", "plain", "other"))
    whole = close.str.contains(_UNSPACED) & close.str.starts_with(PSEUDO_PREFIX).not_()
    return (
        pl.struct(original=text, close=text.str.to_uppercase().str.replace_all(" ", "", literal=True))
        .struct.with_fields(plain=pl.when(whole).then(_in_two(close)))
        .struct.with_fields(rest=pl.when(plain.is_null()).then(original))
        .struct.with_fields(other=on_present(pl.field("rest"), _repaired, _FOUND))
        .struct.with_fields(
            value=pl.coalesce(plain, other.struct.field("value")),
            text=other.struct.field("text"),
            status=pl.coalesce(other.struct.field("status"), _status("valid")),
        )
        .struct.eval(pl.field("value"), pl.field("text"), pl.field("status"))
    )


def _repaired(text: pl.Expr) -> pl.Expr:
    """Read postcodes from their letters and digits alone, and correct characters that cannot be where they are."""
    letters, words, whole = map(pl.field, ("letters", "words", "whole"))
    pseudo = letters.str.starts_with(PSEUDO_PREFIX) | words.is_in(NO_PLACE)
    status = (
        pl.when(words.is_in(MISSING_WORDS))
        .then(_status("missing"))
        .when(pseudo)
        .then(_status("pseudo"))
        .when(whole.str.contains(_UNSPACED) & letters.str.contains("[A-Z].*[A-Z]"))
        .then(_status("valid"))
        .otherwise(_status("malformed"))
    )
    is_malformed = (pl.field("status") == _status("malformed")) & (letters != "")
    return (
        pl.struct(
            letters=ascii_digits(text).str.to_uppercase().str.replace_all("[^A-Z0-9]+", ""),
            words=compact(text),
        )
        .struct.with_fields(
            whole=pl.when(letters.str.contains(_UNSPACED))
            .then(letters)
            .otherwise(_outward(letters.str.head(-3)) + _inward(letters.str.tail(3)))
        )
        .struct.with_fields(status=status)
        .struct.with_fields(
            value=pl.when(pl.field("status") == _status("valid")).then(_in_two(whole)),
            text=pl.when(is_malformed).then(letters),
        )
        .struct.eval(pl.field("value"), pl.field("text"), pl.field("status"))
    )


def _in_two(whole: pl.Expr) -> pl.Expr:
    return pl.format("{} {}", whole.str.head(-3), whole.str.tail(3))


def _outward(letters: pl.Expr) -> pl.Expr:
    area = (
        (letters.str.head(1).str.replace_many({"0": "O", "1": "I", "5": "S"}) + letters.str.slice(1))
        .str.replace(r"^([CPSY])0(.)", "${1}O${2}")
        .str.replace(r"^([A-Z])I", "${1}1")
    )
    return area.str.head(2) + area.str.slice(2).str.replace_many({"O": "0", "I": "1"})


def _inward(letters: pl.Expr) -> pl.Expr:
    digit = letters.str.head(1).str.replace_many({"O": "0", "I": "1", "S": "5"})
    return digit + letters.str.slice(1).str.replace_many({"0": "O", "1": "I", "5": "S"})


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
