"""Data in memory: Polars frames, and any object with the Arrow PyCapsule interface (pyarrow, pandas, DuckDB)."""

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from linkcore.errors import ProgrammeError, SourceError

__all__ = ["Frame"]


@dataclass(frozen=True, eq=False)
class Frame:
    """A source in memory.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    data : polars.DataFrame, polars.LazyFrame or Arrow PyCapsule object
        The table; it must be readable more than once.
    """

    source: str
    data: Any = field(repr=False)

    @property
    def place(self) -> str:
        """What to call the data in an error."""
        return "the frame given"

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""
        return tuple(self.scan().collect_schema().names())

    def size(self) -> tuple[int, int]:
        """Return the rows of a frame that is in memory."""
        return (self.data.height if isinstance(self.data, pl.DataFrame) else 0), 0

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""
        if isinstance(self.data, pl.DataFrame | pl.LazyFrame):
            return self.data.lazy()
        kind = type(self.data).__name__
        if hasattr(self.data, "read_next_batch"):
            raise ProgrammeError(
                f"source {self.source!r}: data is a {kind}, which can be read only once; give its table, as in "
                "reader.read_all()"
            )
        if hasattr(self.data, "__arrow_c_stream__"):
            return pl.scan_arrow_c_stream(self.data)
        raise ProgrammeError(
            f"source {self.source!r}: data is a {kind}; give a path, a Polars frame, or an object with the Arrow "
            "PyCapsule interface"
        )

    def find_fault(self) -> SourceError:
        """Return what is known of data that could not be read: in a pandas DataFrame, the columns at fault."""
        columns = self._unreadable_columns()
        return SourceError(
            f"source {self.source!r}: the {type(self.data).__name__} given cannot be read"
            f"{f', for {columns} in it' if columns else ''}; check that every column has a name of its own and holds "
            "values of one type, and that no query behind it fails"
        )

    def _unreadable_columns(self) -> list[str]:
        """Name the columns of a pandas DataFrame that Arrow cannot read, such as one that mixes text and numbers."""
        unreadable = []
        if type(self.data).__module__.partition(".")[0] == "pandas":
            for column in dict.fromkeys(self.data.columns):
                try:
                    pl.scan_arrow_c_stream(self.data[[column]]).collect()
                except Exception:
                    unreadable.append(str(column))
        return unreadable
