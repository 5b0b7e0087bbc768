"""Demographic groups: the age band, gender and other attributes by which linkage quality is compared."""

import datetime as dt
from itertools import pairwise
from typing import Final

import polars as pl

from linkcore.schema import ATTRIBUTE

__all__ = ["demographic_groups"]

_FIRST_AGES: Final = (1, 5, 15, 20, 30, 45, 65, 75, 85)


def demographic_groups(records: pl.DataFrame, reference_date: dt.date | None) -> pl.DataFrame:
    """Return the group of each record in each dimension: age band (or decade of birth), gender and attributes.

    ``records``: RECORDS, with the ``attribute_*`` that their source names.

    Examples
    --------
    >>> record = {"birth_date": dt.date(1980, 2, 3), "gender": "female", "attribute_area": "E1"}
    >>> demographic_groups(pl.DataFrame([record]), dt.date(2026, 3, 31)).row(0, named=True)
    {'age band': '45-64', 'gender': 'female', 'area': 'E1'}
    """
    born = pl.col("birth_date")
    if reference_date is None:
        age = ((born.dt.year() // 10 * 10).cast(pl.String) + "s").alias("decade of birth")
    else:
        between = (f"{first}-{following - 1}" for first, following in pairwise(_FIRST_AGES))
        bands = dict(enumerate([f"under {_FIRST_AGES[0]}", *between, f"{_FIRST_AGES[-1]} and over"]))
        reached = [(born <= _last_birth_date(reference_date, age)).cast(pl.UInt8) for age in _FIRST_AGES]
        band = pl.sum_horizontal(reached).replace_strict(bands, return_dtype=pl.String)
        age = pl.when(born.is_not_null()).then(band).alias("age band")
    attributes = [name for name in records.columns if name.startswith(ATTRIBUTE)]
    return records.select(
        age,
        pl.col("gender").cast(pl.String),
        *(pl.col(name).cast(pl.String).alias(name.removeprefix(ATTRIBUTE)) for name in attributes),
    )


def _last_birth_date(date: dt.date, age: int) -> dt.date:
    """Return the last birth date of people of this age; people born on 29 February have birthdays on 1 March."""
    day = 28 if (date.month, date.day) == (2, 29) else date.day
    return date.replace(year=date.year - age, day=day)
