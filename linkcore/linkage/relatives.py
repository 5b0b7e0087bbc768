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
from linkcore.linkage.source_models import level_numbers, shifted
from linkcore.linkage.training import counts_of_levels, shares_of_levels

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["NEEDED", "Relatives", "learn_relatives"]

NEEDED: Final = ("given_name", "family_name", "birth_date", "postcode")
"""Columns of :func:`linkcore.linkage.comparisons.comparable` without which nobody's relatives can be told."""

# What relatives share because they live together is learned of nobody: they agree on it as one person does with itself.
_OF_THE_HOUSEHOLD: Final = ("postcode", "address", "place")

# A kind of relatives of whom fewer pairs are listed is not told from chance.
_ENOUGH_PAIRS: Final = 100


@dataclass(frozen=True, eq=False)
class Relatives:
    """Kinds of relatives, how many of each a person has, and how they differ from the person.

    Parameters
    ----------
    per_person : mapping of str to float
        By kind, ``"same birth date"`` or ``"another birth date"``: how many listed relatives a person has on average.
    shifts : mapping of str to (mapping of str to polars.DataFrame)
        By kind, what their levels add to the weight of a pair: :func:`linkcore.linkage.source_models.shifted`.
    """

    per_person: Mapping[str, float] = field(default_factory=dict)
    shifts: Mapping[str, Mapping[str, pl.DataFrame]] = field(default_factory=dict, repr=False)

    def factor(self, pairs: pl.DataFrame) -> pl.Series:
        """Say how much likelier each pair is if the record is of a relative of the person than of a stranger.

        Parameters
        ----------
        pairs : polars.DataFrame
            ``source``, ``weight``, and ``gamma_*`` of the comparisons.

        Returns
        -------
        polars.Series
            Float64, log2, over all kinds, weighed by how many of them there are; minus infinity where none are known.
        """
        none = pl.Series("relative", [-math.inf]).new_from_index(0, pairs.height)
        if not self.per_person:
            return none
        factors = {
            kind: pairs["weight"] + shifted(pairs, self.shifts[kind]) + math.log2(per_person)
            for kind, per_person in self.per_person.items()
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

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are.
    model : mapping
        Whose weights are shifted.
    columns : sequence of str
        That the comparisons look at.
    sources : sequence of int
        All of them: their records' relatives are the same.
    some_people, people : str
        Tables or sub-queries of persons with ``unique_id``: those whose relatives are counted, and all.

    Returns
    -------
    Relatives
        Of none, where too few are listed.
    """
    known = [c for c in model["comparisons"] if c["output_column_name"] not in _OF_THE_HOUSEHOLD]
    crowded = f"SELECT family_name, postcode FROM {people} GROUP BY ALL HAVING count(*) > {LARGEST_BLOCK_OF_ONE}"
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
    per_person, shifts = {}, {}
    for same, kind in ((1, "same birth date"), (0, "another birth date")):
        shares = shares_of_levels(known, counts.filter(pl.col("by") == same))
        # All of them have names and birth dates, so any comparison tells how many there are.
        pairs = max((each.pairs for each in shares.values()), default=0)
        if pairs < _ENOUGH_PAIRS:
            continue
        per_person[kind] = pairs / size
        shifts[kind] = {
            comparison["output_column_name"]: _shift(
                comparison, shares[comparison["output_column_name"]].of_level, pairs, sources
            )
            for comparison in known
            # Of one birth date, they differ in it by mistakes only: as a person's own records do.
            if not (same and comparison["output_column_name"] == "birth_date")
        }
    return Relatives(per_person, shifts)


def _shift(
    comparison: Mapping[str, Any], of_relatives: Mapping[int, float], pairs: float, sources: Sequence[int]
) -> pl.DataFrame:
    numbers, levels = level_numbers(comparison), comparison["comparison_levels"]
    bits = [
        (number, math.log2(max(of_relatives.get(place, 0.0), 0.5 / pairs) / level["m_probability"]))
        for place, (number, level) in enumerate(zip(numbers, levels, strict=True))
        if number >= 0
    ]
    rows = [(source, number, each) for source in sources for number, each in bits]
    return pl.DataFrame(rows, schema={"source": pl.Int32, "level": pl.Int32, "bits": pl.Float64}, orient="row")
