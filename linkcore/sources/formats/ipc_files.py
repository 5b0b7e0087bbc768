"""Arrow IPC files, also called Feather files."""

from contextlib import suppress

import polars as pl

from linkcore.sources.formats.polars_file import PolarsFile

__all__ = ["IpcFile"]


class IpcFile(PolarsFile):
    """One Arrow IPC file of a source."""

    def size(self) -> tuple[int, int]:
        """Return the rows that the file states, and its bytes; 0 if it cannot be read."""
        with suppress(pl.exceptions.PolarsError, OSError):
            return self.scan().select(pl.len()).collect().item(), self.path.stat().st_size
        return 0, 0

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""
        return pl.scan_ipc(self.path, glob=False)
