"""What one source's records are like: m of its own, as far as its labels reach, and what that adds to a weight.

A hospital's names are right more often than a telephone line's, and the postcode of an ambulance is where it went. So
m is learned for each source, and leans on that of all sources the more, the less its own labels say.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from linkcore.linkage.decisions.persons import significant

__all__ = ["level_numbers", "level_shifts", "shifted", "source_models"]

# Strengths that the leaning may have, in pairs: from none to one that no sample is a match for.
_STRENGTHS: Final = tuple(2.0**power for power in range(25))


def source_models(model: Mapping[str, Any], counts: pl.DataFrame, sources: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Give each source a model of its own: that of all sources, with its own m.

    The share of a source's pairs on a level is drawn towards the share of all sources by as many pairs as explain best
    how much the sources differ: m_s = (n_sl + k·m_l) / (n_s + k), with k of greatest likelihood where each source's
    counts are Dirichlet-multinomial about m (empirical Bayes: Minka 2000, "Estimating a Dirichlet distribution").

    ``counts``: ``comparison``, ``by`` (the source), ``place`` (of the level) and ``pairs``, of labelled pairs.

    Examples
    --------
    >>> levels = [{"sql_condition": "name_l = name_r", "m_probability": 0.9, "u_probability": 0.01},
    ...           {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.99}]
    >>> model = {"comparisons": [{"output_column_name": "name", "comparison_levels": levels}]}
    >>> counts = pl.DataFrame({"comparison": ["name"] * 4, "by": [0, 0, 1, 1], "place": [0, 1] * 2,
    ...                        "pairs": [99_000, 1_000, 70_000, 30_000]})
    >>> [of["comparisons"][0]["comparison_levels"][0]["m_probability"]
    ...  for of in source_models(model, counts, [0, 1, 2]).values()]
    [0.989996, 0.700008, 0.9]
    """
    learned = {source: {**model, "comparisons": []} for source in sources}
    for comparison in model["comparisons"]:
        of_comparison = counts.filter(pl.col("comparison") == comparison["output_column_name"])
        by_source = {
            int(source): dict(rows.select("place", "pairs").iter_rows())
            for (source,), rows in of_comparison.group_by("by", maintain_order=True)
        }
        pooled = _m_by_place(comparison)
        strength = _strength(list(by_source.values()), pooled)
        for source in sources:
            own = _leaning(by_source.get(source, {}), pooled, strength)
            levels = [
                level | {"m_probability": own[place]} if place in own else level
                for place, level in enumerate(comparison["comparison_levels"])
            ]
            learned[source]["comparisons"].append(comparison | {"comparison_levels": levels})
    return learned


def _m_by_place(comparison: Mapping[str, Any]) -> dict[int, float]:
    levels = enumerate(comparison["comparison_levels"])
    return {place: level["m_probability"] for place, level in levels if not level.get("is_null_level", False)}


def _leaning(counts: Mapping[int, int], pooled: Mapping[int, float], strength: float) -> dict[int, float]:
    pairs = sum(counts.get(place, 0) for place in pooled)
    if not pairs:
        return dict(pooled)
    leaning = {place: (counts.get(place, 0) + strength * m) / (pairs + strength) for place, m in pooled.items()}
    # What n pairs have not shown may be half a pair's worth, here as in the model of all.
    return {place: significant(max(share, min(pooled[place], 0.5 / pairs))) for place, share in leaning.items()}


def _strength(by_source: Sequence[Mapping[int, int]], pooled: Mapping[int, float]) -> float:
    """Give the number of pairs by which a source leans on all: of the greatest likelihood, the largest if equal."""

    def log_likelihood(strength: float) -> float:
        total = 0.0
        for counts in by_source:
            pairs = sum(counts.get(place, 0) for place in pooled)
            total += math.lgamma(strength) - math.lgamma(strength + pairs)
            for place, m in pooled.items():
                total += math.lgamma(strength * m + counts.get(place, 0)) - math.lgamma(strength * m)
        return total

    return max(reversed(_STRENGTHS), key=log_likelihood)


def level_numbers(comparison: Mapping[str, Any]) -> list[int]:
    """Give the number that Splink gives each level of a comparison, in the order of the levels: -1 where missing.

    Examples
    --------
    >>> level_numbers({"comparison_levels": [{"is_null_level": True}, {}, {}, {}]})
    [-1, 2, 1, 0]
    """
    null = [bool(level.get("is_null_level", False)) for level in comparison["comparison_levels"]]
    left, numbers = len(null) - sum(null), []
    for is_null in null:
        left -= not is_null
        numbers.append(-1 if is_null else left)
    return numbers


def level_shifts(models: Mapping[int, Mapping[str, Any]], pooled: Mapping[str, Any]) -> dict[str, pl.DataFrame]:
    """Give what each source's model adds to the weights of the model of all.

    Returns By comparison: ``source``, ``level`` (Splink's number) and ``bits``: log2(m_s / u_s) - log2(m / u), for all
    levels where it is not 0.
    """
    shifts = {}
    for at, comparison in enumerate(pooled["comparisons"]):
        rows = []
        for source, model in models.items():
            own = model["comparisons"][at]["comparison_levels"]
            both = zip(level_numbers(comparison), own, comparison["comparison_levels"], strict=True)
            rows += [(source, number, _bits(level) - _bits(of_all)) for number, level, of_all in both if number >= 0]
        frame = pl.DataFrame(rows, schema={"source": pl.Int32, "level": pl.Int32, "bits": pl.Float64}, orient="row")
        if (frame["bits"] != 0).any():
            shifts[comparison["output_column_name"]] = frame
    return shifts


def _bits(level: Mapping[str, Any]) -> float:
    return math.log2(level["m_probability"] / level["u_probability"])


def shifted(pairs: pl.DataFrame, shifts: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Sum what the levels of pairs add to their weights.

    ``pairs``: ``source``, and ``gamma_*`` (Splink's number of the level) of each comparison that is shifted.

    Examples
    --------
    >>> pairs = pl.DataFrame({"source": [0, 1, 1], "gamma_name": [1, 1, -1]})
    >>> shifted(pairs, {"name": pl.DataFrame({"source": [1], "level": [1], "bits": [2.5]})}).to_list()
    [0.0, 2.5, 0.0]
    """
    import numpy as np

    total = np.zeros(pairs.height)
    sources = pairs["source"].to_numpy().astype(np.intp)
    for name, shift in shifts.items():
        levels = pairs[f"gamma_{name}"].to_numpy().astype(np.intp)
        of, at = (shift[column].to_numpy().astype(np.intp) for column in ("source", "level"))
        # A missing value is -1, the last, and worth nothing: as is what no shift is known of.
        bits = np.zeros([max(one.max(initial=0), two.max(initial=0)) + 2 for one, two in ((sources, of), (levels, at))])
        bits[of, at] = shift["bits"].to_numpy()
        total += bits[sources, levels]
    return pl.Series("bits", total)
