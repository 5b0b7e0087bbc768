"""PostgreSQL, read through ADBC: Apache Arrow's own drivers, which stream ``COPY`` in binary form.

ADBC, and not connectorx: its driver is released by Apache Arrow, and uses PostgreSQL's own client library (libpq),
which knows password files, service files, TLS and Kerberos. connectorx wants the password in the address.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.sources.formats.databases import Database
from linkcore.sources.formats.extras import library

__all__ = ["PostgreSQL"]

# Those that Arrow holds exactly. Of any other, such as numeric, uuid, money or an enum, the text is read.
_KEPT: Final = {
    *("bool", "int2", "int4", "int8", "float4", "float8", "date", "timestamp", "timestamptz"),
    *("text", "varchar", "bpchar", "name"),
}


@dataclass(frozen=True)
class PostgreSQL(Database):
    """A PostgreSQL database.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    address : str
        ``postgresql://user@host:port/database``, without a password: libpq finds that in ``PGPASSWORD``, in a password
        file or in a service file.
    """

    source: str
    address: str

    def __post_init__(self) -> None:
        if _holds_password(self.address):
            raise ProgrammeError(
                f"source {self.source!r}: its address may not hold a password; put that into PGPASSWORD, a password "
                "file (PGPASSFILE) or a service file (PGSERVICEFILE)"
            )

    @property
    def place(self) -> str:
        """The address."""
        return self.address

    def columns(self, query: str) -> Mapping[str, bool]:
        """Return the columns of a query, and whether Arrow holds their types exactly."""
        with self._cursor() as cursor:
            cursor.execute(query)
            fields = list(cursor.fetch_record_batch().schema)
        return {each.name: (each.metadata or {}).get(b"POSTGRESQL:type", b"").decode() in _KEPT for each in fields}

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of a query, in a transaction that cannot write."""
        with self._cursor() as cursor:
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
            yield pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))
            for batch in reader:
                yield pl.DataFrame(pl.from_arrow(batch))

    def as_text(self, column: str) -> str:
        """Return the SQL that makes text of a column."""
        return f"{column}::text"

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        driver = library(self.source, "adbc_driver_postgresql.dbapi", "sql")
        with driver.connect(self.address, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
            yield cursor


def _holds_password(address: str) -> bool:
    try:
        parts = urlsplit(address)
        settings = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        # The user may be one of several parts before the last "@".
        return ":" in parts.netloc.rpartition("@")[0] or bool(settings & {"password", "sslpassword"})
    except ValueError:
        return True
