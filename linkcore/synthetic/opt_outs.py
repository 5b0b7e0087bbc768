"""Opt-outs of the people of a synthetic ICS: who opts out of what on which day, and withdraws it on which."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from linkcore.synthetic.lives import Lives, days_after

__all__ = ["KINDS", "OptOutDays", "draw_opt_outs"]

KINDS: Final = ("national", "type_one", "objections")
"""The National Data Opt-out, Type 1 opt-outs, and objections to the programme."""

# Share of people at the start. About 5.4 % have the national one, and about 3 % Type 1 (NHS Digital, National Data
# Opt-out and Type 1 Opt-out publications, 2023 and 2024; from memory, and rounded). Of objections none is published.
_AT_FIRST: Final = {"national": 0.054, "type_one": 0.03, "objections": 0.01}
# New ones a year per 1,000 people, and the share that is withdrawn in a year. They are more than the few that are
# published (about 2 per 1,000), so that a small programme has some.
_NEW: Final = 12.0
_WITHDRAWN: Final = 0.08


@dataclass(frozen=True)
class OptOutDays:
    """For each row of the people: ``KIND_from`` and ``KIND_until`` (Date; null if never) of each of ``KINDS``."""

    days: pl.DataFrame
    lives: Lives

    def listed(self, kind: str, day: date) -> pl.DataFrame:
        """Return ``nhs_number`` of the people whose opt-out is in force on a day, in order."""
        begun, ended = self._happened(kind, day)
        return self._numbers(day).filter(begun & ~ended).select("nhs_number").drop_nulls().unique().sort("nhs_number")

    def statements(self, kind: str, day: date) -> pl.DataFrame:
        """Return the register of a day: ``nhs_number``, ``date`` and ``statement`` of each objection and withdrawal."""
        begun, ended = self._happened(kind, day)
        numbers = self._numbers(day).hstack(self.days)
        made = numbers.filter(begun).select("nhs_number", date=f"{kind}_from", statement=pl.lit("objection"))
        withdrawn = numbers.filter(ended).select("nhs_number", date=f"{kind}_until", statement=pl.lit("withdrawal"))
        return pl.concat([made, withdrawn]).drop_nulls().sort("date", "nhs_number", "statement")

    def _numbers(self, day: date) -> pl.DataFrame:
        """Return the number of each row that has come and is not merged; opt-outs outlast a move and a death."""
        people = self.lives.as_of(day).people
        came = (pl.col("came_on") <= day).fill_null(value=True)
        merged = pl.col("merged_into").is_not_null() & (pl.col("left_on") <= day)
        return people.select(pl.when(came & ~merged.fill_null(value=False)).then("nhs_number"))

    def _happened(self, kind: str, day: date) -> tuple[pl.Series, pl.Series]:
        begun, ended = ((self.days[f"{kind}_{when}"] <= day).fill_null(value=False) for when in ("from", "until"))
        return begun, begun & ended


def draw_opt_outs(rng: np.random.Generator, lives: Lives, first: date) -> OptOutDays:
    """Draw on which days each person opts out and withdraws.

    Of a person with two numbers, the opt-out is kept under the first one, and under a temporary one until it is merged.
    """
    person, count = lives.people["person"], len(lives.people)
    second = pl.int_range(count, eager=True) != person
    # The first row of somebody with a temporary number comes only when the numbers are merged.
    registered_twice = second & (lives.people["came_on"].gather(person).is_null())
    columns = {}
    for kind, share in _AT_FIRST.items():
        at_first = pl.Series(rng.random(count) < share)
        begins = days_after(first, 1 + rng.exponential(365 * 1000 / _NEW, count)).set(at_first, first)
        ends = days_after(begins, 1 + rng.exponential(365 / _WITHDRAWN, count))
        for when, days in (("from", begins), ("until", ends)):
            columns[f"{kind}_{when}"] = days.gather(person).set(registered_twice, None)
    return OptOutDays(pl.DataFrame(columns), lives)
