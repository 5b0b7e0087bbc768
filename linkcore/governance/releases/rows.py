"""Rows in an order that reveals nothing: sorted by values that depend on the recipient's key, in bounded memory."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["RANK", "ROW_HASH", "Buckets", "can_be_hashed", "keyed_row_hash"]

# No source's own column has one of these names.
RANK: Final = "linkcore:rank"
"""The column by which rows are sorted first: the rank of their person's pseudonym."""

ROW_HASH: Final = "linkcore:row_hash"
"""The column by which rows of one person are sorted."""

_BUCKET: Final = "linkcore:bucket"
_BUCKET_BYTES: Final = 256 << 20


def can_be_hashed(dtype: pl.DataType) -> bool:
    """Whether values of a dtype can be part of a row hash."""
    if isinstance(dtype, pl.List | pl.Array):
        return dtype.inner != pl.Binary and can_be_hashed(_instance(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return all(field.dtype != pl.Binary and can_be_hashed(_instance(field.dtype)) for field in dtype.fields)
    return dtype != pl.Object


def keyed_row_hash(rows: pl.DataFrame, columns: Sequence[str], key: Key) -> pl.Series:
    """Hash the values of each row under a key.

    Rows of one person are sorted by this hash. It depends on the key and the values only, so the rows cannot be matched
    by their order: neither with the source, nor between two recipients.

    Returns ``ROW_HASH``: UInt64, the first 8 bytes of HMAC-SHA-256 of a hash of the values.
    """
    values = pl.struct(_exact(pl.col(name), rows.schema[name]) for name in columns).hash(0)
    first = pseudonymise(pl.lit("linkcore:row:") + values.cast(pl.String), key, length=64, output="binary")
    return rows.select(first.bin.reinterpret(dtype=pl.UInt64).alias(ROW_HASH)).to_series()


def _exact(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Convert values so that any two that are written differently also hash differently, such as 0.0 and -0.0."""
    if dtype.is_float():
        return values.cast(pl.Float64).reinterpret(dtype=pl.UInt64)
    if dtype.is_nested():
        return pl.struct(values.cast(_without_floats(dtype))).struct.json_encode()
    return values


def _without_floats(dtype: pl.DataType) -> pl.DataType:
    """Return the dtype with text in place of floats: JSON writes NaN, the infinities and null alike."""
    if dtype.is_float():
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(_without_floats(_instance(dtype.inner)))
    if isinstance(dtype, pl.Array):
        return pl.List(_without_floats(_instance(dtype.inner)))
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _without_floats(_instance(field.dtype)) for field in dtype.fields})
    return dtype


def _instance(dtype: "PolarsDataType") -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


class Buckets:
    """Rows split into ranges of ranks, so that each part can be sorted in memory.

    If all rows fit into one bucket, nothing is written. Otherwise the buckets are files in a private folder, which is
    removed at the end, whatever happens. They hold what the release will hold, and no identifier.

    Parameters
    ----------
    folder : pathlib.Path
        Folder for the buckets. It must not exist.
    rows : int
        Number of rows that will be added.
    ranks : int
        Number of ranks: every rank is below it.
    bucket_bytes : int
        Approximate size of a bucket in memory.
    """

    def __init__(self, folder: Path, rows: int, ranks: int, *, bucket_bytes: int = _BUCKET_BYTES) -> None:
        self._folder = folder
        self._rows = rows
        self._ranks = ranks
        self._bucket_bytes = bucket_bytes
        self._count = 0
        self._parts = 0
        self._in_memory: list[pl.DataFrame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows.

        ``rows``: ``RANK`` (UInt32) and any other columns, the same in every call. The first call may have no rows.
        """
        if self._count == 0 and rows.height:
            expected = rows.estimated_size() / rows.height * self._rows
            self._count = 1 + int(expected // self._bucket_bytes)
            if self._count > 1:
                self._folder.mkdir(mode=0o700)
        if self._count <= 1:
            self._in_memory.append(rows)
            return
        # Each person has one rank, so equal ranges of ranks hold equally many persons.
        bucket = (pl.col(RANK).cast(pl.UInt64) * self._count // max(self._ranks, 1)).alias(_BUCKET)
        for (number,), part in rows.with_columns(bucket).partition_by(_BUCKET, as_dict=True, include_key=False).items():
            part.write_ipc(self._folder / f"{number}-{self._parts}.arrow", compression="lz4")
        self._parts += 1
        self._in_memory = self._in_memory or [rows.clear()]

    def sorted(self, *by: str) -> pl.LazyFrame:
        """Return all rows in order, lazily: one bucket is in memory at a time."""
        from polars.io.plugins import register_io_source

        if self._count <= 1:
            return pl.concat(self._in_memory).sort(by).lazy()

        def read(
            with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_rows: int | None
        ) -> Iterator[pl.DataFrame]:
            assert n_rows is None
            for number in range(self._count):
                parts = sorted(self._folder.glob(f"{number}-*.arrow"))
                if parts:
                    rows = pl.concat(map(pl.read_ipc, parts)).sort(by)
                    rows = rows if predicate is None else rows.filter(predicate)
                    yield rows if with_columns is None else rows.select(with_columns)

        return register_io_source(read, schema=self._in_memory[0].schema)
