"""Guard values in files for spreadsheets: no value runs as a formula, and every value can be restored."""

from typing import Final

import polars as pl

from linkcore.plain_text import escaped

__all__ = ["guarded", "guarded_header", "unguarded"]

# The start of a formula (in some languages also in full-width characters), also after characters that a spreadsheet may
# drop or not show; characters that a spreadsheet hides; and the guard itself, so that removing one guard restores the
# value.
_UNSAFE: Final = r"^(?:[\t\r\n']|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])"


def guarded(value: pl.Expr) -> pl.Expr:
    """Put ``'`` before values that a spreadsheet would run or alter, and before values that begin with ``'``.

    Examples
    --------
    >>> pl.DataFrame({"name": ["=1+1", "ANNA", "'t Hooft"]}).select(guarded(pl.col("name"))).to_series().to_list()
    ["'=1+1", 'ANNA', "''t Hooft"]
    """
    return value.str.replace(_UNSAFE, "'$0")


def guarded_header(name: str) -> str:
    r"""Return the name of a column as the header of a CSV file: guarded like a value, and plain text.

    Examples
    --------
    >>> print(guarded_header("=1+1"), guarded_header("cost\x1b[2J"))
    '=1+1 cost\x1b[2J
    """
    header: str = pl.select(guarded(pl.lit(escaped(name)))).item()
    return header


def unguarded(value: pl.Expr) -> pl.Expr:
    """Remove the ``'`` that :func:`guarded` added.

    Examples
    --------
    >>> pl.DataFrame({"name": ["'=1+1", "ANNA", "''t Hooft"]}).select(unguarded(pl.col("name"))).to_series().to_list()
    ['=1+1', 'ANNA', "'t Hooft"]
    """
    return value.str.strip_prefix("'")
