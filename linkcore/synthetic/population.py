"""Build the people of a synthetic ICS: the truth about each, before any provider records it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.homes import assign_homes
from linkcore.synthetic.households import RESIDENT, Members, build_households
from linkcore.synthetic.names import HERITAGES
from linkcore.synthetic.naming import draw_heritages, family_names, given_names
from linkcore.synthetic.nhs_numbers import draw_numbers
from linkcore.synthetic.places import Places, build_places

__all__ = ["Population", "build_population"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_UNLISTED_SHARE: Final = 0.015
_UNLISTED_WITH_NUMBER: Final = 0.8
_UNREGISTERED_BIRTHS: Final = ("somali", "arabic", "pakistani")  # some of them have 1 January as birth date
_FIRST_OF_JANUARY: Final = 0.08


@dataclass(frozen=True)
class Population:
    """All people, and all dwellings.

    Parameters
    ----------
    people : polars.DataFrame
        One row for each person; the row number is the *entity* of the truth. Columns: ``listed`` (on the GP list),
        ``nhs_number`` (Int64; null for some who are not listed), ``given_name``, ``middle_name``, ``nickname``,
        ``family_name``, ``previous_family_name`` (upper case with accents; null if there is none), ``birth_date``,
        ``age`` (years, Float64), ``gender`` (1 male, 2 female), ``ethnic_group``, ``dwelling`` and
        ``previous_dwelling`` (rows of ``places.dwellings``), ``moved_on`` (null without a move in the last eight
        years), ``practice``, ``household``, ``role`` (see :mod:`linkcore.synthetic.households`), ``companions`` and
        ``first_companion`` (the number of people in the household, and the first of them; 1 and the person in an
        establishment), ``need`` (how much care the person uses; 1 on average).
    places : Places
        All dwellings.
    """

    people: pl.DataFrame
    places: Places


def build_population(
    seeds: Iterator[np.random.SeedSequence],
    people: int,
    *,
    number_range: tuple[int, int],
    reference_date: date,
) -> Population:
    """Build the people and their dwellings."""
    step = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
    members = build_households(next(step), people)
    places = build_places(next(step), members.households, members.establishments)
    heritage, mixed = draw_heritages(next(step), members)
    born = _birth_dates(next(step), members, heritage, reference_date)
    listed = _listed(next(step), members)
    numbers = draw_numbers(next(step), people, *number_range)
    numbered = listed | (next(step).random(people) < _UNLISTED_WITH_NUMBER)
    resident = members.role == RESIDENT
    first = np.searchsorted(members.household, members.household)
    companions = np.bincount(members.household)[members.household]
    ethnic = np.array([[h.ethnic_group, h.mixed_ethnic_group] for h in HERITAGES])[heritage, mixed.astype(np.int64)]
    year = born.astype("datetime64[Y]").astype(np.int64) + 1970
    frame = pl.DataFrame(
        {
            "listed": listed,
            "nhs_number": pl.Series(numbers).set(pl.Series(~numbered), None),
            **given_names(next(step), members, heritage, year),
            **family_names(next(step), members, heritage),
            "birth_date": pl.Series(born.astype("datetime64[ms]")).cast(pl.Date),
            "age": members.age,
            "gender": (members.female + 1).astype(np.uint8),
            "ethnic_group": ethnic,
            "household": members.household.astype(np.uint32),
            "role": members.role.astype(np.uint8),
            "companions": np.where(resident, 1, companions).astype(np.uint32),
            "first_companion": np.where(resident, np.arange(people), first).astype(np.uint32),
            "need": next(step).gamma(0.8, 1 / 0.8, size=people),
        }
    )
    minority = np.array([h.minority for h in HERITAGES])[heritage]
    homes = assign_homes(next(step), members, places, minority=minority, listed=listed, reference_date=reference_date)
    return Population(frame.hstack(homes), places)


def _birth_dates(
    rng: np.random.Generator, members: Members, heritage: Index, reference_date: date
) -> npt.NDArray[np.datetime64]:
    """Return birth dates by age; 1 January for some people from places where births were not registered."""
    born = np.datetime64(reference_date, "D") - np.floor(members.age * 365.2425).astype("timedelta64[D]")
    unregistered = [number for number, h in enumerate(HERITAGES) if h.name in _UNREGISTERED_BIRTHS]
    chosen = np.isin(heritage, unregistered) & (rng.random(len(born)) < _FIRST_OF_JANUARY)
    return np.where(chosen, born.astype("datetime64[Y]").astype("datetime64[D]"), born)


def _listed(rng: np.random.Generator, members: Members) -> Flags:
    """Draw who is on the GP list: young adults and men are missing more often."""
    weight = np.where((members.age >= 18) & (members.age < 36), 4.0, 1.0) * np.where(members.female == 1, 1.0, 1.5)
    unlisted = round(len(weight) * _UNLISTED_SHARE)
    key = rng.exponential(size=len(weight)) / weight
    listed = np.ones(len(weight), dtype=np.bool_)
    listed[np.argsort(key, kind="stable")[:unlisted]] = False
    return listed
