"""Standardise postcodes as ``EX1 2AB``: repair common typing errors, and recognise pseudo-postcodes."""

from typing import Final

import polars as pl

from linkcore.identifiers.text import MISSING_WORDS, as_text, ascii_digits, by_dtype, compact, on_present

__all__ = ["NO_PLACE", "PSEUDO_PREFIX", "STATUS", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "pseudo", "malformed"])
"""Statuses of a postcode; ``pseudo`` is an NHS code for no fixed abode, not known, or abroad."""

PSEUDO_PREFIX: Final = "ZZ99"
"""Start of pseudo-postcodes: ZZ99 3VZ is no fixed abode, ZZ99 3WZ is not known, and others are countries."""

NO_PLACE: Final = ("NFA", "NOFIXEDABODE", "NOFIXEDADDRESS")
"""Words that mean no fixed abode; letters only."""

_OUTWARD: Final = "[A-Z](?:[1-9]|[A-HJ-Z][0-9])[0-9A-HJ-NP-Z]?|GIR"
_INWARD: Final = "[0-9][A-Z]{2}"
_STANDARD: Final = f"^(?:{_OUTWARD}) {_INWARD}$"
_UNSPACED: Final = f"^(?:{_OUTWARD}){_INWARD}$"
"""Royal Mail's forms: the outward code is A9, A99, A9A, AA9, AA99, AA9A or GIR; the inward code is 9AA.

Royal Mail does not use every letter in every place. The patterns refuse an unused letter only where it may be a
mistyped digit. A postcode with any other unused letter is mistyped too, but the rest of it is still evidence.
"""

_RESULT: Final = pl.Struct({"value": pl.String, "text": pl.String, "status": STATUS})


def standardise(column: pl.Expr) -> pl.Expr:
    """Write postcodes in capitals with one space, and repair letters and digits that look alike.

    Returns a struct of ``value`` (String, null unless valid), ``text`` (String: the capitals and digits of a malformed
    postcode or of an outward code alone, for edit distance; otherwise null) and ``status`` (never null).

    Repairs apply to postcodes with at least two letters. Where only a digit is possible, O and I become 0 and 1, and in
    the first place of the inward code S becomes 5. Where only a letter is possible, 0, 1 and 5 become O, I and S. The
    second place may be either: there I becomes 1 (no postcode area has I there), and 0 becomes O after C, P, S and Y
    when a district follows (CO, PO, SO and YO are areas, and no one-letter area has a district that begins with 0).

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
    """Standardise postcodes of a known dtype; only those not yet in standard form need further reading."""
    text, plain, other = map(pl.field, ("text", "plain", "other"))
    standard = text.str.contains(_STANDARD) & text.str.starts_with(PSEUDO_PREFIX).not_()
    return (
        pl.struct(text=as_text(column, dtype))
        .struct.with_fields(plain=pl.when(standard).then(text))
        .struct.with_fields(rest=pl.when(plain.is_null()).then(text))
        .struct.with_fields(other=on_present(pl.field("rest"), _read_without_spaces, _RESULT))
        .struct.with_fields(
            value=pl.coalesce(plain, other.struct.field("value")),
            text=other.struct.field("text"),
            status=pl.when(plain.is_not_null())
            .then(_status("valid"))
            .otherwise(pl.coalesce(other.struct.field("status"), _status("missing"))),
        )
        .struct.eval(pl.field("value"), text, pl.field("status"))
    )


def _read_without_spaces(text: pl.Expr) -> pl.Expr:
    """Read postcodes that are correct except for case and spaces; repair the others."""
    original, unspaced, plain, other = map(pl.field, ("original", "unspaced", "plain", "other"))
    correct = unspaced.str.contains(_UNSPACED) & unspaced.str.starts_with(PSEUDO_PREFIX).not_()
    return (
        pl.struct(original=text, unspaced=text.str.to_uppercase().str.replace_all(" ", "", literal=True))
        .struct.with_fields(plain=pl.when(correct).then(_with_space(unspaced)))
        .struct.with_fields(rest=pl.when(plain.is_null()).then(original))
        .struct.with_fields(other=on_present(pl.field("rest"), _repair, _RESULT))
        .struct.with_fields(
            value=pl.coalesce(plain, other.struct.field("value")),
            text=other.struct.field("text"),
            status=pl.coalesce(other.struct.field("status"), _status("valid")),
        )
        .struct.eval(pl.field("value"), pl.field("text"), pl.field("status"))
    )


def _repair(text: pl.Expr) -> pl.Expr:
    """Read only the letters and digits of postcodes, and replace those that are impossible in their place."""
    letters, words, repaired = map(pl.field, ("letters", "words", "repaired"))
    pseudo = letters.str.starts_with(PSEUDO_PREFIX) | words.is_in(NO_PLACE)
    status = (
        pl.when(words.is_in(MISSING_WORDS))
        .then(_status("missing"))
        .when(pseudo)
        .then(_status("pseudo"))
        .when(repaired.str.contains(_UNSPACED) & letters.str.contains("[A-Z].*[A-Z]"))
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
            repaired=pl.when(letters.str.contains(_UNSPACED))
            .then(letters)
            .otherwise(_repair_outward(letters.str.head(-3)) + _repair_inward(letters.str.tail(3)))
        )
        .struct.with_fields(status=status)
        .struct.with_fields(
            value=pl.when(pl.field("status") == _status("valid")).then(_with_space(repaired)),
            text=pl.when(is_malformed).then(letters),
        )
        .struct.eval(pl.field("value"), pl.field("text"), pl.field("status"))
    )


def _with_space(unspaced: pl.Expr) -> pl.Expr:
    """Put a space between outward and inward code."""
    return pl.format("{} {}", unspaced.str.head(-3), unspaced.str.tail(3))


def _repair_outward(letters: pl.Expr) -> pl.Expr:
    """Replace the impossible letters and digits of an outward code."""
    repaired = (
        (letters.str.head(1).str.replace_many({"0": "O", "1": "I", "5": "S"}) + letters.str.slice(1))
        .str.replace(r"^([CPSY])0(.)", "${1}O${2}")
        .str.replace(r"^([A-Z])I", "${1}1")
    )
    return repaired.str.head(2) + repaired.str.slice(2).str.replace_many({"O": "0", "I": "1"})


def _repair_inward(letters: pl.Expr) -> pl.Expr:
    """Replace the impossible letters and digits of an inward code."""
    digit = letters.str.head(1).str.replace_many({"O": "0", "I": "1", "S": "5"})
    return digit + letters.str.slice(1).str.replace_many({"0": "O", "1": "I", "5": "S"})


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
