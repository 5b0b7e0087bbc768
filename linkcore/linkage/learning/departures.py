"""How records without an NHS Number differ from those with one, from which the model was learned."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.linkage.model.model import Model
from linkcore.linkage.model.significant_digits import significant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["departures"]

_ROUNDS: Final = 25  # as many as Splink's own expectation maximisation takes at most
_CONVERGED: Final = 1e-4  # and its own criterion: no probability changes by more

_DEPARTURES: Final = pl.Schema(
    {"comparison": pl.String(), "level": pl.String(), "m_learned": pl.Float64(), "m_open": pl.Float64()}
)


def departures(
    candidates: pl.DataFrame,
    sources: pl.Series,
    models: Mapping[int, Model],
    probabilities: Callable[[pl.Series], pl.Series],
) -> pl.DataFrame:
    """Estimate m on the pairs of open records and persons, beginning with the learned m, and compare the two.

    Expectation maximisation (Dempster, Laird and Rubin 1977) with u and π as they are: each pair counts by the
    probability that it is of one person. One m is estimated for all sources, as a factor of what was learned for each.
    Only pairs that some blocking rule proposes are seen, so levels of disagreement come out a little rarer than they
    are.

    ``candidates``: ``record``, ``person``, ``weight``, ``relative`` and ``gamma_*`` of open records.
    ``probabilities``: turns weights of the candidates into probabilities.
    Returns a row a level: ``comparison``, ``level``, ``m_learned`` (what is expected of these records), ``m_open``.
    """
    if candidates.is_empty():
        return pl.DataFrame(schema=_DEPARTURES)
    comparisons = next(iter(models.values())).comparisons
    estimated = _estimate(candidates, sources, models, probabilities)
    rows = [
        (each.name, level.label, significant(float(expected[number])), significant(float(seen[number])))
        for each in comparisons
        if each.name in estimated
        for expected, seen in [estimated[each.name]]
        for number, level in zip(each.numbers, each.levels, strict=True)
        if 0 <= number < seen.size
    ]
    return pl.DataFrame(rows, schema=_DEPARTURES, orient="row")


def _estimate(
    candidates: pl.DataFrame,
    sources: pl.Series,
    models: Mapping[int, Model],
    probabilities: Callable[[pl.Series], pl.Series],
) -> dict[str, tuple["NDArray[np.float64]", "NDArray[np.float64]"]]:
    """Return by comparison, in the order of Splink's numbers, the m that was expected and the m that was seen."""
    import numpy as np

    source_of_pair = sources[candidates["record"]].to_numpy()
    comparisons = next(iter(models.values())).comparisons
    gammas = {each.name: candidates[each.gamma].to_numpy() for each in comparisons}
    factors = {name: np.ones(int(gamma.max(initial=0)) + 1) for name, gamma in gammas.items()}
    learned = {name: _m_by_source(models, place) for place, name in enumerate(gammas)}
    estimated: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for _ in range(_ROUNDS):
        # A missing value is -1, the last, and worth nothing.
        bits = np.zeros(candidates.height)
        for name, factor in factors.items():
            bits += np.log2(np.append(factor, 1.0))[gammas[name]]
        p = probabilities(candidates["weight"] + pl.Series(bits)).to_numpy()
        furthest = 0.0
        for name, gamma in gammas.items():
            judged = gamma >= 0
            if not p[judged].sum():
                continue
            size = factors[name].size
            seen = np.bincount(gamma[judged], p[judged], minlength=size) / p[judged].sum()
            of_source = np.bincount(source_of_pair[judged], p[judged])
            expected = sum(
                share * learned[name][source][:size]
                for source, share in enumerate(of_source / of_source.sum())
                if share
            )
            estimated[name] = expected, seen
            factor = np.divide(seen, expected, out=np.ones(size), where=(expected > 0) & (seen > 0))
            furthest = max(furthest, float(np.abs(expected * (factor - factors[name])).max()))
            factors[name] = factor
        if furthest < _CONVERGED:
            break
    return estimated


def _m_by_source(models: Mapping[int, Model], place: int) -> dict[int, "NDArray[np.float64]"]:
    """Return m of one comparison for each source, in the order of Splink's numbers, so that it sums to one."""
    import numpy as np

    by_source = {}
    for source, model in models.items():
        comparison = model.comparisons[place]
        m = np.array(comparison.by_number(comparison.m_by_position))
        by_source[source] = m / math.fsum(m)
    return by_source
