"""The parts of the report: sections of text, figures and tables. Everything is plain text except the drawings."""

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
    """A table. The first cell of each row is its heading.

    Parameters
    ----------
    caption : str
        What the table shows.
    head : tuple of str
        Column headings.
    numeric : tuple of bool
        Which columns hold numbers.
    rows : tuple of tuple of str
        The cells as text.
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
        Shown above the drawing; empty for the only panel of a figure.
    alternative : str
        A text alternative for readers who cannot see the drawing.
    svg : str
        The drawing.
    wide : str
        The drawing for wide screens and paper; empty where one drawing serves all.
    """

    title: str
    alternative: str
    svg: str
    wide: str = ""


@dataclass(frozen=True)
class Figure:
    """Drawings of one kind, with their legend and the numbers behind them.

    Parameters
    ----------
    caption : str
        What the drawings show.
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
        Anchor of the section, for links.
    title : str
        Heading.
    text : tuple of str
        Paragraphs.
    parts : tuple of Figure or Table
        Figures and tables, in order.
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
    """Build a table of the page from a frame: integers become counts, fractions become percentages.

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

    counts = [position for position, dtype in enumerate(frame.dtypes) if dtype.is_integer()]
    rows = []
    for row in frame.iter_rows():
        suppressed = any(row[position] is None for position in counts)
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
    """Write a column name as words; keep the name of a source as its owner wrote it."""
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
    """Return a sentence with the lowest and the highest rate.

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
    """Sort groups that begin with a number, such as ages and deciles, by that number. Others keep their order.

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
