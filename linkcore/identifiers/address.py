"""Standardise addresses to one line of text in A to Z, 0 to 9 and single spaces."""

from typing import Final

import polars as pl

from linkcore.identifiers.text import as_text, by_dtype, folded, on_present, own_script

__all__ = ["MISSING_WORDS", "NO_PLACE", "STATUS", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "no_place"])
"""The kinds of address. ``no_place``: a text that says that there is no address, or that none is known."""

MISSING_WORDS: Final = ("", "NULL", "NONE", "NIL", "NA", "N A", "NAN", "BLANK")
"""Texts that stand for a missing value, in the form of :func:`standardise`."""

NO_PLACE: Final = (
    *("NFA", "NO ADDRESS", "NO KNOWN ADDRESS", "NO FIXED ADDRESS", "HOMELESS", "ROUGH SLEEPER", "NO FIXED ABODE"),
    *("UNKNOWN", "UNK", "NK", "NOT KNOWN", "ADDRESS UNKNOWN", "ADDRESS NOT KNOWN", "UNKNOWN ADDRESS", "NOT STATED"),
    *("NOT RECORDED", "NOT GIVEN", "NOT PROVIDED", "NOT AVAILABLE", "REFUSED", "WITHHELD"),
)
"""Texts that are no place when they are the whole address, in the form of :func:`standardise`."""

_NO_FIXED_ABODE: Final = "^(?:OF )?NO FIXED (?:ABODE|ADDRESS)"


def standardise(column: pl.Expr) -> pl.Expr:
    """Standardise addresses so that they can be compared.

    Returns a struct of ``value`` (String, null unless valid) and ``status`` (``STATUS``, never null).

    Notes
    -----
    Apostrophes are dropped; all other punctuation becomes a space. An address in another script stays in that script.

    Examples
    --------
    >>> frame = pl.DataFrame({"home": ["12a, St. David’s  Hill, Exeter", "No fixed abode", None]})
    >>> frame.select(standardise(pl.col("home"))).unnest("home").rows()
    [('12A ST DAVIDS HILL EXETER', 'valid'), (None, 'no_place'), (None, 'missing')]
    """
    return by_dtype(column, _standardise)


def _standardise(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    text, line, status = map(pl.field, ("text", "line", "status"))
    latin = folded(text).str.replace_all("[^A-Z0-9]+", " ").str.strip_chars(" ")
    status_of_line = (
        pl.when(line.is_null() | line.is_in(MISSING_WORDS))
        .then(_status("missing"))
        .when(line.is_in(NO_PLACE) | line.str.contains(_NO_FIXED_ABODE))
        .then(_status("no_place"))
        .otherwise(_status("valid"))
    )
    return (
        pl.struct(text=as_text(column, dtype))
        .struct.with_fields(line=latin)
        .struct.with_fields(foreign=on_present(pl.when(line == "").then(text), own_script, pl.String))
        .struct.with_fields(line=pl.coalesce(pl.field("foreign"), line))
        .struct.with_fields(status=status_of_line)
        .struct.with_fields(value=pl.when(status == _status("valid")).then(line))
        .struct.eval(pl.field("value"), status)
    )


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
