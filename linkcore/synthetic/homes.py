"""Assign dwellings to people: where they live now, where they lived before, and their GP practice."""

from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.households import RESIDENT, SHARER, Members
from linkcore.synthetic.places import Places

__all__ = ["FROM_OUTSIDE", "MOVES_A_YEAR", "assign_homes"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MOVES_A_YEAR: Final = ((18, 25, 32, 45, 65, 90), (0.20, 0.30, 0.17, 0.08, 0.045, 0.05))  # by age; 10 % of all people
_RESIDENT_MOVES_A_YEAR: Final = 0.35  # the same for residents of communal establishments
_YEARS_REMEMBERED: Final = 8.0  # no provider still has an address that a person left longer ago
FROM_OUTSIDE: Final = 0.15  # share of moves that come from outside the area
_VISITORS: Final = 0.35  # share of people not on the GP list who live outside the area
_NO_FIXED_ABODE: Final = 0.07  # share of people not on the GP list who have no fixed abode


def assign_homes(
    rng: np.random.Generator,
    members: Members,
    places: Places,
    *,
    minority: Flags,
    listed: Flags,
    reference_date: date,
) -> pl.DataFrame:
    """Assign homes and practices to all people.

    The frame has one row per person: ``dwelling``, ``previous_dwelling`` and ``moved_on`` (both null where there was no
    recent move), and ``practice``.
    """
    home = _assign_dwellings(rng, members, places, minority)[members.household]
    previous, years = _previous_dwellings(rng, members, places, home)
    remembered = pl.Series(years < np.minimum(members.age, _YEARS_REMEMBERED))
    days = (np.minimum(years, _YEARS_REMEMBERED) * 365.2425).astype("timedelta64[D]")
    moved_on = pl.Series(np.datetime64(reference_date, "ms") - days).cast(pl.Date)
    practice = _practices(rng, members, places, home)
    chance = rng.random(len(home))
    outside = rng.integers(places.outside.start, places.outside.stop, size=len(home))
    dwelling = np.where(~listed & (chance < _VISITORS), outside, home)
    dwelling = np.where(~listed & (chance > 1 - _NO_FIXED_ABODE), places.no_fixed_abode, dwelling)
    return pl.DataFrame(
        {
            "dwelling": pl.Series(dwelling, dtype=pl.UInt32),
            "previous_dwelling": pl.Series(previous, dtype=pl.UInt32).set(~remembered, None),
            "moved_on": moved_on.set(~remembered, None),
            "practice": practice.set(pl.Series(~listed), None),
        }
    )


def _assign_dwellings(rng: np.random.Generator, members: Members, places: Places, minority: Flags) -> Index:
    """Choose the dwelling of every household: rank homes and households, each with much noise, and match the ranks."""
    first = np.searchsorted(members.household, np.arange(members.households))
    homes = places.dwellings.head(places.homes)
    home_score = homes["city"].to_numpy() * 0.8 + (5.5 - homes["deprivation"].to_numpy().astype(np.float64)) / 8
    household_score = minority[first] * 1.5 - members.age[first] / 60
    home_ranks = np.argsort(home_score + rng.normal(size=places.homes), kind="stable")
    household_ranks = np.argsort(household_score + rng.normal(size=members.households), kind="stable")
    dwelling = np.empty(members.households + places.establishments, dtype=np.int64)
    dwelling[household_ranks] = home_ranks
    dwelling[members.households :] = places.homes + np.arange(places.establishments)
    return dwelling


def _previous_dwellings(
    rng: np.random.Generator, members: Members, places: Places, home: Index
) -> tuple[Index, npt.NDArray[np.float64]]:
    """Choose the previous dwelling and the years since the move; sharers and residents move alone, others together."""
    resident = members.role == RESIDENT
    alone = resident | (members.role == SHARER)
    households = int(members.household[-1]) + 1
    mover = np.where(alone, households + np.arange(len(alone)), members.household)
    movers = households + len(alone)
    reference_age = members.age[np.searchsorted(members.household, members.household)]
    rate = np.interp(np.where(alone, members.age, reference_age), *MOVES_A_YEAR)
    years = rng.exponential(size=movers)[mover] / np.where(resident, _RESIDENT_MOVES_A_YEAR, rate)
    # Most people move a few miles: neighbouring homes have neighbouring numbers.
    nearby = home + np.rint(rng.laplace(0, 0.03 * places.homes, size=movers)[mover]).astype(np.int64)
    anywhere = rng.integers(0, places.homes, size=movers)[mover]
    nearby = np.where(resident | (nearby < 0) | (nearby >= places.homes) | (nearby == home), anywhere, nearby)
    outside = rng.integers(places.outside.start, places.outside.stop, size=movers)[mover]
    return np.where(rng.random(movers)[mover] < FROM_OUTSIDE, outside, nearby), years


def _practices(rng: np.random.Generator, members: Members, places: Places, home: Index) -> pl.Series:
    """Choose the practice of each person: mostly the local one; one household in six chose another one nearby."""
    households = int(members.household[-1]) + 1
    step = rng.choice((-1, 1), size=households) * (rng.random(households) < 1 / 6) * (places.homes // 100 + 1)
    nearby = np.clip(home + step[members.household], 0, places.homes - 1)
    # Communal establishments use their local practice.
    return places.dwellings["practice"].gather(np.where(home < places.homes, nearby, home))
