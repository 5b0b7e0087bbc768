"""What files have in common that Polars itself reads."""

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from linkcore.errors import SourceError

__all__ = ["PolarsFile"]


@dataclass(frozen=True)
class PolarsFile(ABC):
    """One file of a source, in a format that Polars reads.

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

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Return the rows and the bytes of the file, as far as they are known before it is read; else 0."""

    @abstractmethod
    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns."""
        # Raised after the library's error and not from it, so that its message, which may quote a value, is gone.
        with suppress(pl.exceptions.PolarsError, OSError):
            return tuple(self.scan().collect_schema().names())
        raise self._unreadable()

    def find_fault(self) -> SourceError | None:
        """Read everything again and return what is wrong, quoting no value; None if this file can be read."""
        with suppress(pl.exceptions.PolarsError, OSError):
            for _ in self.scan().collect_batches():
                pass
            return None
        return self._unreadable()

    def _unreadable(self) -> SourceError:
        return SourceError(
            f"source {self.source!r}: {self.path} cannot be read; is it whole, and in the format that its ending says?"
        )
