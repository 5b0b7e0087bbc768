"""Relatives: the other explanation of a record that agrees with a person on nearly everything.

Who is not on the list may have a twin, a parent or a child who is, with the same family name, home and perhaps birth
date. Independent comparisons take the two for one person. So the persons themselves teach how much two of one household
agree, and each record is weighed twice: is it of this person, or of an unlisted relative of this person?
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.blocking import LARGEST_BLOCK_OF_ONE
from linkcore.linkage.comparisons.birth_date import BIRTH_DATES
from linkcore.linkage.learning.levels import Shares, counts_of_levels, shares_of_levels
from linkcore.linkage.model.by_source import shift_frame, shifted
from linkcore.linkage.model.model import Comparison, Model

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "NEEDED",
    "OTHER_BIRTH_DATE",
    "SAME_BIRTH_DATE",
    "RelativeCounts",
    "Relatives",
    "count_relatives",
    "relatives_of_counts",
    "relatives_of_shares",
    "with_others_of_the_household",
]

NEEDED: Final = ("given_name", "family_name", "birth_date", "postcode")
"""Comparable columns without which nobody's relatives can be found."""

# Relatives share these because they live together, and agree on them as records of one person do: nothing is learned.
_OF_THE_HOUSEHOLD: Final = ("postcode", "address", "place")

# With fewer pairs, a kind of relatives cannot be distinguished from chance agreement.
_ENOUGH_PAIRS: Final = 100

SAME_BIRTH_DATE: Final = "same birth date"
OTHER_BIRTH_DATE: Final = "another birth date"


@dataclass(frozen=True, eq=False)
class Relatives:
    """Kinds of relatives, how many of each a person has, and how they differ from the person.

    Parameters
    ----------
    per_pair : mapping of str to float
        By kind, ``SAME_BIRTH_DATE`` or ``OTHER_BIRTH_DATE``: how likely two are such relatives.
    shifts : mapping of str to (mapping of str to polars.DataFrame)
        By kind, what their levels add to the weight of a pair: :func:`linkcore.linkage.model.by_source.shifted`.
    """

    per_pair: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, Mapping[str, pl.DataFrame]] = field(default_factory=dict, repr=False)

    def factor(self, pairs: pl.DataFrame) -> pl.Series:
        """Return log2 of how much likelier each pair is of relatives of each other than of strangers.

        ``pairs``: ``source``, ``weight``, and ``gamma_*`` of the comparisons.
        """
        if not self.per_pair:
            return pl.Series("relative", [-math.inf]).new_from_index(0, pairs.height)
        factors = {
            kind: pairs["weight"] + shifted(pairs, self.shifts[kind]) + math.log2(per_pair)
            for kind, per_pair in self.per_pair.items()
        }
        highest = pl.max_horizontal(*factors)
        summed = pl.sum_horizontal(2.0 ** (pl.col(kind) - highest) for kind in factors)
        return pl.DataFrame(factors).select((highest + summed.log(2)).alias("relative")).to_series()

    def for_sources(self, sources: Sequence[int]) -> "Relatives":
        """Return the same for any sources: relatives do not differ by source, and not every source has taught them.

        Examples
        --------
        >>> kin = Relatives({"kin": 0.5}, {"kin": {"name": shift_frame([(3, 1, -2.0)])}}).for_sources([0, 1])
        >>> kin.factor(pl.DataFrame({"source": [0, 1], "weight": [9.0, 9.0], "gamma_name": [1, 0]})).to_list()
        [6.0, 8.0]
        """
        of_all = pl.DataFrame({"source": sources}, schema={"source": pl.Int32})
        shifts = {
            kind: {
                name: of_all.join(frame.filter(source=frame["source"].min()).drop("source"), how="cross")
                for name, frame in of_kind.items()
            }
            for kind, of_kind in self.shifts.items()
        }
        return Relatives(self.per_pair, shifts)


@dataclass(frozen=True, eq=False)
class RelativeCounts:
    """How often some persons, beside all who may be their relatives, stand on each level.

    Parameters
    ----------
    counts : polars.DataFrame
        COUNTS; the group is 1 for pairs of one birth date, and 0 for others.
    some, everyone : int
        How many persons were looked at, and among how many.
    """

    counts: pl.DataFrame = field(repr=False)
    some: int
    everyone: int


def with_others_of_the_household(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Leave out the comparisons in which all of one household agree."""
    return [each for each in comparisons if each.name not in _OF_THE_HOUSEHOLD]


def count_relatives(
    connection: "DuckDBPyConnection",
    comparisons: Sequence[Comparison],
    columns: Sequence[str],
    *,
    some_people: str,
    people: str,
) -> RelativeCounts:
    """Count the levels of some people beside others of their family name and postcode.

    Two of one name, birth date and home are one person who is listed twice, and teach nothing.
    """
    known = with_others_of_the_household(comparisons)
    # With a null here, NOT IN would be unknown for everybody who shares the other of the two, and leave them out.
    crowded = (
        f"SELECT family_name, postcode FROM {people} WHERE family_name IS NOT NULL AND postcode IS NOT NULL "
        f"GROUP BY ALL HAVING count(*) > {LARGEST_BLOCK_OF_ONE}"
    )
    households = (
        "l.family_name = r.family_name AND l.postcode = r.postcode AND l.unique_id <> r.unique_id "
        "AND NOT (l.given_name = r.given_name AND l.birth_date = r.birth_date) "
        f"AND (l.family_name, l.postcode) NOT IN ({crowded})"
    )
    counts = counts_of_levels(
        connection,
        known,
        columns,
        left=some_people,
        right=people,
        on=households,
        group="(l.birth_date = r.birth_date)::BIGINT",
    )
    ((some,),) = connection.sql(f"SELECT count(*) FROM {some_people}").fetchall()
    ((everyone,),) = connection.sql(f"SELECT count(*) FROM {people}").fetchall()
    return RelativeCounts(counts, some, everyone)


def relatives_of_counts(model: Model, counted: RelativeCounts, sources: Sequence[int]) -> Relatives:
    """Learn from the persons' own households how relatives differ."""
    known = with_others_of_the_household(model.comparisons)
    per_pair, shifts = {}, {}
    for same, kind in ((1, SAME_BIRTH_DATE), (0, OTHER_BIRTH_DATE)):
        shares = shares_of_levels(known, counted.counts.filter(pl.col("group") == same))
        # All of them have names and birth dates, so any comparison tells how many there are.
        pairs = max((each.pairs for each in shares.values()), default=0)
        if pairs < _ENOUGH_PAIRS:
            continue
        per_pair[kind] = pairs / counted.some / counted.everyone
        shifts[kind] = {
            comparison.name: _shift(comparison, shares[comparison.name].of_level, pairs, sources)
            for comparison in known
            # Relatives of one birth date differ in it by mistakes only: as a person's own records do.
            if not (same and comparison.name in BIRTH_DATES)
        }
    return Relatives(per_pair, shifts)


def relatives_of_shares(
    model: Model,
    shares: Mapping[str, Mapping[str, Shares]],
    per_pair: Mapping[str, float],
    sources: Sequence[int],
) -> Relatives:
    """Make relatives of what was learned of them without labels; ``shares`` by kind and comparison."""
    shifts = {
        kind: {
            comparison.name: _shift(comparison, known.of_level, known.pairs, sources)
            for comparison in model.comparisons
            if (known := of_kind.get(comparison.name)) is not None
        }
        for kind, of_kind in shares.items()
    }
    return Relatives(per_pair, shifts)


def _shift(
    comparison: Comparison, of_relatives: Mapping[int, float], pairs: float, sources: Sequence[int]
) -> pl.DataFrame:
    """Return log2 of how often relatives stand on each level over how often one person's records do."""
    numbers, least = comparison.numbers, 0.5 / max(pairs, 1.0)
    bits = [
        (numbers[position], math.log2(max(of_relatives.get(position, 0.0), least) / m))
        for position, m in comparison.m_by_position.items()
    ]
    return shift_frame((source, number, each) for source in sources for number, each in bits)
