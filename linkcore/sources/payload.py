"""Payload beside links: the rows of a source, read again in bounded memory, each beside what is known of its person."""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.sources.records import raw_columns, raw_row_hash
from linkcore.sources.source import Source

__all__ = ["RAW_ROW_HASH", "payload_beside_links", "rows_beside_links", "rows_with_hash"]

RAW_ROW_HASH: Final = "linkcore:raw_row_hash"
"""The column by which each row is recognised: the hash of its mapped columns. No source's own column has this name."""


def payload_beside_links(source: Source, columns: Sequence[str], links: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield ``columns`` of a source batch by batch, each row beside its link.

    ``links``: a row for each row of the source, in its order: ``raw_row_hash``, and the columns wanted beside it.
    Yields the columns of ``links`` without the hash, then ``columns``. The first batch has no rows.

    Examples
    --------
    >>> source = Source("gp", pl.DataFrame({"nhs_number": ["4010232137"], "cost": [3]}))
    >>> hashes = source.scan(["nhs_number"]).select(raw_row_hash(source).alias("raw_row_hash")).collect()
    >>> links = hashes.with_columns(pl.Series("person_id", [7]))
    >>> [batch.rows() for batch in payload_beside_links(source, ["cost"], links)]
    [[], [(7, 3)]]
    """
    rows = rows_with_hash(source, columns)
    return rows_beside_links(source, rows.select(*columns, RAW_ROW_HASH), links)


def rows_with_hash(source: Source, columns: Sequence[str]) -> pl.LazyFrame:
    """Scan ``columns`` and the mapped columns of a source, and add the hash by which each row is recognised."""
    read = source.scan(list(dict.fromkeys([*columns, *raw_columns(source)])))
    return read.with_columns(raw_row_hash(source).alias(RAW_ROW_HASH))


def rows_beside_links(source: Source, rows: pl.LazyFrame, links: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of a source batch by batch beside their links; refuse a source that is not what was linked.

    Each row is compared with its link by the hash of its mapped columns. Otherwise a source that gives its rows in
    another order each time, or was edited since, would put one person's payload under another person's pseudonym.

    ``rows``: all rows of the source in its order: any columns, and `RAW_ROW_HASH`. ``links`` is as for
    `payload_beside_links`. Yields the columns of both, without the hashes. The first batch has no rows.
    """
    changed = SourceError(
        f"source {source.name!r}: its data are not those that were linked, or come in another order each time; link "
        "them again, from a file or a frame that stays as it is"
    )
    beside, start = links.drop("raw_row_hash"), 0
    # The generator is suspended while its caller writes, so an error there is not blamed on the source.
    with source.reading():
        none = pl.DataFrame(schema=rows.collect_schema())
        yield pl.concat([beside.clear(), none.drop(RAW_ROW_HASH)], how="horizontal")
        for batch in rows.collect_batches(maintain_order=True):
            stop = start + batch.height
            if not batch[RAW_ROW_HASH].equals(links["raw_row_hash"][start:stop]):
                raise changed
            yield pl.concat([beside[start:stop], batch.drop(RAW_ROW_HASH)], how="horizontal")
            start = stop
    if start < links.height:
        raise changed
