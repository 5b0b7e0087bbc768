"""Arrow IPC files, also called Feather files."""

import polars as pl

from linkcore.sources.formats.polars_file import PolarsFile

__all__ = ["IpcFile"]


class IpcFile(PolarsFile):
    """One Arrow IPC file of a source."""

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""
        return pl.scan_ipc(self.path, glob=False)
