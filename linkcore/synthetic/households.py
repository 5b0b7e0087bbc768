"""Build households of every composition, and the residents of communal establishments.

Shares, ages and sizes make the area similar to Devon in the 2021 Census: 30.2 % of households have one person, a
quarter of all people are 65 or older, and 14.6 in 1,000 maternities bring more than one child.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["CHILD", "OTHER_PARENT", "REFERENCE", "RESIDENT", "SHARER", "Members", "build_households"]

Index = npt.NDArray[np.int64]
Ages = npt.NDArray[np.float64]

REFERENCE: Final = 0
OTHER_PARENT: Final = 1  # or the partner, if there are no children
CHILD: Final = 2
SHARER: Final = 3
RESIDENT: Final = 4

MULTIPLE_MATERNITIES: Final = 0.0146
_COMMUNAL_SHARE: Final = 0.02
_SAME_SEX: Final = 0.015


@dataclass(frozen=True)
class _Kind:
    """One composition of households.

    ``ages`` are quantiles, at equal steps, of the age of the youngest child, or of the reference person if there are no
    children. ``maternities`` are the shares of households with one, two, three and four maternities.
    """

    share: float
    ages: tuple[float, ...]
    female: float = 1.0
    partner: bool = False
    maternities: tuple[float, ...] = ()
    sharers: bool = False
    oldest_child: float = 60.0


_KINDS: Final = (
    _Kind(0.104, (65, 69, 73, 77, 81), female=0.62),  # one person, older
    _Kind(0.056, (79, 83, 86.5, 90.5, 101), female=0.74),  # one person, oldest
    _Kind(0.142, (19, 30, 43, 52, 59, 65), female=0.36),  # one person, younger
    _Kind(0.163, (62, 67, 71, 75, 79, 87), partner=True),
    _Kind(0.175, (20, 31, 48, 56, 61, 66), partner=True),
    _Kind(0.172, (0, 4, 8, 12.5, 18), partner=True, maternities=(0.38, 0.43, 0.15, 0.04), oldest_child=22),
    _Kind(0.060, (18, 20, 23, 28, 45), partner=True, maternities=(0.75, 0.22, 0.03)),
    _Kind(0.058, (0, 5, 9, 13, 18), female=0.86, maternities=(0.52, 0.33, 0.12, 0.03), oldest_child=22),
    _Kind(0.035, (18, 22, 28, 37, 55), female=0.80, maternities=(0.85, 0.15)),
    _Kind(0.035, (18, 21, 24, 28, 40), female=0.45, sharers=True),
)

# Communal establishments: share of all residents, people in each, quantiles of age, share of women.
_ESTABLISHMENTS: Final = (
    (0.47, 38, (62.0, 79.0, 84.0, 87.5, 91.5, 104.0), 0.70),  # care homes
    (0.46, 220, (18.0, 18.8, 19.5, 20.5, 26.0), 0.53),  # student halls
    (0.07, 10**9, (18.0, 25.0, 33.0, 43.0, 76.0), 0.0),  # one prison
)


@dataclass(frozen=True)
class Members:
    """All people, one household after another, establishments last.

    Parameters
    ----------
    household : array of int64, shape (people,)
        Number of the household, from 0; each establishment is one household.
    role : array of int64, shape (people,)
        ``REFERENCE``, ``OTHER_PARENT`` (or the partner), ``CHILD``, ``SHARER`` or ``RESIDENT``.
    female : array of int64, shape (people,)
        1 for female, 0 for male.
    age : array of float64, shape (people,)
        Age in years; children of the same maternity have the same age.
    households : int
        Number of private households.
    establishments : (int, int, int)
        Numbers of care homes, student halls and prisons.
    """

    household: Index
    role: Index
    female: Index
    age: Ages
    households: int
    establishments: tuple[int, int, int]


def build_households(rng: np.random.Generator, people: int) -> Members:
    """Build a number of people, in households and establishments."""
    private = people - round(people * _COMMUNAL_SHARE)
    shares = np.array([kind.share for kind in _KINDS])
    # Households have 2.2 people on average, so these are more than enough; the surplus is cut off.
    kinds = rng.choice(len(_KINDS), size=private // 2 + 50, p=shares / shares.sum())
    parts = [_of_kind(rng, kind, np.flatnonzero(kinds == number)) for number, kind in enumerate(_KINDS)]
    household, role, female, age = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((-age, role, household))[:private]
    household = household[order]
    households = int(household[-1]) + 1
    communal, sizes = _residents(rng, people - private, households)
    return Members(
        household=np.concatenate([household, communal[0]]),
        role=np.concatenate([role[order], communal[1]]),
        female=np.concatenate([female[order], communal[2]]),
        age=np.concatenate([age[order], communal[3]]),
        households=households,
        establishments=sizes,
    )


def _of_kind(rng: np.random.Generator, kind: _Kind, household: Index) -> tuple[Index, Index, Index, Ages]:
    """Return household, role, sex and age of the members of all households of one kind."""
    count = len(household)
    age = _quantiles(rng, kind.ages, count)
    children = np.empty((0,), dtype=np.int64), np.empty(0)
    if kind.maternities:
        # Begin with the youngest child: draw the mother's age at its birth, then the gaps to the older children.
        youngest, age = age, age + np.clip(rng.normal(31.5, 5.0, size=count), 17, 46)
        children = _children(rng, kind, household, youngest, age)
    female = (rng.random(count) < kind.female).astype(np.int64)
    parts = [(household, np.full(count, REFERENCE), female, age)]
    if kind.partner:
        other = np.clip(age + rng.normal(2.2, 4.0, size=count), 18, 103)
        same_sex = rng.random(count) < _SAME_SEX
        parts[0][2][same_sex & (rng.random(count) < 0.5)] = 0
        parts.append((household, np.full(count, OTHER_PARENT), np.where(same_sex, female, 0), other))
    if kind.sharers:
        more = np.repeat(np.arange(count), rng.choice((1, 2, 3, 4), size=count, p=(0.35, 0.3, 0.2, 0.15)))
        shared = np.clip(age[more] + rng.normal(0, 2.5, size=len(more)), 18, 70)
        parts.append((household[more], np.full(len(more), SHARER), rng.integers(0, 2, size=len(more)), shared))
    homes, ages = children
    parts.append((homes, np.full(len(homes), CHILD), rng.integers(0, 2, size=len(homes)), ages))
    first, second, third, fourth = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return first, second, third, fourth


def _children(
    rng: np.random.Generator, kind: _Kind, household: Index, youngest: Ages, mother: Ages
) -> tuple[Index, Ages]:
    """Return household and age of every child that lives at home."""
    most = len(kind.maternities)
    maternities = rng.choice(most, size=len(household), p=kind.maternities) + 1
    gaps = 1.1 + rng.gamma(2.0, 1.0, size=(len(household), most))
    gaps[:, 0] = 0
    ages = youngest[:, None] + np.cumsum(gaps, axis=1)
    at_home = (np.arange(most) < maternities[:, None]) & (ages <= kind.oldest_child) & (ages <= mother[:, None] - 16)
    at_home[:, 0] = True
    several = rng.random(ages.shape) < MULTIPLE_MATERNITIES
    births = np.where(at_home, 1 + several + (several & (rng.random(ages.shape) < 0.015)), 0)
    return np.repeat(household, births.sum(axis=1)), np.repeat(ages.ravel(), births.ravel())


def _residents(
    rng: np.random.Generator, count: int, first: int
) -> tuple[tuple[Index, Index, Index, Ages], tuple[int, int, int]]:
    """Return household, role, sex and age of the residents, and the number of establishments of each kind."""
    kind = rng.choice(len(_ESTABLISHMENTS), size=count, p=[share for share, *_ in _ESTABLISHMENTS])
    columns: list[tuple[Index, Index, Index, Ages]] = []
    sizes: list[int] = []
    for number, (_, capacity, ages, women) in enumerate(_ESTABLISHMENTS):
        residents = int((kind == number).sum())
        # At least one establishment of each kind, even if it is empty.
        places = max(1, round(residents / capacity))
        where = np.sort(first + sum(sizes) + rng.integers(0, places, size=residents))
        female = (rng.random(residents) < women).astype(np.int64)
        columns.append((where, np.full(residents, RESIDENT), female, _quantiles(rng, ages, residents)))
        sizes.append(places)
    household, role, female, age = (np.concatenate(column) for column in zip(*columns, strict=True))
    return (household, role, female, age), (sizes[0], sizes[1], sizes[2])


def _quantiles(rng: np.random.Generator, ages: tuple[float, ...], count: int) -> Ages:
    """Draw ages from a distribution that is given by its quantiles at equal steps."""
    return np.interp(rng.random(count), np.linspace(0, 1, len(ages)), ages)
