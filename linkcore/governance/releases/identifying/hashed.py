"""Hashes of NHS Numbers without a key, which suppliers call pseudonyms: whoever tries all numbers can reverse them."""

from functools import cached_property
from typing import Final

import polars as pl

from linkcore.private_database import make_table, private_connection

__all__ = ["HashedNumbers", "first_of_hash"]

_MEMORY: Final = "2GB"
_FUNCTIONS: Final = ("md5", "sha1", "sha256")
_FIRST: Final = 16


def first_of_hash(text: pl.Expr) -> pl.Expr:
    """Return the first 64 bits of a hash, as 16 hexadecimal digits."""
    return text.str.to_lowercase().str.head(_FIRST)


class HashedNumbers:
    """The hashes of persons' NHS Numbers: of their ten digits, alone and in groups of three, three and four.

    Parameters
    ----------
    numbers : polars.Series
        Int64: the NHS Number of each person, null where there is none.

    Examples
    --------
    >>> import hashlib
    >>> hashed = HashedNumbers(pl.Series([9990000018, None]))
    >>> value = hashlib.md5(b"999 000 0018").hexdigest()[:16]
    >>> hashed.known.to_list().count(value), hashed.are_of(pl.Series([value, value]), pl.Series([0, 1])).to_list()
    (1, [True, False])
    """

    def __init__(self, numbers: pl.Series) -> None:
        self._numbers = numbers

    @cached_property
    def _table(self) -> pl.DataFrame:
        """``hash`` and ``person`` of each hash, sorted by hash."""
        digits = self._numbers.cast(pl.String).str.zfill(10)
        persons = pl.DataFrame({"digits": digits}).with_row_index("person").drop_nulls()
        forms = ("digits", "digits[1:3] || ' ' || digits[4:6] || ' ' || digits[7:10]")
        with private_connection(_MEMORY) as connection:
            make_table(connection, "persons", persons)
            queries = [
                f"SELECT {name}({form})[1:{_FIRST}] AS hash, person FROM persons"  # noqa: S608
                for name in _FUNCTIONS
                for form in forms
            ]
            hashes: pl.DataFrame = connection.sql(" UNION ALL ".join(queries)).pl()
        return hashes.sort("hash", "person")

    @property
    def known(self) -> pl.Series:
        """Every hash, sorted."""
        return self._table["hash"]

    def are_of(self, hashes: pl.Series, persons: pl.Series) -> pl.Series:
        """Return whether each hash is of the person beside it; hashes that nobody has are not."""
        place = self.known.search_sorted(hashes).clip(upper_bound=max(self.known.len() - 1, 0))
        same = (self.known.gather(place) == hashes) & (self._table["person"].gather(place) == persons)
        return same.fill_null(False)
