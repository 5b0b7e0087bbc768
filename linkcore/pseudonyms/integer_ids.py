"""Whole numbers that stand for persons, beside pseudonyms: for data models whose persons have one, as OMOP has."""

from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise

__all__ = ["SMALLEST_ID", "integer_id", "refuse_same_ids"]

SMALLEST_ID: Final = 1 << 62
"""Every integer id is from this number on, and below 2 to the power of 63: it has 19 digits, as no NHS Number has."""

_PREFIX: Final = "linkcore:integer:"
"""Before a person's name, so that no integer id tells the beginning of a pseudonym under the same key."""


def integer_id(names: str | pl.Expr, key: Key) -> pl.Expr:
    """Return the integer id of each person, from the texts that are hashed to the persons' pseudonyms.

    It is 2 to the power of 62, plus the leftmost 62 bits of the HMAC-SHA-256 of `_PREFIX` and the text: Int64, from
    ``SMALLEST_ID`` on. Two of n persons have the same id with a probability of about n² / 2^63: of 1.2 million, one in
    six million. So no table is kept, and a person has the same id for as long as the key is used.

    Examples
    --------
    >>> import hashlib, hmac
    >>> secret = hashlib.sha256(b"example").digest()
    >>> found = pl.select(integer_id(pl.lit("9434765919"), Key.from_bytes("example", secret))).item()
    >>> digest = hmac.digest(secret, b"linkcore:integer:9434765919", "sha256")
    >>> found == 2**62 + int.from_bytes(digest[:8], "big") // 4
    True
    """
    text = pl.col(names) if isinstance(names, str) else names
    digest = pseudonymise(pl.lit(_PREFIX) + text, key, length=64, output="binary")
    leftmost = digest.bin.reinterpret(dtype=pl.UInt64, endianness="big") // 4
    return leftmost.cast(pl.Int64) + SMALLEST_ID


def refuse_same_ids(ids: pl.Series, key: Key) -> None:
    """Refuse integer ids of different persons of which two are the same: each would be taken for the other.

    Examples
    --------
    >>> refuse_same_ids(pl.Series([SMALLEST_ID, SMALLEST_ID]), Key.generate("partner-2026"))
    Traceback (most recent call last):
    linkcore.errors.RefusedError: under key 'partner-2026' version 1, two persons have the same integer id...
    """
    known = ids.drop_nulls()
    if known.n_unique() < known.len():
        raise RefusedError(
            f"under key {key.id!r} version {key.version}, two persons have the same integer id, by chance: rotate the "
            "key (`linkcore keys rotate`), which gives every person another pseudonym and another id, or release "
            "without integer_id"
        )
