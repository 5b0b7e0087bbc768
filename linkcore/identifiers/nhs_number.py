"""Read NHS Numbers from the values of a source, and find what kind of number each is.

An NHS Number has ten digits; the tenth is a Modulus 11 check digit (information standard ISB 0149). One random number
in eleven passes the check. So this module also recognises placeholders and ranges that were never issued.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.identifiers.text import MISSING_WORDS, as_text, ascii_digits, by_dtype, compact, on_present
from linkcore.schema import NHS_NUMBER_STATUS, USABLE_STATUSES

__all__ = ["PLACEHOLDERS", "RANGES", "check_digit", "digits", "nhs_number", "nhs_number_status", "standardise"]

RANGES: Final = (
    (10, 319, "scotland"),
    (320, 399, "northern_ireland"),
    (400, 499, "valid"),
    (500, 599, "test"),
    (600, 799, "valid"),
    (900, 999, "test"),
)
"""Ranges of the first three digits, and the status of the numbers in each.

Other numbers were never issued to a patient of the NHS: 800-859 belong to Ireland, 860-899 are spare.
"""

PLACEHOLDERS: Final = (*(1_111_111_111 * digit for digit in range(10)), 123_456_789, 9_876_543_210)
"""Numbers that pass Modulus 11 but belong to nobody: one digit repeated ten times, and the digits in order. In the
Master Person Service ten zeros mean "no match" and ten nines "many matches"."""

NUMBERED: Final = ("valid", "scotland", "northern_ireland", "test")
"""The statuses with a number; with any other status the value is null."""

_SEPARATORS: Final = r"[\s\p{Z}\p{Cf}\p{Pd}\p{Pi}\p{Pf}−'`\"=]"
"""Characters that are removed: all kinds of spaces and dashes, invisible characters, and the quotes, apostrophe or
``="..."`` that make a spreadsheet treat a number as text."""

_FLOAT: Final = r"^[\s'\"=]*([0-9])[.,]([0-9]{9})0*[eE]\+?0*9[\s\"]*$"
"""A float in scientific notation. With fewer than nine decimals it may be rounded, so it is no NHS Number."""

_GROUPED: Final = r"^([0-9]{3})\.([0-9]{3})\.([0-9]{4})$"
_DECIMAL: Final = r"^([0-9]+)[.,]0*$"
_DIGITS: Final = r"^[0-9]{1,10}$"


def standardise(column: pl.Expr, *, birth_date: pl.Expr | None = None, dtype: pl.DataType | None = None) -> pl.Expr:
    """Read NHS Numbers from text, whole numbers or floats, and find what kind each is.

    Returns a struct of ``value`` (Int64: the ten digits as one number, null unless ``status`` is in ``NUMBERED``) and
    ``status`` (``schema.NHS_NUMBER_STATUS``, never null). With ``birth_date``, nine digits that fit the birth
    date are a Scottish number, which begins with DDMMYY, without its leading zero.

    Notes
    -----
    If several statuses fit, the first of these is returned: missing, placeholder, malformed, check_digit, the status of
    the range. The values 0 and 123456789 are the placeholders 0000000000 and 0123456789 without their leading zeros.

    Examples
    --------
    >>> frame = pl.DataFrame({"NHS_NO": ["943 476 5919", "401-023-2137", "4010232138", None]})
    >>> frame.select(standardise(pl.col("NHS_NO"))).unnest("NHS_NO")
    shape: (4, 2)
    ┌────────────┬─────────────┐
    │ value      ┆ status      │
    │ ---        ┆ ---         │
    │ i64        ┆ enum        │
    ╞════════════╪═════════════╡
    │ 9434765919 ┆ test        │
    │ 4010232137 ┆ valid       │
    │ null       ┆ check_digit │
    │ null       ┆ missing     │
    └────────────┴─────────────┘
    """
    return by_dtype(column, partial(_standardise, birth_date=birth_date), dtype)


def nhs_number(column: str | pl.Expr, *, usable: Sequence[str] = USABLE_STATUSES) -> pl.Expr:
    """Standardise NHS Numbers to ten digits, and set those that cannot be used to null.

    This is what to do before `pseudonymise`: it makes "943 476 5919" and "9434765919" the same text. It checks the
    form, the check digit (ISB 0149, Modulus 11), the ranges that were never issued, and known placeholders.

    Parameters
    ----------
    column : str or polars.Expr
        The name of a column, or an expression. It holds NHS Numbers as text or numbers of any dtype.
    usable : sequence of str
        Statuses whose numbers are kept: any of ``valid``, ``scotland``, ``northern_ireland`` and ``test``. By default
        all of these but ``test``.

    Returns
    -------
    polars.Expr
        String, ten digits or null, under the name of ``column``.

    Raises
    ------
    ProgrammeError
        ``usable`` names a status that has no number.

    Examples
    --------
    >>> frame = pl.DataFrame({"NHS_NO": ["401 023 2137", "943 476 5919", "nonsense"]})
    >>> frame.select(nhs_number("NHS_NO")).to_series().to_list()
    ['4010232137', None, None]
    >>> frame.select(nhs_number("NHS_NO", usable=["valid", "test"])).to_series().to_list()
    ['4010232137', '9434765919', None]
    """
    if unknown := sorted(set(usable) - set(NUMBERED)):
        raise ProgrammeError(
            f"usable names {', '.join(unknown)}, but no number has such a status; use {', '.join(NUMBERED)}"
        )
    is_usable = pl.field("status").is_in(pl.Series(usable, dtype=NHS_NUMBER_STATUS).implode())
    ten = digits(pl.when(is_usable).then(pl.field("value")))
    return by_dtype(
        _column(column), lambda one, dtype: _standardise(one, dtype).struct.with_fields(ten=ten).struct.field("ten")
    )


def nhs_number_status(column: str | pl.Expr) -> pl.Expr:
    """Return what kind of NHS Number each value is.

    Parameters
    ----------
    column : str or polars.Expr
        The name of a column, or an expression. It holds NHS Numbers as text or numbers of any dtype.

    Returns
    -------
    polars.Expr
        Enum ``linkcore.schema.NHS_NUMBER_STATUS``, never null, under the name of ``column``: ``valid`` (England, Wales
        and the Isle of Man), ``scotland``, ``northern_ireland``, ``missing``, ``malformed``, ``check_digit``,
        ``placeholder``, ``out_of_range`` or ``test``.

    Examples
    --------
    >>> frame = pl.DataFrame({"NHS_NO": [4010232137, 9999999999]})
    >>> frame.select(nhs_number_status("NHS_NO")).to_series().to_list()
    ['valid', 'placeholder']
    """
    return by_dtype(_column(column), lambda one, dtype: _standardise(one, dtype).struct.field("status"))


def digits(number: pl.Expr) -> pl.Expr:
    """Write numbers as ten digits; a null stays null.

    Examples
    --------
    >>> pl.select(digits(pl.lit(101299877))).item()
    '0101299877'
    """
    return number.cast(pl.String).str.zfill(10)


def check_digit(nine: pl.Expr) -> pl.Expr:
    """Compute the check digit of nine digits by Modulus 11, with weights 10 to 2.

    Notes
    -----
    Let ``q[j]`` be the number without its last ``j`` digits. The digit at place ``j`` from the right is
    ``q[j] - 10 * q[j + 1]``, and its weight is ``j + 2``. So the weighted sum is
    ``2 * q[0] + sum((j + 2 - 10 * (j + 1)) * q[j])``, and ``-9j - 8`` is ``2j + 3`` modulo 11.

    Examples
    --------
    >>> pl.select(check_digit(pl.lit(943_476_591))).item()
    9
    """
    nine = nine.cast(pl.Int64)
    weighted = sum((nine // 10**place * (2 * place + 3) for place in range(1, 9)), 2 * nine)
    return (11 - weighted % 11) % 11


def _column(column: str | pl.Expr) -> pl.Expr:
    return pl.col(column) if isinstance(column, str) else column


def _standardise(column: pl.Expr, dtype: pl.DataType, birth_date: pl.Expr | None = None) -> pl.Expr:
    """Read ``number``, ``ten_digits``, ``nine_digits`` and ``missing``, then find the status."""
    if dtype.is_integer():
        read = _of_numbers(column, column.cast(pl.Int64, strict=False))
    elif dtype == pl.Float64:
        whole = pl.when(column == column.round()).then(column)
        read = _of_numbers(column.fill_nan(None), whole.cast(pl.Int64, strict=False))
    elif dtype == pl.Float32:  # holds only seven of the ten digits, so every number is rounded
        read = _of_numbers(column.fill_nan(None), pl.lit(None, dtype=pl.Int64))
    else:
        read = _of_text(as_text(column, dtype))
    return _with_status(read, birth_date)


def _of_numbers(column: pl.Expr, number: pl.Expr) -> pl.Expr:
    """Read whole numbers; they have lost their leading zeros."""
    return pl.struct(
        number=number,
        ten_digits=number.is_between(1_000_000_000, 9_999_999_999),
        nine_digits=number.is_between(100_000_000, 999_999_999),
        missing=column.is_null(),
    )


def _of_text(text: pl.Expr) -> pl.Expr:
    """Read text: ten plain digits, or the digits that are left without separators."""
    number, other = pl.field("number"), pl.field("other")
    plain = pl.when(text.str.len_bytes() == 10).then(text).cast(pl.Int64, strict=False)
    return (
        # Ten bytes that make at least this number are ten digits: with a sign there would be nine.
        pl.struct(text=text, number=pl.when(plain >= 1_000_000_000).then(plain))
        .struct.with_fields(
            other=on_present(pl.when(number.is_null()).then(pl.field("text")), _digits_within, pl.String)
        )
        .struct.with_fields(
            number=pl.coalesce(number, other.cast(pl.Int64, strict=False)),
            ten_digits=number.is_not_null() | (other.str.len_bytes() == 10),
            nine_digits=other.str.len_bytes() == 9,
            missing=pl.field("text").is_null() | (other == "").fill_null(value=False),
        )
    )


def _digits_within(text: pl.Expr) -> pl.Expr:
    """Return the one to ten digits of a text; empty if the value is missing, null if it is malformed."""
    spaced, original = pl.field("spaced"), pl.field("text")
    close = text.str.replace_all(" ", "", literal=True).str.replace_all("-", "", literal=True)
    return (
        pl.struct(text=text, spaced=close)
        .struct.with_fields(spaced=pl.when(spaced.str.contains(_DIGITS)).then(spaced))
        .struct.with_fields(odd=on_present(pl.when(spaced.is_null()).then(original), _digits_among, pl.String))
        .struct.with_fields(found=pl.coalesce(spaced, pl.field("odd")))
        .struct.field("found")
    )


def _digits_among(text: pl.Expr) -> pl.Expr:
    """Do the same for a text with other characters than digits, spaces and hyphens."""
    tidy = (
        ascii_digits(text)
        .str.replace(_FLOAT, "${1}${2}")
        .str.replace_all(_SEPARATORS, "")
        .str.replace(_GROUPED, "${1}${2}${3}")
        .str.replace(_DECIMAL, "${1}")
    )
    found = pl.when(pl.field("tidy").str.contains(_DIGITS)).then(pl.field("tidy"))
    return (
        pl.struct(tidy=tidy, words=compact(text))
        .struct.with_fields(found=pl.when(pl.field("words").is_in(MISSING_WORDS)).then(pl.lit("")).otherwise(found))
        .struct.field("found")
    )


def _with_status(read: pl.Expr, birth_date: pl.Expr | None) -> pl.Expr:
    """Add value and status to the numbers that were read."""
    number, status = pl.field("number"), pl.field("status")
    right_length = pl.field("ten_digits")
    if birth_date is not None:
        dates = birth_date.dt
        day, month, year = (part.cast(pl.Int64) for part in (dates.day(), dates.month(), dates.year()))
        leading_six = day * 10_000 + month * 100 + year % 100
        right_length = right_length | (pl.field("nine_digits") & (number // 10_000 == leading_six))
    leading_three = number // 10_000_000
    in_range = pl.lit("out_of_range", dtype=NHS_NUMBER_STATUS)
    for first, last, name in RANGES:
        in_range = pl.when(leading_three.is_between(first, last)).then(_status(name)).otherwise(in_range)
    status_of_number = (
        pl.when(pl.field("missing"))
        .then(_status("missing"))
        .when(number.is_in(PLACEHOLDERS))
        .then(_status("placeholder"))
        .when(right_length.fill_null(value=False).not_())
        .then(_status("malformed"))
        .when(check_digit(number // 10) != number % 10)
        .then(_status("check_digit"))
        .otherwise(in_range)
    )
    numbered = status.is_in(pl.Series(NUMBERED, dtype=NHS_NUMBER_STATUS).implode())
    return (
        read.struct.with_fields(status=status_of_number)
        .struct.with_fields(value=pl.when(numbered).then(number))
        .struct.eval(pl.field("value"), status)
    )


def _status(name: str) -> pl.Expr:
    return pl.lit(name, dtype=NHS_NUMBER_STATUS)
