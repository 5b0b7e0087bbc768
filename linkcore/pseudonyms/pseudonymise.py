"""Turn a column of identifiers into pseudonyms: HMAC-SHA-256 under one key, or under several in turn."""

import functools
from collections.abc import Sequence
from typing import Final, Literal, overload

import polars as pl

from linkcore.errors import ProgrammeError, SourceError
from linkcore.keys.key import Key

__all__ = ["pseudonymise"]

_LARGEST_NUMBER: Final = 9_999_999_999


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
    """Replace each value by its pseudonym under a key.

    The pseudonym of a text is the HMAC-SHA-256 (RFC 2104, FIPS 198-1) of its UTF-8 bytes, cut to its leftmost bits
    (NIST SP 800-107). The text is hashed exactly as it is: use `nhs_number` first, so that "943 476 5919" and
    "9434765919" become the same text. A null stays null. An empty text has a pseudonym like any other text.

    With several keys there are several *stages*: the 32 hex digits that one stage returns are the text that the next
    stage hashes.

    Parameters
    ----------
    column : str, polars.Expr or polars.Series
        The name of a column, an expression, or a series. It holds text (String, Categorical or Enum) or whole numbers,
        which are hashed as ten digits with leading zeros.
    *keys : Key
        One key for each stage, in the order of the stages; at least one.
    length : int
        Bits of the pseudonym: a multiple of 8 from 64 to 256. Among 60 million people, two have the same pseudonym with
        probability 5e-24 at 128 bits, and 1e-4 at 64 bits. Between two stages it is always 128 bits.
    output : {"hex", "binary"}
        ``"hex"`` returns String, two lower-case hex digits for each byte; ``"binary"`` returns Binary.

    Returns
    -------
    polars.Expr or polars.Series
        An elementwise expression for a name or an expression; a series for a series. A query plan shows no key, and a
        plan that holds a key cannot be serialised.

    Raises
    ------
    ProgrammeError
        There is no key, ``length`` or ``output`` has a wrong value, or the column holds neither text nor whole numbers.
    SourceError
        A number is negative or has more than ten digits.
    LinkcoreError
        The compiled kernel failed its self-test against published answers. Nothing was hashed.

    Examples
    --------
    >>> import hashlib
    >>> key = Key.from_bytes("example", hashlib.sha256(b"example").digest())
    >>> pseudonymise(pl.Series(["9434765919", None]), key).to_list()
    ['281d3885abc35f77b3953572ce915c1d', None]
    >>> frame = pl.LazyFrame({"nhs_number": ["9434765919", None]})
    >>> frame.select(pseudonymise("nhs_number", key, length=64)).collect().to_series().to_list()
    ['281d3885abc35f77', None]
    """
    if not keys or not all(isinstance(key, Key) for key in keys):
        raise ProgrammeError("pseudonymise needs one key or more, each a Key, in the order of the stages")
    if not isinstance(length, int) or length not in range(64, 257, 8):
        raise ProgrammeError(f"length must be a multiple of 8 from 64 to 256 bits, not {length!r}")
    if output not in ("hex", "binary"):
        raise ProgrammeError(f'output must be "hex" or "binary", not {output!r}')
    function = functools.partial(_pseudonyms, keys=keys, length=length, output=output)
    if isinstance(column, pl.Series):
        return function(column)
    expression = pl.col(column) if isinstance(column, str) else column
    return expression.map_batches(function, pl.String() if output == "hex" else pl.Binary(), is_elementwise=True)


def _pseudonyms(series: pl.Series, *, keys: Sequence[Key], length: int, output: str) -> pl.Series:
    # Imported here because Numba takes a third of a second.
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
    """Return the series as text, or as whole numbers of up to ten digits."""
    if series.dtype == pl.String:
        return series
    if isinstance(series.dtype, pl.Categorical | pl.Enum | pl.Null):
        return series.cast(pl.String)
    if not series.dtype.is_integer():
        raise ProgrammeError(
            f"column {series.name!r} is {series.dtype}: only text and whole numbers can be pseudonymised; cast it first"
        )
    wrong = series.to_frame().select((~pl.first().is_between(0, _LARGEST_NUMBER)).sum()).item()
    if wrong:
        raise SourceError(
            f"column {series.name!r} has {wrong} numbers that are negative or have more than ten digits: use "
            "nhs_number first to set them aside"
        )
    return series if series.dtype in (pl.Int64, pl.UInt64) else series.cast(pl.Int64)
