"""Implausible links: the record contradicts what is known of its person.

Each is either a wrong link or a wrong value. Their number shows where to look; it does not estimate wrong links.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from linkcore.quality.tables import QUALITY_TABLES

__all__ = [
    "AFTER_DEATH",
    "BEFORE_BIRTH",
    "BIRTH_DATE_APART",
    "GENDER_DIFFERS",
    "MAN_GIVING_BIRTH",
    "TWO_STAYS",
    "in_events",
    "in_identifiers",
]

GENDER_DIFFERS: Final = "gender is not the person's"
BIRTH_DATE_APART: Final = "birth date is more than a year from the person's"
AFTER_DEATH: Final = "activity after the person died"
BEFORE_BIRTH: Final = "activity before the person was born"
MAN_GIVING_BIRTH: Final = "a man giving birth"
TWO_STAYS: Final = "a stay that begins before another has ended"

_A_YEAR: Final = dt.timedelta(days=366)
# For all dates from year 1 to year 9999.
_DAYS_BEFORE_1970: Final = (dt.date(1970, 1, 1) - dt.date.min).days
_MOST_DAYS: Final = (dt.date.max - dt.date.min).days + 1
# After a death, a record may be closed or a body moved on the next day.
_GRACE: Final = dt.timedelta(days=1)


def in_identifiers(source: str, records: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """Count the links of one source whose record differs from its person in gender or birth date.

    ``records``: ``gender`` and ``birth_date`` of records that are linked to a person defined by another record.
    Returns ``source``, ``finding``, ``links``, ``of`` (links where record and person both have a value).

    Examples
    --------
    >>> seen = pl.DataFrame({"gender": ["male"], "birth_date": [dt.date(1980, 2, 3)]})
    >>> known = pl.DataFrame({"gender": ["female"], "birth_date": [dt.date(1980, 3, 2)]})
    >>> in_identifiers("seen", seen, known).select("links", "of").rows()
    [(1, 1), (0, 1)]
    """
    both = pl.concat([records, persons.rename(lambda name: f"person_{name}")], how="horizontal")
    # As text, because genders come as two Enums or two texts.
    genders = pl.col("gender").cast(pl.String), pl.col("person_gender").cast(pl.String)
    apart = (pl.col("birth_date") - pl.col("person_birth_date")).abs() > _A_YEAR
    judged = both.select((genders[0] != genders[1]).alias(GENDER_DIFFERS), apart.alias(BIRTH_DATE_APART))
    return _counted((source, finding, judged[finding]) for finding in judged.columns)


def in_events(events: Mapping[str, pl.DataFrame], persons: pl.DataFrame) -> pl.DataFrame:
    """Count the records of events that cannot have happened to their person.

    ``events``: for each source, one row for each record: ``person_id``, ``defines`` (Boolean: the record defines its
    person) and, as far as the source has them, ``start``, ``end``, ``death`` (Date) and ``delivery`` (Boolean: the
    record is of a woman giving birth).
    Returns ``source``, ``finding``, ``links``, ``of``, with a row for each finding that a source can be checked for.

    Examples
    --------
    >>> died = pl.DataFrame({"person_id": [0], "defines": [True], "death": [dt.date(2025, 1, 1)]})
    >>> seen = pl.DataFrame({"person_id": [0, 0], "defines": [False, False],
    ...                      "start": [dt.date(2024, 12, 31), dt.date(2025, 3, 1)]})
    >>> persons = pl.DataFrame({"person_id": [0], "birth_date": [dt.date(1940, 1, 1)], "gender": ["male"]})
    >>> in_events({"gp": died, "seen": seen}, persons).filter(source="seen").select("finding", "links", "of").rows()
    [('activity after the person died', 1, 2), ('activity before the person was born', 0, 2)]
    """
    died = _deaths(events, persons.height)
    overlapping = _overlapping_stays(events)
    return _counted(
        each
        for source, records in events.items()
        for each in _findings(source, records, persons, died, overlapping.get(source))
    )


def _findings(
    source: str, records: pl.DataFrame, persons: pl.DataFrame, died: pl.Series | None, overlapping: pl.Series | None
) -> Iterator[tuple[str, str, pl.Series]]:
    linked = records.filter(~pl.col("defines"))
    person_ids = linked["person_id"]
    if "start" in linked.columns:
        if died is not None:
            yield source, AFTER_DEATH, linked["start"] > died[person_ids] + _GRACE
        yield source, BEFORE_BIRTH, linked["start"] < persons["birth_date"][person_ids]
    if "delivery" in linked.columns:
        delivered = linked.filter("delivery")
        yield source, MAN_GIVING_BIRTH, persons["gender"].cast(pl.String)[delivered["person_id"]] == "male"
    if overlapping is not None:
        yield source, TWO_STAYS, overlapping


def _deaths(events: Mapping[str, pl.DataFrame], persons: int) -> pl.Series | None:
    """Return the date of death of each person, the last where sources disagree; None where no source has deaths."""
    deaths = [records.select("person_id", "death") for records in events.values() if "death" in records.columns]
    if not deaths:
        return None
    last = pl.concat(deaths).drop_nulls().group_by("person_id").agg(pl.col("death").max())
    return pl.repeat(None, persons, dtype=pl.Date, eager=True).scatter(last["person_id"], last["death"])


def _overlapping_stays(events: Mapping[str, pl.DataFrame]) -> dict[str, pl.Series]:
    """Whether each later stay of a person begins before an earlier one has ended, at any source.

    A stay may begin on the day on which another ends.
    """
    of_sources = [
        records.select(pl.lit(order, pl.Int32).alias("order"), "person_id", "start", "end").drop_nulls()
        for order, records in enumerate(events.values())
        if {"start", "end"} <= set(records.columns)
    ]
    if not of_sources:
        return {}
    stays = pl.concat(of_sources).filter(pl.col("end") >= pl.col("start")).sort("person_id", "start", "end", "order")
    # Dates become numbers that rise from person to person. The running maximum of all ends is then an earlier person's
    # only at a person's first stay, where it is below every start. A window over a million persons would take a
    # hundred times as long.
    person = pl.col("person_id").cast(pl.Int64) * _MOST_DAYS
    start, end = (person + pl.col(day).cast(pl.Int32) + _DAYS_BEFORE_1970 for day in ("start", "end"))
    follows = pl.col("person_id") == pl.col("person_id").shift()
    judged = stays.select("order", pl.when(follows).then(start < end.cum_max().shift()).alias("overlaps"))
    names = list(events)
    return {names[order]: part["overlaps"] for (order,), part in judged.group_by("order", maintain_order=True)}


def _counted(findings: Iterator[tuple[str, str, pl.Series]]) -> pl.DataFrame:
    """Count the findings, and the links that could be checked; a null could not."""
    rows = [(source, finding, judged.sum(), judged.len() - judged.null_count()) for source, finding, judged in findings]
    return pl.DataFrame(rows, schema=QUALITY_TABLES["implausible"], orient="row")
