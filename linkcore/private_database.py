"""The tables that the fallback works on: a database of its own, in memory, that leaves nothing behind."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

__all__ = ["draw_rows", "make_table", "private_connection", "sample"]


@contextmanager
def private_connection(memory: str, threads: int | None) -> Iterator["DuckDBPyConnection"]:
    """Open a database in memory that spills to a directory which nobody else can read, and which goes with it."""
    import duckdb

    # A directory made so is of mode 0700.
    with tempfile.TemporaryDirectory(prefix="linkcore-") as directory:
        config: dict[str, Any] = {"temp_directory": directory, "memory_limit": memory}
        # What is not in the package is not fetched from the network.
        config |= {"autoinstall_known_extensions": False}
        if threads is not None:
            config["threads"] = threads
        with duckdb.connect(":memory:", config=config) as connection:
            # The terminal is not ours to show anything on. Where the bar is off already, as in a notebook without
            # ipywidgets, DuckDB may refuse to be told so.
            if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() != [(False,)]:
                connection.execute("SET enable_progress_bar = false")
            yield connection


def make_table(connection: "DuckDBPyConnection", name: str, frame: pl.DataFrame) -> None:
    """Copy a frame into a table: a view of it would be converted anew by each query."""
    connection.register("incoming", frame)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608
    connection.unregister("incoming")


def draw_rows(
    connection: "DuckDBPyConnection",
    into: str,
    *,
    table: str,
    ids: tuple[int, int],
    size: int,
    generator: "np.random.Generator",
) -> None:
    """Copy some rows, drawn without replacement, into a table."""
    drawn = sample(pl.int_range(*ids, eager=True), size, generator)
    make_table(connection, "drawn", drawn.alias("unique_id").to_frame())
    query = f"SELECT * FROM {table} SEMI JOIN drawn USING (unique_id)"  # noqa: S608
    connection.execute(f"CREATE OR REPLACE TABLE {into} AS {query}")


def sample(values: pl.Series, size: int, generator: "np.random.Generator") -> pl.Series:
    """Draw some values without replacement; they stay in order.

    Examples
    --------
    >>> import numpy as np
    >>> sample(pl.Series([7, 8, 9]), 5, np.random.default_rng(0)).to_list()
    [7, 8, 9]
    """
    if values.len() <= size:
        return values
    import numpy as np

    return values[np.sort(generator.choice(values.len(), size=size, replace=False, shuffle=False))]
