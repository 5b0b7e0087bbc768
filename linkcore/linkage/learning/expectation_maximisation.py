"""Learning without labels: expectation maximisation finds the m that make the proposed pairs likeliest.

Splink learns m on pairs that agree on one key, and takes the mean over keys. If records of one person differ in just
one of their identifiers, each key shows m of the others too low. So here all pairs that any rule proposes teach
together, with the weights that score them later, term frequencies included.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.learning.levels import Shares
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.model.significant_digits import significant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ONE_PERSON", "Estimate", "begin", "maximise"]

_ROUNDS: Final = 500
_CONVERGED: Final = 1e-5

ONE_PERSON: Final = "one person"
"""Name of the class of pairs of one person; the other classes are kinds of relatives."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What was learned of pairs of one person, and of relatives.

    Parameters
    ----------
    m : mapping of str to Shares
        By comparison, of pairs of one person.
    matches : float
        How many of the pairs are of one person.
    kin : mapping of str to (mapping of str to Shares)
        By kind of relatives and by comparison.
    kin_pairs : mapping of str to float
        By kind, how many of the pairs are such relatives.
    """

    m: Mapping[str, Shares] = field(repr=False)
    matches: float
    kin: Mapping[str, Mapping[str, Shares]] = field(default_factory=dict, repr=False)
    kin_pairs: Mapping[str, float] = field(default_factory=dict)


def begin(comparisons: Sequence[Comparison]) -> dict[str, Shares]:
    """Return an m to begin with: most records of one person stand on the first level of each comparison."""
    begun = {}
    for comparison in comparisons:
        first, *others = (position for position, _ in comparison.judging)
        rest = 0.05 / max(len(others), 1)
        begun[comparison.name] = Shares({first: 0.95} | dict.fromkeys(others, rest), 1)
    return begun


def maximise(
    pairs: pl.DataFrame,
    model: Model,
    all_pairs: int,
    given: Mapping[str, Mapping[str, Mapping[int, float]]] | None = None,
) -> Estimate:
    """Estimate m, and how many pairs are of one person; u stays as it is.

    Each pair counts by the probability that it is of one person (Winkler 1988, "Using the EM algorithm for weight
    computation in the Fellegi-Sunter model of record linkage"; Dempster, Laird and Rubin 1977). Pairs that no rule
    proposes are taken to be of two persons. Pairs of the same levels and weight are counted, and judged once.

    People who live together agree on much, and pairs of them may outnumber pairs of one person. The estimate would then
    settle on them. So they are a class of their own: the comparisons that are known for two persons are given, and only
    the others are learned.

    ``pairs``: ``weight`` (bits, by ``model``) and ``gamma_*``, of all pairs that some rule proposes.
    ``all_pairs``: how many pairs there are, proposed or not.
    ``given``: by kind of relatives (or ``ONE_PERSON``), the comparisons that are given: the share of each level, by its
    position.
    """
    import numpy as np

    given = given or {}
    comparisons = {comparison.name: comparison for comparison in model.comparisons}
    patterns = _Patterns.of(pairs, {each.name: each.gamma for each in model.comparisons})
    gammas = patterns.gammas
    begun = {each.name: np.array(each.by_number(each.m_by_position)) for each in model.comparisons}
    fixed = {
        kind: {name: _fixed_shares(comparisons[name], of_level) for name, of_level in of_kind.items()}
        for kind, of_kind in given.items()
    }
    classes = {ONE_PERSON: begun} | {kind: begun | of_kind for kind, of_kind in fixed.items()}
    # Begin with the pairs that are likelier than not if, of all pairs, one is of one person.
    likely = max(float((pairs["weight"] > math.log2(max(all_pairs, 2))).sum()), 1.0)
    most = all_pairs / (2 * len(classes))
    sizes = dict.fromkeys(classes, min(likely, most))
    found: dict[str, NDArray[np.float64]] = {}
    for _ in range(_ROUNDS):
        found = _expect(patterns, classes, begun, sizes=sizes, all_pairs=all_pairs)
        before, classes = (
            classes,
            {
                kind: {name: _shares(gammas[name], n, begun[name].size) for name in comparisons} | fixed.get(kind, {})
                for kind, n in found.items()
            },
        )
        sizes = {kind: min(float(n.sum()) + 0.5, most) for kind, n in found.items()}
        if max(float(np.abs(classes[kind][n] - before[kind][n]).max()) for kind in classes for n in begun) < _CONVERGED:
            break
    shares = {
        kind: {name: _as_shares(comparisons[name], gammas[name], n) for name in comparisons}
        | {name: Shares(dict(of_level), sizes[kind]) for name, of_level in given.get(kind, {}).items()}
        for kind, n in found.items()
    }
    return Estimate(
        m=shares.pop(ONE_PERSON),
        matches=significant(sizes.pop(ONE_PERSON)),
        kin=shares,
        kin_pairs={kind: significant(size) for kind, size in sizes.items()},
    )


@dataclass(frozen=True, eq=False)
class _Patterns:
    """The pairs, counted: few patterns of levels, and few weights of each pattern, stand for many pairs.

    Parameters
    ----------
    gammas : mapping of str to numpy.ndarray
        By comparison, the level of each pattern.
    pattern, weight, pairs : numpy.ndarray
        Of each pattern and weight (to a thousandth of a bit): the pattern, the weight, and how many pairs have both.
    """

    gammas: Mapping[str, "NDArray[np.int64]"]
    pattern: "NDArray[np.int64]"
    weight: "NDArray[np.float64]"
    pairs: "NDArray[np.int64]"

    @classmethod
    def of(cls, pairs: pl.DataFrame, columns: Mapping[str, str]) -> "_Patterns":
        """Count pairs with ``weight`` and, by comparison, the column of their level."""
        import numpy as np

        levels = list(columns.values())
        # In a fixed order, so that the order of the pairs cannot show in a sum.
        counted = pairs.group_by(*levels, pl.col("weight").round(3)).len("pairs").sort(*levels, "weight")
        pattern = counted.select(pl.struct(levels).rle_id()).to_series().to_numpy().astype(np.int64)
        first = counted.select(levels).unique(maintain_order=True)
        return cls(
            {name: first[column].to_numpy().astype(np.int64) for name, column in columns.items()},
            pattern,
            counted["weight"].to_numpy(),
            counted["pairs"].to_numpy().astype(np.int64),
        )


def _expect(
    patterns: _Patterns,
    classes: Mapping[str, Mapping[str, "NDArray[np.float64]"]],
    begun: Mapping[str, "NDArray[np.float64]"],
    *,
    sizes: Mapping[str, float],
    all_pairs: int,
) -> dict[str, "NDArray[np.float64]"]:
    """Return how many pairs of each pattern are expected to be of each class."""
    import numpy as np

    rest = all_pairs - sum(sizes.values())
    odds = {
        kind: np.exp2(
            np.clip(
                patterns.weight
                + (_bits(shares, begun, patterns.gammas) + math.log2(sizes[kind] / rest))[patterns.pattern],
                -1000,
                1000,
            )
        )
        for kind, shares in classes.items()
    }
    of_one_pair = patterns.pairs / (1 + sum(odds.values()))
    size = next(iter(patterns.gammas.values())).size
    found: dict[str, NDArray[np.float64]] = {
        kind: np.bincount(patterns.pattern, each * of_one_pair, minlength=size).astype(np.float64)
        for kind, each in odds.items()
    }
    return found


def _bits(
    shares: Mapping[str, "NDArray[np.float64]"],
    begun: Mapping[str, "NDArray[np.float64]"],
    gammas: Mapping[str, "NDArray[np.int64]"],
) -> "NDArray[np.float64]":
    """Return what other shares than those begun with add to the weight of each pattern."""
    import numpy as np

    # A missing value is -1, the last, and adds nothing.
    bits = np.zeros(next(iter(gammas.values())).size)
    for name, gamma in gammas.items():
        bits += np.append(np.log2(shares[name] / begun[name]), 0.0)[gamma]
    return bits


def _fixed_shares(comparison: Comparison, of_level: Mapping[int, float]) -> "NDArray[np.float64]":
    """Bring shares by position into the order of Splink's numbers; no share is nothing at all."""
    import numpy as np

    shares = np.array([max(share, 1e-9) for share in comparison.by_number(of_level)])
    of_whole: NDArray[np.float64] = shares / shares.sum()
    return of_whole


def _shares(gamma: "NDArray[np.int64]", pairs: "NDArray[np.float64]", levels: int) -> "NDArray[np.float64]":
    """Return the share of each level; all levels together get half a pair more, for what is not seen."""
    import numpy as np

    judged = gamma >= 0
    counts = np.bincount(gamma[judged], pairs[judged], minlength=levels) + 0.5 / levels
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _as_shares(comparison: Comparison, gamma: "NDArray[np.int64]", pairs: "NDArray[np.float64]") -> Shares:
    import numpy as np

    judged = gamma >= 0
    counts = np.bincount(gamma[judged], pairs[judged], minlength=len(comparison.levels))
    total = float(counts.sum())
    # Less than a tenth of a pair is no more than what chance agreements add up to.
    shares = {
        position: significant(float(counts[number]) / total)
        for position, number in enumerate(comparison.numbers)
        if number >= 0 and counts[number] > 0.1
    }
    return Shares(shares, significant(total))
