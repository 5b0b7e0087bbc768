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

from linkcore.linkage.assignment import significant
from linkcore.linkage.source_models import level_numbers
from linkcore.linkage.training import Shares

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Learned", "begin", "maximise"]

_ROUNDS: Final = 500
_CONVERGED: Final = 1e-5


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned of pairs of one person.

    Parameters
    ----------
    m : mapping of str to Shares
        By comparison.
    matches : float
        How many of the pairs are of one person.
    """

    m: Mapping[str, Shares] = field(repr=False)
    matches: float


def begin(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Shares]:
    """Give an m from which to begin: the first level of each comparison is what most records of one person stand on.

    Parameters
    ----------
    comparisons : sequence of mapping
        As Splink's settings write them, the levels from most agreement to least.

    Returns
    -------
    dict of str to Shares
        0.95 on the first level that is not of missing values, and the rest alike on the others: Splink's own values.
    """
    begun = {}
    for comparison in comparisons:
        numbers = level_numbers(comparison)
        places = [place for place, number in enumerate(numbers) if number >= 0]
        rest = 0.05 / max(len(places) - 1, 1)
        begun[comparison["output_column_name"]] = Shares(
            {place: 0.95 if place == places[0] else rest for place in places}, 1
        )
    return begun


def maximise(pairs: pl.DataFrame, model: Mapping[str, Any], there_are: int) -> Learned:
    """Estimate m, and how many pairs are of one person; u stays as it is.

    Each pair counts by the probability that it is of one person (Winkler 1988, "Using the EM algorithm for weight
    computation in the Fellegi-Sunter model of record linkage"; Dempster, Laird and Rubin 1977). Pairs that no rule
    proposes are taken to be of two persons.

    Parameters
    ----------
    pairs : polars.DataFrame
        ``weight`` (bits, by ``model``) and ``gamma_*``, of all pairs that some rule proposes.
    model : mapping
        As Splink saves it: u as learned, and m from which to begin.
    there_are : int
        How many pairs there are, proposed or not.

    Returns
    -------
    Learned
    """
    import numpy as np

    comparisons = {comparison["output_column_name"]: comparison for comparison in model["comparisons"]}
    gammas = {name: pairs[f"gamma_{name}"].to_numpy().astype(np.int64) for name in comparisons}
    begun = {name: _m_by_number(comparison) for name, comparison in comparisons.items()}
    m = dict(begun)
    weights = pairs["weight"].to_numpy()
    # As many as would be found if every pair that is likelier than not at even odds of one in all were right.
    matches = max(float((weights > math.log2(max(there_are, 2))).sum()), 1.0)
    probabilities = np.zeros(pairs.height)
    for _ in range(_ROUNDS):
        bits = weights + sum(np.append(np.log2(m[name] / begun[name]), 0.0)[gamma] for name, gamma in gammas.items())
        odds = np.exp2(np.clip(bits + math.log2(matches / (there_are - matches)), -1000, 1000))
        probabilities = odds / (1 + odds)
        before, m = m, {name: _shares(gamma, probabilities, begun[name].size) for name, gamma in gammas.items()}
        matches = min(float(probabilities.sum()) + 0.5, there_are / 2)
        if max(float(np.abs(m[name] - before[name]).max()) for name in m) < _CONVERGED:
            break
    return Learned(
        {name: _as_shares(comparisons[name], gamma, probabilities) for name, gamma in gammas.items()},
        significant(matches),
    )


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
