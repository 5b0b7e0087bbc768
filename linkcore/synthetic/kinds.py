"""Choose the kind of error for each record, and write the new values."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Flags", "Index", "Shares", "draw_kinds", "overwrite"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Shares = npt.NDArray[np.float64]


def draw_kinds(
    rng: np.random.Generator, shares: Mapping[str, float], count: int, possible: Mapping[str, Flags] | None = None
) -> npt.NDArray[np.str_]:
    """Draw a kind for each row by its share, among those that are possible; an empty text if none is.

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
    reach = np.cumsum(weights, axis=1)
    chosen: npt.NDArray[np.str_] = names[(reach <= (rng.random(count) * reach[:, -1])[:, None]).sum(axis=1)]
    return chosen


def overwrite(records: pl.DataFrame, rows: Index, new: pl.DataFrame) -> pl.DataFrame:
    """Replace some columns in some rows: ``new`` holds these columns, and one row for each of ``rows``."""
    if not len(rows):
        return records
    take = np.arange(len(records))
    take[rows] = len(records) + np.arange(len(rows))
    return records.with_columns(pl.concat([records[name], new[name]]).gather(take) for name in new.columns)
