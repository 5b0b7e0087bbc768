"""Links that can hardly be right: what a record says of somebody who is not its person, or of nobody at all.

Each is either a wrong link or a wrong value; a count of them shows where to look, and is no estimate of wrong links.
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
# Of all dates from the year 1 to 9999.
_DAYS_BEFORE_1970: Final = (dt.date(1970, 1, 1) - dt.date.min).days
_MOST_DAYS: Final = (dt.date.max - dt.date.min).days + 1
# A record may be closed, or a body moved, after midnight.
_GRACE: Final = dt.timedelta(days=1)


def in_identifiers(source: str, records: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """Count the links of one source at which record and person differ in what hardly ever changes.

    ``records``: ``gender`` and ``birth_date`` of records that are linked to a person whom another record defines.
    Returns ``source``, ``finding``, ``links``, ``of``: those where both say something.

    Examples
    --------
    >>> seen = pl.DataFrame({"gender": ["male"], "birth_date": [dt.date(1980, 2, 3)]})
    >>> known = pl.DataFrame({"gender": ["female"], "birth_date": [dt.date(1980, 3, 2)]})
    >>> in_identifiers("seen", seen, known).select("links", "of").rows()
    [(1, 1), (0, 1)]
    """
    both = pl.concat([records, persons.rename(lambda name: f"person_{name}")], how="horizontal")
    # Of two Enums or two texts alike.
    genders = pl.col("gender").cast(pl.String), pl.col("person_gender").cast(pl.String)
    apart = (pl.col("birth_date") - pl.col("person_birth_date")).abs() > _A_YEAR
    judged = both.select((genders[0] != genders[1]).alias(GENDER_DIFFERS), apart.alias(BIRTH_DATE_APART))
    return _counted((source, finding, judged[finding]) for finding in judged.columns)


def in_events(events: Mapping[str, pl.DataFrame], persons: pl.DataFrame) -> pl.DataFrame:
    """Count the records of what cannot have happened to their person.

    ``events``: by source, a row a record: ``person_id``, ``defines`` (Boolean: whether it is the one that defines its
    person), ``start``, ``end`` and ``death`` (Date) and ``delivery`` (Boolean: it is of a woman giving birth), as far
    as the source tells them.
    Returns ``source``, ``finding``, ``links``, ``of``: a row for whatever a source tells enough to judge.

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
    at_once = _stays_at_once(events)
    return _counted(
        each
        for source, records in events.items()
        for each in _findings(source, records, persons, died, at_once.get(source))
    )


def _findings(
    source: str, records: pl.DataFrame, persons: pl.DataFrame, died: pl.Series | None, at_once: pl.Series | None
) -> Iterator[tuple[str, str, pl.Series]]:
    linked = records.filter(~pl.col("defines"))
    of = linked["person_id"]
    if "start" in linked.columns:
        if died is not None:
            yield source, AFTER_DEATH, linked["start"] > died[of] + _GRACE
        yield source, BEFORE_BIRTH, linked["start"] < persons["birth_date"][of]
    if "delivery" in linked.columns:
        delivered = linked.filter("delivery")
        yield source, MAN_GIVING_BIRTH, persons["gender"].cast(pl.String)[delivered["person_id"]] == "male"
    if at_once is not None:
        yield source, TWO_STAYS, at_once


def _deaths(events: Mapping[str, pl.DataFrame], persons: int) -> pl.Series | None:
    """Give the day on which each person died; the last, where sources disagree. None where no source tells of it."""
    told = [records.select("person_id", "death") for records in events.values() if "death" in records.columns]
    if not told:
        return None
    last = pl.concat(told).drop_nulls().group_by("person_id").agg(pl.col("death").max())
    return pl.repeat(None, persons, dtype=pl.Date, eager=True).scatter(last["person_id"], last["death"])


def _stays_at_once(events: Mapping[str, pl.DataFrame]) -> dict[str, pl.Series]:
    """Say of each stay that follows another of its person, wherever that was, whether it begins before its end.

    Leaving one place and coming to another may be on one day.
    """
    told = [
        records.select(pl.lit(order, pl.Int32).alias("order"), "person_id", "start", "end").drop_nulls()
        for order, records in enumerate(events.values())
        if {"start", "end"} <= set(records.columns)
    ]
    if not told:
        return {}
    stays = pl.concat(told).filter(pl.col("end") >= pl.col("start")).sort("person_id", "start", "end", "order")
    # As numbers that rise with the person, so that the latest end so far is one of an earlier person only where there
    # is no earlier stay, and then it is below everything: a window over a million persons would take a hundred times
    # as long.
    person = pl.col("person_id").cast(pl.Int64) * _MOST_DAYS
    start, end = (person + pl.col(day).cast(pl.Int32) + _DAYS_BEFORE_1970 for day in ("start", "end"))
    follows = pl.col("person_id") == pl.col("person_id").shift()
    judged = stays.select("order", pl.when(follows).then(start < end.cum_max().shift()).alias("at_once"))
    names = list(events)
    return {names[order]: part["at_once"] for (order,), part in judged.group_by("order", maintain_order=True)}


def _counted(findings: Iterator[tuple[str, str, pl.Series]]) -> pl.DataFrame:
    """Count what is so and what could be judged: what is null could not."""
    rows = [(source, finding, judged.sum(), judged.len() - judged.null_count()) for source, finding, judged in findings]
    return pl.DataFrame(rows, schema=QUALITY_TABLES["implausible"], orient="row")
