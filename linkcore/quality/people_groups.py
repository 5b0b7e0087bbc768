"""Groups of people: age band or decade of birth, gender, and the attributes that a source names."""

import datetime as dt
from itertools import pairwise
from typing import Final

import polars as pl

from linkcore.schema import ATTRIBUTE

__all__ = ["people_groups"]

# The youngest age of each age band but the first.
_AGES: Final = (1, 5, 15, 20, 30, 45, 65, 75, 85)


def people_groups(records: pl.DataFrame, reference_date: dt.date | None) -> pl.DataFrame:
    """Return the groups that each record belongs to: one row for each record, one column for each kind of group.

    ``records``: RECORDS with ``attribute_*``. Without a reference date there are decades of birth, not age bands.

    Examples
    --------
    >>> record = {"birth_date": dt.date(1980, 2, 3), "gender": "female", "attribute_area": "E1"}
    >>> people_groups(pl.DataFrame([record]), dt.date(2026, 3, 31)).row(0, named=True)
    {'age band': '45-64', 'gender': 'female', 'area': 'E1'}
    """
    born = pl.col("birth_date")
    if reference_date is None:
        age = ((born.dt.year() // 10 * 10).cast(pl.String) + "s").alias("decade of birth")
    else:
        labels = [f"under {_AGES[0]}", *(f"{a}-{b - 1}" for a, b in pairwise(_AGES)), f"{_AGES[-1]} and over"]
        reached = [(born <= _last_birth_date(reference_date, age)).cast(pl.UInt8) for age in _AGES]
        band = pl.sum_horizontal(reached).replace_strict(dict(enumerate(labels)), return_dtype=pl.String)
        age = pl.when(born.is_not_null()).then(band).alias("age band")
    attributes = [name for name in records.columns if name.startswith(ATTRIBUTE)]
    return records.select(
        age,
        pl.col("gender").cast(pl.String),
        *(pl.col(name).cast(pl.String).alias(name.removeprefix(ATTRIBUTE)) for name in attributes),
    )


def _last_birth_date(date: dt.date, age: int) -> dt.date:
    """Return the last birth date of people who have reached an age; those born on 29 February reach it on 1 March."""
    day = 28 if (date.month, date.day) == (2, 29) else date.day
    return date.replace(year=date.year - age, day=day)
