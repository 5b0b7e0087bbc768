"""Implausible links: a record contradicts its person in a way that hardly ever happens.

Either the link or a value is wrong. The counts show where to look; they do not estimate the number of false links.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
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
    "implausible_events",
    "implausible_identifiers",
]

GENDER_DIFFERS: Final = "gender is not the person's"
BIRTH_DATE_APART: Final = "birth date is more than a year from the person's"
AFTER_DEATH: Final = "activity after the person died"
BEFORE_BIRTH: Final = "activity before the person was born"
MAN_GIVING_BIRTH: Final = "a man giving birth"
TWO_STAYS: Final = "a stay that begins before another has ended"

_A_YEAR: Final = dt.timedelta(days=366)
_DAYS_BEFORE_1970: Final = (dt.date(1970, 1, 1) - dt.date.min).days
_DAYS_OF_ALL_DATES: Final = (dt.date.max - dt.date.min).days + 1
# A record may be closed, or a body moved, after midnight.
_GRACE: Final = dt.timedelta(days=1)


def implausible_identifiers(source: str, records: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """Count the links of one source whose record and person differ in gender, or much in birth date.

    ``records`` and ``persons``: ``gender`` and ``birth_date``, one row a link. A link is judged where both have a
    value.

    Examples
    --------
    >>> seen = pl.DataFrame({"gender": ["male"], "birth_date": [dt.date(1980, 2, 3)]})
    >>> known = pl.DataFrame({"gender": ["female"], "birth_date": [dt.date(1980, 3, 2)]})
    >>> implausible_identifiers("seen", seen, known).select("links", "of").rows()
    [(1, 1), (0, 1)]
    """
    pairs = pl.concat([records, persons.rename(lambda name: f"person_{name}")], how="horizontal")
    # Cast, because either gender may be an Enum or text.
    gender, person_gender = pl.col("gender").cast(pl.String), pl.col("person_gender").cast(pl.String)
    apart = (pl.col("birth_date") - pl.col("person_birth_date")).abs() > _A_YEAR
    judged = pairs.select((gender != person_gender).alias(GENDER_DIFFERS), apart.alias(BIRTH_DATE_APART))
    return _counts((source, finding, judged[finding]) for finding in judged.columns)


def implausible_events(events: Mapping[str, pl.DataFrame], persons: pl.DataFrame) -> pl.DataFrame:
    """Count the records of events that cannot have happened to their person.

    ``events``: by source, one row a record: ``person_id``, ``defines`` (Boolean: the record defines its person) and, if
    the source has them, ``start``, ``end``, ``death`` (Date) and ``delivery`` (Boolean: a woman gives birth).
    Returns ``implausible`` of :data:`linkcore.quality.tables.QUALITY_TABLES`, with the findings that a source's columns
    allow.

    Examples
    --------
    >>> died = pl.DataFrame({"person_id": [0], "defines": [True], "death": [dt.date(2025, 1, 1)]})
    >>> seen = pl.DataFrame({"person_id": [0, 0], "defines": [False, False],
    ...                      "start": [dt.date(2024, 12, 31), dt.date(2025, 3, 1)]})
    >>> persons = pl.DataFrame({"person_id": [0], "birth_date": [dt.date(1940, 1, 1)], "gender": ["male"]})
    >>> found = implausible_events({"gp": died, "seen": seen}, persons)
    >>> found.filter(source="seen").select("finding", "links", "of").rows()
    [('activity after the person died', 1, 2), ('activity before the person was born', 0, 2)]
    """
    death_dates = _death_dates(events, persons.height)
    overlaps = _overlapping_stays(events)
    return _counts(
        finding
        for source, records in events.items()
        for finding in _findings(source, records, persons, death_dates, overlaps.get(source))
    )


def _findings(
    source: str, records: pl.DataFrame, persons: pl.DataFrame, death_dates: pl.Series | None, overlaps: pl.Series | None
) -> Iterator[tuple[str, str, pl.Series]]:
    linked = records.filter(~pl.col("defines"))
    ids = linked["person_id"]
    if "start" in linked.columns:
        if death_dates is not None:
            yield source, AFTER_DEATH, linked["start"] > death_dates[ids] + _GRACE
        yield source, BEFORE_BIRTH, linked["start"] < persons["birth_date"][ids]
    if "delivery" in linked.columns:
        delivered = linked.filter("delivery")
        yield source, MAN_GIVING_BIRTH, persons["gender"].cast(pl.String)[delivered["person_id"]] == "male"
    if overlaps is not None:
        yield source, TWO_STAYS, overlaps


def _death_dates(events: Mapping[str, pl.DataFrame], persons: int) -> pl.Series | None:
    """Return each person's date of death, the latest if sources disagree; None if no source has deaths."""
    deaths = [records.select("person_id", "death") for records in events.values() if "death" in records.columns]
    if not deaths:
        return None
    last = pl.concat(deaths).drop_nulls().group_by("person_id").agg(pl.col("death").max())
    return pl.repeat(None, persons, dtype=pl.Date, eager=True).scatter(last["person_id"], last["death"])


def _overlapping_stays(events: Mapping[str, pl.DataFrame]) -> dict[str, pl.Series]:
    """Return by source, for each stay, whether an earlier stay of its person in any source ends after it begins.

    It is null for the first stay of a person. One stay may end on the day on which the next begins.
    """
    parts = [
        records.select(pl.lit(index, pl.Int32).alias("source_index"), "person_id", "start", "end").drop_nulls()
        for index, records in enumerate(events.values())
        if {"start", "end"} <= set(records.columns)
    ]
    if not parts:
        return {}
    stays = pl.concat(parts).filter(pl.col("end") >= pl.col("start"))
    stays = stays.sort("person_id", "start", "end", "source_index")
    # The days of each person are numbers above those of the person before. So the latest end so far is one of another
    # person only at a person's first stay. A window over a million persons would take a hundred times as long.
    first_day = pl.col("person_id").cast(pl.Int64) * _DAYS_OF_ALL_DATES
    start, end = (first_day + pl.col(day).cast(pl.Int32) + _DAYS_BEFORE_1970 for day in ("start", "end"))
    follows = pl.col("person_id") == pl.col("person_id").shift()
    judged = stays.select("source_index", pl.when(follows).then(start < end.cum_max().shift()).alias("overlaps"))
    names = list(events)
    by_source = judged.group_by("source_index", maintain_order=True)
    return {names[source_index]: part["overlaps"] for (source_index,), part in by_source}


def _counts(findings: Iterable[tuple[str, str, pl.Series]]) -> pl.DataFrame:
    """Count the implausible links and the judged ones; a null was not judged."""
    rows = [
        (source, finding, implausible.sum(), implausible.len() - implausible.null_count())
        for source, finding, implausible in findings
    ]
    return pl.DataFrame(rows, schema=QUALITY_TABLES["implausible"], orient="row")
