"""Draw the kind of error for each record, and write the wrong values into the records."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Flags", "Index", "Weights", "draw_kinds", "overwrite"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.float64]


def draw_kinds(
    rng: np.random.Generator, shares: Mapping[str, float], count: int, possible: Mapping[str, Flags] | None = None
) -> npt.NDArray[np.str_]:
    """Draw one kind of error per row, by shares, from the kinds that are possible in that row ("" where none is).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draw_kinds(rng, {"old": 1.0}, 2, {"old": np.array([True, False])}).tolist()
    ['old', '']
    """
    names = np.array([*shares, ""])
    weights = np.tile(np.array(list(shares.values()), dtype=np.float64), (count, 1))
    for column, name in enumerate(shares):
        if possible and name in possible:
            weights[:, column] *= possible[name]
    cumulative = np.cumsum(weights, axis=1)
    draws = (rng.random(count) * cumulative[:, -1])[:, None]
    kinds: npt.NDArray[np.str_] = names[(cumulative <= draws).sum(axis=1)]
    return kinds


def overwrite(records: pl.DataFrame, rows: Index, values: pl.DataFrame) -> pl.DataFrame:
    """Replace the columns of ``values`` in the given rows; ``values`` has one row for each of ``rows``."""
    if not len(rows):
        return records
    take = np.arange(len(records))
    take[rows] = len(records) + np.arange(len(rows))
    return records.with_columns(pl.concat([records[name], values[name]]).gather(take) for name in values.columns)
