"""Derived columns that each tell little, and together tell a birth date or a postcode."""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.governance.releases.derived import Derived, with_place
from linkcore.governance.releases.small_areas import POSTCODE, people_by_postcode
from linkcore.sources.source import Source

__all__ = ["refuse_birth_dates", "refuse_crossed_places"]

_HOME: Final = "linkcore:home"


def refuse_birth_dates(columns: Iterable[Derived], where: str) -> None:
    """Refuse derived columns that together tell a birth date.

    Examples
    --------
    >>> import datetime as dt
    >>> refuse_birth_dates([Derived("age", at=dt.date(2026, 3, 31)), Derived("birth_month")], "cohort")
    Traceback (most recent call last):
    linkcore.errors.RefusedError: cohort: an age beside a birth month tells more of the birth date than either; ...
    """
    columns = list(columns)
    ages = {column.at for column in columns if column.kind == "age"}
    if len(ages) > 1:
        raise RefusedError(f"{where}: ages on {len(ages)} days together tell the birth date; derive the age on one day")
    if ages and any(column.kind == "birth_month" for column in columns):
        raise RefusedError(
            f"{where}: an age beside a birth month tells more of the birth date than either; derive one of them"
        )


def refuse_crossed_places(
    columns: Iterable[Derived], persons: pl.DataFrame, sources: Sequence[Source], where: str
) -> None:
    """Refuse small areas that, beside each other or a district, leave a place of too few people."""
    places = sorted({column for column in columns if column.identifier == "postcode"}, key=repr)
    least = max((place.least_people or 0 for place in places), default=0)
    if len(places) < 2 or not least:
        return
    people = people_by_postcode(persons, sources)
    names, frame = [str(number) for number in range(len(places))], people.lazy()
    for name, place in zip(names, places, strict=True):
        frame = with_place(frame.with_columns(pl.col(POSTCODE).alias(_HOME)), pl.col(_HOME), place, name, people)
        frame = frame.with_columns(pl.col(_HOME).alias(POSTCODE))
    together = frame.drop_nulls(names).group_by(names).agg(pl.col("people").sum()).collect()["people"]
    if (together < least).any():
        raise RefusedError(
            f"{where}: {' and '.join(place.kind.replace('_', ' ') for place in places)} together leave places of fewer "
            f"than {least} people; derive one of them, or areas of which one lies within the other"
        )
