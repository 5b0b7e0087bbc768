"""Parquet files."""

from contextlib import suppress

import polars as pl

from linkcore.sources.formats.polars_file import PolarsFile

__all__ = ["ParquetFile"]


class ParquetFile(PolarsFile):
    """One Parquet file of a source."""

    def size(self) -> tuple[int, int]:
        """Return the rows and the unpacked bytes that the end of the file states; 0 if it cannot be read."""
        import pyarrow as pa
        from pyarrow import parquet

        with suppress(pa.ArrowException, OSError):
            stated = parquet.read_metadata(self.path)
            groups = [stated.row_group(number) for number in range(stated.num_row_groups)]
            columns = [group.column(number) for group in groups for number in range(group.num_columns)]
            rows = max(stated.num_rows, sum(group.num_rows for group in groups))
            return rows, max(self.path.stat().st_size, sum(column.total_uncompressed_size for column in columns))
        return 0, 0

    def scan(self) -> pl.LazyFrame:
        """Return all columns, lazily, in the order of the rows."""
        return pl.scan_parquet(self.path, glob=False)
