"""Values that a spreadsheet opens as they were written: no formula runs, and nothing changes."""

from typing import Final

import polars as pl

__all__ = ["guarded", "unguarded"]

# What a spreadsheet takes for a formula (in some languages also the wide forms), or hides; and the guard itself, so
# that it can be taken off again.
_UNSAFE: Final = r"^(?:[\t\r\n']|\s*[=+\-@＝＋－＠])"


def guarded(value: pl.Expr) -> pl.Expr:
    """Put a ``'`` before what a spreadsheet would take for a formula, and before what begins with one.

    Examples
    --------
    >>> pl.DataFrame({"name": ["=1+1", "ANNA", "'t Hooft"]}).select(guarded(pl.col("name"))).to_series().to_list()
    ["'=1+1", 'ANNA', "''t Hooft"]
    """
    return value.str.replace(_UNSAFE, "'$0")


def unguarded(value: pl.Expr) -> pl.Expr:
    """Take off what :func:`guarded` put before it.

    Examples
    --------
    >>> pl.DataFrame({"name": ["'=1+1", "ANNA", "''t Hooft"]}).select(unguarded(pl.col("name"))).to_series().to_list()
    ['=1+1', 'ANNA', "'t Hooft"]
    """
    return value.str.strip_prefix("'")
