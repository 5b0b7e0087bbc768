"""Payload beside links: the rows of a source, read again in bounded memory, each beside what is known of its person."""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.sources.records import raw_columns, raw_row_hash
from linkcore.sources.source import Source

__all__ = ["RAW_ROW", "RAW_ROW_HASH", "payload_beside_links", "recognised_rows", "rows_beside_links"]

RAW_ROW_HASH: Final = "linkcore:raw_row_hash"
"""The column by which each row of data in memory is recognised: the hash of its mapped columns."""

RAW_ROW: Final = "linkcore:raw_row"
"""The column by which each row of files is recognised: its position. No source's own column has one of these names."""


def payload_beside_links(
    source: Source, columns: Sequence[str], links: pl.DataFrame, digest: str | None = None
) -> Iterator[pl.DataFrame]:
    """Yield ``columns`` of a source batch by batch, each row beside its link.

    ``links``: a row for each row of the source, in its order: ``raw_row_hash``, and the columns wanted beside it.
    ``digest``: of the source's files, as they were linked; None for data in memory. Yields the columns of ``links``
    without the hash, then ``columns``. The first batch has no rows.

    Examples
    --------
    >>> source = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"], "cost": [3]}))
    >>> hashes = source.scan(["nhs_number"]).select(raw_row_hash(source).alias("raw_row_hash")).collect()
    >>> links = hashes.with_columns(pl.Series("person_id", [7]))
    >>> [batch.rows() for batch in payload_beside_links(source, ["cost"], links)]
    [[], [(7, 3)]]
    """
    rows = recognised_rows(source, columns)
    return rows_beside_links(source, rows.select(*columns, RAW_ROW, RAW_ROW_HASH), links, digest)


def recognised_rows(source: Source, columns: Sequence[str]) -> pl.LazyFrame:
    """Scan ``columns`` and the mapped columns of a source, and add what each row is recognised by."""
    read = source.scan(list(dict.fromkeys([*columns, *raw_columns(source)])))
    return read.with_columns(raw_row_hash(source).alias(RAW_ROW_HASH)).with_row_index(RAW_ROW)


def rows_beside_links(
    source: Source, rows: pl.LazyFrame, links: pl.DataFrame, digest: str | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a source batch by batch beside their links; refuse a source that is not what was linked.

    Otherwise a source that gives its rows in another order each time, or was edited since, would put one person's
    payload under another person's pseudonym. Files are compared with what was linked by the digest of their bytes,
    before they are read and after; their rows are then known by their position. Of data in memory each row is compared
    with its link, by the hash of its mapped columns.

    ``rows``: all rows of the source in its order: any columns, `RAW_ROW` and `RAW_ROW_HASH`. ``links`` and ``digest``
    are as for `payload_beside_links`. Yields the columns of both, without what rows are recognised by. The first batch
    has no rows.
    """
    digest = digest if source.files else None
    beside, start = links.drop("raw_row_hash"), 0
    # What is not used is not read: Polars hashes no rows of files.
    used, unused = (RAW_ROW_HASH, RAW_ROW) if digest is None else (RAW_ROW, RAW_ROW_HASH)
    rows = rows.drop(unused)
    # The generator is suspended while its caller writes, so an error there is not blamed on the source.
    with source.reading():
        _refuse_changed(source, digest is None or source.digest() == digest)
        none = pl.DataFrame(schema=rows.collect_schema())
        yield pl.concat([beside.clear(), none.drop(used)], how="horizontal")
        for batch in rows.collect_batches(maintain_order=True):
            stop = start + batch.height
            expected = links["raw_row_hash"][start:stop] if digest is None else _positions(start, stop)
            _refuse_changed(source, stop <= links.height and batch[used].equals(expected))
            yield pl.concat([beside[start:stop], batch.drop(used)], how="horizontal")
            start = stop
        _refuse_changed(source, start == links.height and (digest is None or source.digest() == digest))


def _positions(start: int, stop: int) -> pl.Series:
    return pl.int_range(start, stop, dtype=pl.get_index_type(), eager=True)


def _refuse_changed(source: Source, as_linked: bool) -> None:
    if not as_linked:
        raise SourceError(
            f"source {source.name!r}: its data are not those that were linked, or come in another order each time; "
            "link them again, from a file or a frame that stays as it is"
        )
