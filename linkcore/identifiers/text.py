"""What every identifier needs of text: any column as text, and text in characters that can be compared.

How the modules of this package are fast without a loop over records: the form that nearly every record has is
recognised by a cheap expression, and only what is left goes through Unicode folding and regular expressions. "What is
left" is the same column with nulls where the cheap form was found (``when(unread).then(text)``), and
:func:`on_present` evaluates the dear expression on the values that are there. So each value is read by itself, whatever
else its batch holds, and the result is one elementwise expression: lazy, streaming, in any order of rows.

Steps are bound to names with ``struct.with_fields``, so that each is computed once, in eager frames too, where Polars
does not look for common subexpressions. (``struct.eval`` only selects: in Polars 2.1 it fails to plan ``a * b + c``.)
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
"""What people and programs write where there is no value, as :func:`compact` leaves it."""

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
"""Latin capitals that Unicode does not decompose, and what is typed where the keyboard lacks them.

After ICAO Doc 9303 part 3, section 6, but Ø, for which it has OE: British records have O far more often.
"""

_UNSEEN: Final = r" ?\p{M}+|[\p{Cf}'’‘‛`ʼʻʹʽʾʿ′]"
"""What folding leaves out: accents (a free-standing one decomposes to a space and the accent), characters that cannot
be seen, apostrophes."""


def by_dtype(
    column: pl.Expr, function: Callable[[pl.Expr, pl.DataType], pl.Expr], dtype: pl.DataType | None = None
) -> pl.Expr:
    """Replace a column by the expression that ``function`` makes of it, knowing its dtype.

    The one place that uses ``pipe_with_dtype``, which Polars still calls unstable.

    Returns What ``function`` returned, under the name of ``column``.

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
    """Evaluate an expression on the values of a column that are not null, and leave the others null.

    Polars' text expressions cost 10 to 15 nanoseconds for each null; a chain of ten over a column that is nearly all
    null is several times dearer than the few values that are there.

    Returns ``dtype``, null where ``column`` is null.

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
    """Evaluate an expression once for each distinct value of a column.

    A million people have some ten thousand names; to find a value again costs a tenth of what it costs to read it.

    Returns ``dtype``.

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
    """Give a column of any dtype as text; a whole number held as a float has no decimal point.

    Returns String; null where ``column`` is null, not a number, a date outside the years 1 to 9999, or a duration.

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
    """Write the decimal digits of every script, full-width and superscript ones too, as 0 to 9.

    Examples
    --------
    >>> pl.select(ascii_digits(pl.lit("９４３ ٤٧٦ ५९१९"))).item()
    '943 476 5919'
    """
    return pl.coalesce(on_present(_beyond_ascii(text), _ascii_digits, pl.String), text)


def _ascii_digits(text: pl.Expr) -> pl.Expr:
    return text.str.normalize("NFKC").str.replace_many(_decimal_digits())


def _beyond_ascii(text: pl.Expr) -> pl.Expr:
    """Keep text that has other characters than ASCII, and make all other null."""
    return pl.when(text.str.len_bytes() != text.str.len_chars()).then(text)


@cache
def _decimal_digits() -> dict[str, str]:
    """Every decimal digit but 0 to 9, with its value; there are none past the first two Unicode planes."""
    return {chr(code): str(int(chr(code))) for code in range(0x80, 0x20000) if chr(code).isdecimal()}


def compact(text: pl.Expr) -> pl.Expr:
    """Keep the letters and digits alone, in upper case: the form in which words are looked up.

    Examples
    --------
    >>> pl.select(compact(pl.lit(" n/a "))).item()
    'NA'
    """
    return text.str.replace_all(r"[^\p{L}\p{N}]+", "").str.to_uppercase()


def folded(text: pl.Expr) -> pl.Expr:
    """Upper case, with accents and apostrophes left out and letters such as Ł or ß spelt in A to Z.

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
    """Words in the script they are written in, for text of which :func:`folded` leaves nothing in A to Z.

    Examples
    --------
    >>> pl.select(own_script(pl.lit("Иван-Пётр"))).item()
    'ИВАН ПЁТР'
    """
    words = text.str.normalize("NFKC").str.replace_all(r"[^\p{L}\p{M}\p{Nd}]+", " ").str.strip_chars(" ")
    return pl.when(words.str.contains(r"\p{L}")).then(words).str.to_uppercase()
