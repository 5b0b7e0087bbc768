"""The lives of the people of a synthetic ICS: who is born, comes, moves, marries, gets a number, leaves and dies when.

The people of all months are drawn at once, as they are on the last day, and so are the days on which something happens
to them. What is true on an earlier day follows from these.

Births and moves come with the people (:mod:`~linkcore.synthetic.households`, :mod:`~linkcore.synthetic.homes`): about 7
births a year per 1,000 people (Devon, about 8; England and Wales, about 10: ONS, Births in England and Wales, 2023) and
about 100 moves (one person in ten had another address a year before: ONS, Census 2021), of which 15 from outside the
area (about 20 people per 1,000 move between regions: ONS, Internal migration, 2020). All figures are from memory, and
rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.homes import FROM_OUTSIDE, MOVES_A_YEAR
from linkcore.synthetic.misspellings import misheard
from linkcore.synthetic.nhs_numbers import draw_numbers
from linkcore.synthetic.population import Population, build_population

__all__ = ["Lives", "days_after", "draw_lives"]

Flags = npt.NDArray[np.bool_]

_YEAR: Final = 365.2425
# Deaths a year by age (ONS, National life tables, 2020 to 2022). With these, about 13 a year per 1,000 people die:
# Devon is old (about 12; England and Wales, about 10: ONS, Deaths registered, 2023).
_DEATHS: Final = ((0, 1, 30, 50, 60, 70, 80, 90, 100), (0.004, 0.0002, 0.0006, 0.003, 0.007, 0.017, 0.05, 0.16, 0.4))
# People a year per 1,000 who take another family name when they marry or part: about 8 marry and 3 divorce (ONS,
# Marriages and Divorces in England and Wales, 2022); most of the women change their name, and few men.
_RENAMED: Final = 4.0
_AGES_OF_MARRIAGE: Final = ((17, 20, 28, 34, 45, 70), (0.0, 0.5, 2.0, 2.0, 0.7, 0.1))
# Most babies get their number when the birth is notified, on the day (NHS Numbers for Babies); the others in some days.
_NUMBERED_AT_BIRTH: Final = 0.95
_LATEST_NUMBER: Final = 28  # days
_WEEKS_TO_REGISTER: Final = 3.0  # assumed, on average, for babies and for people who come
# A third of the people who come are from abroad (about 12 per 1,000 a year: ONS, Long-term international migration,
# before 2020), and have no number until they register.
_FROM_ABROAD: Final = 0.33
_FIRST_NUMBERS: Final = 0.4  # assumed: share of the people without a number who get one in a year
# Assumed, since no figure is published: people with two numbers at the start, how many of the second ones are temporary
# ones of people who have not registered yet, and the longest time until the numbers are merged.
_DOUBLES: Final = 0.004
_TEMPORARY: Final = 0.4
_YEARS_TO_MERGE: Final = 2.0
_SPELT_OTHERWISE: Final = 0.3


@dataclass(frozen=True)
class Lives:
    """All people of all months.

    ``people`` has the columns of :class:`Population`, as of ``last``, and

    - ``person``: the person who this is. Somebody with two NHS Numbers has two rows until they are merged: the second
      one, at the end, has the number that is superseded, and the row of the first as its ``person``;
    - ``came_on`` and ``left_on`` (null: before the first day, and not until the last), ``died`` (whether it left so);
    - ``numbered_on`` and ``registered_on``, before which there is no NHS Number, and no place on the GP list;
    - ``renamed_on``, on which ``previous_family_name`` became ``family_name``;
    - ``merged_into``, the number that superseded this one on ``left_on``.
    """

    people: pl.DataFrame
    population: Population
    last: date

    def as_of(self, day: date) -> Population:
        """Return the people as they are on a day; those who are not there need no care, and are not on the GP list."""
        dwellings = self.population.places.dwellings
        former = dwellings["practice"].gather(self.people["previous_dwelling"])
        here = self.here(day)
        moves, renamed = pl.col("moved_on") > day, pl.col("renamed_on") > day
        years_ago = (self.last - day).days / _YEAR
        merged = pl.when(pl.col("left_on") <= day).then("merged_into")
        people = self.people.with_columns(
            listed=pl.col("listed") & here & (pl.col("registered_on") <= day).fill_null(value=True),
            need=pl.when(here).then("need").otherwise(0.0),
            nhs_number=pl.coalesce(
                merged, pl.when((pl.col("numbered_on") > day).fill_null(value=False).not_()).then("nhs_number")
            ),
            age=(pl.col("age") - years_ago).clip(lower_bound=0),
            family_name=pl.when(renamed).then("previous_family_name").otherwise("family_name"),
            previous_family_name=pl.when(renamed.fill_null(value=False).not_()).then("previous_family_name"),
            dwelling=pl.when(moves).then("previous_dwelling").otherwise("dwelling"),
            previous_dwelling=pl.when(moves.fill_null(value=False).not_()).then("previous_dwelling"),
            practice=pl.when(moves & pl.col("practice").is_not_null())
            .then(pl.coalesce(former, "practice"))
            .otherwise("practice"),
        )
        return Population(people, self.population.places)

    def here(self, day: date) -> pl.Series:
        """Whether each row is of somebody who is there on a day."""
        came = (pl.col("came_on") <= day).fill_null(value=True)
        return self.people.select(came & (pl.col("left_on") > day).fill_null(value=True)).to_series()

    def superseded(self, day: date) -> pl.DataFrame:
        """Return the numbers that were superseded by a day: ``old`` and ``new`` (Int64)."""
        return self.people.filter(pl.col("left_on") <= day, pl.col("merged_into").is_not_null()).select(
            old="nhs_number", new="merged_into"
        )


def draw_lives(
    seeds: Iterator[np.random.SeedSequence], people: int, *, number_range: tuple[int, int], first: date, last: date
) -> Lives:
    """Draw the people, and what happens to them from the first to the last day; each step uses its own seed."""
    population = build_population(seeds, people, number_range=number_range, reference_date=last)
    generators = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
    years = (last - first).days / _YEAR
    frame = population.people.with_columns(person=pl.int_range(pl.len(), dtype=pl.UInt32))
    frame = _coming(next(generators), frame, population, first)
    frame = _leaving(next(generators), frame, first, years)
    frame = _renaming(next(generators), frame, first, years)
    numbers = draw_numbers(next(generators), 2 * people, *number_range)
    numbers = numbers[~np.isin(numbers, population.people["nhs_number"].drop_nulls().to_numpy())]
    frame, used = _first_numbers(next(generators), frame, numbers, first)
    frame = _with_doubles(next(generators), frame, numbers[used:], first, last)
    return Lives(frame, population, last)


def days_after(start: pl.Series | date, days: npt.NDArray[np.float64]) -> pl.Series:
    """Return the days some days later, rounded down."""
    begin = pl.repeat(start, len(days), dtype=pl.Date, eager=True) if isinstance(start, date) else start
    return begin + pl.Series(np.floor(days).astype(np.int64) * 86_400_000).cast(pl.Duration("ms"))


def _in_window(rng: np.random.Generator, count: int, first: date, years: float) -> pl.Series:
    """Draw a day after the first one, and not after the last, for each of some people."""
    return days_after(first, 1 + rng.random(count) * max(years * _YEAR - 1, 0))


def _coming(rng: np.random.Generator, people: pl.DataFrame, population: Population, first: date) -> pl.DataFrame:
    """Add when people are born or come, get their number, and register with a practice."""
    outside = population.places.outside
    born = people["birth_date"] > first
    moved_here = people["previous_dwelling"].is_between(outside.start, outside.stop - 1) & (people["moved_on"] > first)
    comes = moved_here.fill_null(value=False) & ~born
    count = len(people)
    registers = days_after(people["moved_on"].fill_null(first), rng.exponential(7 * _WEEKS_TO_REGISTER, count))
    baby_registers = days_after(people["birth_date"], 7 + rng.exponential(7 * _WEEKS_TO_REGISTER, count))
    late = pl.Series(rng.random(count) > _NUMBERED_AT_BIRTH)
    numbered = days_after(people["birth_date"], rng.integers(1, _LATEST_NUMBER + 1, count).astype(np.float64))
    abroad = pl.Series(rng.random(count) < _FROM_ABROAD)
    return people.with_columns(
        came_on=pl.when(born).then("birth_date").when(comes).then("moved_on"),
        registered_on=pl.when(born).then(baby_registers).when(comes).then(registers),
        numbered_on=pl.when(born & late).then(numbered).when(comes & abroad).then(registers),
        moved_on=pl.when(~born & ~comes).then("moved_on"),
        previous_dwelling=pl.when(~born & ~comes).then("previous_dwelling"),
    )


def _leaving(rng: np.random.Generator, people: pl.DataFrame, first: date, years: float) -> pl.DataFrame:
    """Add when people die, or leave with their household: as many leave as come."""
    age = people["age"].to_numpy()
    # Between two ages, the rate grows by the same share each year (Gompertz).
    rate_of_death = np.exp(np.interp(age, _DEATHS[0], np.log(_DEATHS[1])))
    dies = rng.random(len(people)) < 1 - (1 - rate_of_death) ** years
    # The first row of the household decides for all of them; residents of an establishment are alone.
    head = people["first_companion"].to_numpy()
    rate = FROM_OUTSIDE * np.interp(age[head], *MOVES_A_YEAR)
    leaves = rng.random(len(people))[head] < 1 - (1 - rate) ** years
    died_on = _in_window(rng, len(people), first, years)
    moved_out = _in_window(rng, len(people), first, years).gather(head)
    left = pl.min_horizontal(pl.when(pl.Series(dies)).then(died_on), pl.when(pl.Series(leaves)).then(moved_out))
    left = pl.when(left > pl.col("came_on").fill_null(first)).then(left)
    return people.with_columns(left.alias("left_on")).with_columns(
        died=pl.Series(dies) & (pl.col("left_on") == died_on).fill_null(value=False),
        merged_into=pl.lit(None, pl.Int64),
    )


def _renaming(rng: np.random.Generator, people: pl.DataFrame, first: date, years: float) -> pl.DataFrame:
    """Choose whose family name changes between the first and the last day; all others changed theirs before."""
    changed = people["previous_family_name"].is_not_null().to_numpy()
    weight = np.where(changed, np.interp(people["age"].to_numpy(), *_AGES_OF_MARRIAGE, left=0, right=0), 0.0)
    chance = _RENAMED / 1000 * years * len(people) * weight / (weight.sum() or 1)
    renamed_on = _in_window(rng, len(people), first, years).set(pl.Series(rng.random(len(people)) >= chance), None)
    before = pl.min_horizontal("renamed_on", pl.lit(first, pl.Date))
    changed_before = pl.when(pl.col("renamed_on").is_not_null()).then(before)
    return people.with_columns(renamed_on=pl.coalesce(renamed_on, changed_before))


def _first_numbers(
    rng: np.random.Generator, people: pl.DataFrame, numbers: npt.NDArray[np.int64], first: date
) -> tuple[pl.DataFrame, int]:
    """Give a first number to some people who have none, and return how many numbers that took."""
    days = rng.exponential(_YEAR / _FIRST_NUMBERS, len(people))
    rows = people["nhs_number"].is_null().arg_true()[: len(numbers)]
    given = people["nhs_number"].scatter(rows, numbers[: len(rows)])
    numbered_on = people["numbered_on"].scatter(rows, days_after(first, 1 + days).gather(rows))
    return people.with_columns(given, numbered_on), len(rows)


def _with_doubles(
    rng: np.random.Generator, people: pl.DataFrame, numbers: npt.NDArray[np.int64], first: date, last: date
) -> pl.DataFrame:
    """Add a row with another number for each person who was registered twice, or has a temporary number at first."""
    possible = people.select(pl.col("listed") & pl.col("came_on").is_null()).to_series().arg_true()
    count = min(round(_DOUBLES * len(people)), len(possible), len(numbers))
    rows = possible.gather(rng.permutation(len(possible))[:count])
    merged_on = days_after(first, 1 + rng.random(count) * _YEARS_TO_MERGE * _YEAR)
    temporary = pl.Series(rng.random(count) < _TEMPORARY)
    misspelt = pl.Series(rng.random(count) < _SPELT_OTHERWISE) & ~temporary
    person = people[rows]
    # Nobody comes back: who leaves or dies before is never merged.
    merges = (merged_on <= last) & (merged_on < person["left_on"].fill_null(date.max))
    own_row = pl.int_range(len(people), len(people) + count, dtype=pl.UInt32, eager=True)
    second = person.with_columns(
        nhs_number=pl.Series(numbers[:count], dtype=pl.Int64),
        given_name=pl.when(misspelt).then(misheard(rng, person["given_name"])).otherwise("given_name"),
        need=pl.when(temporary).then("need").otherwise(pl.col("need") / 2),
        left_on=pl.when(merges).then(merged_on).otherwise("left_on"),
        merged_into=pl.when(merges).then("nhs_number"),
        first_companion=own_row,
        companions=pl.lit(1, pl.UInt32),
    )
    # Until the numbers are merged, who has a temporary number has no other.
    came_on = people["came_on"].scatter(
        rows.filter(temporary),
        pl.select(pl.when(merges).then(merged_on).otherwise(pl.lit(date.max))).to_series().filter(temporary),
    )
    return pl.concat([people.with_columns(came_on), second])
