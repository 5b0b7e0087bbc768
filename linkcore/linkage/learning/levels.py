"""Counting the levels of pairs, and turning counts into shares, and shares into m and u."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.comparisons.birth_date import as_learned
from linkcore.linkage.model.model import Comparison, Level
from linkcore.linkage.model.significant_digits import significant
from linkcore.parallel import side_by_side

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["COUNTS", "Shares", "counts_of_levels", "shares_of_levels", "with_probabilities"]

COUNTS: Final = pl.Schema({"comparison": pl.String(), "group": pl.Int64(), "position": pl.Int64(), "pairs": pl.Int64()})
"""Counts of pairs: by comparison, by some group of pairs, and by the position of their level on the ladder."""


@dataclass(frozen=True)
class Shares:
    """The share of some pairs that stands on each level of a comparison.

    Parameters
    ----------
    of_level : mapping of int to float
        By the level's position on the ladder; levels on which no pair stands are left out.
    pairs : float
        How many pairs there were.
    """

    of_level: Mapping[int, float]
    pairs: float

    @property
    def half_a_pair(self) -> float:
        """The share that half a pair would have."""
        return 0.5 / max(self.pairs, 1)


def counts_of_levels(
    connection: "DuckDBPyConnection",
    comparisons: Sequence[Comparison],
    columns: Sequence[str],
    *,
    left: str,
    right: str,
    on: str,
    group: str = "0",
) -> pl.DataFrame:
    """Count the pairs of two tables on each level; whole birth dates count in comparisons of their parts too.

    Splink learns the same from labels and from random pairs, but does not tell from how many pairs.

    ``on``, ``group``: SQL that pairs the rows of ``l`` and ``r``, and that names the group of a pair.
    Returns COUNTS, in order. Pairs of which nothing can be said, because a value is missing, do not count.
    """
    pairs = ", ".join(f'l."{column}" AS "{column}_l", r."{column}" AS "{column}_r"' for column in columns)

    def count(comparison: Comparison) -> pl.DataFrame:
        levels = comparison.levels
        position = as_learned(comparison).case_sql(range(len(levels)))
        with connection.cursor() as cursor:
            found = cursor.sql(
                f'WITH pairs AS (SELECT {group} AS "group", {pairs} FROM {left} AS l JOIN {right} AS r ON {on}), '
                f'placed AS (SELECT "group", {position} AS position FROM pairs WHERE "group" IS NOT NULL) '
                'SELECT "group", position, count(*) FROM placed GROUP BY ALL ORDER BY ALL'
            ).fetchall()
        rows = [(comparison.name, *row) for row in found if not levels[row[1]].is_null]
        return pl.DataFrame(rows, schema=COUNTS, orient="row")

    # DuckDB divides a query among threads by the rows of its tables, and so few thousand are all one thread's.
    (threads,) = connection.sql("SELECT current_setting('threads')").fetchall()[0]
    return pl.concat([pl.DataFrame(schema=COUNTS), *side_by_side(count, comparisons, at_once=threads)])


def shares_of_levels(comparisons: Sequence[Comparison], counts: pl.DataFrame) -> dict[str, Shares]:
    """Turn COUNTS into shares, over all groups; pairs that are taken out count less than nothing.

    Examples
    --------
    >>> counts = pl.DataFrame(
    ...     {"comparison": ["name"] * 3, "group": [0, 1, 1], "position": [0, 0, 1], "pairs": [2, 1, 1]})
    >>> name = Comparison("name", (Level("name_l = name_r", "Agrees"), Level("ELSE", "Differs")))
    >>> shares_of_levels([name], counts)
    {'name': Shares(of_level={0: 0.75, 1: 0.25}, pairs=4)}
    """
    shares = {}
    for comparison in comparisons:
        by_position = (
            counts.filter(pl.col("comparison") == comparison.name)
            .group_by("position")
            .agg(pl.col("pairs").sum())
            .filter(pl.col("pairs") != 0)
            .sort("position")
        )
        total = int(by_position["pairs"].sum())
        of_level = {position: count / total for position, count in by_position.iter_rows()}
        shares[comparison.name] = Shares(of_level, total)
    return shares


def with_probabilities(
    comparisons: Sequence[Comparison], *, m: Mapping[str, Shares], u: Mapping[str, Shares], matches: float = 0.0
) -> tuple[Comparison, ...]:
    """Give comparisons their m and u, rounded to six significant digits; what a level has already stays as it is.

    A level on which none of n pairs was seen gets the probability of half a pair (to first order, the mean that
    Jeffreys' prior leads to): neither nothing nor a default, which would be evidence that nobody has seen. A level on
    which no two records of one person were ever seen is never evidence for a link.

    ``matches``: the share of the pairs behind ``u`` that are of one person all the same; they are taken out.

    Examples
    --------
    >>> gender = Comparison("gender", (Level("gender_l = gender_r", "Agrees"), Level("ELSE", "Differs")))
    >>> (learned,) = with_probabilities(
    ...     [gender], m={"gender": Shares({0: 1.0}, 100)}, u={"gender": Shares({0: 0.5, 1: 0.5}, 1000)})
    >>> [(level.m, level.u) for level in learned.levels]
    [(1.0, 0.5), (0.005, 0.5)]
    """
    learned = []
    for comparison in comparisons:
        levels = tuple(
            level if level.is_null else _learned(level, position, m[comparison.name], u[comparison.name], matches)
            for position, level in enumerate(comparison.levels)
        )
        learned.append(replace(comparison, levels=levels))
    return tuple(learned)


def _learned(level: Level, position: int, m: Shares, u: Shares, matches: float) -> Level:
    of_one = m.of_level.get(position, 0.0)
    of_two = (u.of_level.get(position, 0.0) - matches * of_one) / (1 - matches)
    of_two = min(max(of_two, u.half_a_pair), 1.0)
    of_one = max(of_one, m.half_a_pair) if position in m.of_level else min(m.half_a_pair, of_two)
    return replace(
        level,
        m=significant(of_one) if level.m is None else level.m,
        u=significant(of_two) if level.u is None else level.u,
    )
