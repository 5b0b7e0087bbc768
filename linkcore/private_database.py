"""A private database, in memory, that leaves nothing behind."""

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
    """Open a database in memory; it spills to a directory that nobody else can read and that is removed with it."""
    import duckdb

    # Such a directory has mode 0700.
    with tempfile.TemporaryDirectory(prefix="linkcore-") as directory:
        config: dict[str, Any] = {"temp_directory": directory, "memory_limit": memory}
        # Nothing is fetched from the network.
        config |= {"autoinstall_known_extensions": False}
        if threads is not None:
            config["threads"] = threads
        with duckdb.connect(":memory:", config=config) as connection:
            # DuckDB must not draw a progress bar. Where the bar is off already, as in a notebook without ipywidgets,
            # DuckDB may refuse to turn it off.
            if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() != [(False,)]:
                connection.execute("SET enable_progress_bar = false")
            yield connection


def make_table(connection: "DuckDBPyConnection", name: str, frame: pl.DataFrame) -> None:
    """Copy a frame into a table. Each query would convert a view of the frame anew."""
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
    """Copy random rows, drawn without replacement, into the table ``into``; ``ids`` are the first id and the end."""
    drawn = sample(pl.int_range(*ids, eager=True), size, generator)
    make_table(connection, "drawn", drawn.alias("unique_id").to_frame())
    query = f"SELECT * FROM {table} SEMI JOIN drawn USING (unique_id)"  # noqa: S608
    connection.execute(f"CREATE OR REPLACE TABLE {into} AS {query}")


def sample(values: pl.Series, size: int, generator: "np.random.Generator") -> pl.Series:
    """Draw values without replacement, in order; all of them, if there are no more than ``size``.

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
