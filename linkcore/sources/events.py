"""Events: the few columns of payload that show which links are implausible once they are made."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from linkcore.errors import SourceError
from linkcore.identifiers import birth_date
from linkcore.sources.source import Source

__all__ = ["check_events", "event_columns", "events_of"]

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
        dtypes = source.scan(event_columns(source)).collect_schema()
    for column, dtype in dtypes.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise SourceError(
                f"source {source.name!r}: column {column!r}, which events names, is {dtype}; give it as text, numbers "
                "or dates"
            )


def event_columns(source: Source) -> list[str]:
    """Name the columns of payload that a source's events are read from.

    Examples
    --------
    >>> stays = pl.DataFrame({"nhs_number": [""], "day": ["2024-01-01"], "cost": [3]})
    >>> event_columns(Source("gp", stays, events={"start": "day"}))
    ['day']
    """
    return list(dict.fromkeys((source.events or {}).values()))


def events_of(source: Source, dtypes: Mapping[str, pl.DataType], reference_date: dt.date | None) -> Iterator[pl.Expr]:
    """Yield the events of each row, made of a source's own columns.

    They are those of ``start``, ``end``, ``death`` (Date) and ``delivery`` (Boolean) that the source has. A date that
    cannot be read is null. ``dtypes``: of :func:`event_columns`.

    Examples
    --------
    >>> stays = pl.DataFrame({"nhs_number": ["4010232137"], "in": ["03/02/2024"], "for": [4], "icd": ["O80.0"]})
    >>> source = Source("ward", stays, events={"start": "in", "days": "for", "diagnosis": "icd"})
    >>> stays.select(events_of(source, stays.schema, None)).rows()
    [(datetime.date(2024, 2, 3), datetime.date(2024, 2, 7), True)]
    """
    dates = {
        event: birth_date.standardise(
            pl.col(column), reference_date=reference_date, day_first=source.day_first, dtype=dtypes[column]
        ).struct.field("value")
        for event, column in (source.events or {}).items()
        if event in ("start", "end", "death")
    }
    for event, column in (source.events or {}).items():
        value = pl.col(column)
        if event == "diagnosis":
            yield value.cast(pl.String).str.to_uppercase().str.contains(_DELIVERY).fill_null(False).alias("delivery")
        elif event != "days":
            yield dates[event].alias(event)
        elif "start" in dates:
            days = value.cast(pl.Float64, strict=False).floor().cast(pl.Int32, strict=False)
            yield (dates["start"] + pl.duration(days=days)).alias("end")
