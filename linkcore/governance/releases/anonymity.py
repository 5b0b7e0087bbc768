"""k-anonymity: among how many persons the one who is known best by quasi-identifiers can hide.

A quasi-identifier is what somebody may know of a person from elsewhere: age, district, ethnic group. A release of
records has them on many rows and in several tables, which its recipient can join by pseudonym. So a person is known by
*all* values of each that stand anywhere in the release, and two persons are alike where these sets are the same.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import polars as pl

from linkcore.governance.releases.rows import RANK

__all__ = ["Anonymity", "QuasiIdentifiers"]

_HASH: Final = "linkcore:value"


@dataclass(frozen=True)
class Anonymity:
    """How well persons hide among each other.

    Parameters
    ----------
    k : int or None
        How many persons are in the smallest class of persons who are alike; None where no quasi-identifier is released.
    persons : int
        Who have any record with a quasi-identifier.
    classes : int
        How many different sets of values there are.
    alone : int
        Persons like whom there is no other.
    """

    k: int | None
    persons: int
    classes: int
    alone: int

    def as_dict(self) -> dict[str, int | None]:
        """Give it for a manifest."""
        return asdict(self)


class QuasiIdentifiers:
    """The values of quasi-identifiers by person, as a release is written.

    Examples
    --------
    >>> known = QuasiIdentifiers()
    >>> rows = pl.DataFrame({RANK: [0, 1, 2, 2], "age": [40, 40, 40, 41]})
    >>> known.add("gp", rows, ["age"])
    >>> known.anonymity()
    Anonymity(k=1, persons=3, classes=2, alone=1)
    """

    def __init__(self) -> None:
        self._values: dict[str, list[pl.DataFrame]] = {}

    def add(self, source: str, rows: pl.DataFrame, columns: Sequence[str]) -> None:
        """Take rows that will be released.

        ``rows``: with ``RANK``, which is of one person, and ``columns``.
        """
        parts = self._values.setdefault(source, [])
        for name in columns:
            # A category's number is not the same in two batches; its name is.
            value = pl.col(name).cast(pl.String) if rows.schema[name] in (pl.Categorical, pl.Enum) else pl.col(name)
            hashed = pl.struct(pl.lit(name).alias("name"), value.alias("value")).hash(0).alias(_HASH)
            parts.append(rows.select(RANK, hashed).unique())

    def anonymity(self, source: str | None = None) -> Anonymity:
        """Count persons who are alike."""
        wanted = self._values if source is None else [source]
        parts = [part for each in wanted for part in self._values.get(each, ())]
        if not parts:
            return Anonymity(None, 0, 0, 0)
        of_person = pl.concat(parts).lazy().unique().group_by(RANK).agg(pl.col(_HASH).bitwise_xor())
        sizes = of_person.group_by(_HASH).len("size").collect()["size"]
        if sizes.is_empty():
            return Anonymity(None, 0, 0, 0)
        return Anonymity(sizes.min(), int(sizes.sum()), sizes.len(), int((sizes == 1).sum()))  # type: ignore[arg-type]
