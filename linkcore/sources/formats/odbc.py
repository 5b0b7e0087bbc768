"""SQL Server, and any other database with an ODBC driver, read through arrow-odbc."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.sources.formats.databases import BATCH_ROWS, Database
from linkcore.sources.formats.extras import library

__all__ = ["ODBC", "PASSWORD_VARIABLE", "Odbc"]

ODBC: Final = "odbc:"
"""How the address of a database with an ODBC driver begins."""

PASSWORD_VARIABLE: Final = "LINKCORE_ODBC_PASSWORD"  # noqa: S105 - the name of a variable
"""The variable of the environment that holds its password."""

# A longer text is an error; without a limit, a column of unlimited text cannot be read at all.
_LONGEST_TEXT: Final = 65_536
_BATCH_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class Odbc(Database):
    """A database with an ODBC driver.

    Parameters
    ----------
    source : str
        Name of the source, for errors.
    address : str
        ``odbc:`` and a connection string, without a password: that is in ``LINKCORE_ODBC_PASSWORD``, in the
        ``odbc.ini`` of a DSN, or not needed (``Trusted_Connection=yes``).
    """

    source: str
    address: str

    def __post_init__(self) -> None:
        if re.search(r"(?i)(pwd|pass|secret|token)[^;=]*=", self.address):
            raise ProgrammeError(
                f"source {self.source!r}: its address may not hold a password; put that into the environment variable "
                f"{PASSWORD_VARIABLE}, or use a DSN"
            )

    @property
    def place(self) -> str:
        """The address."""
        return self.address

    def columns(self, query: str) -> Mapping[str, bool]:
        """Return the columns of a query; the types are those that the driver states."""
        return dict.fromkeys(self._reader(query).schema.names, True)

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of a query."""
        reader = self._reader(query)
        yield pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))
        for batch in reader:
            yield pl.DataFrame(pl.from_arrow(batch))

    def _reader(self, query: str) -> Any:
        return library(self.source, "arrow_odbc", "sql").read_arrow_batches_from_odbc(
            query,
            # Without the last semicolon, the password becomes part of the last value, and is shown in errors.
            self.address.removeprefix(ODBC).rstrip(";") + ";",
            password=os.environ.get(PASSWORD_VARIABLE),
            batch_size=BATCH_ROWS,
            max_bytes_per_batch=_BATCH_BYTES,
            max_text_size=_LONGEST_TEXT,
            fetch_concurrently=False,
            map_schema=_with_whole_floats,
        )


def _with_whole_floats(schema: Any) -> Any:
    """Ask for numbers in full: some drivers state fewer digits than a number has."""
    import pyarrow as pa

    fields = [each.with_type(pa.float64()) if pa.types.is_floating(each.type) else each for each in schema]
    return pa.schema(fields)
