"""Guard values in files for spreadsheets: no value runs as a formula, and every value can be restored."""

from typing import Final

import polars as pl

__all__ = ["guarded", "unguarded"]

# The start of a formula (in some languages also in full-width characters), characters that a spreadsheet hides, and
# the guard itself, so that removing one guard restores the value.
_UNSAFE: Final = r"^(?:[\t\r\n']|\s*[=+\-@＝＋－＠])"


def guarded(value: pl.Expr) -> pl.Expr:
    """Put ``'`` before values that a spreadsheet would run or alter, and before values that begin with ``'``.

    Examples
    --------
    >>> pl.DataFrame({"name": ["=1+1", "ANNA", "'t Hooft"]}).select(guarded(pl.col("name"))).to_series().to_list()
    ["'=1+1", 'ANNA', "''t Hooft"]
    """
    return value.str.replace(_UNSAFE, "'$0")


def unguarded(value: pl.Expr) -> pl.Expr:
    """Remove the ``'`` that :func:`guarded` added.

    Examples
    --------
    >>> pl.DataFrame({"name": ["'=1+1", "ANNA", "''t Hooft"]}).select(unguarded(pl.col("name"))).to_series().to_list()
    ['=1+1', 'ANNA', "'t Hooft"]
    """
    return value.str.strip_prefix("'")
