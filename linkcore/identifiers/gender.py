"""Read gender from PERSON STATED GENDER CODE or from words."""

from typing import Final

import polars as pl

from linkcore.identifiers.text import MISSING_WORDS, as_text, ascii_digits, by_dtype, compact, on_present
from linkcore.schema import GENDER

__all__ = ["FEMALE", "MALE", "NO_EVIDENCE", "STATUS", "standardise"]

STATUS: Final = pl.Enum(["valid", "missing", "no_evidence", "unreadable"])
"""The kinds of gender value. ``no_evidence``: a code for not known, or for neither male nor female."""

MALE: Final = ("1", "M", "MALE", "MAN", "BOY")
"""Codes and words for male; only letters and digits."""

FEMALE: Final = ("2", "F", "FEMALE", "WOMAN", "GIRL")
"""Codes and words for female; only letters and digits."""

NO_EVIDENCE: Final = (
    *("0", "9", "X", "I", "U", "UN", "UNK", "NK", "UNKNOWN", "NOTKNOWN", "INDETERMINATE", "UNDETERMINED", "AMBIGUOUS"),
    *("NOTSPECIFIED", "NOTSTATED", "NOTRECORDED", "OTHER", "NONBINARY", "UNDISCLOSED", "PREFERNOTTOSAY"),
)
"""Codes and words that say nothing. NHS Data Dictionary: 9 is indeterminate, X is not known, as 0 was in earlier data
sets."""

_NUMBER: Final = r"^0*([0-9])(?:[.,]0*)?$"


def standardise(column: pl.Expr, *, dtype: pl.DataType | None = None) -> pl.Expr:
    """Read gender from codes and words.

    Returns a struct of ``value`` (``schema.GENDER``, null unless valid) and ``status`` (``STATUS``, never null).

    Examples
    --------
    >>> frame = pl.DataFrame({"sex": ["1", "Female", "X", None, "7"]})
    >>> frame.select(standardise(pl.col("sex"))).unnest("sex").rows()
    [('male', 'valid'), ('female', 'valid'), (None, 'no_evidence'), (None, 'missing'), (None, 'unreadable')]
    """
    return by_dtype(column, _standardise, dtype)


def _standardise(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    text, upper, known, word, value = map(pl.field, ("text", "upper", "known", "word", "value"))
    status = (
        pl.when(value.is_not_null())
        .then(_status("valid"))
        .when(word.is_in(NO_EVIDENCE))
        .then(_status("no_evidence"))
        .when(word.is_null() | word.is_in(MISSING_WORDS))
        .then(_status("missing"))
        .otherwise(_status("unreadable"))
    )
    return (
        pl.struct(text=as_text(column, dtype))
        .struct.with_fields(upper=text.str.to_uppercase())
        .struct.with_fields(known=pl.when(upper.is_in((*MALE, *FEMALE, *NO_EVIDENCE))).then(upper))
        .struct.with_fields(rest=pl.when(known.is_null()).then(text))
        .struct.with_fields(word=pl.coalesce(known, on_present(pl.field("rest"), _word, pl.String)))
        .struct.with_fields(
            value=pl.when(word.is_in(MALE))
            .then(pl.lit("male", dtype=GENDER))
            .when(word.is_in(FEMALE))
            .then(pl.lit("female", dtype=GENDER))
        )
        .struct.with_fields(status=status)
        .struct.eval(value, pl.field("status"))
    )


def _word(text: pl.Expr) -> pl.Expr:
    """Return the letters and digits of a word, or the one digit of a number."""
    return compact(ascii_digits(text).str.strip_chars().str.replace(_NUMBER, "${1}"))


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=STATUS)
