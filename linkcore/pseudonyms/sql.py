"""Pseudonyms in SQL: `pseudonymise` as a function of DuckDB."""

from typing import TYPE_CHECKING

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise

if TYPE_CHECKING:
    import duckdb

__all__ = ["register_duckdb"]


def register_duckdb(
    connection: "duckdb.DuckDBPyConnection", *keys: Key, name: str = "pseudonymise", length: int = 128
) -> None:
    """Give a DuckDB connection a function that turns text into pseudonyms.

    It does what `pseudonymise` does, and takes VARCHAR only: DuckDB refuses a number, which it could not write as ten
    digits. The key stays in this process: the catalogue, ``EXPLAIN`` and a database file hold the function's name at
    most. Whoever may run SQL on the connection can pseudonymise whatever they like, so treat it as you treat the key.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The function is there until the connection is closed.
    *keys : Key
        The key of each stage, first stage first; at least one.
    name : str
        What the function is called in SQL.
    length : int
        Bits of the pseudonym: a multiple of 8 from 64 to 256.

    Raises
    ------
    ProgrammeError
        No key, a wrong length, or the connection has a function of that name.

    Examples
    --------
    >>> import duckdb
    >>> with duckdb.connect() as connection:
    ...     register_duckdb(connection, Key.from_bytes("example", bytes(range(32))))
    ...     connection.sql("SELECT pseudonymise('9434765919')").fetchall()
    [('dd5c602eeb31d60c7c0d662c897231dd',)]
    """
    # DuckDB looks up what the function's annotations mean.
    import duckdb
    import pyarrow as pa
    from duckdb.func import PythonUDFType

    hashed = pseudonymise(pl.Series("text", [], pl.String), *keys, length=length)  # refuses what cannot be
    assert hashed.is_empty()

    def function(texts: pa.ChunkedArray) -> pa.Array:
        # DuckDB may quote an error's message: none of ours holds a value.
        return pseudonymise(pl.Series("text", texts), *keys, length=length).to_arrow()

    try:
        connection.create_function(name, function, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
    except (duckdb.Error, ValueError, TypeError):
        raise ProgrammeError(f"DuckDB does not take a function {name!r}: has the connection one already?") from None
