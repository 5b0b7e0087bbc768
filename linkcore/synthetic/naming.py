"""Name the people of a household: their heritage, given names and family names, and how they are handed down."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.households import CHILD, OTHER_PARENT, REFERENCE, RESIDENT, SHARER, Members
from linkcore.synthetic.names import HERITAGES, names

__all__ = ["draw_heritages", "family_names", "given_names"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_ONE_HERITAGE: Final = 0.85  # share of couples of one heritage; other partners are drawn at random
_OLDER_MAJORITY: Final = 0.65  # share of people over 65 who belong to the majority, whatever they drew
_FATHERS_NAME: Final = 0.03  # share of sons with their father's given name
_MIDDLE_NAME: Final = 0.72  # share of people with a middle name; half of it for given names that are not British
_JOINED: Final = 0.03  # share of wives who join both names with a hyphen
# By age: shares of wives who took the husband's name, and of women living alone who have the name of a former husband.
_TOOK_THE_NAME: Final = ((20, 35, 60, 80), (0.15, 0.55, 0.82, 0.93))
_ONCE_MARRIED: Final = ((25, 40, 65, 80), (0.02, 0.25, 0.6, 0.85))
# Children of couples have the father's name, the mother's, or both. Children of a lone mother have her name, or that of
# an absent father.
_FATHERS_FAMILY, _MOTHERS_FAMILY, _ABSENT_FATHERS = 0.86, 0.08, 0.4


def draw_heritages(rng: np.random.Generator, members: Members) -> tuple[Index, Flags]:
    """Draw the heritage of everyone, as a position in ``HERITAGES``, and whether it differs from the mother's.

    Partners mostly have the same heritage; sharers do not. Children have their father's, if he lives with them.
    """
    shares = np.array([heritage.per_1000 for heritage in HERITAGES], dtype=np.float64)
    own, other = rng.choice(len(HERITAGES), size=(2, len(members.age)), p=shares / shares.sum())
    own = np.where((members.age > 65) & (rng.random(len(own)) < _OLDER_MAJORITY), 0, own)
    reference = own[np.searchsorted(members.household, members.household)]
    partner = members.role == OTHER_PARENT
    own = np.where(partner, np.where(rng.random(len(own)) < _ONE_HERITAGE, reference, other), own)
    father = _in_household(members, own, partner)
    child = members.role == CHILD
    own = np.where(child, np.where(father < 0, reference, father), own)
    return own, child & (own != reference)


def given_names(rng: np.random.Generator, members: Members, heritage: Index, year: Index) -> dict[str, pl.Series]:
    """Draw ``given_name``, ``middle_name`` and ``nickname`` of everyone, by heritage, sex and year of birth."""
    stock = names()
    # The later people are born, the more often those of other heritages have British given names.
    british = np.array([h.british_given for h in HERITAGES])[heritage] * np.clip((year - 1940) / 60, 0, 1)
    name_heritage = np.where(rng.random(len(year)) < british, 0, heritage)
    given = stock.draw_given(rng, name_heritage, members.female, year)
    child = members.role == CHILD
    father = _in_household(members, given, (members.role == OTHER_PARENT) & (members.female == 0))
    son = child & (members.female == 0) & (father >= 0)
    given = np.where(son & (rng.random(len(year)) < _FATHERS_NAME), father, given)
    for _ in range(4):  # brothers and sisters have different names; after a few rounds hardly any are the same
        same = np.flatnonzero(_repeated(members.household, given, child))
        given[same] = stock.draw_given(rng, name_heritage[same], members.female[same], year[same])
    middle = stock.draw_given(rng, name_heritage, members.female, year - 15)
    without = rng.random(len(year)) > np.where(name_heritage == 0, _MIDDLE_NAME, _MIDDLE_NAME / 2)
    second = pl.Series(rng.random(len(year)) < 0.4)
    nickname = stock.nicknames[given].select(pl.when(second).then("second").otherwise("first"))
    return {
        "given_name": stock.given[given],
        "middle_name": stock.given[middle].set(pl.Series(without | (middle == given)), None),
        "nickname": nickname.to_series(),
    }


def family_names(rng: np.random.Generator, members: Members, heritage: Index) -> dict[str, pl.Series]:
    """Draw ``family_name`` of everyone, and ``previous_family_name`` of those whose name changed."""
    woman, child = members.female == 1, members.role == CHILD
    at_birth = names().draw_family(rng, heritage)
    partners = _in_household(members, at_birth, members.role == OTHER_PARENT)
    chance = rng.random(len(heritage))
    wife = woman & (members.role == REFERENCE) & (partners >= 0)
    alone = woman & np.isin(members.role, (REFERENCE, RESIDENT, SHARER)) & (partners < 0)
    once = alone & (chance < np.interp(members.age, *_ONCE_MARRIED))
    now = np.where(wife & (chance < np.interp(members.age, *_TOOK_THE_NAME)), partners, at_birth)
    now = np.where(once, names().draw_family(rng, heritage), now)
    joined = np.where(wife & (chance > 1 - _JOINED) & (partners != at_birth), partners, -1)
    # Brothers and sisters have the same name, so one draw decides for the household.
    first = np.searchsorted(members.household, members.household)
    mothers, draw = now[first], chance[first + np.bincount(members.household)[members.household] - 1]
    absent = names().draw_family(rng, heritage)[first]
    of_couple = np.where((draw >= _FATHERS_FAMILY) & (draw < _FATHERS_FAMILY + _MOTHERS_FAMILY), mothers, partners)
    of_one = np.where(draw < _ABSENT_FATHERS, absent, mothers)
    now = np.where(child, np.where(partners >= 0, of_couple, of_one), now)
    both = child & (partners >= 0) & (draw >= _FATHERS_FAMILY + _MOTHERS_FAMILY) & (partners != mothers)
    now, joined = np.where(both, mothers, now), np.where(both, partners, joined)
    second = pl.select(
        pl.when(pl.Series(joined >= 0)).then("-" + _spelt_for(np.maximum(joined, 0), woman)).otherwise(pl.lit(""))
    )
    changed = ~child & ((now != at_birth) | (joined >= 0))
    return {
        "family_name": _spelt_for(now, woman) + second.to_series(),
        "previous_family_name": _spelt_for(at_birth, woman).set(pl.Series(~changed), None),
    }


def _in_household(members: Members, values: Index, chosen: Flags) -> Index:
    """Return for everyone the value of the one chosen member of the household; -1 if nobody is chosen."""
    found = np.full(int(members.household[-1]) + 1, -1)
    found[members.household[chosen]] = values[chosen]
    return found[members.household]


def _repeated(household: Index, given: Index, child: Flags) -> Flags:
    """Whether a child has the same name as an earlier child of the household."""
    order = np.lexsort((given, household, ~child))
    here, before = order[1:], order[:-1]
    same = np.zeros(len(order), dtype=np.bool_)
    same[here] = child[here] & (household[here] == household[before]) & (given[here] == given[before])
    return same


def _spelt_for(number: Index, woman: Flags) -> pl.Series:
    """Return family names in the form for men or for women."""
    stock = names()
    his, hers = stock.family.gather(number), stock.family_of_women.gather(number)
    return pl.select(pl.when(pl.Series(woman)).then(hers).otherwise(his)).to_series()
