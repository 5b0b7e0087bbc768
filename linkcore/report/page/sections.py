"""What the report is made of: sections of text, figures and tables; all of it plain text but for the drawings."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from linkcore.report.page.words import HIDDEN, NOTHING, count, in_words, percent
from linkcore.schema import ALL

__all__ = ["Figure", "Panel", "Section", "Table", "extremes", "in_order", "table", "weight"]

_TEXT_COLUMNS: Final = ("source", "identifier", "dimension", "comparison")


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row says what the row is of.

    Parameters
    ----------
    caption : str
        What it shows.
    head : tuple of str
        Above each column.
    numeric : tuple of bool
        Which columns hold numbers.
    rows : tuple of tuple of str
        The cells, as they are shown.
    """

    caption: str
    head: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Panel:
    """One drawing.

    Parameters
    ----------
    title : str
        Above it; empty where the figure has no other panel.
    alternative : str
        What it shows, for whoever cannot see it.
    svg : str
        The drawing.
    wide : str
        The same for wide screens and paper; empty where the one serves all.
    """

    title: str
    alternative: str
    svg: str
    wide: str = ""


@dataclass(frozen=True)
class Figure:
    """Drawings of one kind, what their colours mean, and the numbers behind them.

    Parameters
    ----------
    caption : str
        What they show.
    panels : tuple of Panel
        The drawings.
    legend : tuple of (str, str, str)
        Shape (``bar``, ``dot``, ``square``, ``diamond``, ``line``), colour in CSS, and meaning.
    tables : tuple of Table
        The numbers.
    """

    caption: str
    panels: tuple[Panel, ...]
    legend: tuple[tuple[str, str, str], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Parameters
    ----------
    id : str
        By which it is linked to; a word of our own.
    title : str
        Its heading.
    text : tuple of str
        Paragraphs.
    parts : tuple of Figure or Table
        In order.
    """

    id: str
    title: str
    text: tuple[str, ...] = ()
    parts: tuple[Figure | Table, ...] = ()


def table(
    frame: pl.DataFrame,
    caption: str,
    *,
    heads: Mapping[str, str] | None = None,
    forms: Mapping[str, Callable[[float], str]] | None = None,
    written: Collection[str] = (),
) -> Table:
    """Write a frame as a table of the page: integers as counts, fractions as percentages.

    Examples
    --------
    >>> frame = pl.DataFrame({"source": ["gp", "all"], "records": [None, 1200], "rate": [None, 0.5]})
    >>> table(frame, "Records").rows
    (('gp', '*', '*'), ('all sources', '1,200', '50.0 %'))
    """
    heads, forms = heads or {}, forms or {}

    def cell(name: str, dtype: pl.DataType, value: object, *, suppressed: bool) -> str:
        if value is None:
            return HIDDEN if suppressed else NOTHING
        if isinstance(value, bool):
            return "yes" if value else ""
        if isinstance(value, int | float):
            usual = count if dtype.is_integer() else percent
            return forms.get(name, usual)(value)
        if name in _TEXT_COLUMNS:
            return "all sources" if name == "source" and value == ALL else _name(name, str(value))
        return str(value)

    counts = [at for at, dtype in enumerate(frame.dtypes) if dtype.is_integer()]
    rows = []
    for row in frame.iter_rows():
        suppressed = any(row[at] is None for at in counts)
        rows.append(
            tuple(
                cell(name, dtype, value, suppressed=suppressed)
                for (name, dtype), value in zip(frame.schema.items(), row, strict=True)
            )
        )
    head = tuple(heads.get(name, in_words(name)) for name in frame.columns)
    return Table(
        caption, head, tuple(dtype.is_numeric() or name in written for name, dtype in frame.schema.items()), tuple(rows)
    )


def _name(column: str, value: str) -> str:
    """Write a name of ours as words, and a source's as its owner wrote it."""
    return value if column == "source" else in_words(value)


def weight(bits: float) -> str:
    """Write a weight with its sign.

    Examples
    --------
    >>> weight(9.5), weight(-3)
    ('+9.5', '-3.0')
    """
    return f"{bits:+.1f}"


def extremes(rates: pl.DataFrame, what: str) -> str:
    """Say in a sentence from where to where rates go.

    Examples
    --------
    >>> extremes(pl.DataFrame({"source": ["gp", "seen"], "rate": [0.5, 0.75]}), "Usable")
    'Usable: from 50.0 % (gp) to 75.0 % (seen).'
    """
    name, rate = rates.columns
    known = rates.drop_nulls().sort(rate, name).rows()
    if not known:
        return f"{what}: nothing to show."
    (first, low), (last, high) = known[0], known[-1]
    if len(known) == 1:
        return f"{what}: {percent(low)} ({first})."
    return f"{what}: from {percent(low)} ({first}) to {percent(high)} ({last})."


def in_order(groups: pl.DataFrame) -> pl.DataFrame:
    """Put groups that begin with a number in its order, such as ages and deciles, and leave others as they are.

    ``groups``: with ``source``, ``dimension`` and ``group``, sources and dimensions each together.

    Examples
    --------
    >>> rows = [("all", "age band", group) for group in ("15-19", "5-14", "under 1", "unknown")]
    >>> in_order(pl.DataFrame(rows, schema=["source", "dimension", "group"], orient="row"))["group"].to_list()
    ['under 1', '5-14', '15-19', 'unknown']
    """
    places = [pl.col(name).rle_id() for name in ("source", "dimension")]
    number = pl.col("group").str.extract(r"^(\d+)").cast(pl.Int64, strict=False)
    first = pl.when(~pl.col("group").str.starts_with("under ")).then(number).otherwise(pl.lit(-1))
    return groups.sort(*places, first, nulls_last=True, maintain_order=True)
