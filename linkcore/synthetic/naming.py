"""Name the people of each household: draw heritages, given names and family names, and pass names on to children."""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.households import CHILD, OTHER_PARENT, REFERENCE, RESIDENT, SHARER, Members
from linkcore.synthetic.names import HERITAGES, names

__all__ = ["draw_heritages", "family_names", "given_names"]

Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_SAME_HERITAGE: Final = 0.85  # share of couples with one heritage; in the others the partner's is drawn at random
_OLDER_MAJORITY: Final = 0.65  # share of people over 65 who are of the majority whatever was drawn for them
_FATHERS_GIVEN_NAME: Final = 0.03  # share of sons with their father's given name
_MIDDLE_NAME: Final = 0.72  # share of British names with a middle name; half as many in other heritages
_HYPHENATED: Final = 0.03  # share of wives who join both names with a hyphen
# By age: wives who took their husband's name, and single women who still have the name of a former husband.
_TOOK_HUSBANDS_NAME: Final = ((20, 35, 60, 80), (0.15, 0.55, 0.82, 0.93))
_FORMERLY_MARRIED: Final = ((25, 40, 65, 80), (0.02, 0.25, 0.6, 0.85))
# Children of couples have the father's name, the mother's, or both. Children of a lone mother have hers, or the name
# of an absent father.
_FATHERS_FAMILY_NAME, _MOTHERS_FAMILY_NAME, _ABSENT_FATHERS_NAME = 0.86, 0.08, 0.4


def draw_heritages(rng: np.random.Generator, members: Members) -> tuple[Index, Flags]:
    """Draw each person's heritage (its position in ``HERITAGES``), and whether a child's differs from the mother's.

    A household has one heritage. Partners mostly share it, sharers do not, and children have their father's if he lives
    with them.
    """
    shares = np.array([heritage.per_1000 for heritage in HERITAGES], dtype=np.float64)
    heritage, alternative = rng.choice(len(HERITAGES), size=(2, len(members.age)), p=shares / shares.sum())
    heritage = np.where((members.age > 65) & (rng.random(len(heritage)) < _OLDER_MAJORITY), 0, heritage)
    reference = heritage[np.searchsorted(members.household, members.household)]
    partner = members.role == OTHER_PARENT
    of_partner = np.where(rng.random(len(heritage)) < _SAME_HERITAGE, reference, alternative)
    heritage = np.where(partner, of_partner, heritage)
    father = _in_household(members, heritage, partner)
    child = members.role == CHILD
    heritage = np.where(child, np.where(father < 0, reference, father), heritage)
    return heritage, child & (heritage != reference)


def given_names(rng: np.random.Generator, members: Members, heritage: Index, year: Index) -> dict[str, pl.Series]:
    """Draw ``given_name``, ``middle_name`` and ``nickname`` of each person by heritage, sex and year of birth."""
    stock = names()
    # People of other heritages who were born later have British given names more often.
    british = np.array([h.british_given for h in HERITAGES])[heritage] * np.clip((year - 1940) / 60, 0, 1)
    name_heritage = np.where(rng.random(len(year)) < british, 0, heritage)
    given = stock.draw_given(rng, name_heritage, members.female, year)
    child = members.role == CHILD
    father = _in_household(members, given, (members.role == OTHER_PARENT) & (members.female == 0))
    son = child & (members.female == 0) & (father >= 0)
    given = np.where(son & (rng.random(len(year)) < _FATHERS_GIVEN_NAME), father, given)
    for _ in range(4):  # siblings have different names: after a few rounds almost no names are repeated
        repeated = np.flatnonzero(_repeats_sibling(members.household, given, child))
        given[repeated] = stock.draw_given(rng, name_heritage[repeated], members.female[repeated], year[repeated])
    middle = stock.draw_given(rng, name_heritage, members.female, year - 15)
    no_middle_name = rng.random(len(year)) > np.where(name_heritage == 0, _MIDDLE_NAME, _MIDDLE_NAME / 2)
    second = pl.Series(rng.random(len(year)) < 0.4)
    nickname = stock.nicknames[given].select(pl.when(second).then("second").otherwise("first"))
    return {
        "given_name": stock.given[given],
        "middle_name": stock.given[middle].set(pl.Series(no_middle_name | (middle == given)), None),
        "nickname": nickname.to_series(),
    }


def family_names(rng: np.random.Generator, members: Members, heritage: Index) -> dict[str, pl.Series]:
    """Draw ``family_name``, and ``previous_family_name`` of people whose name changed; a hyphen joins two names."""
    woman, child = members.female == 1, members.role == CHILD
    birth_name = names().draw_family(rng, heritage)
    partners_name = _in_household(members, birth_name, members.role == OTHER_PARENT)
    has_partner = partners_name >= 0
    chance = rng.random(len(heritage))
    wife = woman & (members.role == REFERENCE) & has_partner
    single_woman = woman & np.isin(members.role, (REFERENCE, RESIDENT, SHARER)) & ~has_partner
    formerly_married = single_woman & (chance < np.interp(members.age, *_FORMERLY_MARRIED))
    took_name = wife & (chance < np.interp(members.age, *_TOOK_HUSBANDS_NAME))
    name = np.where(took_name, partners_name, birth_name)
    name = np.where(formerly_married, names().draw_family(rng, heritage), name)
    second_name = np.where(wife & (chance > 1 - _HYPHENATED) & (partners_name != birth_name), partners_name, -1)
    # Siblings have the same name, so one draw decides for the whole household.
    first = np.searchsorted(members.household, members.household)
    mothers_name, draw = name[first], chance[first + np.bincount(members.household)[members.household] - 1]
    absent_fathers_name = names().draw_family(rng, heritage)[first]
    mothers_only = (draw >= _FATHERS_FAMILY_NAME) & (draw < _FATHERS_FAMILY_NAME + _MOTHERS_FAMILY_NAME)
    of_couple = np.where(mothers_only, mothers_name, partners_name)
    of_lone_mother = np.where(draw < _ABSENT_FATHERS_NAME, absent_fathers_name, mothers_name)
    name = np.where(child, np.where(has_partner, of_couple, of_lone_mother), name)
    both = child & has_partner & (draw >= _FATHERS_FAMILY_NAME + _MOTHERS_FAMILY_NAME)
    both &= partners_name != mothers_name
    name, second_name = np.where(both, mothers_name, name), np.where(both, partners_name, second_name)
    hyphenated = pl.Series(second_name >= 0)
    ending = "-" + _family_name_text(np.maximum(second_name, 0), woman)
    changed = ~child & ((name != birth_name) | (second_name >= 0))
    return {
        "family_name": _family_name_text(name, woman)
        + pl.select(pl.when(hyphenated).then(ending).otherwise(pl.lit(""))).to_series(),
        "previous_family_name": _family_name_text(birth_name, woman).set(pl.Series(~changed), None),
    }


def _in_household(members: Members, values: Index, selected: Flags) -> Index:
    """For each person, the value of the one selected member of the same household; -1 where there is none."""
    by_household = np.full(int(members.household[-1]) + 1, -1)
    by_household[members.household[selected]] = values[selected]
    return by_household[members.household]


def _repeats_sibling(household: Index, given: Index, child: Flags) -> Flags:
    """Whether a child has the same given name as an earlier child of the household."""
    order = np.lexsort((given, household, ~child))
    person, previous = order[1:], order[:-1]
    repeats = np.zeros(len(order), dtype=np.bool_)
    repeats[person] = child[person] & (household[person] == household[previous]) & (given[person] == given[previous])
    return repeats


def _family_name_text(number: Index, woman: Flags) -> pl.Series:
    """Write family names in the form for the person's sex."""
    stock = names()
    male_form, female_form = stock.family.gather(number), stock.family_of_women.gather(number)
    return pl.select(pl.when(pl.Series(woman)).then(female_form).otherwise(male_form)).to_series()
