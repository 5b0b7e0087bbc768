"""Read NHS Numbers from any column, and determine the status of each.

An NHS Number has ten digits; the tenth is a Modulus 11 check digit (information standard ISB 0149). One random number
in eleven passes the check, so this module also recognises placeholders and ranges that were never issued.
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
"""Ranges of the first three digits: first, last, and the status of the numbers in the range.

Numbers outside these ranges were never issued to an NHS patient: 800-859 belong to Ireland, and 860-899 are spare.
"""

PLACEHOLDERS: Final = (*(1_111_111_111 * digit for digit in range(10)), 123_456_789, 9_876_543_210)
"""Numbers that pass Modulus 11 but belong to nobody: one digit ten times, and the digits in order.

The Master Person Service writes ten zeros for "no match" and ten nines for "many matches".
"""

NUMBERED: Final = ("valid", "scotland", "northern_ireland", "test")
"""Statuses that have a number; with any other status the value is null."""

_SEPARATORS: Final = r"[\s\p{Z}\p{Cf}\p{Pd}\p{Pi}\p{Pf}−'`\"=]"
"""Characters that are removed: all spaces, dashes and invisible characters, and the quotes, apostrophes or ``="..."``
that make a spreadsheet treat a number as text."""

_FLOAT: Final = r"^[\s'\"=]*([0-9])[.,]([0-9]{9})0*[eE]\+?0*9[\s\"]*$"
"""A float in scientific notation. With fewer than nine decimals it may have been rounded, so it is malformed."""

_GROUPED: Final = r"^([0-9]{3})\.([0-9]{3})\.([0-9]{4})$"
_DECIMAL: Final = r"^([0-9]+)[.,]0*$"
_DIGITS: Final = r"^[0-9]{1,10}$"


def standardise(column: pl.Expr, *, birth_date: pl.Expr | None = None, dtype: pl.DataType | None = None) -> pl.Expr:
    """Read NHS Numbers from text, integers or floats.

    Returns a struct of ``value`` (Int64, null unless ``status`` is in ``NUMBERED``) and ``status``
    (``schema.NHS_NUMBER_STATUS``, never null). Where several statuses apply, the first of missing, placeholder,
    malformed, check_digit and the status of the range is returned. 0 and 123456789 are placeholders that lost their
    leading zeros. With ``birth_date``, a Scottish number that lost its leading zero is recognised.

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
    """Write NHS Numbers as text of ten digits; numbers that are not usable become null.

    Use it in any Polars expression to bring the NHS Numbers of a source to one form. It reads numbers with spaces,
    hyphens or quotes, floats, and the digits of other scripts. Nine digits are not usable, even if a zero was lost.

    Parameters
    ----------
    column : str or polars.Expr
        Name of the column that holds the NHS Numbers, or an expression for it. Any dtype: text, integer or float.
    usable : sequence of str
        Statuses whose numbers are kept, from ``valid``, ``scotland``, ``northern_ireland`` and ``test``. By default all
        of these except ``test``.

    Returns
    -------
    polars.Expr
        String of ten digits, or null, one value per row. It has the name of ``column``.

    Raises
    ------
    ProgrammeError
        If ``usable`` holds a status that has no number.

    See Also
    --------
    nhs_number_status : The reason why a number is not usable.

    Notes
    -----
    The check digit follows Modulus 11 of the information standard ISB 0149.

    Examples
    --------
    >>> frame = pl.DataFrame({"NHS_NO": ["401 023 2137", "943 476 5919", "nonsense"]})
    >>> frame.select(nhs_number("NHS_NO")).to_series().to_list()
    ['4010232137', None, None]
    >>> frame.select(nhs_number("NHS_NO", usable=["valid", "test"])).to_series().to_list()
    ['4010232137', '9434765919', None]
    """
    if unknown := sorted(set(usable) - set(NUMBERED)):
        raise ProgrammeError(f"usable: no number has the status {', '.join(unknown)}; use {', '.join(NUMBERED)}")
    is_usable = pl.field("status").is_in(pl.Series(usable, dtype=NHS_NUMBER_STATUS).implode())
    text = digits(pl.when(is_usable).then(pl.field("value")))
    return by_dtype(
        _column(column),
        lambda single, dtype: _standardise(single, dtype).struct.with_fields(text=text).struct.field("text"),
    )


def nhs_number_status(column: str | pl.Expr) -> pl.Expr:
    """Determine the status of each NHS Number.

    Parameters
    ----------
    column : str or polars.Expr
        Name of the column that holds the NHS Numbers, or an expression for it. Any dtype: text, integer or float.

    Returns
    -------
    polars.Expr
        Enum, never null, one value per row, with the name of ``column``. A number that can be used has the status
        ``valid`` (England, Wales, Isle of Man), ``scotland`` or ``northern_ireland``, or ``test`` where the range is
        reserved for testing. All other values are ``missing``, ``malformed`` (not ten digits), ``check_digit`` (fails
        Modulus 11), ``placeholder`` (such as 9999999999) or ``out_of_range`` (never issued).

    See Also
    --------
    nhs_number : The usable numbers as text of ten digits.

    Notes
    -----
    The check digit follows Modulus 11 of the information standard ISB 0149.

    Examples
    --------
    >>> frame = pl.DataFrame({"NHS_NO": [4010232137, 9999999999]})
    >>> frame.select(nhs_number_status("NHS_NO")).to_series().to_list()
    ['valid', 'placeholder']
    """
    return by_dtype(_column(column), lambda single, dtype: _standardise(single, dtype).struct.field("status"))


def digits(number: pl.Expr) -> pl.Expr:
    """Write numbers as text of ten digits.

    Examples
    --------
    >>> pl.select(digits(pl.lit(101299877))).item()
    '0101299877'
    """
    return number.cast(pl.String).str.zfill(10)


def check_digit(first_nine: pl.Expr) -> pl.Expr:
    """Compute the check digit of the first nine digits by Modulus 11 with weights 10 to 2; 10 means that there is none.

    Let ``q[j]`` be the number without its last ``j`` digits. The digit at place ``j`` from the right is
    ``q[j] - 10 * q[j + 1]`` and has weight ``j + 2``. Collected by ``q[j]``, the weighted sum is
    ``2 * q[0] + sum((j + 2 - 10 * (j + 1)) * q[j])``, and ``-9j - 8`` equals ``2j + 3`` modulo 11.

    Examples
    --------
    >>> pl.select(check_digit(pl.lit(943_476_591))).item()
    9
    """
    first_nine = first_nine.cast(pl.Int64)
    weighted = sum((first_nine // 10**place * (2 * place + 3) for place in range(1, 9)), 2 * first_nine)
    return (11 - weighted % 11) % 11


def _column(column: str | pl.Expr) -> pl.Expr:
    """Return the expression for a column that may be given by name."""
    return pl.col(column) if isinstance(column, str) else column


def _standardise(column: pl.Expr, dtype: pl.DataType, birth_date: pl.Expr | None = None) -> pl.Expr:
    """Read numbers of a known dtype (``number``, ``ten_digits``, ``nine_digits``, ``missing``), then add the status."""
    if dtype.is_integer():
        read = _read_numbers(column, column.cast(pl.Int64, strict=False))
    elif dtype == pl.Float64:
        whole = pl.when(column == column.round()).then(column)
        read = _read_numbers(column.fill_nan(None), whole.cast(pl.Int64, strict=False))
    elif dtype == pl.Float32:  # holds only seven digits, so any value was rounded
        read = _read_numbers(column.fill_nan(None), pl.lit(None, dtype=pl.Int64))
    else:
        read = _read_text(as_text(column, dtype))
    return _with_status(read, birth_date)


def _read_numbers(column: pl.Expr, number: pl.Expr) -> pl.Expr:
    """Read numeric columns, which lose leading zeros."""
    return pl.struct(
        number=number,
        ten_digits=number.is_between(1_000_000_000, 9_999_999_999),
        nine_digits=number.is_between(100_000_000, 999_999_999),
        missing=column.is_null(),
    )


def _read_text(text: pl.Expr) -> pl.Expr:
    """Read text: ten plain digits, or the digits that remain without separators."""
    number, other = pl.field("number"), pl.field("other")
    plain = pl.when(text.str.len_bytes() == 10).then(text).cast(pl.Int64, strict=False)
    return (
        # Ten bytes with at least this value are ten digits: with a sign there would be only nine.
        pl.struct(text=text, number=pl.when(plain >= 1_000_000_000).then(plain))
        .struct.with_fields(other=on_present(pl.when(number.is_null()).then(pl.field("text")), _find_digits, pl.String))
        .struct.with_fields(
            number=pl.coalesce(number, other.cast(pl.Int64, strict=False)),
            ten_digits=number.is_not_null() | (other.str.len_bytes() == 10),
            nine_digits=other.str.len_bytes() == 9,
            missing=pl.field("text").is_null() | (other == "").fill_null(value=False),
        )
    )


def _find_digits(text: pl.Expr) -> pl.Expr:
    """Find one to ten digits in any spelling; the result is empty for missing text and null for malformed text."""
    plain, original = pl.field("plain"), pl.field("text")
    without_separators = text.str.replace_all(" ", "", literal=True).str.replace_all("-", "", literal=True)
    return (
        pl.struct(text=text, plain=without_separators)
        .struct.with_fields(plain=pl.when(plain.str.contains(_DIGITS)).then(plain))
        .struct.with_fields(
            rare=on_present(pl.when(plain.is_null()).then(original), _find_digits_in_rare_form, pl.String)
        )
        .struct.with_fields(found=pl.coalesce(plain, pl.field("rare")))
        .struct.field("found")
    )


def _find_digits_in_rare_form(text: pl.Expr) -> pl.Expr:
    """Find the digits as :func:`_find_digits` does, in text with other characters than spaces and hyphens."""
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
    """Add the value and the status to numbers that were read."""
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
