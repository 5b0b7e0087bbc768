"""A private database, in memory, that leaves nothing behind."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["make_table", "private_connection"]


@contextmanager
def private_connection(
    memory: str, threads: int | None = None, *, files: bool = False
) -> Iterator["DuckDBPyConnection"]:
    """Open a database in memory; it spills to a directory that nobody else can read and that is removed with it.

    ``files``: whether its SQL may read and write files. If not, no SQL can reach anything outside the database, nor
    change that.
    """
    import duckdb

    # Such a directory has mode 0700.
    with tempfile.TemporaryDirectory(prefix="linkcore-") as directory:
        config: dict[str, Any] = {"temp_directory": directory, "memory_limit": memory}
        # Nothing is fetched from the network.
        config |= {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        if threads is not None:
            config["threads"] = threads
        with duckdb.connect(":memory:", config=config) as connection:
            # DuckDB must not draw a progress bar. Where the bar is off already, as in a notebook without ipywidgets,
            # DuckDB may refuse to turn it off.
            if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() != [(False,)]:
                connection.execute("SET enable_progress_bar = false")
            if not files:
                connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection


def make_table(connection: "DuckDBPyConnection", name: str, frame: pl.DataFrame) -> None:
    """Copy a frame into a table. Each query would convert a view of the frame anew."""
    connection.register("incoming", frame)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608
    connection.unregister("incoming")
