"""SQLite files, read by Python's own library; as in a CSV file, every value is text."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import polars as pl

from linkcore.sources.formats.databases import BATCH_ROWS, DatabaseFile

__all__ = ["SqliteFile"]


class SqliteFile(DatabaseFile):
    """One SQLite file."""

    def columns(self, query: str) -> Mapping[str, bool]:
        """Return the columns of a query; in SQLite a column has no type, only each value."""
        with closing(self._connection()) as connection:
            return dict.fromkeys([each[0] for each in connection.execute(query).description], False)

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of a query."""
        with closing(self._connection()) as connection:
            cursor = connection.execute(query)
            schema = {each[0]: pl.String() for each in cursor.description}
            yield pl.DataFrame(schema=schema)
            while rows := cursor.fetchmany(BATCH_ROWS):
                yield pl.DataFrame(rows, schema=schema, orient="row")

    def as_text(self, column: str) -> str:
        """Return the SQL that makes text of a value without a change; a blob stays one, and is refused."""
        # SQLite itself writes 15 digits of a number, which may be too few.
        text = f"CAST({column} AS TEXT)"
        return (
            f"CASE typeof({column}) WHEN 'blob' THEN {column} WHEN 'real' THEN "
            f"CASE WHEN CAST({text} AS REAL) = {column} THEN {text} ELSE printf('%!.17g', {column}) END ELSE {text} END"
        )

    def _connection(self) -> sqlite3.Connection:
        for beside in (Path(f"{self.path}-wal"), Path(f"{self.path}-journal")):
            if beside.exists() and beside.stat().st_size:
                raise self.changes_pending(beside)
        # Polars asks for one batch after the other, but not always in the same thread.
        address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(address, uri=True, check_same_thread=False)
