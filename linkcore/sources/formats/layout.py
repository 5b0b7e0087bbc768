"""How the data of a source are laid out: what a format must be told before it can read them."""

from dataclasses import dataclass

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """What a source states of its data; each format reads what concerns it.

    Parameters
    ----------
    encoding : str
        Encoding of CSV files: the name of a Python codec.
    separator : str, optional
        The character between the values of CSV files; None finds it.
    max_rows, max_bytes : int, optional
        Most rows, and most unpacked bytes, of a file that does not state them.
    sheet : str, optional
        Name of the sheet of an Excel workbook.
    header_row : int, optional
        The row of that sheet with the names of the columns, counted from 1.
    table, query : str, optional
        What is read of a database.
    order_by : tuple of str
        Columns that tell any two rows of a database apart.
    """

    encoding: str = "utf-8"
    separator: str | None = None
    max_rows: int | None = None
    max_bytes: int | None = None
    sheet: str | None = None
    header_row: int | None = None
    table: str | None = None
    query: str | None = None
    order_by: tuple[str, ...] = ()
