"""Learning without labels: which m make the pairs that blocking proposes likeliest, by expectation maximisation.

Splink learns m on pairs that agree on one key, and takes the mean over keys. Where records of one person differ in just
one of their identifiers, each key shows m of the others too low. So here all pairs that any rule proposes are looked at
together, by the weights that they are judged by later, term frequencies included.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from linkcore.linkage.decisions.persons import significant
from linkcore.linkage.learning.labels import Shares
from linkcore.linkage.model.by_source import level_numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ONE_PERSON", "Learned", "begin", "maximise"]

_ROUNDS: Final = 500
_CONVERGED: Final = 1e-5

ONE_PERSON: Final = "one person"
"""The class of pairs of one person, as one may be given something of it."""


@dataclass(frozen=True, eq=False)
class Learned:
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


def begin(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Shares]:
    """Give an m from which to begin: the first level of each comparison is what most records of one person stand on."""
    begun = {}
    for comparison in comparisons:
        numbers = level_numbers(comparison)
        places = [place for place, number in enumerate(numbers) if number >= 0]
        rest = 0.05 / max(len(places) - 1, 1)
        begun[comparison["output_column_name"]] = Shares(
            {place: 0.95 if place == places[0] else rest for place in places}, 1
        )
    return begun


def maximise(
    pairs: pl.DataFrame,
    model: Mapping[str, Any],
    there_are: int,
    kin: Mapping[str, Mapping[str, Mapping[int, float]]] | None = None,
) -> Learned:
    """Estimate m, and how many pairs are of one person; u stays as it is.

    Each pair counts by the probability that it is of one person (Winkler 1988, "Using the EM algorithm for weight
    computation in the Fellegi-Sunter model of record linkage"; Dempster, Laird and Rubin 1977). Pairs that no rule
    proposes are taken to be of two persons.

    Two who live together agree on much, and there may be more of them than of records of one person: left to itself,
    the estimate would settle on them. So they are a class of their own, in which some comparisons are as they must be
    of two persons, and only the others are learned.

    ``pairs``: ``weight`` (bits, by ``model``) and ``gamma_*``, of all pairs that some rule proposes.
    ``kin``: by kind of relatives (or ``ONE_PERSON``), the comparisons that are given: the share of each level, by its
    place.
    """
    import numpy as np

    comparisons = {comparison["output_column_name"]: comparison for comparison in model["comparisons"]}
    gammas = {name: pairs[f"gamma_{name}"].to_numpy().astype(np.int64) for name in comparisons}
    begun = {name: _m_by_number(comparison) for name, comparison in comparisons.items()}
    given = {
        kind: {name: _by_number(comparisons[name], of_level) for name, of_level in of_kind.items()}
        for kind, of_kind in (kin or {}).items()
    }
    classes = {ONE_PERSON: begun} | {of: begun | of_class for of, of_class in given.items()}
    weights = pairs["weight"].to_numpy()
    # As many as would be found if every pair that is likelier than not at even odds of one in all were right.
    likely = max(float((weights > math.log2(max(there_are, 2))).sum()), 1.0)
    sizes = dict.fromkeys(classes, min(likely, there_are / (2 * len(classes))))
    probabilities: dict[str, NDArray[np.float64]] = {}
    for _ in range(_ROUNDS):
        rest = there_are - sum(sizes.values())
        odds = {
            of: np.exp2(np.clip(weights + _bits(shares, begun, gammas) + math.log2(sizes[of] / rest), -1000, 1000))
            for of, shares in classes.items()
        }
        whole = 1 + sum(odds.values())
        probabilities = {of: each / whole for of, each in odds.items()}
        before, classes = (
            classes,
            {
                of: {name: _shares(gammas[name], p, begun[name].size) for name in comparisons} | given.get(of, {})
                for of, p in probabilities.items()
            },
        )
        sizes = {of: min(float(p.sum()) + 0.5, there_are / (2 * len(classes))) for of, p in probabilities.items()}
        if max(float(np.abs(classes[of][n] - before[of][n]).max()) for of in classes for n in begun) < _CONVERGED:
            break
    shares = {
        of: {name: _as_shares(comparisons[name], gammas[name], p) for name in comparisons}
        | {name: Shares(dict(of_level), sizes[of]) for name, of_level in (kin or {}).get(of, {}).items()}
        for of, p in probabilities.items()
    }
    return Learned(
        m=shares.pop(ONE_PERSON),
        matches=significant(sizes.pop(ONE_PERSON)),
        kin=shares,
        kin_pairs={kind: significant(size) for kind, size in sizes.items()},
    )


def _bits(
    shares: Mapping[str, "NDArray[np.float64]"],
    begun: Mapping[str, "NDArray[np.float64]"],
    gammas: Mapping[str, "NDArray[np.int64]"],
) -> "NDArray[np.float64]":
    """Give what other shares than those begun with add to each weight."""
    import numpy as np

    # A missing value is -1, the last, and adds nothing.
    bits = np.zeros(next(iter(gammas.values())).size)
    for name, gamma in gammas.items():
        bits += np.append(np.log2(shares[name] / begun[name]), 0.0)[gamma]
    return bits


def _by_number(comparison: Mapping[str, Any], of_level: Mapping[int, float]) -> "NDArray[np.float64]":
    """Bring shares by place into the order of Splink's numbers; none is nothing at all."""
    import numpy as np

    numbers = level_numbers(comparison)
    ordered = sorted((number, of_level.get(place, 0.0)) for place, number in enumerate(numbers) if number >= 0)
    shares = np.array([max(share, 1e-9) for _, share in ordered])
    by_number: NDArray[np.float64] = shares / shares.sum()
    return by_number


def _m_by_number(comparison: Mapping[str, Any]) -> "NDArray[np.float64]":
    """Give m in the order of Splink's numbers of the levels."""
    import numpy as np

    both = zip(level_numbers(comparison), comparison["comparison_levels"], strict=True)
    return np.array([m for _, m in sorted((n, level["m_probability"]) for n, level in both if n >= 0)])


def _shares(gamma: "NDArray[np.int64]", probabilities: "NDArray[np.float64]", levels: int) -> "NDArray[np.float64]":
    """Share of each level; of what is not seen, as much as half a pair."""
    import numpy as np

    judged = gamma >= 0
    counts = np.bincount(gamma[judged], probabilities[judged], minlength=levels) + 0.5 / levels
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _as_shares(
    comparison: Mapping[str, Any], gamma: "NDArray[np.int64]", probabilities: "NDArray[np.float64]"
) -> Shares:
    import numpy as np

    numbers = level_numbers(comparison)
    judged = gamma >= 0
    counts = np.bincount(gamma[judged], probabilities[judged], minlength=len(numbers))
    total = float(counts.sum())
    # Less than a tenth of a pair is no more than what chance agreements add up to.
    shares = {
        place: significant(float(counts[number]) / total)
        for place, number in enumerate(numbers)
        if number >= 0 and counts[number] > 0.1
    }
    return Shares(shares, significant(total))
