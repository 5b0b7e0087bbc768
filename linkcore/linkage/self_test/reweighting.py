"""Re-weighting: weights with which records that have a number stand for those that have none."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["rake"]

_ROUNDS: Final = 100
_CONVERGED: Final = 1e-6  # as a share of the whole weight

_FEWEST_ROWS: Final = 10
"""Values that fewer rows of the sample have are counted as one rare value: weights based on so few rows are noise."""

_GREATEST_FACTOR: Final = 10.0
"""No weight grows or shrinks by more than this factor: a usual bound on survey weights. Where it is not enough, the
effective number of rows shows it."""


def rake(
    sample: pl.DataFrame,
    weights: "NDArray[np.float64]",
    target: pl.DataFrame,
    kept: pl.Series | None = None,
    strata: tuple[pl.Series, pl.Series] | None = None,
) -> "NDArray[np.float64]":
    """Change the weights of a sample until each of its columns is distributed as in the target.

    The columns are fitted one after the other, again and again (iterative proportional fitting: Deming and Stephan
    1940, "On a least squares adjustment of a sampled frequency table when the expected marginal totals are known").

    ``kept``: Boolean column of the sample, whose distribution does not change. ``strata``: the stratum (an integer) of
    each row of the sample and of the target. Each stratum is fitted by itself, and its total weight does not change.

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
    if strata is None:
        strata = pl.repeat(0, sample.height, eager=True), pl.repeat(0, target.height, eager=True)
    order = np.argsort(strata[0].to_numpy(), kind="stable")
    part = pl.repeat(True, sample.height, eager=True) if kept is None else kept
    rows = sample.cast(pl.Int64).with_columns(
        strata[0].cast(pl.Int64).alias("stratum"), part.cast(pl.Int64).alias("kept"), pl.Series("weight", weights)
    )[order]
    # Equal rows keep equal weights: one of each kind is weighted, with the weight of all of them.
    distinct, of_row = _kinds(rows)
    distinct = distinct.with_columns(pl.Series("rows", np.bincount(of_row)))
    wanted = target.cast(pl.Int64).with_columns(strata[1].cast(pl.Int64).alias("stratum"))
    wanted = wanted.group_by(wanted.columns).len("rows")
    in_order, of_stratum = rows["weight"].to_numpy(), _split(rows["stratum"].to_numpy())
    totals = np.array([float(in_order[each].sum()) for each in of_stratum])
    margins = [
        _margin(distinct.select("stratum", "rows", name), wanted.select("stratum", "rows", name), totals)
        for name in sample.columns
    ]
    codes = [pl.Series(f"code_{number}", code) for number, (code, _) in enumerate(margins)]
    # Rows that differed only in rare values are equal now.
    kinds, of_distinct = _kinds(distinct.select("stratum", "kept", "weight", *codes))
    of_row = of_distinct[of_row]
    begun = np.bincount(of_row, in_order).astype(np.float64)
    margins = [(kinds[code.name].to_numpy(), shares) for code, (_, shares) in zip(codes, margins, strict=True)]
    if kept is not None:
        of_kind = (2 * kinds["stratum"] + kinds["kept"]).to_numpy()
        both = np.bincount(of_kind[of_row], in_order, minlength=2 * totals.size)
        margins.append((of_kind, both / totals.repeat(2) * totals.repeat(2)))
    raked = _fit(
        begun, kinds["stratum"].to_numpy(), totals, margins, np.isin(np.arange(totals.size), wanted["stratum"])
    )
    reweighted = np.empty_like(weights)
    reweighted[order] = in_order * (raked / begun)[of_row]
    return reweighted


def _kinds(rows: pl.DataFrame) -> tuple[pl.DataFrame, "NDArray[np.int64]"]:
    """Return the distinct rows, in order, and for each row the position of its distinct row."""
    kinds = rows.unique(maintain_order=True).with_row_index("kind")
    of_row = rows.join(kinds, on=rows.columns, how="left", maintain_order="left")["kind"]
    return kinds.drop("kind"), of_row.to_numpy().astype("int64")


def _split(strata: "NDArray[np.int64]") -> list[slice]:
    """Return the rows of each stratum, of rows in order of their stratum."""
    import numpy as np

    ends = np.flatnonzero(np.diff(strata, append=-1)) + 1
    return [slice(start, end) for start, end in pairwise([0, *ends.tolist()])]


def _margin(
    sample: pl.DataFrame, target: pl.DataFrame, totals: "NDArray[np.float64]"
) -> tuple["NDArray[np.int64]", "NDArray[np.float64]"]:
    """Return the code of each row of the sample, and the weight that the rows of each code must have together.

    A code is a value in a stratum; all rare values of a stratum share one code. The weight of a code is the total of
    the stratum times the share of that code in the target of the stratum.
    """
    import numpy as np

    first = sample.height
    stratum, rows, value = (column.to_numpy() for column in pl.concat([sample, target], how="vertical_relaxed"))
    values, which = np.unique(value, return_inverse=True)
    cell = stratum * values.size + which
    rows_of_cell = np.bincount(cell[:first], rows[:first], minlength=totals.size * values.size)
    rare = totals.size * values.size + stratum
    cell = np.where(rows_of_cell[cell] >= _FEWEST_ROWS, cell, rare)
    cells, code = np.unique(cell[:first], return_inverse=True)
    of_target = np.bincount(cell[first:], rows[first:], minlength=rare.max() + 1)[cells]
    of_code = np.zeros(cells.size, np.int64)
    of_code[code] = stratum[:first]
    whole = np.bincount(of_code, of_target, minlength=totals.size)[of_code]
    return code, np.divide(of_target, whole, out=np.zeros(cells.size), where=whole > 0) * totals[of_code]


def _fit(
    begun: "NDArray[np.float64]",
    strata: "NDArray[np.int64]",
    totals: "NDArray[np.float64]",
    margins: Sequence[tuple["NDArray[np.int64]", "NDArray[np.float64]"]],
    active: "NDArray[np.bool_]",
) -> "NDArray[np.float64]":
    """Change the weights, margin after margin, until each code of a margin has its weight; in the active strata."""
    import numpy as np

    least, most = begun / _GREATEST_FACTOR, begun * _GREATEST_FACTOR
    of_stratum = _split(strata)
    raked, fitted = begun.copy(), begun.copy()
    # All strata at once: one by one, function calls would take longer than the arithmetic.
    for _ in range(_ROUNDS):
        before = raked.copy()
        for code, wanted in margins:
            now = np.bincount(code, raked, minlength=wanted.size)
            # A code that the sample lacks cannot get weight, and one that the target lacks keeps what it has.
            factor = np.divide(wanted, now, out=np.ones_like(now), where=(now > 0) & (wanted > 0))
            raked = np.minimum(np.maximum(raked * factor[code], least), most)
            raked *= (totals / [raked[each].sum() for each in of_stratum])[strata]
        fitted = np.where(active[strata], raked, fitted)
        change = np.abs(raked - before)
        active = active & [
            change[each].max() >= _CONVERGED * total for each, total in zip(of_stratum, totals, strict=True)
        ]
        if not active.any():
            break
    return fitted
