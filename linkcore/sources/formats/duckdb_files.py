"""DuckDB files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from linkcore.sources.formats.databases import BATCH_ROWS, DatabaseFile

__all__ = ["DuckdbFile"]

# Those that Polars holds exactly. Of any other, such as DECIMAL, UUID or an enum, the text is read.
_KEPT: Final = {
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR"),
}


class DuckdbFile(DatabaseFile):
    """One DuckDB file."""

    def columns(self, query: str) -> Mapping[str, bool]:
        """Return the columns of a query, and whether Polars holds their types exactly."""
        with self._connection() as connection:
            described = connection.execute(query).description
        return {name: str(kind) in _KEPT for name, kind, *_ in described}

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of a query, which can read nothing but the file."""
        with self._connection() as connection:
            reader = connection.sql(query).to_arrow_reader(BATCH_ROWS)
            yield pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))
            for batch in reader:
                yield pl.DataFrame(pl.from_arrow(batch))

    def _connection(self) -> Any:
        import duckdb

        if (log := Path(f"{self.path}.wal")).exists():
            raise self.changes_pending(log)
        # A query that reads other files, or loads an extension, fails.
        alone = {"enable_external_access": "false", "autoload_known_extensions": "false"}
        connection = duckdb.connect(str(self.path), read_only=True, config={**alone})
        connection.execute("SET TimeZone = 'UTC'")
        return connection
