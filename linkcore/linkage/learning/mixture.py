"""A mixture: pairs of strangers, among which there are some of one person, and some of each kind of relatives."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from linkcore.linkage.learning.patterns import CountedPairs
from linkcore.linkage.model.model import Comparison

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ONE_PERSON", "Mixture"]

ONE_PERSON: Final = "one person"
"""Name of the class of pairs of one person; the other classes are kinds of relatives."""

# No odds are further from even, in bits.
_HIGHEST_ODDS: Final = 500


@dataclass(frozen=True, eq=False)
class Mixture:
    """Pairs that were counted, and what is known of their classes before anything is learned.

    What is learned is an array with a row a class: log2 of how many pairs it has and then, of each level of each
    comparison in turn, of the level's share of them.

    Parameters
    ----------
    pairs : CountedPairs
        The pairs.
    levels : numpy.ndarray
        Of each comparison, the place of each pattern's level among all levels; one past the last where a value is
        missing.
    of_comparison : sequence of slice
        The places of the levels of each comparison.
    begun : numpy.ndarray
        log2 of the shares by which the pairs were weighed.
    given : numpy.ndarray
        By class and level, log2 of the shares that are given; NaN where a share is learned.
    kinds : sequence of str
        The classes.
    all_pairs : int
        How many pairs there are.
    """

    pairs: CountedPairs
    levels: "NDArray[np.int64]"
    of_comparison: Sequence[slice]
    begun: "NDArray[np.float64]"
    given: "NDArray[np.float64]"
    kinds: Sequence[str]
    all_pairs: int

    @classmethod
    def of(
        cls,
        pairs: CountedPairs,
        comparisons: Sequence[Comparison],
        all_pairs: int,
        given: Mapping[str, Mapping[str, Mapping[int, float]]],
    ) -> "Mixture":
        """Lay out the levels of the comparisons; parameters as of ``maximise``."""
        import numpy as np

        ends = np.cumsum([len(each.judging) for each in comparisons]).tolist()
        of_comparison = [slice(first, end) for first, end in zip([0, *ends[:-1]], ends, strict=True)]
        gammas = [pairs.levels[each.gamma].to_numpy().astype(np.int64) for each in comparisons]
        begun = np.concatenate([np.log2(each.by_number(each.m_by_position)) for each in comparisons])
        kinds = list(dict.fromkeys([ONE_PERSON, *given]))
        fixed = np.full((len(kinds), begun.size), np.nan)
        for of_class, kind in zip(fixed, kinds, strict=True):
            for each, own in zip(comparisons, of_comparison, strict=True):
                if each.name in given.get(kind, {}):
                    of_class[own] = np.log2(_fixed_shares(each, given[kind][each.name]))
        levels = [
            np.where(gamma < 0, begun.size, gamma + of.start) for gamma, of in zip(gammas, of_comparison, strict=True)
        ]
        return cls(pairs, np.array(levels), of_comparison, begun, fixed, kinds, all_pairs)

    def start(self) -> "NDArray[np.float64]":
        """Begin with the pairs that are likelier than not if, of all pairs, one is of one person."""
        import numpy as np

        likely = float(self.pairs.pairs[self.pairs.factor > max(self.all_pairs, 2)].sum())
        size = math.log2(min(max(likely, 1.0), self.most))
        shares = np.where(np.isnan(self.given), self.begun, self.given)
        return np.column_stack([np.full(len(self.kinds), size), shares])

    @property
    def most(self) -> float:
        """How many pairs a class may have: all of them together have at most half of all pairs."""
        return self.all_pairs / (2 * len(self.kinds))

    def step(self, learned: "NDArray[np.float64]") -> tuple["NDArray[np.float64]", float]:
        """Return what one round of expectation maximisation learns, and how likely ``learned`` makes the pairs."""
        import numpy as np

        found, merit = self.expect(learned)
        counts = np.array([self.count(of_class) for of_class in found])
        # All levels together get half a pair more, for what is not seen; and so does each class.
        for places in self.of_comparison:
            counts[:, places] += 0.5 / (places.stop - places.start)
        return self.allowed(np.column_stack([self.sizes(found), np.log2(counts)])), merit

    def expect(self, learned: "NDArray[np.float64]") -> tuple["NDArray[np.float64]", float]:
        """Return how many pairs of each pattern are expected to be of each class, and the merit of what was learned.

        The pairs of a pattern differ in their weights, but not in how much likelier one class is than another. So all
        classes share one sum over the weights.
        """
        import numpy as np

        rest = self.all_pairs - float(np.exp2(learned[:, 0]).sum())
        # Other shares than those begun with add to the weight of a pattern; a missing value adds nothing.
        bits = np.column_stack([learned[:, 1:] - self.begun, np.zeros(len(self.kinds))])
        odds = np.repeat(learned[:, :1] - math.log2(rest), self.levels.shape[1], axis=1)
        for places in self.levels:
            odds += bits[:, places]
        factors = np.exp2(np.clip(odds, -_HIGHEST_ODDS, _HIGHEST_ODDS))
        likelier = 1 + self.pairs.factor * np.repeat(factors.sum(axis=0), self.pairs.kinds)
        strangers = np.add.reduceat(self.pairs.pairs * self.pairs.factor / likelier, self.pairs.first)
        merit = float((self.pairs.pairs * np.log(likelier)).sum()) + self.all_pairs * math.log(rest / self.all_pairs)
        return factors * strangers, merit + self._of_half_pairs(learned, rest)

    def _of_half_pairs(self, learned: "NDArray[np.float64]", rest: float) -> float:
        """Return the log-likelihood of the half pairs that each class and each comparison gets more."""
        import numpy as np

        free = np.where(np.isnan(self.given), learned[:, 1:], 0.0)
        of_levels = sum(float(free[:, each].mean(axis=1).sum()) for each in self.of_comparison)
        of_classes = float((learned[:, 0] - math.log2(rest)).sum())
        return 0.5 * math.log(2) * (of_levels + of_classes)

    def sizes(self, found: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return log2 of how many pairs each class has."""
        import numpy as np

        sizes: NDArray[np.float64] = np.log2(np.minimum(found.sum(axis=1) + 0.5, self.most))
        return sizes

    def allowed(self, learned: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Let shares sum to one, put those in that are given, and bound the classes."""
        import numpy as np

        sizes = np.minimum(learned[:, :1], math.log2(self.most))
        shares = learned[:, 1:].copy()
        for places in self.of_comparison:
            shares[:, places] -= np.log2(np.exp2(shares[:, places]).sum(axis=1, keepdims=True))
        return np.hstack([sizes, np.where(np.isnan(self.given), shares, self.given)])

    def count(self, found: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return how many pairs stand on each level, of so many pairs of each pattern."""
        import numpy as np

        size = self.begun.size + 1
        counts = [np.bincount(places, found, minlength=size)[:-1] for places in self.levels]
        # Of no pairs at all, NumPy counts in whole numbers.
        summed: NDArray[np.float64] = np.sum(counts, axis=0, dtype=np.float64)
        return summed


def _fixed_shares(comparison: Comparison, of_level: Mapping[int, float]) -> "NDArray[np.float64]":
    """Bring shares by position into the order of Splink's numbers; no share is nothing at all."""
    import numpy as np

    shares = np.array([max(share, 1e-9) for share in comparison.by_number(of_level)])
    of_whole: NDArray[np.float64] = shares / shares.sum()
    return of_whole
