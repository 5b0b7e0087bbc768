"""Re-weighting: to make records that have a number stand for those that have none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["rake"]

_ROUNDS: Final = 100
_CONVERGED: Final = 1e-6  # of the whole weight

_FEWEST_ROWS: Final = 10
"""A value that fewer rows of the sample have is put with the other rare ones: weights that hang on so few are noise."""

_GREATEST_FACTOR: Final = 10.0
"""No row stands for more than so many times what it stood for before: a usual bound where survey weights are trimmed,
and it shows in the effective number of rows where it is not enough."""


def rake(
    sample: pl.DataFrame, weights: "NDArray[np.float64]", target: pl.DataFrame, kept: pl.Series | None = None
) -> "NDArray[np.float64]":
    """Change the weights of a sample until each of its columns is distributed as in the target.

    One column after the other, again and again (iterative proportional fitting: Deming and Stephan 1940, "On a least
    squares adjustment of a sampled frequency table when the expected marginal totals are known").

    Parameters
    ----------
    sample : polars.DataFrame
        Columns of whole numbers, or Boolean; one row a case.
    weights : numpy.ndarray
        Float64, one a row of the sample: what each stands for so far.
    target : polars.DataFrame
        The same columns.
    kept : polars.Series, optional
        Boolean, one a row of the sample: a column of which the target knows nothing, and whose two parts keep the
        shares that they have.

    Returns
    -------
    numpy.ndarray
        Float64, with the same sum.

    Examples
    --------
    >>> import numpy as np
    >>> seen = pl.DataFrame({"named": [True] * 90 + [False] * 10})
    >>> wanted = pl.DataFrame({"named": [True] * 50 + [False] * 50})
    >>> rake(seen, np.ones(100), wanted)[[0, 99]].round(3).tolist()
    [0.556, 5.0]
    """
    import numpy as np

    if sample.is_empty() or target.is_empty():
        return weights
    coded = {name: _margin(sample[name], target[name]) for name in sample.columns}
    shares = [of_value for _, of_value in coded.values()]
    codes = pl.DataFrame({name: of_row for name, (of_row, _) in coded.items()})
    if kept is not None:
        codes = codes.with_columns(kept.cast(pl.Int64).alias("kept"))
        shares.append(np.bincount(codes["kept"].to_numpy(), weights, minlength=2) / weights.sum())
    # Rows that are alike in everything stay alike: one of each kind is weighted, by as much as all of them weigh.
    rows = codes.with_columns(pl.Series("weight", weights))
    kinds = rows.unique(maintain_order=True).with_row_index("kind")
    of_row = rows.join(kinds, on=rows.columns, how="left", maintain_order="left")["kind"].to_numpy()
    begun = np.bincount(of_row, weights)
    margins = [kinds[name].to_numpy() for name in codes.columns]
    total, raked = float(weights.sum()), begun.copy()
    for _ in range(_ROUNDS):
        before = raked
        for of_kind, wanted in zip(margins, shares, strict=True):
            now = np.bincount(of_kind, raked, minlength=wanted.size)
            # What the sample lacks cannot be weighted up, and what is to have nothing keeps a trace.
            factor = np.divide(wanted * total, now, out=np.ones_like(now), where=(now > 0) & (wanted > 0))
            raked = np.clip(raked * factor[of_kind], begun / _GREATEST_FACTOR, begun * _GREATEST_FACTOR)
            raked *= total / raked.sum()
        if float(np.abs(raked - before).max()) < _CONVERGED * total:
            break
    reweighted: NDArray[np.float64] = weights * (raked / begun)[of_row]
    return reweighted


def _margin(sample: pl.Series, target: pl.Series) -> tuple["NDArray[np.int64]", "NDArray[np.float64]"]:
    """Give each row of the sample a code, rare values one together, and each code's share of the target."""
    import numpy as np

    values = pl.concat([sample.cast(pl.Int64), target.cast(pl.Int64)])
    counts = sample.cast(pl.Int64).value_counts().filter(pl.col("count") >= _FEWEST_ROWS)
    common: Sequence[int] = sorted(counts[sample.name].to_list())
    codes = values.replace_strict(common, list(range(1, len(common) + 1)), default=0, return_dtype=pl.Int64).to_numpy()
    of_sample, of_target = codes[: sample.len()], codes[sample.len() :]
    there = np.bincount(of_sample, minlength=len(common) + 1) > 0
    shares = np.where(there, np.bincount(of_target, minlength=len(common) + 1), 0).astype(np.float64)
    return of_sample, shares / shares.sum() if shares.sum() else shares
