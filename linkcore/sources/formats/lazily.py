"""Data that are read batch by batch, as a lazy frame."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from linkcore.errors import SourceError

__all__ = ["fault_of", "scan_batches"]


def scan_batches(
    schema: Mapping[str, pl.DataType], batches: Callable[[Sequence[str]], Iterator[pl.DataFrame]]
) -> pl.LazyFrame:
    """Return all columns, lazily and in the order of the rows; a query reads only the columns it needs.

    ``batches`` reads the named columns, at least one.

    Examples
    --------
    >>> frame = pl.DataFrame({"A": ["1", "2"], "B": ["x", "y"]})
    >>> scan_batches(frame.schema, lambda columns: iter([frame.select(columns)])).select("B").head(1).collect().item()
    'x'
    """
    from polars.io.plugins import register_io_source

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_rows: int | None,
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        # None means all columns; a query that needs none, such as a count of rows, still has to read one.
        needed = list(schema) if with_columns is None else with_columns or list(schema)[:1]
        for batch in batches(needed):
            rows = batch if left is None else batch.head(left)
            left = None if left is None else left - rows.height
            yield rows if predicate is None else rows.filter(predicate)
            if left == 0:
                return

    return register_io_source(read, schema=dict(schema), is_pure=True)


def fault_of(batches: Callable[[], Iterator[pl.DataFrame]]) -> SourceError | None:
    """Read everything and return what is wrong; None if nothing is."""
    try:
        for _ in batches():
            pass
    except SourceError as error:
        return error
    return None
