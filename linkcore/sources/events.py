"""Read events: the few columns of payload that show which links are implausible once they are made."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.identifiers import birth_date
from linkcore.sources.records import Records
from linkcore.sources.source import Source

__all__ = ["check_events", "read_events"]

# The ICD-10 codes of a delivery (chapter XV); the text may hold other codes as well.
_DELIVERY: Final = r"(?:^|[^A-Z0-9])O8[0-4]"


def check_events(source: Source) -> None:
    """Check that the columns that a source's events name can be read, before anything is linked.

    Examples
    --------
    >>> seen = pl.DataFrame({"nhs_number": [""], "day": [["2024-01-01"]]})
    >>> check_events(Source("seen", seen, events={"start": "day"}))
    Traceback (most recent call last):
    linkcore.errors.SourceError: source 'seen': column 'day', which events names, is List(String); ...
    """
    with source.reading():
        dtypes = source.scan(_columns(source)).collect_schema()
    for column, dtype in dtypes.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise SourceError(
                f"source {source.name!r}: column {column!r}, which events names, is {dtype}; give it as text, numbers "
                "or dates"
            )


def read_events(records: Records, *, reference_date: dt.date | None = None) -> pl.DataFrame:
    """Read the events of a source: one row for each record, in the same order.

    Columns: those of ``start``, ``end``, ``death`` (Date) and ``delivery`` (Boolean) that the source has. A date that
    cannot be read is null.

    Examples
    --------
    >>> from linkcore.sources.records import standardise
    >>> stays = pl.DataFrame({"nhs_number": ["4010232137"], "in": ["03/02/2024"], "for": [4], "icd": ["O80.0"]})
    >>> source = Source("ward", stays, events={"start": "in", "days": "for", "diagnosis": "icd"})
    >>> read_events(standardise(source)).rows()
    [(datetime.date(2024, 2, 3), True, datetime.date(2024, 2, 7))]
    """
    source = records.source
    with source.reading():
        payload = source.scan(_columns(source))
        read = payload.select(*_read(source, payload.collect_schema(), reference_date)).collect(engine="streaming")
    if read.height != records.frame.height:
        raise SourceError(
            f"source {source.name!r}: its data have changed since they were linked; link the source again"
        )
    if "days" in read.columns:
        ends = pl.col("start") + pl.duration(days=pl.col("days"))
        read = read.with_columns(ends.alias("end")).drop("days")
    return read[records.frame["row"]]


def _columns(source: Source) -> Sequence[str]:
    return list(dict.fromkeys((source.events or {}).values()))


def _read(source: Source, dtypes: pl.Schema, reference_date: dt.date | None) -> Iterator[pl.Expr]:
    for event, column in (source.events or {}).items():
        value = pl.col(column)
        if event == "diagnosis":
            yield value.cast(pl.String).str.to_uppercase().str.contains(_DELIVERY).fill_null(False).alias("delivery")
        elif event == "days":
            yield value.cast(pl.Float64, strict=False).floor().cast(pl.Int32, strict=False).alias("days")
        else:
            date = birth_date.standardise(
                value, reference_date=reference_date, day_first=source.day_first, dtype=dtypes[column]
            )
            yield date.struct.field("value").alias(event)
