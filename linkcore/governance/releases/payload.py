"""Payload beside links: the rows of a source, each with what is known of its person, in bounded memory."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.governance.releases.derived import Derived, derive
from linkcore.sources.records import raw_columns, raw_row_hash
from linkcore.sources.source import Source

__all__ = ["payload_beside_links"]

_HASH: Final = "linkcore:raw_row_hash"


def payload_beside_links(
    source: Source,
    columns: Sequence[str],
    links: pl.DataFrame,
    *,
    derived: Mapping[str, Derived] | None = None,
    reference_date: dt.date | None = None,
) -> Iterator[pl.DataFrame]:
    """Give payload batch by batch beside the links of its rows; refuse if the source is not what was linked.

    Every row is known again by the hash of its mapped columns: a source that gives its rows in another order each time,
    or has been edited since, would put one person's payload under another's pseudonym.

    ``links``: A row for each row of the source, in its order: ``raw_row_hash``, and whatever else is wanted beside it.
    Yields The columns of ``links`` without the hash, then ``columns``, then those derived; first one without rows.
    """
    changed = SourceError(
        f"source {source.name!r}: its data are not those that were linked, or come in another order each time; link "
        "them again, from a file or a frame that stays as it is"
    )
    derived = derived or {}
    read = source.scan(list(dict.fromkeys([*columns, *raw_columns(source)])))
    read = derive(read.with_columns(raw_row_hash(source).alias(_HASH)), source, derived, reference_date)
    wanted = [*columns, *derived]
    read = read.select(*wanted, _HASH)
    beside, start = links.drop("raw_row_hash"), 0
    # Nothing of the writing is inside: what goes wrong there is not the source's fault.
    with source.reading():
        yield pl.concat([beside.clear(), pl.DataFrame(schema=read.collect_schema()).select(wanted)], how="horizontal")
        for batch in read.collect_batches(maintain_order=True):
            stop = start + batch.height
            if not batch[_HASH].equals(links["raw_row_hash"][start:stop]):
                raise changed
            yield pl.concat([beside[start:stop], batch.select(wanted)], how="horizontal")
            start = stop
    if start < links.height:
        raise changed
