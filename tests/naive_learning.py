"""Expectation maximisation, written again: pair by pair, by its definition, until nothing moves."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Classes = dict[str, dict[str, NDArray[np.float64]]]
"""By class and comparison, the shares of the levels, in the order of Splink's numbers."""


def expectation_maximisation(
    weights: NDArray[np.float64],
    gammas: Mapping[str, NDArray[np.int64]],
    begun: Mapping[str, NDArray[np.float64]],
    all_pairs: int,
    given: Mapping[str, Mapping[str, NDArray[np.float64]]],
    *,
    classes: Sequence[str],
) -> tuple[Classes, dict[str, float]]:
    """Return the shares of the levels in each class, and how many pairs of it are found.

    ``weights``: bits of each pair, by the shares ``begun``. ``given``: by class, the shares that are not learned.
    """
    shares: Classes = {kind: {**begun, **given.get(kind, {})} for kind in classes}
    likely = max(float((weights > np.log2(all_pairs)).sum()), 1.0)
    sizes = dict.fromkeys(classes, min(likely, all_pairs / (2 * len(classes))))
    for _ in range(100_000):
        strangers = all_pairs - sum(sizes.values())
        odds = {kind: sizes[kind] / strangers * np.exp2(weights) for kind in classes}
        for kind, name in ((kind, name) for kind in classes for name in gammas):
            ratio = shares[kind][name] / begun[name]
            odds[kind] = odds[kind] * np.where(gammas[name] < 0, 1.0, ratio[np.maximum(gammas[name], 0)])
        probabilities = {kind: each / (1 + sum(odds.values())) for kind, each in odds.items()}
        after: Classes = {kind: {} for kind in classes}
        for kind, name in ((kind, name) for kind in classes for name in gammas):
            size = begun[name].size
            counts = np.array([probabilities[kind][gammas[name] == level].sum() for level in range(size)]) + 0.5 / size
            after[kind][name] = given.get(kind, {}).get(name, counts / counts.sum())
        moved = max(
            float(np.abs(np.log2(after[kind][name] / shares[kind][name])).max()) for kind in classes for name in gammas
        )
        shares, sizes = after, {kind: float(each.sum()) + 0.5 for kind, each in probabilities.items()}
        if moved < 1e-11:
            break
    return shares, sizes
