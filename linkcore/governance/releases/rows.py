"""Rows in an order that tells nothing: sorted by what only the recipient's key gives, in bounded memory."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["RANK", "ROW_HASH", "Buckets", "can_be_hashed", "keyed_row_hash"]

# Names that no source's own column can be confused with.
RANK: Final = "linkcore:rank"
"""The column by which rows are sorted first: the place of their person in the order of pseudonyms."""

ROW_HASH: Final = "linkcore:row_hash"
"""The column by which rows of one person are sorted."""

_BUCKET: Final = "linkcore:bucket"
_BUCKET_BYTES: Final = 256 << 20


def can_be_hashed(dtype: pl.DataType) -> bool:
    """Say whether values of a dtype have a text by which rows can be put in order."""
    if isinstance(dtype, pl.List | pl.Array):
        return dtype.inner != pl.Binary and can_be_hashed(_instance(dtype.inner))
    if isinstance(dtype, pl.Struct):
        return all(field.dtype != pl.Binary and can_be_hashed(_instance(field.dtype)) for field in dtype.fields)
    return dtype != pl.Object


def keyed_row_hash(rows: pl.DataFrame, columns: Sequence[str], key: Key) -> pl.Series:
    """Hash each row's values under a key.

    Rows of one person are put in the order of this hash, which depends on nothing but the key and the values, so that
    neither the source's order nor the order of two recipients' rows can be matched.

    Returns ``ROW_HASH``: UInt64, the first 8 bytes of HMAC-SHA-256 of a hash of the values.
    """
    values = pl.struct(_exact(pl.col(name), rows.schema[name]) for name in columns).hash(0)
    digest = pseudonymise(pl.lit("linkcore:row:") + values.cast(pl.String), key, output="binary")
    return rows.select(digest.bin.head(8).bin.reinterpret(dtype=pl.UInt64).alias(ROW_HASH)).to_series()


def _exact(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Give values of which two that are not written alike have not one hash, as 0.0 and -0.0 have."""
    if dtype.is_float():
        return values.cast(pl.Float64).reinterpret(dtype=pl.UInt64)
    if dtype.is_nested():
        return pl.struct(values.cast(_without_floats(dtype))).struct.json_encode()
    return values


def _without_floats(dtype: pl.DataType) -> pl.DataType:
    """Give the dtype with text for floats, since JSON has one text for NaN, the infinities and null."""
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
    """Rows split by the range of their rank, so that each part can be sorted in memory.

    While everything fits one bucket, nothing is written. Otherwise the buckets lie in a private folder, which is gone
    at the end, whatever happens; they hold what the release will hold, and no identifier.

    Parameters
    ----------
    folder : pathlib.Path
        Where to spill to.
    rows : int
        How many rows there will be.
    ranks : int
        Ranks are below this.
    bucket_bytes : int
        About how large a bucket may be in memory.
    """

    def __init__(self, folder: Path, rows: int, ranks: int, *, bucket_bytes: int = _BUCKET_BYTES) -> None:
        self._folder = folder
        self._rows = rows
        self._ranks = ranks
        self._bucket_bytes = bucket_bytes
        self._count = 0
        self._parts = 0
        self._kept: list[pl.DataFrame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: pl.DataFrame) -> None:
        """Take some rows.

        ``rows``: with ``RANK`` (UInt32) and any other columns, the same at every call; the first may have no rows.
        """
        if self._count == 0 and rows.height:
            expected = rows.estimated_size() / rows.height * self._rows
            self._count = 1 + int(expected // self._bucket_bytes)
            if self._count > 1:
                self._folder.mkdir(mode=0o700)
        if self._count <= 1:
            self._kept.append(rows)
            return
        # Ranks are a permutation of the persons, so equal ranges of ranks hold about equally many persons.
        bucket = (pl.col(RANK).cast(pl.UInt64) * self._count // max(self._ranks, 1)).alias(_BUCKET)
        for (number,), part in rows.with_columns(bucket).partition_by(_BUCKET, as_dict=True, include_key=False).items():
            part.write_ipc(self._folder / f"{number}-{self._parts}.arrow", compression="lz4")
        self._parts += 1
        self._kept = self._kept or [rows.clear()]

    def sorted(self, *by: str) -> pl.LazyFrame:
        """Give all rows in order, lazily: one bucket is in memory at a time."""
        from polars.io.plugins import register_io_source

        if self._count <= 1:
            return pl.concat(self._kept).sort(by).lazy()

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

        return register_io_source(read, schema=self._kept[0].schema)
