"""Relatives: the other explanation of a record that agrees with a person on nearly everything.

Who is not on the list may have a twin, a parent or a child who is, with the same family name, home and perhaps birth
date. Independent comparisons take that for one person. So the persons themselves teach how much two of one household
agree, and a record is held against that as well: is it of this person, or of somebody unlisted who is related to it?
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from linkcore.linkage.blocking import LARGEST_BLOCK_OF_ONE
from linkcore.linkage.comparisons.comparisons import BIRTH_DATES
from linkcore.linkage.learning.labels import Shares, counts_of_levels, shares_of_levels
from linkcore.linkage.model.by_source import level_numbers, shifted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = [
    "NEEDED",
    "OTHER_BIRTH_DATE",
    "SAME_BIRTH_DATE",
    "Relatives",
    "learn_relatives",
    "relatives_of_shares",
]

NEEDED: Final = ("given_name", "family_name", "birth_date", "postcode")
"""Columns of :func:`comparable` without which nobody's relatives can be told."""

# What relatives share because they live together is learned of nobody: they agree on it as one person does with itself.
_OF_THE_HOUSEHOLD: Final = ("postcode", "address", "place")

# A kind of relatives of whom fewer pairs are listed is not told from chance.
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
        """Say how much likelier each pair is if the record is of a relative of the person than of a stranger.

        ``pairs``: ``source``, ``weight``, and ``gamma_*`` of the comparisons.
        """
        none = pl.Series("relative", [-math.inf]).new_from_index(0, pairs.height)
        if not self.per_pair:
            return none
        factors = {
            kind: pairs["weight"] + shifted(pairs, self.shifts[kind]) + math.log2(per_pair)
            for kind, per_pair in self.per_pair.items()
        }
        highest = pl.max_horizontal(*factors)
        summed = pl.sum_horizontal(2.0 ** (pl.col(kind) - highest) for kind in factors)
        return pl.DataFrame(factors).select((highest + summed.log(2)).alias("relative")).to_series()


def learn_relatives(
    connection: "DuckDBPyConnection",
    model: Mapping[str, Any],
    columns: Sequence[str],
    *,
    sources: Sequence[int],
    some_people: str,
    people: str,
) -> Relatives:
    """Learn from listed persons of one family name and postcode how relatives differ.

    Two of one name, birth date and home are one person who is listed twice, and teach nothing.
    """
    known = [c for c in model["comparisons"] if c["output_column_name"] not in _OF_THE_HOUSEHOLD]
    # What is missing equals nothing: a null here would leave out all that share the other of the two.
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
        by="(l.birth_date = r.birth_date)::BIGINT",
    )
    ((size,),) = connection.sql(f"SELECT count(*) FROM {some_people}").fetchall()
    ((everyone,),) = connection.sql(f"SELECT count(*) FROM {people}").fetchall()
    per_pair, shifts = {}, {}
    for same, kind in ((1, SAME_BIRTH_DATE), (0, OTHER_BIRTH_DATE)):
        shares = shares_of_levels(known, counts.filter(pl.col("by") == same))
        # All of them have names and birth dates, so any comparison tells how many there are.
        pairs = max((each.pairs for each in shares.values()), default=0)
        if pairs < _ENOUGH_PAIRS:
            continue
        per_pair[kind] = pairs / size / everyone
        shifts[kind] = {
            comparison["output_column_name"]: _shift(
                comparison, shares[comparison["output_column_name"]].of_level, pairs, sources
            )
            for comparison in known
            # Of one birth date, they differ in it by mistakes only: as a person's own records do.
            if not (same and comparison["output_column_name"] in BIRTH_DATES)
        }
    return Relatives(per_pair, shifts)


def _shift(
    comparison: Mapping[str, Any], of_relatives: Mapping[int, float], pairs: float, sources: Sequence[int]
) -> pl.DataFrame:
    """Give log2 of how often relatives stand on each level over how often one person's records do."""
    numbers, levels = level_numbers(comparison), comparison["comparison_levels"]
    bits = [
        (number, math.log2(max(of_relatives.get(place, 0.0), 0.5 / max(pairs, 1.0)) / level["m_probability"]))
        for place, (number, level) in enumerate(zip(numbers, levels, strict=True))
        if number >= 0
    ]
    rows = [(source, number, each) for source in sources for number, each in bits]
    return pl.DataFrame(rows, schema={"source": pl.Int32, "level": pl.Int32, "bits": pl.Float64}, orient="row")


def relatives_of_shares(
    model: Mapping[str, Any],
    shares: Mapping[str, Mapping[str, Shares]],
    per_pair: Mapping[str, float],
    sources: Sequence[int],
) -> Relatives:
    """Make relatives of what was learned of them without labels."""
    shifts = {
        kind: {
            comparison["output_column_name"]: _shift(comparison, of_kind[name].of_level, of_kind[name].pairs, sources)
            for comparison in model["comparisons"]
            if (name := comparison["output_column_name"]) in of_kind
        }
        for kind, of_kind in shares.items()
    }
    return Relatives(per_pair, shifts)
