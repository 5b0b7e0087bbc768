"""Values of any dtype as text, and what is written in them as hexadecimal or base64."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from linkcore.identifiers.names import TITLES
from linkcore.identifiers.text import as_text, ascii_digits, folded

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["CODE", "EIGHT_HEX", "EMAIL", "HASH", "POSTCODE_ALONE", "THREE_WORDS", "Texts", "flat"]

_HEX: Final = r"^(?:0[xX]|\\x)?(?:[0-9A-Fa-f]{2}[ :-]?){4,}$"
_BASE64: Final = "^[0-9A-Za-z+/_-]{7,}={0,2}$"
# Nothing, and a short decimal number, such as an amount of money.
_HARMLESS: Final = r"^\s*(?:-?[0-9]{0,6}\.(?:[1-9][0-9]?|0[1-9]))?\s*$"
# Patterns that are looked for in every column, all in one pass over its texts. Unicode's classes of letters take
# milliseconds to compile, which is most of what a column of few values costs. So any character beyond ASCII passes for
# a letter, and for what is none: what is found is then read with care.
EMAIL: Final = r"[0-9A-Za-z._%+-]+@[0-9A-Za-z-]+\.[A-Za-z]"
EIGHT_HEX: Final = "[0-9A-Fa-f]{8}"
CODE: Final = "[0-9A-Fa-f]{32}"
HASH: Final = "^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})$"
"""The form of a hash: the hexadecimal digits of MD5, SHA-1, SHA-256 or SHA-512."""
POSTCODE_ALONE: Final = "^[^0-9A-Za-z_]*[0-9A-Za-z]{2,4}[^0-9A-Za-z_]*[0-9OISois][0-9A-Za-z]{2}[^0-9A-Za-z_]*$"
THREE_WORDS: Final = r"(?:[0-9A-Za-z\x{80}-\x{10FFFF}]+[^0-9A-Za-z]+){2}[0-9A-Za-z\x{80}-\x{10FFFF}]"
_TWO_LETTERS: Final = r"[A-Za-z\x{80}-\x{10FFFF}]{2}"
_THREE_DIGITS: Final = "(?:[0-9].*?){3}"
_NINE_DIGITS: Final = "(?:[0-9].*?){9}"
_POSTCODE_WITHIN: Final = "(?i)[A-Z].*[0-9OIS][A-Z0-9]{2}"
_PATTERNS: Final = (
    *(EMAIL, EIGHT_HEX, CODE, HASH, POSTCODE_ALONE, THREE_WORDS),
    *(_TWO_LETTERS, _THREE_DIGITS, _NINE_DIGITS, _POSTCODE_WITHIN),
)
# Bytes that are text: ASCII, and letters with accents as UTF-8 writes them.
_READABLE: Final = "^(?:[2-7][0-9a-f]|c3[89ab][0-9a-f]){4,}$"


def flat(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Convert a column of any dtype to one that can be compared: nested values become one text, bytes hexadecimal.

    Examples
    --------
    >>> frame = pl.DataFrame({"born": [{"day": 3, "month": 2, "year": 1980}], "parts": [["999", "000"]]})
    >>> frame.select(flat(pl.col(name), dtype) for name, dtype in frame.schema.items()).row(0)
    ('3 2 1980', '999 000')
    """
    if dtype.is_nested() or dtype in (pl.Binary, pl.Categorical, pl.Enum):
        return _joined(column, dtype)
    if dtype in (pl.Duration, pl.Time):
        return column.to_physical()
    if dtype == pl.Datetime:
        return column.dt.date()
    if dtype.is_float():  # only whole numbers can be dates or NHS Numbers
        return pl.when(column == column.round()).then(column).cast(pl.Int64, strict=False)
    if dtype in (pl.UInt64, pl.Int128, pl.UInt128) or dtype.is_decimal():
        return column.cast(pl.String)
    return column.cast(pl.Int64) if dtype.is_integer() else column


def _joined(column: pl.Expr, dtype: "PolarsDataType") -> pl.Expr:
    """Join everything inside a value to one text."""
    if isinstance(dtype, pl.Struct):
        fields = [_joined(column.struct.field(field.name), field.dtype) for field in dtype.fields]
        return pl.concat_str(fields, separator=" ", ignore_nulls=True) if fields else pl.lit(None, pl.String)
    if isinstance(dtype, pl.Array):
        return _joined(column.arr.to_list(), pl.List(dtype.inner))
    if isinstance(dtype, pl.List):
        return column.list.eval(_joined(pl.element(), dtype.inner)).list.join(" ", ignore_nulls=True)
    return _text_of_one(column, dtype)


def _text_of_one(column: pl.Expr, dtype: "PolarsDataType") -> pl.Expr:
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype in (pl.Duration, pl.Time):
        return column.to_physical().cast(pl.String)
    if dtype in (pl.Null, pl.Object):
        return pl.lit(None, pl.String)
    return as_text(column, dtype() if isinstance(dtype, type) else dtype)


class Texts:
    """Distinct values of a flat column as text, and again as what they say when they are decoded.

    Parameters
    ----------
    values : polars.Series
        Distinct values of a column, as :func:`flat` returns them.

    Attributes
    ----------
    frame : polars.DataFrame
        ``value``, as it was given, and ``text`` (String, trimmed, never null): a row for each form of a value. Decimal
        numbers are left out: neither a date nor an NHS Number is one.

    Examples
    --------
    >>> texts = Texts(pl.Series(["TWFyeSBKb25lcw==", "4d617279", "7", "2.50", None]))
    >>> texts.frame.filter(value="TWFyeSBKb25lcw==")["text"].to_list()
    ['TWFyeSBKb25lcw==', 'Mary Jones', '4d61...']
    """

    def __init__(self, values: pl.Series) -> None:
        distinct = pl.DataFrame({"value": values.drop_nulls()})
        written = distinct.with_columns(as_text(pl.col("value"), values.dtype).alias("text")).drop_nulls()
        if values.dtype == pl.String:
            written = written.filter(~pl.col("text").str.contains(_HARMLESS))
            plain = ascii_digits(_visible(pl.col("text")).str.strip_chars()).str.replace(r"^(-?[0-9]+)\.0+$", "${1}")
            written = written.with_columns(plain)
            encoded = written.select(pl.col("text").str.contains(pattern).alias(pattern) for pattern in (_HEX, _BASE64))
            written = pl.concat(
                [written, *_decoded(written, encoded[_HEX], "hex"), *_decoded(written, encoded[_BASE64], "base64")]
            )
        self.frame = written
        self._has = written.select(
            pl.col("text").str.contains(f"(?s){pattern}").alias(pattern) for pattern in _PATTERNS
        )

    def having(self, pattern: str) -> pl.DataFrame:
        """Return the rows of which the text has one of the patterns above."""
        has = self._has[pattern]
        return self.frame.filter(has) if has.any() else self.frame.clear()

    @cached_property
    def with_three_digits(self) -> pl.DataFrame:
        """The rows of which the text has three digits or more: the least that a date has."""
        return self.having(_THREE_DIGITS)

    @cached_property
    def with_nine_digits(self) -> pl.DataFrame:
        """The rows of which the text has nine digits or more, as an NHS Number and a telephone number have."""
        return self.having(_NINE_DIGITS)

    @cached_property
    def with_postcode(self) -> pl.DataFrame:
        """The rows of which the text has a letter, and later a digit and two letters, as a postcode has."""
        return self.having(_POSTCODE_WITHIN)

    @cached_property
    def words(self) -> pl.DataFrame:
        """``value`` and ``word``: every word of two letters or more, in the form of names, without titles."""
        lettered = self.having(_TWO_LETTERS)
        if lettered.is_empty():
            return lettered.select("value", word="text")
        word = folded(pl.col("text")).str.extract_all(r"\p{L}{2,}").list.set_difference(list(TITLES))
        words = lettered.select("value", word.alias("word"))
        return words.explode("word", empty_as_null=True, keep_nulls=True).drop_nulls()


def _visible(text: pl.Expr) -> pl.Expr:
    """Leave out characters that nobody sees, such as a space of no width or a hyphen that only breaks lines."""
    beyond_ascii = text.str.len_bytes() != text.str.len_chars()
    return pl.when(beyond_ascii).then(text.str.replace_all(r"\p{Cf}", "")).otherwise(text)


def _decoded(
    written: pl.DataFrame, is_encoded: pl.Series, encoding: Literal["hex", "base64"]
) -> Iterator[pl.DataFrame]:
    if not is_encoded.any():
        return
    encoded = written.filter(is_encoded)
    decoded = encoded.with_columns(_only_digits_of(encoding).str.decode(encoding, strict=False).alias("bytes"))
    decoded = decoded.drop_nulls().with_columns(pl.col("bytes").bin.encode("hex").alias("text"))
    readable = decoded.filter(pl.col("text").str.contains(_READABLE))
    yield readable.select("value", pl.col("bytes").cast(pl.String).str.strip_chars().alias("text"))
    if encoding == "base64":
        yield decoded.select("value", "text")


def _only_digits_of(encoding: str) -> pl.Expr:
    """Take off what is written around hexadecimal digits, and make base64's two alphabets and its padding one."""
    text = pl.col("text")
    if encoding == "hex":
        return text.str.replace(r"^(?:0[xX]|\\x)", "").str.replace_all("[ :-]", "")
    letters = text.str.replace_all("-", "+").str.replace_all("_", "/").str.strip_chars_end("=")
    return letters + pl.lit("=").repeat_by((-letters.str.len_bytes().cast(pl.Int64)) % 4).list.join("")
