"""Payload: the other columns of a provider, with plausible values that mean nothing."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.population import Population

__all__ = ["Amount", "Codes", "Count", "Day", "Flag", "OfDwelling", "OfPerson", "Payload", "Visits", "written"]


@dataclass(frozen=True)
class Visits:
    """The records of one provider before their columns are filled.

    Parameters
    ----------
    entity : polars.Series of UInt32
        The person of each record.
    day : array of datetime64[D]
        The day of each record.
    population : Population
        The people; ``entity`` is a position in them.
    dates : str or None
        How the provider writes dates, as a ``strftime`` format; None for a column of dates.
    """

    entity: pl.Series
    day: npt.NDArray[np.datetime64]
    population: Population
    dates: str | None


class Payload(Protocol):
    """A column of payload."""

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""


@dataclass(frozen=True)
class Day:
    """The day of the record, or a later day, on average ``after`` days later."""

    after: float = 0.0

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""
        days = np.floor(rng.exponential(self.after, size=len(visits.day))).astype(np.int64)
        return written(pl.Series((visits.day + days).astype("datetime64[ms]")).cast(pl.Date), visits.dates)


@dataclass(frozen=True)
class Codes:
    """One of several codes; the first is the most frequent.

    ``missing`` is the share of records without a code. Nobody younger than ``from_age`` has a code. One in six women of
    childbearing age has one of the codes ``maternity`` instead.
    """

    values: tuple[str, ...]
    missing: float = 0.0
    from_age: float = 0.0
    maternity: tuple[str, ...] = ()

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""
        weights = 1 / np.arange(2, len(self.values) + 2)
        chosen = rng.choice(len(self.values), size=len(visits.day), p=weights / weights.sum())
        people = visits.population.people
        age, gender = (people[name].gather(visits.entity).to_numpy() for name in ("age", "gender"))
        if self.maternity:
            mother = (gender == 2) & (age >= 18) & (age < 43) & (rng.random(len(age)) < 1 / 6)
            birth = len(self.values) + rng.integers(0, len(self.maternity), size=len(age))
            chosen = np.where(mother, birth, chosen)
        codes = pl.Series((*self.values, *self.maternity), dtype=pl.String).gather(chosen)
        return codes.set(pl.Series((rng.random(len(age)) < self.missing) | (age < self.from_age)), None)


@dataclass(frozen=True)
class Amount:
    """An amount of money in pounds, from a log-normal distribution with a given median."""

    median: float
    spread: float = 0.6

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""
        return pl.Series(self.median * rng.lognormal(0, self.spread, size=len(visits.day))).round(2)


@dataclass(frozen=True)
class Count:
    """A whole number, from a right-skewed distribution with a given mean."""

    mean: float

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""
        return pl.Series(rng.poisson(rng.gamma(2, self.mean / 2, size=len(visits.day))), dtype=pl.Int32)


@dataclass(frozen=True)
class Flag:
    """Y in a share of the records, N in all others."""

    share: float

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""
        return pl.Series(["N", "Y"], dtype=pl.String).gather(
            (rng.random(len(visits.day)) < self.share).astype(np.int64)
        )


@dataclass(frozen=True)
class OfPerson:
    """A fact about the person; ``missing`` is the share of records that have ``instead`` in its place."""

    name: str
    missing: float = 0.0
    instead: str | None = None

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Return its values, one for each record."""
        known = visits.population.people[self.name].gather(visits.entity)
        return known.set(pl.Series(rng.random(len(known)) < self.missing), self.instead)


@dataclass(frozen=True)
class OfDwelling:
    """A fact about the person's dwelling."""

    name: str

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:  # noqa: ARG002
        """Return its values, one for each record."""
        dwelling = visits.population.people["dwelling"].gather(visits.entity)
        return visits.population.places.dwellings[self.name].gather(dwelling)


def written(dates: pl.Series, form: str | None) -> pl.Series:
    """Return dates as a provider writes them: as text in a ``strftime`` format, or as dates."""
    return dates if form is None else dates.dt.strftime(form)
