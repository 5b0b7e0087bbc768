"""Tables as plain text, for a terminal, a log or a pipe."""

from typing import Final

import polars as pl

from linkcore.plain_text import escaped

__all__ = ["as_text"]

# Wider than any table of linkcore, so that no line is wrapped or cut.
_WIDTH: Final = 1000


def as_text(frame: pl.DataFrame, *, decimals: int = 4, missing: str = "–") -> str:
    """Format a small table as text; the width of the terminal does not matter.

    Examples
    --------
    >>> import polars as pl
    >>> print(as_text(pl.DataFrame({"source": ["gp", "ambulance"], "records": [1200000, 5], "precision": [0.5, None]})))
    source        records   precision
    ─────────────────────────────────
    gp          1,200,000      0.5000
    ambulance           5           –
    """
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, dtype in frame.schema.items():
        table.add_column(Text(escaped(name)), justify="right" if dtype.is_numeric() else "left")
    for row in frame.iter_rows():
        table.add_row(*(Text(missing if value is None else _cell(value, decimals)) for value in row))
    output = StringIO()
    Console(file=output, width=_WIDTH, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _cell(value: object, decimals: int) -> str:
    if isinstance(value, float):
        return f"{value:,.{decimals}f}"
    return f"{value:,}" if isinstance(value, int) else escaped(str(value))
