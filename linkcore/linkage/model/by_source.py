"""Models of single sources: m of their own, as far as their labels reach, and what that adds to a weight.

A hospital's names are right more often than a telephone line's, and an ambulance writes down the postcode where it
went. So m is learned for each source. The fewer labels a source has, the more its m leans on that of all sources.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.linkage.model.model import Model
from linkcore.linkage.model.significant_digits import significant

__all__ = ["level_shifts", "shift_frame", "shifted", "source_models"]

# How strongly a source may lean on all sources, in pairs: from one pair to more pairs than any sample has.
_STRENGTHS: Final = tuple(2.0**power for power in range(25))


def source_models(model: Model, counts: pl.DataFrame, sources: Sequence[int]) -> dict[int, Model]:
    """Give each source a model of its own: that of all sources, with its own m.

    The share of a source's pairs on a level is drawn towards the share of all sources by as many pairs as explain best
    how much the sources differ: m_s = (n_sl + k·m_l) / (n_s + k), with k of greatest likelihood where each source's
    counts are Dirichlet-multinomial about m (empirical Bayes: Minka 2000, "Estimating a Dirichlet distribution").

    ``counts``: ``comparison``, ``group`` (the source), ``position`` (of the level) and ``pairs``, of labelled pairs.

    Examples
    --------
    >>> from linkcore.linkage.model.model import Comparison, Level
    >>> levels = Level("name_l = name_r", "Agrees", m=0.9, u=0.01), Level("ELSE", "Differs", m=0.1, u=0.99)
    >>> model = Model((Comparison("name", levels),), prior=0.001)
    >>> counts = pl.DataFrame({"comparison": ["name"] * 4, "group": [0, 0, 1, 1], "position": [0, 1] * 2,
    ...                        "pairs": [99_000, 1_000, 70_000, 30_000]})
    >>> [of_source.comparisons[0].levels[0].m for of_source in source_models(model, counts, [0, 1, 2]).values()]
    [0.989996, 0.700008, 0.9]
    """
    learned = {source: [*model.comparisons] for source in sources}
    for place, comparison in enumerate(model.comparisons):
        by_source = {
            int(source): dict(rows.select("position", "pairs").iter_rows())
            for (source,), rows in counts.filter(pl.col("comparison") == comparison.name).group_by(
                "group", maintain_order=True
            )
        }
        pooled = comparison.m_by_position
        strength = _strength(list(by_source.values()), pooled)
        for source in sources:
            learned[source][place] = comparison.with_m(_leaning(by_source.get(source, {}), pooled, strength))
    return {source: replace(model, comparisons=tuple(comparisons)) for source, comparisons in learned.items()}


def _leaning(counts: Mapping[int, int], pooled: Mapping[int, float], strength: float) -> dict[int, float]:
    """Draw the shares of one source towards those of all, level by level."""
    pairs = sum(counts.get(position, 0) for position in pooled)
    if not pairs:
        return dict(pooled)
    leaning = {
        position: (counts.get(position, 0) + strength * m) / (pairs + strength) for position, m in pooled.items()
    }
    # What n pairs have not shown may be half a pair's worth, here as in the model of all.
    return {
        position: significant(max(share, min(pooled[position], 0.5 / pairs))) for position, share in leaning.items()
    }


def _strength(by_source: Sequence[Mapping[int, int]], pooled: Mapping[int, float]) -> float:
    """Find the likeliest number of pairs by which a source leans on all sources; the largest, of equals."""

    def log_likelihood(strength: float) -> float:
        total = 0.0
        for counts in by_source:
            pairs = sum(counts.get(position, 0) for position in pooled)
            total += math.lgamma(strength) - math.lgamma(strength + pairs)
            for position, m in pooled.items():
                total += math.lgamma(strength * m + counts.get(position, 0)) - math.lgamma(strength * m)
        return total

    return max(reversed(_STRENGTHS), key=log_likelihood)


def level_shifts(models: Mapping[int, Model], pooled: Model) -> dict[str, pl.DataFrame]:
    """Return, by comparison, what each source's model adds to the weights of the model of all.

    Each frame: ``source``, ``level`` (Splink's number) and ``bits``: log2(m_s / u_s) - log2(m / u). Comparisons in
    which no source differs are left out.
    """
    shifts = {}
    for place, comparison in enumerate(pooled.comparisons):
        frame = shift_frame(
            (source, number, own.bits - level.bits)
            for source, model in models.items()
            for number, own, level in zip(
                comparison.numbers, model.comparisons[place].levels, comparison.levels, strict=True
            )
            if number >= 0
        )
        if (frame["bits"] != 0).any():
            shifts[comparison.name] = frame
    return shifts


def shift_frame(rows: Iterable[tuple[int, int, float]]) -> pl.DataFrame:
    """Put what levels add to a weight into a frame: ``source``, ``level`` (Splink's number) and ``bits``."""
    return pl.DataFrame(list(rows), schema={"source": pl.Int32, "level": pl.Int32, "bits": pl.Float64}, orient="row")


def shifted(pairs: pl.DataFrame, shifts: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Sum what the levels of pairs add to their weights.

    ``pairs``: ``source``, and ``gamma_*`` (Splink's number of the level) of each comparison that is shifted.

    Examples
    --------
    >>> pairs = pl.DataFrame({"source": [0, 1, 1], "gamma_name": [1, 1, -1]})
    >>> shifted(pairs, {"name": shift_frame([(1, 1, 2.5)])}).to_list()
    [0.0, 2.5, 0.0]
    """
    import numpy as np

    total = np.zeros(pairs.height)
    sources = pairs["source"].to_numpy().astype(np.intp)
    for name, shift in shifts.items():
        levels = pairs[f"gamma_{name}"].to_numpy().astype(np.intp)
        shifted_source, shifted_level = (shift[column].to_numpy().astype(np.intp) for column in ("source", "level"))
        # A missing value is -1, the last, and worth nothing; so is a level of which no shift is known.
        bits = np.zeros(
            [
                max(of_pairs.max(initial=0), of_shift.max(initial=0)) + 2
                for of_pairs, of_shift in ((sources, shifted_source), (levels, shifted_level))
            ]
        )
        bits[shifted_source, shifted_level] = shift["bits"].to_numpy()
        total += bits[sources, levels]
    return pl.Series("bits", total)
