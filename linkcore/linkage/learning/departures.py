"""How the records without a number differ from what was learned of those with one."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from linkcore.linkage.decisions.persons import significant
from linkcore.linkage.model.by_source import level_numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["departures"]

_ROUNDS: Final = 25  # as many as Splink's own expectation maximisation takes at most
_CONVERGED: Final = 1e-4  # and its own criterion: no probability changes by more


def departures(
    candidates: pl.DataFrame,
    sources: pl.Series,
    models: Mapping[int, Mapping[str, Any]],
    probabilities: Callable[[pl.Series], pl.Series],
) -> pl.DataFrame:
    """Estimate m on the pairs of open records and persons, from the learned m on, and hold the two side by side.

    Expectation maximisation (Dempster, Laird and Rubin 1977) with u and π as they are: each pair counts by the
    probability that it is of one person. One m is estimated for all sources, as a factor of what each of them has
    learned; it is of true pairs that some blocking rule proposes, so the levels of disagreement come out a little rarer
    than they are.

    ``candidates``: ``record``, ``person``, ``weight``, ``relative`` and ``gamma_*`` of open records.
    Returns A row a level: ``comparison``, ``level``, ``m_learned``, ``m_open``; the first as expected for these
    records.
    """
    import numpy as np

    schema = {"comparison": pl.String, "level": pl.String, "m_learned": pl.Float64, "m_open": pl.Float64}
    if candidates.is_empty():
        return pl.DataFrame(schema=schema)
    rows = []
    of_pair = sources[candidates["record"]].to_numpy()
    first = next(iter(models.values()))["comparisons"]
    gammas = {c["output_column_name"]: candidates[f"gamma_{c['output_column_name']}"].to_numpy() for c in first}
    factors = {name: np.ones(int(gamma.max(initial=0)) + 1) for name, gamma in gammas.items()}
    learned = {name: _m_of_pairs(models, at) for at, name in enumerate(gammas)}
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
            of_source = np.bincount(of_pair[judged], p[judged])
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
    for comparison in first:
        name = comparison["output_column_name"]
        if name not in estimated:
            continue
        expected, seen = estimated[name]
        for number, level in zip(level_numbers(comparison), comparison["comparison_levels"], strict=True):
            if 0 <= number < seen.size:
                label = level.get("label_for_charts", level["sql_condition"])
                rows.append((name, label, significant(float(expected[number])), significant(float(seen[number]))))
    return pl.DataFrame(rows, schema=schema, orient="row")


def _m_of_pairs(models: Mapping[int, Mapping[str, Any]], at: int) -> dict[int, "NDArray[np.float64]"]:
    """Give m of one comparison by source, in the order of Splink's numbers of the levels."""
    import numpy as np

    by_source = {}
    for source, model in models.items():
        comparison = model["comparisons"][at]
        both = zip(level_numbers(comparison), comparison["comparison_levels"], strict=True)
        ordered = sorted((number, level["m_probability"]) for number, level in both if number >= 0)
        m = np.array([probability for _, probability in ordered])
        by_source[source] = m / math.fsum(m)
    return by_source
