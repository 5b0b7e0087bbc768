"""k-anonymity: the size of the smallest group of persons whom quasi-identifiers do not tell apart.

A quasi-identifier is something that somebody may know about a person from elsewhere: age, district, ethnic group. A
release has them on many rows and in several tables, which its recipient can join by pseudonym. So a person is described
by *all* values of each quasi-identifier anywhere in the release. Two persons are alike if these sets are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT, rounded, shown
from linkcore.governance.releases.rows import RANK
from linkcore.report.file_schema import SUPPRESSED

__all__ = ["Anonymity", "QuasiIdentifiers"]

_HASH: Final = "linkcore:value"


@dataclass(frozen=True)
class Anonymity:
    """How many persons are alike.

    Parameters
    ----------
    k : int or None
        Size of the smallest group of persons who are alike. None if no quasi-identifier is released.
    persons : int
        Number of persons with a record that has a quasi-identifier.
    classes : int
        Number of groups.
    alone : int
        Number of persons who are like nobody else.
    """

    k: int | None
    persons: int
    classes: int
    alone: int

    def as_dict(self) -> dict[str, int | str | None]:
        """Return the figures for a manifest: numbers of persons under disclosure control.

        A small k, or a small number of groups, counts nobody in particular, and is what the recipient must know. Large
        ones can be the number of all persons: k is rounded down, and the number of groups is rounded.
        """
        k = self.k if self.k is None or self.k < SMALLEST_COUNT else max(self.k // ROUND_TO * ROUND_TO, SMALLEST_COUNT)
        persons, alone = (SUPPRESSED if shown(count) is None else shown(count) for count in (self.persons, self.alone))
        classes = self.classes if self.classes < SMALLEST_COUNT else rounded(self.classes)
        return {"k": k, "persons": persons, "classes": classes, "alone": alone}


class QuasiIdentifiers:
    """The quasi-identifiers of each person, collected while a release is written.

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
        """Add rows that will be released.

        ``rows``: ``RANK``, which stands for the person, and ``columns``.
        """
        parts = self._values.setdefault(source, [])
        for name in columns:
            # The number of a category may differ between two batches; its name does not.
            value = pl.col(name).cast(pl.String) if rows.schema[name] in (pl.Categorical, pl.Enum) else pl.col(name)
            hashed = pl.struct(pl.lit(name).alias("name"), value.alias("value")).hash(0).alias(_HASH)
            parts.append(rows.select(RANK, hashed).unique())

    def anonymity(self, source: str | None = None) -> Anonymity:
        """Count the persons who are alike, in one source or in the whole release."""
        sources = self._values if source is None else [source]
        parts = [part for name in sources for part in self._values.get(name, ())]
        if not parts:
            return Anonymity(None, 0, 0, 0)
        of_person = pl.concat(parts).lazy().unique().group_by(RANK).agg(pl.col(_HASH).bitwise_xor())
        sizes = of_person.group_by(_HASH).len("size").collect()["size"]
        if sizes.is_empty():
            return Anonymity(None, 0, 0, 0)
        return Anonymity(sizes.min(), int(sizes.sum()), sizes.len(), int((sizes == 1).sum()))  # type: ignore[arg-type]
