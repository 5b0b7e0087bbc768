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
    proposes are taken to be of two persons.

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
    gammas = {each.name: pairs[each.gamma].to_numpy().astype(np.int64) for each in model.comparisons}
    begun = {each.name: np.array(each.by_number(each.m_by_position)) for each in model.comparisons}
    fixed = {
        kind: {name: _fixed_shares(comparisons[name], of_level) for name, of_level in of_kind.items()}
        for kind, of_kind in given.items()
    }
    classes = {ONE_PERSON: begun} | {kind: begun | of_kind for kind, of_kind in fixed.items()}
    weights = pairs["weight"].to_numpy()
    # Begin with the pairs that are likelier than not if, of all pairs, one is of one person.
    likely = max(float((weights > math.log2(max(all_pairs, 2))).sum()), 1.0)
    most = all_pairs / (2 * len(classes))
    sizes = dict.fromkeys(classes, min(likely, most))
    probabilities: dict[str, NDArray[np.float64]] = {}
    for _ in range(_ROUNDS):
        probabilities = _expect(weights, classes, begun, gammas, sizes=sizes, all_pairs=all_pairs)
        before, classes = (
            classes,
            {
                kind: {name: _shares(gammas[name], p, begun[name].size) for name in comparisons} | fixed.get(kind, {})
                for kind, p in probabilities.items()
            },
        )
        sizes = {kind: min(float(p.sum()) + 0.5, most) for kind, p in probabilities.items()}
        if max(float(np.abs(classes[kind][n] - before[kind][n]).max()) for kind in classes for n in begun) < _CONVERGED:
            break
    shares = {
        kind: {name: _as_shares(comparisons[name], gammas[name], p) for name in comparisons}
        | {name: Shares(dict(of_level), sizes[kind]) for name, of_level in given.get(kind, {}).items()}
        for kind, p in probabilities.items()
    }
    return Estimate(
        m=shares.pop(ONE_PERSON),
        matches=significant(sizes.pop(ONE_PERSON)),
        kin=shares,
        kin_pairs={kind: significant(size) for kind, size in sizes.items()},
    )


def _expect(
    weights: "NDArray[np.float64]",
    classes: Mapping[str, Mapping[str, "NDArray[np.float64]"]],
    begun: Mapping[str, "NDArray[np.float64]"],
    gammas: Mapping[str, "NDArray[np.int64]"],
    *,
    sizes: Mapping[str, float],
    all_pairs: int,
) -> dict[str, "NDArray[np.float64]"]:
    """Return the probability that each pair is of each class."""
    import numpy as np

    rest = all_pairs - sum(sizes.values())
    odds = {
        kind: np.exp2(np.clip(weights + _bits(shares, begun, gammas) + math.log2(sizes[kind] / rest), -1000, 1000))
        for kind, shares in classes.items()
    }
    whole = 1 + sum(odds.values())
    return {kind: each / whole for kind, each in odds.items()}


def _bits(
    shares: Mapping[str, "NDArray[np.float64]"],
    begun: Mapping[str, "NDArray[np.float64]"],
    gammas: Mapping[str, "NDArray[np.int64]"],
) -> "NDArray[np.float64]":
    """Return what other shares than those begun with add to each weight."""
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


def _shares(gamma: "NDArray[np.int64]", probabilities: "NDArray[np.float64]", levels: int) -> "NDArray[np.float64]":
    """Return the share of each level; all levels together get half a pair more, for what is not seen."""
    import numpy as np

    judged = gamma >= 0
    counts = np.bincount(gamma[judged], probabilities[judged], minlength=levels) + 0.5 / levels
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _as_shares(comparison: Comparison, gamma: "NDArray[np.int64]", probabilities: "NDArray[np.float64]") -> Shares:
    import numpy as np

    judged = gamma >= 0
    counts = np.bincount(gamma[judged], probabilities[judged], minlength=len(comparison.levels))
    total = float(counts.sum())
    # Less than a tenth of a pair is no more than what chance agreements add up to.
    shares = {
        position: significant(float(counts[number]) / total)
        for position, number in enumerate(comparison.numbers)
        if number >= 0 and counts[number] > 0.1
    }
    return Shares(shares, significant(total))
