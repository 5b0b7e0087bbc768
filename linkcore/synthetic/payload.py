"""Columns of payload: everything that a provider records beside identifiers, plausible but without meaning."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.population import Population

__all__ = [
    "Amount",
    "Codes",
    "Count",
    "Day",
    "DwellingAttribute",
    "Flag",
    "Payload",
    "PersonAttribute",
    "Visits",
    "format_dates",
]


@dataclass(frozen=True)
class Visits:
    """One provider's records before any column is written: the person and the day of each.

    ``entity`` is a UInt32 series of rows of ``population.people``. ``date_format`` is the provider's ``strftime``
    format, or None for date columns.
    """

    entity: pl.Series
    day: npt.NDArray[np.datetime64]
    population: Population
    date_format: str | None


class Payload(Protocol):
    """A column of payload."""

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""


@dataclass(frozen=True)
class Day:
    """The day of the record, or a later day: on average ``after`` days later."""

    after: float = 0.0

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""
        days = np.floor(rng.exponential(self.after, size=len(visits.day))).astype(np.int64)
        dates = pl.Series((visits.day + days).astype("datetime64[ms]")).cast(pl.Date)
        return format_dates(dates, visits.date_format)


@dataclass(frozen=True)
class Codes:
    """One of several codes, the first being the most frequent.

    ``missing`` is the share of records without a code. People younger than ``from_age`` have none. Of women of
    childbearing age, one record in six has a ``maternity`` code instead.
    """

    values: tuple[str, ...]
    missing: float = 0.0
    from_age: float = 0.0
    maternity: tuple[str, ...] = ()

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""
        weights = 1 / np.arange(2, len(self.values) + 2)
        code = rng.choice(len(self.values), size=len(visits.day), p=weights / weights.sum())
        people = visits.population.people
        age, gender = (people[name].gather(visits.entity).to_numpy() for name in ("age", "gender"))
        if self.maternity:
            mother = (gender == 2) & (age >= 18) & (age < 43) & (rng.random(len(age)) < 1 / 6)
            maternity_code = len(self.values) + rng.integers(0, len(self.maternity), size=len(age))
            code = np.where(mother, maternity_code, code)
        codes = pl.Series((*self.values, *self.maternity), dtype=pl.String).gather(code)
        return codes.set(pl.Series((rng.random(len(age)) < self.missing) | (age < self.from_age)), None)


@dataclass(frozen=True)
class Amount:
    """An amount of money in pounds, log-normally distributed around a median."""

    median: float
    spread: float = 0.6

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""
        return pl.Series(self.median * rng.lognormal(0, self.spread, size=len(visits.day))).round(2)


@dataclass(frozen=True)
class Count:
    """A whole number with a given mean, skewed to the right."""

    mean: float

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""
        return pl.Series(rng.poisson(rng.gamma(2, self.mean / 2, size=len(visits.day))), dtype=pl.Int32)


@dataclass(frozen=True)
class Flag:
    """Y in a share of the records, N in the others."""

    share: float

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""
        return pl.Series(["N", "Y"], dtype=pl.String).gather(
            (rng.random(len(visits.day)) < self.share).astype(np.int64)
        )


@dataclass(frozen=True)
class PersonAttribute:
    """A column of the people; a share ``missing`` of the records has ``missing_code`` instead."""

    name: str
    missing: float = 0.0
    missing_code: str | None = None

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Draw one value per record."""
        values = visits.population.people[self.name].gather(visits.entity)
        return values.set(pl.Series(rng.random(len(values)) < self.missing), self.missing_code)


@dataclass(frozen=True)
class DwellingAttribute:
    """A column of the dwellings, for the dwelling of the person."""

    name: str

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:  # noqa: ARG002
        """Return one value per record."""
        dwelling = visits.population.people["dwelling"].gather(visits.entity)
        return visits.population.places.dwellings[self.name].gather(dwelling)


def format_dates(dates: pl.Series, date_format: str | None) -> pl.Series:
    """Write dates as text in a ``strftime`` format, or keep them as dates where the format is None."""
    return dates if date_format is None else dates.dt.strftime(date_format)
