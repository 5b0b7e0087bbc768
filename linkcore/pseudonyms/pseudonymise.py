"""Turn a column of identifiers into pseudonyms: HMAC-SHA-256 under one key, or under one after another."""

import functools
from collections.abc import Sequence
from typing import Final, Literal, overload

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.keys.key import Key

__all__ = ["pseudonymise"]

_MOST: Final = 9_999_999_999


@overload
def pseudonymise(
    column: str | pl.Expr, *keys: Key, length: int = 128, output: Literal["hex", "binary"] = "hex"
) -> pl.Expr: ...


@overload
def pseudonymise(
    column: pl.Series, *keys: Key, length: int = 128, output: Literal["hex", "binary"] = "hex"
) -> pl.Series: ...


def pseudonymise(
    column: str | pl.Expr | pl.Series, *keys: Key, length: int = 128, output: Literal["hex", "binary"] = "hex"
) -> pl.Expr | pl.Series:
    """Replace each value by its pseudonym.

    The pseudonym of a text is HMAC-SHA-256 (RFC 2104, FIPS 198-1) of its UTF-8 bytes, exactly as they stand, cut to
    its leftmost bits (NIST SP 800-107). With several keys, several *stages*: the 32 hex digits that come out under one
    key are the text that is hashed under the next. It is `nhs_number` that makes "943 476 5919" and "9434765919" the
    same beforehand.

    Null stays null. The empty text is a text like any other and has a pseudonym.

    Parameters
    ----------
    column : str, polars.Expr or polars.Series
        The column's name, an expression, or a series: of text (String, Categorical, Enum), or of whole numbers, which
        are hashed as ten digits, zeros in front.
    *keys : Key
        The key of each stage, first stage first; at least one.
    length : int
        Bits of the pseudonym that comes out of the last stage: a multiple of 8 from 64 to 256. Among 60 million people
        two share a pseudonym with probability 5e-24 at 128 bits, 1e-4 at 64. Between stages it is always 128.
    output : {"hex", "binary"}
        ``"hex"`` for String, two lower-case hex digits a byte; ``"binary"`` for Binary.

    Returns
    -------
    polars.Expr or polars.Series
        What was given: an expression, elementwise, for a name or an expression; a series for a series. No key shows in
        the plan, and a plan with a key in it cannot be serialised.

    Raises
    ------
    ProgrammeError
        No key, a wrong length or output, or a column that is neither text nor whole numbers.
    SourceError
        A number is negative or has more than ten digits.
    LinkcoreError
        The kernel gave a wrong answer to a question whose answer is published, so nothing was hashed.

    Examples
    --------
    >>> key = Key.from_bytes("example", bytes(range(32)))
    >>> pseudonymise(pl.Series(["9434765919", None]), key).to_list()
    ['dd5c602eeb31d60c7c0d662c897231dd', None]
    >>> frame = pl.LazyFrame({"nhs_number": ["9434765919", None]})
    >>> frame.select(pseudonymise("nhs_number", key, length=64)).collect().to_series().to_list()
    ['dd5c602eeb31d60c', None]
    """
    if not keys or not all(isinstance(key, Key) for key in keys):
        raise ProgrammeError("pseudonymise needs one key or more: each a Key, the first stage's first")
    if not isinstance(length, int) or length not in range(64, 257, 8):
        raise ProgrammeError(f"the length of a pseudonym is a multiple of 8 from 64 to 256 bits, not {length!r}")
    if output not in ("hex", "binary"):
        raise ProgrammeError(f'output is "hex" or "binary", not {output!r}')
    function = functools.partial(_pseudonyms, keys=keys, length=length, output=output)
    if isinstance(column, pl.Series):
        return function(column)
    expression = pl.col(column) if isinstance(column, str) else column
    return expression.map_batches(function, pl.String() if output == "hex" else pl.Binary(), is_elementwise=True)


def _pseudonyms(series: pl.Series, *, keys: Sequence[Key], length: int, output: str) -> pl.Series:
    # Imported here: Numba costs a third of a second.
    from linkcore.pseudonyms.columns import MOST_ROWS, hash_array

    hexadecimal = output == "hex"
    canonical = _canonical(series)
    parts = [
        pl.Series(
            series.name,
            hash_array(
                chunk.slice(start, MOST_ROWS).to_arrow(compat_level=pl.CompatLevel.newest()),
                [key._midstates for key in keys],
                width=length // 4 if hexadecimal else length // 8,
                hexadecimal=hexadecimal,
                threads=pl.thread_pool_size(),
            ),
            pl.String() if hexadecimal else pl.Binary(),
        )
        for chunk in canonical.get_chunks()
        for start in range(0, max(chunk.len(), 1), MOST_ROWS)
    ]
    return pl.concat(parts, rechunk=False)


def _canonical(series: pl.Series) -> pl.Series:
    """Return the series as text, or as numbers of up to ten digits."""
    if series.dtype == pl.String:
        return series
    if isinstance(series.dtype, pl.Categorical | pl.Enum | pl.Null):
        return series.cast(pl.String)
    if not series.dtype.is_integer():
        raise ProgrammeError(
            f"column {series.name!r} is {series.dtype}: only text and whole numbers have pseudonyms; cast it first"
        )
    wrong = series.to_frame().select((~pl.first().is_between(0, _MOST)).sum()).item()
    if wrong:
        raise SourceError(
            f"column {series.name!r} has {wrong} numbers that are negative or of more than ten digits: use nhs_number "
            "to set them aside first"
        )
    return series if series.dtype in (pl.Int64, pl.UInt64) else series.cast(pl.Int64)
