"""Pseudonyms in SQL: `pseudonymise` as a DuckDB function."""

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
    """Add a function to a DuckDB connection that turns text into pseudonyms.

    The function does what `pseudonymise` does, and takes VARCHAR only: a number would lose its leading zeros, so DuckDB
    refuses it. The key stays in this process: the catalogue, ``EXPLAIN`` and a database file show at most the name of
    the function. Anyone who can run SQL on the connection can pseudonymise any text, so protect it like the key.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The connection; it has the function until it is closed.
    *keys : Key
        One key for each stage, in the order of the stages; at least one.
    name : str
        Name of the function in SQL.
    length : int
        Bits of the pseudonym: a multiple of 8 from 64 to 256.

    Raises
    ------
    ProgrammeError
        There is no key, ``length`` has a wrong value, or DuckDB refuses the name: the connection may already have a
        function of this name.

    Examples
    --------
    >>> import hashlib
    >>> import duckdb
    >>> key = Key.from_bytes("example", hashlib.sha256(b"example").digest())
    >>> with duckdb.connect() as connection:
    ...     register_duckdb(connection, key)
    ...     connection.sql("SELECT pseudonymise('9434765919')").fetchall()
    [('281d3885abc35f77b3953572ce915c1d',)]
    """
    # DuckDB evaluates the annotations of the function, so these modules must be here.
    import duckdb
    import pyarrow as pa
    from duckdb.func import PythonUDFType

    hashed = pseudonymise(pl.Series("text", [], pl.String), *keys, length=length)  # checks keys and length
    assert hashed.is_empty()

    def function(texts: pa.ChunkedArray) -> pa.Array:
        # DuckDB may quote the message of an error; no message of linkcore holds a value.
        return pseudonymise(pl.Series("text", texts), *keys, length=length).to_arrow()

    try:
        connection.create_function(name, function, ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
    except (duckdb.Error, ValueError, TypeError):
        raise ProgrammeError(
            f"DuckDB refuses a function {name!r}: check whether the connection already has one, and give another name"
        ) from None
