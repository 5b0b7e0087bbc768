"""An index of NHS Numbers: the join of the exact linkage."""

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NumberIndex"]

# Joining so few takes less time than loading the compiled loops: most of a second, and three in a new installation.
_FEW: Final = 50_000


class NumberIndex:
    """The position of each NHS Number in a column; built once, and used for every source.

    A hash join that keeps the order of rows builds its table again for each source, and takes fifteen times as long
    (``benches/test_number_index.py``).

    Parameters
    ----------
    numbers : polars.Series
        Int64; nulls are never found. Of equal numbers, the first counts.

    Examples
    --------
    >>> index = NumberIndex(pl.Series([4010232137, None, 4010232145]))
    >>> index.find(pl.Series([4010232145, 4010232153, None])).to_list()
    [2, None, None]
    """

    def __init__(self, numbers: pl.Series) -> None:
        self._positions: pl.DataFrame | None = None
        if numbers.len() <= _FEW:
            listed = pl.DataFrame([numbers.cast(pl.Int64).alias("number")]).with_row_index("position").drop_nulls()
            self._positions = listed.unique("number", keep="first", maintain_order=True)
            return
        import numpy as np

        from linkcore.linkage.exact.number_kernels import EMPTY, fill

        bits = max(2 * numbers.len() - 1, 1).bit_length()
        self._numbers = _as_array(numbers)
        # A shift by 64 bits would shift nothing.
        self._shift = np.uint64(min(64 - bits, 63))
        self._table = np.full(1 << max(bits, 1), EMPTY, dtype=np.uint32)
        fill(self._numbers, numbers.is_not_null().to_numpy(), self._table, self._shift)

    def find(self, numbers: pl.Series) -> pl.Series:
        """Return the position of each number; null where it is not in the index."""
        if self._positions is not None:
            wanted = pl.DataFrame([numbers.cast(pl.Int64).alias("number")])
            joined = wanted.join(self._positions, on="number", how="left", maintain_order="left")
            return joined["position"].alias(numbers.name)
        import numpy as np

        from linkcore.linkage.exact.number_kernels import EMPTY, find

        found = np.empty(numbers.len(), dtype=np.uint32)
        find(_as_array(numbers), self._numbers, self._table, self._shift, found)
        positions = pl.Series(numbers.name, found)
        known = numbers.is_not_null() & (positions != EMPTY)
        return pl.select(pl.when(known).then(positions).alias(numbers.name)).to_series()


def _as_array(numbers: pl.Series) -> "NDArray[np.int64]":
    # No NHS Number is negative, so a null is found nowhere.
    array: NDArray[np.int64] = numbers.cast(pl.Int64).fill_null(-1).to_numpy()
    return array
