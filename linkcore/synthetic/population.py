"""The people of a synthetic ICS: the truth about each person, before any provider records it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.homes import assign_homes
from linkcore.synthetic.households import RESIDENT, Members, build_households
from linkcore.synthetic.misspellings import misheard
from linkcore.synthetic.names import HERITAGES
from linkcore.synthetic.naming import draw_heritages, family_names, given_names
from linkcore.synthetic.nhs_numbers import draw_numbers
from linkcore.synthetic.places import Places, build_places

__all__ = ["Population", "build_population"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_UNLISTED_SHARE: Final = 0.015
_UNLISTED_WITH_NUMBER: Final = 0.8
_UNREGISTERED_BIRTHS: Final = ("somali", "arabic", "pakistani")  # some of these have 1 January as their birth date
_FIRST_OF_JANUARY: Final = 0.08
# People who go by another given name than the registered one; a name in another script is spelt in more than one way.
_KNOWN_BY_NICKNAME: Final = 0.12
_KNOWN_BY_MIDDLE_NAME: Final = 0.03
_TRANSLITERATED: Final = 0.15
_YOUNGEST_RENAMED: Final = 20.0
_YEARS_SINCE_RENAMED: Final = 25.0


@dataclass(frozen=True)
class Population:
    """All people and where they live.

    ``people`` has one row per person; the row number is the ``entity`` of the truth. Its columns:

    - ``listed`` (on the GP list), ``nhs_number`` (Int64; null for some people who are not listed);
    - ``given_name``, ``middle_name``, ``nickname``, ``family_name``, ``previous_family_name`` (upper case with accents;
      null where there is none);
    - ``known_as`` (the given name that a person uses instead, if any) and ``renamed_on`` (the day when the family name
      changed, if it did);
    - ``birth_date``, ``age`` (years, Float64), ``gender`` (1 male, 2 female), ``ethnic_group``;
    - ``dwelling`` and ``previous_dwelling`` (rows of ``places.dwellings``), ``moved_on`` (null unless in the last eight
      years), ``practice``;
    - ``household``, ``role`` (see :mod:`linkcore.synthetic.households`), ``companions`` (number of people in the
      household) and ``first_companion`` (row of the first of them); residents of an establishment count as alone;
    - ``need`` (how much care the person uses, 1 on average).
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
    """Draw the people, their households, names, NHS Numbers and homes; each step uses its own seed."""
    generators = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
    members = build_households(next(generators), people)
    places = build_places(next(generators), members.households, members.establishments)
    heritage, mixed = draw_heritages(next(generators), members)
    born = _birth_dates(next(generators), members, heritage, reference_date)
    listed = _listed(next(generators), members)
    numbers = draw_numbers(next(generators), people, *number_range)
    numbered = listed | (next(generators).random(people) < _UNLISTED_WITH_NUMBER)
    resident = members.role == RESIDENT
    first = np.searchsorted(members.household, members.household)
    companions = np.bincount(members.household)[members.household]
    ethnic = np.array([[h.ethnic_group, h.mixed_ethnic_group] for h in HERITAGES])[heritage, mixed.astype(np.int64)]
    year = born.astype("datetime64[Y]").astype(np.int64) + 1970
    frame = pl.DataFrame(
        {
            "listed": listed,
            "nhs_number": pl.Series(numbers).set(pl.Series(~numbered), None),
            **given_names(next(generators), members, heritage, year),
            **family_names(next(generators), members, heritage),
            "birth_date": pl.Series(born.astype("datetime64[ms]")).cast(pl.Date),
            "age": members.age,
            "gender": (members.female + 1).astype(np.uint8),
            "ethnic_group": ethnic,
            "household": members.household.astype(np.uint32),
            "role": members.role.astype(np.uint8),
            "companions": np.where(resident, 1, companions).astype(np.uint32),
            "first_companion": np.where(resident, np.arange(people), first).astype(np.uint32),
            "need": next(generators).gamma(0.8, 1 / 0.8, size=people),
        }
    )
    minority = np.array([h.minority for h in HERITAGES])[heritage]
    homes = assign_homes(
        next(generators), members, places, minority=minority, listed=listed, reference_date=reference_date
    )
    # Drawn last, so that everything above is the same with and without them.
    frame = frame.with_columns(
        _known_as(next(generators), frame).alias("known_as"),
        _renamed_on(next(generators), frame, reference_date).alias("renamed_on"),
    )
    return Population(frame.hstack(homes), places)


def _known_as(rng: np.random.Generator, people: pl.DataFrame) -> pl.Series:
    """Choose the name that a person is known as: a nickname, the middle name, or a given name transliterated anew."""
    chance, count = pl.Series(rng.random(len(people))), len(people)
    transliterated = misheard(rng, people["given_name"])
    british = people["ethnic_group"].is_in(["A", "B"])
    known_as = (
        pl.when(chance < _KNOWN_BY_NICKNAME)
        .then("nickname")
        .when(chance < _KNOWN_BY_NICKNAME + _KNOWN_BY_MIDDLE_NAME)
        .then("middle_name")
        .when(pl.lit(~british & pl.Series(rng.random(count) < _TRANSLITERATED)))
        .then(transliterated)
    )
    return people.select(pl.when(known_as != pl.col("given_name")).then(known_as)).to_series()


def _renamed_on(rng: np.random.Generator, people: pl.DataFrame, reference_date: date) -> pl.Series:
    """Draw the day of the last change of a family name: any day since the person was of the age to marry."""
    adult_years = (people["age"] - _YOUNGEST_RENAMED).clip(0.05, _YEARS_SINCE_RENAMED).to_numpy()
    days = (rng.random(len(people)) * adult_years * 365.2425).astype("timedelta64[D]")
    renamed = pl.Series(np.datetime64(reference_date, "ms") - days).cast(pl.Date)
    return renamed.set(people["previous_family_name"].is_null(), None)


def _birth_dates(
    rng: np.random.Generator, members: Members, heritage: Index, reference_date: date
) -> npt.NDArray[np.datetime64]:
    """Turn ages into birth dates; 1 January for some people who were born where births were not registered."""
    born = np.datetime64(reference_date, "D") - np.floor(members.age * 365.2425).astype("timedelta64[D]")
    unregistered = [number for number, h in enumerate(HERITAGES) if h.name in _UNREGISTERED_BIRTHS]
    first_of_january = np.isin(heritage, unregistered) & (rng.random(len(born)) < _FIRST_OF_JANUARY)
    return np.where(first_of_january, born.astype("datetime64[Y]").astype("datetime64[D]"), born)


def _listed(rng: np.random.Generator, members: Members) -> Flags:
    """Draw who is on the GP list; young adults, students and men are missing from it more often."""
    weight = np.where((members.age >= 18) & (members.age < 36), 4.0, 1.0) * np.where(members.female == 1, 1.0, 1.5)
    unlisted = round(len(weight) * _UNLISTED_SHARE)
    key = rng.exponential(size=len(weight)) / weight
    listed = np.ones(len(weight), dtype=np.bool_)
    listed[np.argsort(key, kind="stable")[:unlisted]] = False
    return listed
