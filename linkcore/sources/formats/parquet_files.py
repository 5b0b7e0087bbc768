"""Parquet files."""

import polars as pl

from linkcore.sources.formats.polars_file import PolarsFile

__all__ = ["ParquetFile"]


class ParquetFile(PolarsFile):
    """One Parquet file of a source."""

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""
        return pl.scan_parquet(self.path, glob=False)
