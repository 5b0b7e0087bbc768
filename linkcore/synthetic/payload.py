"""What a provider records beside identifiers: payload, plausible and of no meaning."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.population import Population

__all__ = ["Amount", "Codes", "Count", "Day", "Flag", "OfDwelling", "OfPerson", "Payload", "Visits", "written"]


@dataclass(frozen=True)
class Visits:
    """The records of one provider before anything is written in them.

    Parameters
    ----------
    entity : polars.Series of UInt32
        Of whom each record is.
    day : array of datetime64[D]
        When.
    population : Population
        The people that ``entity`` counts.
    dates : str or None
        How the provider writes dates, as for ``strftime``; None for a column of dates.
    """

    entity: pl.Series
    day: npt.NDArray[np.datetime64]
    population: Population
    dates: str | None


class Payload(Protocol):
    """A column of payload."""

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""


@dataclass(frozen=True)
class Day:
    """The day of the record, or one a number of days after it: on average ``after``."""

    after: float = 0.0

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""
        days = np.floor(rng.exponential(self.after, size=len(visits.day))).astype(np.int64)
        return written(pl.Series((visits.day + days).astype("datetime64[ms]")).cast(pl.Date), visits.dates)


@dataclass(frozen=True)
class Codes:
    """One of some codes, the first the most frequent.

    ``missing`` is the share of records that have none; nobody younger than ``from_age`` has one; and one in six
    women of an age to bear children has one of ``maternity`` instead.
    """

    values: tuple[str, ...]
    missing: float = 0.0
    from_age: float = 0.0
    maternity: tuple[str, ...] = ()

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""
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
    """An amount of money in pounds, log-normal about a median."""

    median: float
    spread: float = 0.6

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""
        return pl.Series(self.median * rng.lognormal(0, self.spread, size=len(visits.day))).round(2)


@dataclass(frozen=True)
class Count:
    """A whole number, skewed to the right, about a mean."""

    mean: float

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""
        return pl.Series(rng.poisson(rng.gamma(2, self.mean / 2, size=len(visits.day))), dtype=pl.Int32)


@dataclass(frozen=True)
class Flag:
    """Y in a share of the records, N in the others."""

    share: float

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""
        return pl.Series(["N", "Y"], dtype=pl.String).gather(
            (rng.random(len(visits.day)) < self.share).astype(np.int64)
        )


@dataclass(frozen=True)
class OfPerson:
    """Something known of the person; ``instead`` in the share of records that lack it."""

    name: str
    missing: float = 0.0
    instead: str | None = None

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:
        """Its values, one a record."""
        known = visits.population.people[self.name].gather(visits.entity)
        return known.set(pl.Series(rng.random(len(known)) < self.missing), self.instead)


@dataclass(frozen=True)
class OfDwelling:
    """Something known of where the person lives."""

    name: str

    def column(self, rng: np.random.Generator, visits: Visits) -> pl.Series:  # noqa: ARG002
        """Its values, one a record."""
        dwelling = visits.population.people["dwelling"].gather(visits.entity)
        return visits.population.places.dwellings[self.name].gather(dwelling)


def written(dates: pl.Series, form: str | None) -> pl.Series:
    """Dates as a provider writes them: text by a ``strftime`` format, or dates."""
    return dates if form is None else dates.dt.strftime(form)
