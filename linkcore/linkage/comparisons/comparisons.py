"""All comparisons of two records. To add one, write a module beside this, and name it here.

If it looks at a column that records do not have, :mod:`~linkcore.linkage.comparisons.comparable` makes that column.
"""

from collections.abc import Mapping, Sequence

from linkcore.linkage.comparisons.birth_date import compare_birth_dates
from linkcore.linkage.comparisons.further import compare_further
from linkcore.linkage.comparisons.gender import compare_gender
from linkcore.linkage.comparisons.names import compare_names
from linkcore.linkage.comparisons.place import compare_places
from linkcore.linkage.model.model import Comparison
from linkcore.sources.source import FurtherKind

__all__ = ["comparisons"]


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
