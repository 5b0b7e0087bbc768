"""Tables and queries of databases, streamed in the order that the source states.

A database gives rows in another order each time, and a linkage knows a record by its row. So the rows are sorted by
columns that tell any two of them apart, and reading ends with an error at two that they do not.
"""

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import polars as pl

from linkcore.errors import LinkcoreError, SourceError
from linkcore.sources.formats.layout import Layout
from linkcore.sources.formats.lazily import fault_of, scan_batches

__all__ = ["BATCH_ROWS", "Database", "DatabaseFile", "DatabaseRows"]

BATCH_ROWS: Final = 65_536
"""Rows that are in memory at a time."""

_MICROSECONDS_OF_A_DAY: Final = 86_400_000_000
_T = TypeVar("_T")


class Database(ABC):
    """How one kind of database is asked; any of its own errors may quote a value, so none is passed on."""

    @property
    @abstractmethod
    def place(self) -> str:
        """What to call the database in an error."""

    @abstractmethod
    def columns(self, query: str) -> Mapping[str, bool]:
        """Return the columns of a query, each with whether its type is kept; of any other the text is read."""

    @abstractmethod
    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of a query in its order, first a frame without rows."""

    def as_text(self, column: str) -> str:
        """Return the SQL that makes text of a column."""
        return f"CAST({column} AS VARCHAR)"


@dataclass(frozen=True)
class DatabaseFile(Database):
    """A database that is one file.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    path : pathlib.Path
        The file.
    """

    source: str
    path: Path

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)

    def changes_pending(self, log: Path) -> SourceError:
        """Return the error for changes beside the file: the digest of the source is of the file alone."""
        return SourceError(
            f"source {self.source!r}: {log} holds changes that are not in the database yet; close the program that has "
            "it open"
        )


@dataclass(frozen=True)
class DatabaseRows:
    """A table or query of a database.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    database : Database
        Where it is.
    layout : Layout
        Its table or query, the columns that order it, and its limits.
    """

    source: str
    database: Database
    layout: Layout = field(repr=False)

    def __post_init__(self) -> None:
        if (self.layout.table is None) == (self.layout.query is None):
            raise self._error("state either the table or the query that is read")
        if not self.layout.order_by:
            raise self._error(
                "state the record_id, or columns in order_by that tell any two rows apart: a database gives its rows "
                "in another order each time"
            )
        if ";" in (self.layout.query or "").rstrip("; \n\t"):
            raise self._error("the query has a ';' in it; state one query")

    @property
    def place(self) -> str:
        """The database, and the table."""
        table = self.layout.table
        return self.database.place + (", the query" if table is None else f", table {table}")

    def size(self) -> tuple[int, int]:
        """Return nothing known: rows and bytes are counted while they are read."""
        return 0, 0

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""
        names = tuple(self._columns)
        if missing := [name for name in self.layout.order_by if name not in names]:
            raise self._error(f"no column {missing[0]!r}, by which it is ordered; its columns are {', '.join(names)}")
        return names

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order that is stated."""
        return scan_batches(self._schema, self._batches)

    def find_fault(self) -> SourceError | None:
        """Read everything again and return what is wrong, quoting no value; None if the table can be read."""
        return fault_of(lambda: self._batches(self.header()))

    @cached_property
    def _columns(self) -> Mapping[str, bool]:
        return self._asked(lambda: self.database.columns(f"SELECT * FROM {self._rows} WHERE 1 = 0"))

    @cached_property
    def _schema(self) -> pl.Schema:
        query = f"{self._select(self.header())} WHERE 1 = 0"
        return self._asked(lambda: next(iter(self.database.batches(query))).schema)

    def _asked(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except LinkcoreError:
            raise
        except Exception:  # noqa: S110 - raised below, without the database's own error as its context
            pass
        raise self._unreadable()

    def _batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read the named columns in batches; refuse more rows or bytes than may be, and rows in no certain order."""
        by = self.layout.order_by
        order = ", ".join(f"q.{quoted(column)}" for column in by)
        query = f"{self._select(list(dict.fromkeys((*columns, *by))))} ORDER BY {order}"
        rows = size = 0
        last = pl.DataFrame()
        try:
            for batch in self.database.batches(query):
                keys = pl.concat([last, batch.select(by)]) if last.width else batch.select(by)
                last = keys.tail(1)
                rows, size = rows + batch.height, size + int(batch.estimated_size())
                self._refuse_above("max_rows", self.layout.max_rows, rows)
                self._refuse_above("max_bytes", self.layout.max_bytes, size)
                self._refuse_equal(keys)
                self._refuse_endless_dates(batch)
                yield batch.select(columns)
            return
        except LinkcoreError:
            raise
        except Exception:  # noqa: S110 - raised below, without the database's own error as its context
            pass
        raise self._unreadable()

    def _refuse_equal(self, keys: pl.DataFrame) -> None:
        same = keys.select(pl.all_horizontal(pl.all().eq_missing(pl.all().shift())).slice(1).any()).item()
        if same:
            raise self._error(
                f"two rows have the same {', '.join(self.layout.order_by)}, so their order is not certain; state a "
                "record_id or order_by that tells any two rows apart"
            )

    def _refuse_endless_dates(self, batch: pl.DataFrame) -> None:
        first, last = ((day - dt.date(1970, 1, 1)).days for day in (dt.date.min, dt.date.max))
        days = pl.col(pl.Date).to_physical().is_between(first, last)
        moments = pl.col(pl.Datetime("us", None), pl.Datetime("us", "UTC")).to_physical() // _MICROSECONDS_OF_A_DAY
        within = batch.select(days.all(), moments.is_between(first, last).all())
        if odd := [name for name in within.columns if not within[name].item()]:
            raise self._error(
                f"column {odd[0]!r} holds a date that is no day of the years 1 to 9999, such as infinity; make it "
                "text, or nothing, in a query"
            )

    def _refuse_above(self, limit: str, allowed: int | None, found: int) -> None:
        if allowed is not None and found > allowed:
            unit = limit.removeprefix("max_")
            raise self._error(
                f"more than {allowed:,} {unit}, which is the {limit} of its source; check that it is the right table, "
                f"and raise {limit} if it is"
            )

    def _select(self, columns: Sequence[str]) -> str:
        return f"SELECT {', '.join(map(self._selected, columns))} FROM {self._rows}"

    def _selected(self, column: str) -> str:
        name = f"q.{quoted(column)}"
        return name if self._columns[column] else f"{self.database.as_text(name)} AS {quoted(column)}"

    @property
    def _rows(self) -> str:
        if self.layout.query is not None:
            # A comment may end the query.
            return "(\n" + self.layout.query.rstrip("; \n\t") + "\n) AS q"
        return ".".join(map(quoted, (self.layout.table or "").split("."))) + " AS q"

    def _unreadable(self) -> SourceError:
        return self._error(
            "cannot be read; check that the database answers, that its name, user and password are right, and that the "
            "table or query can be read there"
        )

    def _error(self, what: str) -> SourceError:
        return SourceError(f"source {self.source!r}, {self.place}: {what}")


def quoted(name: str) -> str:
    """Write the name of a table or column as SQL reads it.

    Examples
    --------
    >>> print(quoted('the "best" one'))
    "the ""best"" one"
    """
    return '"' + name.replace('"', '""') + '"'
