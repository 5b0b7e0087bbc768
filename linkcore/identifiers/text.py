"""Turn any column into text, and text into characters that can be compared: all identifiers need this.

The modules of this package are fast without a loop over records. A cheap expression recognises the form of nearly all
values. The remaining values go through Unicode folding and regular expressions: they are the same column with nulls
where the cheap form was found (``when(unread).then(text)``), and :func:`on_present` evaluates the expensive expression
only on values that are not null. So each value is read independently of its batch, and the result is one elementwise
expression: lazy, streaming, for any order of rows.

``struct.with_fields`` gives each step a name, so that Polars computes it once, even in eager frames, where it does not
look for common subexpressions. (``struct.eval`` only selects: Polars 2.1 fails to plan ``a * b + c`` in it.)
"""

from collections.abc import Callable
from functools import cache
from typing import Final

import polars as pl

__all__ = [
    "MISSING_WORDS",
    "as_text",
    "ascii_digits",
    "by_dtype",
    "compact",
    "folded",
    "on_distinct",
    "on_present",
    "own_script",
]

MISSING_WORDS: Final = (
    *("", "NULL", "NONE", "NIL", "NA", "NAN", "NAT", "MISSING", "BLANK", "EMPTY"),
    *("UNKNOWN", "UNK", "NK", "NOTKNOWN", "NOTRECORDED", "NOTSTATED", "NOTAVAILABLE", "NOTAPPLICABLE"),
    *("NOTGIVEN", "NOTPROVIDED", "NOTSUPPLIED", "NOTSPECIFIED", "NOTFOUND", "REFUSED", "WITHHELD"),
)
"""Words that people and programs write for a missing value, in the form of :func:`compact`."""

_LETTERS: Final = {
    "Æ": "AE",
    "Œ": "OE",
    "Ø": "O",
    "Ł": "L",
    "Đ": "D",
    "Ð": "D",
    "Þ": "TH",
    "ẞ": "SS",
    "Ħ": "H",
    "Ŧ": "T",
    "Ŋ": "N",
    "Ə": "E",
    "Ɓ": "B",
    "Ɗ": "D",
    "Ƙ": "K",
    "Ƴ": "Y",
    "Ɨ": "I",
    "Ƶ": "Z",
}
"""Latin capitals that Unicode does not decompose, and what people type if their keyboard lacks them.

The source is ICAO Doc 9303 part 3, section 6, except for Ø: it has OE, but British records have O far more often.
"""

_UNSEEN: Final = r" ?\p{M}+|[\p{Cf}'’‘‛`ʼʻʹʽʾʿ′]"
"""Characters that folding removes: accents (one that stands alone decomposes to a space and the accent), invisible
characters, and apostrophes."""


def by_dtype(
    column: pl.Expr, function: Callable[[pl.Expr, pl.DataType], pl.Expr], dtype: pl.DataType | None = None
) -> pl.Expr:
    """Replace a column by the expression that ``function`` makes of the column and its dtype, under the same name.

    This is the only place that uses ``pipe_with_dtype``, which Polars calls unstable.

    Examples
    --------
    >>> frame = pl.DataFrame({"age": [33], "code": ["x"]})
    >>> frame.select(by_dtype(pl.col("age", "code"), lambda _, dtype: pl.lit(str(dtype)))).row(0, named=True)
    {'age': 'Int64', 'code': 'String'}
    """
    if dtype is not None:
        return function(column, dtype).alias(column.meta.output_name())
    return column.pipe_with_dtype(lambda one, dtype: function(one, dtype).alias(one.meta.output_name()))


def on_present(
    column: pl.Expr, function: Callable[[pl.Expr], pl.Expr], dtype: pl.DataType | type[pl.DataType]
) -> pl.Expr:
    """Evaluate an expression only on the values of a column that are not null; the result has the given dtype.

    Polars' text expressions take 10 to 15 nanoseconds for each null. On a column that is nearly all null, a chain of
    ten would spend several times as long on the nulls as on the few values.

    Examples
    --------
    >>> frame = pl.DataFrame({"code": ["a", None]})
    >>> frame.select(on_present(pl.col("code"), lambda code: code.str.to_uppercase(), pl.String)).to_series().to_list()
    ['A', None]
    """

    def evaluate(values: pl.Series) -> pl.Series:
        frame = pl.DataFrame({"value": values})
        if values.null_count() == 0:
            return frame.select(function(pl.col("value"))).to_series()
        if values.null_count() == len(values):
            return pl.repeat(None, len(values), dtype=dtype, eager=True)
        results = frame.drop_nulls().select(function(pl.col("value"))).to_series()
        present = pl.col("value").is_not_null()
        return results.gather(frame.select(pl.when(present).then(present.cum_sum() - 1)).to_series())

    return column.map_batches(evaluate, return_dtype=dtype, is_elementwise=True)


def on_distinct(
    column: pl.Expr, function: Callable[[pl.Expr], pl.Expr], dtype: pl.DataType | type[pl.DataType]
) -> pl.Expr:
    """Evaluate an expression once for each distinct value of a column; the result has the given dtype.

    A million people have some ten thousand names, and looking up a value takes a tenth of the time of reading it.

    Examples
    --------
    >>> frame = pl.DataFrame({"code": ["a", None, "a"]})
    >>> frame.select(on_distinct(pl.col("code"), lambda code: code.str.to_uppercase(), pl.String)).to_series().to_list()
    ['A', None, 'A']
    """

    def evaluate(values: pl.Series) -> pl.Series:
        frame = pl.DataFrame({"value": values})
        results = frame.unique().with_columns(function(pl.col("value")).alias("result"))
        return frame.join(results, on="value", how="left", nulls_equal=True, maintain_order="left")["result"]

    return column.map_batches(evaluate, return_dtype=dtype, is_elementwise=True)


def as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Turn a column of any dtype into text; a whole number in a float column gets no decimal point.

    The result is null for a null, a NaN, a date outside the years 1 to 9999, and a duration.

    Examples
    --------
    >>> frame = pl.DataFrame({"code": [1.0, 2.5, float("nan")]})
    >>> frame.select(by_dtype(pl.col("code"), as_text)).to_series().to_list()
    ['1', '2.5', None]
    """
    if dtype == pl.String:
        return column
    if dtype == pl.Duration:
        return pl.when(column.is_null()).then(pl.lit(None, dtype=pl.String))
    if dtype in (pl.Date, pl.Datetime):  # Polars panics at writing a date far from our calendar
        column = pl.when(column.dt.year().is_between(1, 9999)).then(column)
    if not dtype.is_float():
        return column.cast(pl.String)
    whole = pl.when(column == column.round()).then(column).cast(pl.Int64, strict=False)
    return pl.coalesce(whole.cast(pl.String), column.fill_nan(None).cast(pl.String))


def ascii_digits(text: pl.Expr) -> pl.Expr:
    """Replace the decimal digits of every script, also full-width and superscript digits, by 0 to 9.

    Examples
    --------
    >>> pl.select(ascii_digits(pl.lit("９４３ ٤٧٦ ५९१९"))).item()
    '943 476 5919'
    """
    return pl.coalesce(on_present(_beyond_ascii(text), _ascii_digits, pl.String), text)


def _ascii_digits(text: pl.Expr) -> pl.Expr:
    return text.str.normalize("NFKC").str.replace_many(_decimal_digits())


def _beyond_ascii(text: pl.Expr) -> pl.Expr:
    """Keep text with characters outside ASCII, and set all other text to null."""
    return pl.when(text.str.len_bytes() != text.str.len_chars()).then(text)


@cache
def _decimal_digits() -> dict[str, str]:
    """Return all decimal digits but 0 to 9, each with its value; all are in the first two Unicode planes."""
    return {chr(code): str(int(chr(code))) for code in range(0x80, 0x20000) if chr(code).isdecimal()}


def compact(text: pl.Expr) -> pl.Expr:
    """Keep only letters and digits, in upper case; words are looked up in this form.

    Examples
    --------
    >>> pl.select(compact(pl.lit(" n/a "))).item()
    'NA'
    """
    return text.str.replace_all(r"[^\p{L}\p{N}]+", "").str.to_uppercase()


def folded(text: pl.Expr) -> pl.Expr:
    """Return text in upper case, without accents and apostrophes, and with letters such as Ł or ß spelt in A to Z.

    Examples
    --------
    >>> pl.select(folded(pl.lit("Zoë Ó’Súilleabháin-Størmer"))).item()
    'ZOE OSUILLEABHAIN-STORMER'
    """
    ascii_only = text.str.replace_all("['`]", "").str.to_uppercase()
    return pl.coalesce(on_present(_beyond_ascii(text), _folded_by_unicode, pl.String), ascii_only)


def _folded_by_unicode(text: pl.Expr) -> pl.Expr:
    letters = text.str.normalize("NFKD").str.replace_all(_UNSEEN, "").str.to_uppercase()
    return letters.str.replace_many(_LETTERS)


def own_script(text: pl.Expr) -> pl.Expr:
    """Return the words of a text in their own script, for text without any letter in A to Z.

    Examples
    --------
    >>> pl.select(own_script(pl.lit("Иван-Пётр"))).item()
    'ИВАН ПЁТР'
    """
    words = text.str.normalize("NFKC").str.replace_all(r"[^\p{L}\p{M}\p{Nd}]+", " ").str.strip_chars(" ")
    return pl.when(words.str.contains(r"\p{L}")).then(words).str.to_uppercase()
