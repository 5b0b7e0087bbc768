"""The weight of a pair: the level it stands on in each comparison, and how common the values are that it shares.

Splink's own prediction gives the same weights (a test holds that). But it also makes a table of every compared value
of every pair, and writes its SQL anew each time, which takes about a second. Here the levels are known, and the weight
is a sum of numbers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl

from linkcore.linkage.model.model import OTHERWISE, Comparison, TermFrequency

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["match_weight"]


def match_weight(
    pairs: pl.DataFrame, comparisons: Sequence[Comparison], frequencies: Mapping[str, pl.Series]
) -> pl.Series:
    """Sum log2(m/u) of the levels of each pair, and what a shared value adds that is rarer than the average.

    ``pairs``: ``a``, ``b`` and ``gamma_*``, Splink's number of the level in each comparison.
    ``frequencies``: of each adjusted column, how common the value of each id is; null where it is missing.

    Notes
    -----
    As Splink: where a level adjusts, with u the probability of the level on which just that column agrees and f_a, f_b
    the frequencies of the two values, w · (log2 u - log2 max(f_a, f_b)) is added, w being the level's own weight of
    the adjustment.

    Examples
    --------
    >>> from linkcore.linkage.model.model import Level
    >>> agrees = Level("name_l = name_r", "Agrees", m=0.8, u=0.1, term_frequency=TermFrequency("name"))
    >>> name = Comparison("name", (agrees, Level(OTHERWISE, "Differs", m=0.2, u=0.9)))
    >>> pairs = pl.DataFrame({"a": [0, 0], "b": [1, 1], "gamma_name": [1, 0]})
    >>> match_weight(pairs, [name], {"name": pl.Series([0.05, 0.05])}).round(2).to_list()
    [4.0, -2.17]
    """
    import numpy as np

    # One after the other: the same sum, to the last bit, on any machine.
    total = np.zeros(pairs.height)
    for comparison in comparisons:
        total += _bits_of_pairs(pairs, comparison, frequencies)
    return pl.Series("weight", total)


def _bits_of_pairs(
    pairs: pl.DataFrame, comparison: Comparison, frequencies: Mapping[str, pl.Series]
) -> "npt.NDArray[np.float64]":
    """Return what one comparison adds to the weight of each pair."""
    import numpy as np

    gamma = pairs[comparison.gamma].fill_null(-1)
    average, numbers = comparison.average_frequencies, comparison.numbers
    of_level = np.zeros(max(numbers) + 2)  # the last is that of -1: what is missing adds nothing
    adjusting: dict[tuple[TermFrequency, float], list[int]] = {}
    for number, level in zip(numbers, comparison.levels, strict=True):
        if number < 0:
            continue
        of_level[number] = level.bits
        term = level.term_frequency
        if term is not None and term.weight and level.condition != OTHERWISE and level.u is not None:
            u = average[term.column] if term.of_exact_match else level.u
            adjusting.setdefault((term, u), []).append(number)
    bits: npt.NDArray[np.float64] = of_level[gamma.to_numpy()]
    # How common a value is, is looked up of those few pairs only that stand on a level where it counts.
    for (term, u), levels in adjusting.items():
        rows = gamma.is_in(levels).arg_true()
        of_a, of_b = (frequencies[term.column][pairs[side].gather(rows)] for side in ("a", "b"))
        frequency = pl.select(pl.max_horizontal(of_a, of_b).alias("frequency")).with_columns(
            pl.when(pl.col("frequency") < term.minimum_u).then(term.minimum_u).otherwise("frequency").alias("frequency")
        )["frequency"]
        bits[rows.to_numpy()] += (term.weight * (math.log2(u) - frequency.log(2))).fill_null(0.0).to_numpy()
    return bits
