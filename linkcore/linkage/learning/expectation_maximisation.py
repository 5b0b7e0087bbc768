"""Learning without labels: expectation maximisation finds the m that make the proposed pairs likeliest.

Splink learns m on pairs that agree on one key, and takes the mean over keys. If records of one person differ in just
one of their identifiers, each key shows m of the others too low. So here all pairs that any rule proposes teach
together, with the weights that score them later, term frequencies included.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from linkcore.linkage.learning.fixed_point import fixed_point
from linkcore.linkage.learning.levels import Shares
from linkcore.linkage.learning.mixture import ONE_PERSON, Mixture
from linkcore.linkage.learning.patterns import CountedPairs
from linkcore.linkage.model.model import Comparison, Model
from linkcore.linkage.model.significant_digits import significant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Estimate", "begin", "maximise"]

# It has converged when no weight of a level is further than this from where it would end, in bits. The sixth digit of a
# probability, to which it is rounded, is fourteen times as much and more.
_CONVERGED: Final = 1e-7

# Hard data take some hundreds of rounds.
_ROUNDS: Final = 10_000


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
    converged : bool
        Whether no more rounds would change anything.
    """

    m: Mapping[str, Shares] = field(repr=False)
    matches: float
    kin: Mapping[str, Mapping[str, Shares]] = field(default_factory=dict, repr=False)
    kin_pairs: Mapping[str, float] = field(default_factory=dict)
    converged: bool = True


def begin(comparisons: Sequence[Comparison]) -> dict[str, Shares]:
    """Return an m to begin with: most records of one person stand on the first level of each comparison."""
    begun = {}
    for comparison in comparisons:
        first, *others = (position for position, _ in comparison.judging)
        rest = 0.05 / max(len(others), 1)
        begun[comparison.name] = Shares({first: 0.95} | dict.fromkeys(others, rest), 1)
    return begun


def maximise(
    pairs: CountedPairs,
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

    ``pairs``: all pairs that some rule proposes, with their weights by ``model``.
    ``all_pairs``: how many pairs there are, proposed or not.
    ``given``: by kind of relatives (or ``ONE_PERSON``), the comparisons that are given: the share of each level, by its
    position.
    """
    import numpy as np

    given = given or {}
    mixture = Mixture.of(pairs, model.comparisons, all_pairs, given)
    learned, converged = fixed_point(
        mixture.step, mixture.start(), within=_CONVERGED, rounds=_ROUNDS, allowed=mixture.allowed
    )
    found, _ = mixture.expect(learned)
    sizes = dict(zip(mixture.kinds, np.exp2(mixture.sizes(found)).tolist(), strict=True))
    shares = {
        kind: _as_shares(model.comparisons, mixture, of_kind)
        | {name: Shares(dict(of_level), sizes[kind]) for name, of_level in given.get(kind, {}).items()}
        for kind, of_kind in zip(mixture.kinds, found, strict=True)
    }
    return Estimate(
        m=shares.pop(ONE_PERSON),
        matches=significant(sizes.pop(ONE_PERSON)),
        kin=shares,
        kin_pairs={kind: significant(size) for kind, size in sizes.items()},
        converged=converged,
    )


def _as_shares(comparisons: Sequence[Comparison], mixture: Mixture, found: "NDArray[np.float64]") -> dict[str, Shares]:
    """Return the shares of the levels of each comparison, of so many pairs of each pattern."""
    counts = mixture.count(found)
    return {
        each.name: _shares(each, counts[places])
        for each, places in zip(comparisons, mixture.of_comparison, strict=True)
    }


def _shares(comparison: Comparison, counts: "NDArray[np.float64]") -> Shares:
    total = float(counts.sum())
    # Less than a tenth of a pair is no more than what chance agreements add up to.
    shares = {
        position: significant(float(counts[number]) / total)
        for position, number in enumerate(comparison.numbers)
        if number >= 0 and counts[number] > 0.1
    }
    return Shares(shares, significant(total))
