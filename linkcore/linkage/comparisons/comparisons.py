"""All comparisons of two records. To add one, write a module beside this, and name it here.

If it looks at a column that records do not have, :mod:`~linkcore.linkage.comparisons.comparable` makes that column.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Final

from linkcore.linkage.comparisons.birth_date import compare_birth_dates
from linkcore.linkage.comparisons.further import compare_further
from linkcore.linkage.comparisons.gender import compare_gender
from linkcore.linkage.comparisons.names import compare_names
from linkcore.linkage.comparisons.place import compare_places
from linkcore.linkage.model.model import Comparison
from linkcore.schema import FURTHER, OTHER
from linkcore.sources.source import FurtherKind

__all__ = ["comparisons", "known_conditions"]

# The columns on which it depends what levels a comparison has.
_NAMES: Final = ("given_name", "family_name", OTHER + "given_name", OTHER + "family_name")
_BIRTH_DATES: Final = ("birth_date", "birth_month", "partial_birth_date")
_PLACES: Final = ("postcode", "address", OTHER + "postcode", OTHER + "address")


def comparisons(present: Sequence[str], further: Mapping[str, FurtherKind]) -> list[Comparison]:
    """Build the comparisons of the identifiers that are there; their m and u are not learned yet.

    ``present``: the columns of :func:`~linkcore.linkage.comparisons.comparable.comparable` that have values.

    Examples
    --------
    >>> [comparison.name for comparison in comparisons(["gender", "birth_date"], {})]
    ['birth_date', 'gender']
    """
    columns = frozenset(present)
    return [
        *compare_names(columns),
        *compare_birth_dates(columns),
        *compare_gender(columns),
        *compare_places(columns),
        *compare_further(columns, further),
    ]


def known_conditions(further: Mapping[str, FurtherKind]) -> frozenset[str]:
    """Return every condition that a level of :func:`comparisons` can have, whatever columns there are.

    Examples
    --------
    >>> "gender_l = gender_r" in known_conditions({}), "gender_l <> gender_r" in known_conditions({})
    (True, False)
    """
    everything: Iterable[Comparison] = chain(
        *(compare_names(columns) for columns in _subsets(_NAMES)),
        *(compare_birth_dates(columns) for columns in _subsets(_BIRTH_DATES)),
        compare_gender({"gender"}),
        *(compare_places(columns) for columns in _subsets(_PLACES)),
        compare_further({FURTHER + name for name in further}, further),
    )
    return frozenset(level.condition for comparison in everything for level in comparison.levels)


def _subsets(columns: Sequence[str]) -> Iterator[frozenset[str]]:
    for size in range(len(columns) + 1):
        yield from map(frozenset, combinations(columns, size))
