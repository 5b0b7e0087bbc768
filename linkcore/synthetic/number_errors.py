"""Make errors in NHS Numbers: records that lose theirs, and records that carry somebody else's."""

from typing import Final

import numpy as np
import polars as pl

from linkcore.synthetic.kinds import Shares, draw_kinds, overwrite
from linkcore.synthetic.nhs_numbers import mistype, retype
from linkcore.synthetic.population import Population
from linkcore.synthetic.rates import ErrorRates

__all__ = ["exchange_numbers", "lose_numbers"]

_PLACEHOLDERS: Final = (9_999_999_999, 0, 9_999_999_999, 1_111_111_111)


def lose_numbers(
    rng: np.random.Generator,
    records: pl.DataFrame,
    population: Population,
    rates: ErrorRates,
    *,
    target: float,
    weight: Shares | None,
) -> pl.DataFrame:
    """Take the NHS Number from records, more often from young and from unregistered people.

    ``records`` has ``entity``, ``nhs_number``, ``no_number`` and ``number_wrong``.
    """
    entity = records["entity"]
    people = population.people
    without = records["no_number"].to_numpy() | records["nhs_number"].is_null().to_numpy()
    counts = np.ones(len(records)) if weight is None else weight
    age = people["age"].gather(entity).to_numpy()
    likelier = np.where((age >= 15) & (age < 35), 2.2, 1.0) * np.where(people["listed"].gather(entity), 1.0, 6.0)
    # The smallest of exponential draws, divided by the weights, are a weighted sample without replacement.
    keys = np.where(without, np.inf, rng.exponential(size=len(records)) / likelier)
    order = np.argsort(keys, kind="stable")
    # Rounded up or down at random, so that the rate is right on average even in a small source.
    wanted = target * counts.sum() - counts[without].sum() + rng.random()
    more = order[: int(np.searchsorted(np.cumsum(counts[order]), wanted, side="right"))]
    more = more[~without[more]]
    kind = draw_kinds(rng, rates.no_number_kinds, len(more))
    numbers = records["nhs_number"].gather(more).to_numpy()
    placeholders = np.array(_PLACEHOLDERS)[rng.integers(0, len(_PLACEHOLDERS), size=len(more))]
    typed = np.select([kind == "placeholder", kind == "mistyped"], [placeholders, mistype(rng, numbers)], 0)
    new = {
        "nhs_number": pl.Series(typed, dtype=pl.Int64).set(pl.Series(kind == "empty"), None),
        "number_wrong": kind == "mistyped",
    }
    records = records.with_columns(no_number=pl.Series(without).scatter(more, values=True))
    return overwrite(records, more, pl.DataFrame(new))


def exchange_numbers(
    rng: np.random.Generator,
    records: pl.DataFrame,
    population: Population,
    rates: ErrorRates,
    *,
    part: float,
    number_range: tuple[int, int],
) -> pl.DataFrame:
    """Put somebody else's NHS Number on records.

    ``records`` has ``entity``, ``nhs_number``, ``no_number`` and ``number_wrong``.
    """
    right = np.flatnonzero(~(records["no_number"] | records["number_wrong"]).to_numpy())
    if not len(right):
        return records
    chance = min(part * rates.wrong_number * len(records) / len(right), 1.0)
    rows = right[rng.random(len(right)) < chance]
    kind = draw_kinds(rng, rates.wrong_number_kinds, len(rows))
    people = population.people
    entity = records["entity"].gather(rows)
    companions = people["companions"].gather(entity).to_numpy().astype(np.int64)
    first = people["first_companion"].gather(entity).to_numpy().astype(np.int64)
    # Any other member of the household.
    step = 1 + np.floor(rng.random(len(rows)) * (companions - 1)).astype(np.int64)
    companion = first + (entity.to_numpy().astype(np.int64) - first + step) % companions
    own = records["nhs_number"].gather(rows).to_numpy()
    anybody = records["nhs_number"].gather(right[rng.integers(0, len(right), size=len(rows))]).to_numpy()
    relative = people["nhs_number"].gather(companion).fill_null(0).to_numpy()
    relative = np.where(relative == 0, own, relative)
    typed = retype(rng, own, *number_range)
    new = np.select([kind == "household", kind == "mistyped"], [relative, typed], anybody)
    new = np.where(new == own, anybody, new)
    return overwrite(records, rows, pl.DataFrame({"nhs_number": new, "number_wrong": new != own}))
