"""The pairs, counted: few patterns of levels, and few weights of each pattern, stand for many pairs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.model.model import Comparison

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CountedPairs", "Patterns"]

# Weights are counted together that differ by less than a thousandth of a bit, and stand for their mean.
_PARTS_OF_A_BIT: Final = 1_000
_PARTS_OF_A_PART: Final = 1_000_000

# No weight is further from zero: 2^400 pairs are more than there can be.
_HIGHEST_WEIGHT: Final = 400

_LARGEST_CODE: Final = 2**62


@dataclass(frozen=True, eq=False)
class CountedPairs:
    """How many pairs of each pattern have which weight.

    Parameters
    ----------
    levels : polars.DataFrame
        ``gamma_*`` of each pattern.
    factor : numpy.ndarray
        2 to the weight, in bits: how much likelier the pairs are if they are of one person.
    pairs : numpy.ndarray
        How many pairs there are.
    first, kinds : numpy.ndarray
        Of each pattern, where its weights begin, and how many there are.
    """

    levels: pl.DataFrame = field(repr=False)
    factor: "NDArray[np.float64]" = field(repr=False)
    pairs: "NDArray[np.float64]" = field(repr=False)
    first: "NDArray[np.int64]" = field(repr=False)
    kinds: "NDArray[np.int64]" = field(repr=False)


@dataclass(frozen=True, eq=False)
class Patterns:
    """Which pattern of levels each pair has.

    Parameters
    ----------
    levels : polars.DataFrame
        ``gamma_*`` of each pattern.
    of_pair : polars.Series
        The pattern of each pair.
    """

    levels: pl.DataFrame = field(repr=False)
    of_pair: pl.Series = field(repr=False)

    @classmethod
    def of(cls, pairs: pl.DataFrame, comparisons: Sequence[Comparison]) -> "Patterns":
        """Find the patterns of pairs with ``gamma_*``; in an order in which the order of the pairs does not show.

        Examples
        --------
        >>> from linkcore.linkage.model.model import Level
        >>> levels = Level("x_l = x_r", "Agrees"), Level("ELSE", "Differs")
        >>> pairs = pl.DataFrame({"gamma_x": [1, 0, 1], "gamma_y": [0, 0, 0]})
        >>> patterns = Patterns.of(pairs, [Comparison("x", levels), Comparison("y", levels)])
        >>> patterns.levels.rows(), patterns.of_pair.to_list()
        ([(0, 0), (1, 0)], [1, 0, 1])
        """
        gammas = [each.gamma for each in comparisons]
        code, size = pl.repeat(0, pairs.height, dtype=pl.Int64, eager=True), 1
        for each in comparisons:
            if size > _LARGEST_CODE // (len(each.levels) + 1):
                code = _numbered(code)
                size = pairs.height
            code = code * (len(each.levels) + 1) + (pairs[each.gamma].cast(pl.Int64).fill_null(-1) + 1)
            size *= len(each.levels) + 1
        number = _numbered(code)
        first = pairs.select(gammas).with_columns(number.alias("pattern")).unique("pattern").sort("pattern")
        return cls(first.select(pl.col(gammas).fill_null(-1)), number)

    def counted(self, weights: pl.Series) -> CountedPairs:
        """Count the pairs of each pattern by their weights, in bits."""
        import numpy as np

        bits = weights.clip(-_HIGHEST_WEIGHT, _HIGHEST_WEIGHT)
        rounded = (bits * _PARTS_OF_A_BIT).round().cast(pl.Int64)
        # What is summed is whole numbers, so that the order of the pairs cannot show.
        beside = (bits * (_PARTS_OF_A_BIT * _PARTS_OF_A_PART)).round().cast(pl.Int64) - rounded * _PARTS_OF_A_PART
        span = 4 * _HIGHEST_WEIGHT * _PARTS_OF_A_BIT
        counted = (
            pl.DataFrame({"key": self.of_pair * span + rounded + span // 2, "beside": beside})
            .group_by("key")
            .agg(pl.len().alias("pairs"), pl.col("beside").sum())
            .sort("key")
        )
        pattern, part = counted["key"].to_numpy() // span, counted["key"].to_numpy() % span - span // 2
        pairs = counted["pairs"].to_numpy().astype(np.float64)
        weight = (part + counted["beside"].to_numpy() / pairs / _PARTS_OF_A_PART) / _PARTS_OF_A_BIT
        kinds = np.bincount(pattern, minlength=self.levels.height)
        return CountedPairs(self.levels, np.exp2(weight), pairs, np.cumsum(kinds) - kinds, kinds)


def _numbered(code: pl.Series) -> pl.Series:
    """Give the same number to equal codes, counting from zero, in their order."""
    return code.rank("dense").cast(pl.Int64) - 1
