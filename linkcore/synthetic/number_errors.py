"""Errors in NHS Numbers: remove the number from a record, or replace it with another person's."""

from typing import Final

import numpy as np
import polars as pl

from linkcore.synthetic.kinds import Weights, draw_kinds, overwrite
from linkcore.synthetic.nhs_numbers import mistype, mistype_to_valid
from linkcore.synthetic.population import Population
from linkcore.synthetic.rates import ErrorRates

__all__ = ["add_wrong_numbers", "remove_numbers"]

_PLACEHOLDERS: Final = (9_999_999_999, 0, 9_999_999_999, 1_111_111_111)


def remove_numbers(
    rng: np.random.Generator,
    records: pl.DataFrame,
    population: Population,
    rates: ErrorRates,
    *,
    target: float,
    record_counts: Weights | None,
) -> pl.DataFrame:
    """Remove numbers until a share ``target`` of records has no usable number.

    Young adults and people who are not registered lose theirs more often. A number is removed, mistyped, or replaced by
    a placeholder.

    ``records`` has ``entity`` (row of the person in ``population``), ``nhs_number``, ``no_number`` (whether there is no
    usable number) and ``number_wrong``. ``record_counts`` says how many final records each row becomes.
    """
    entity = records["entity"]
    people = population.people
    without = records["no_number"].to_numpy() | records["nhs_number"].is_null().to_numpy()
    counts = np.ones(len(records)) if record_counts is None else record_counts
    age = people["age"].gather(entity).to_numpy()
    likelihood = np.where((age >= 15) & (age < 35), 2.2, 1.0) * np.where(people["listed"].gather(entity), 1.0, 6.0)
    # Divide an exponential draw for each row by its weight: the rows with the smallest results are a weighted sample
    # without replacement.
    keys = np.where(without, np.inf, rng.exponential(size=len(records)) / likelihood)
    order = np.argsort(keys, kind="stable")
    # How many more records must lose their number. The random term rounds it up or down by chance, so that the rate is
    # right on average even in a small source.
    wanted = target * counts.sum() - counts[without].sum() + rng.random()
    rows = order[: int(np.searchsorted(np.cumsum(counts[order]), wanted, side="right"))]
    rows = rows[~without[rows]]
    kind = draw_kinds(rng, rates.no_number_kinds, len(rows))
    numbers = records["nhs_number"].gather(rows).to_numpy()
    placeholders = np.array(_PLACEHOLDERS)[rng.integers(0, len(_PLACEHOLDERS), size=len(rows))]
    typed = np.select([kind == "placeholder", kind == "mistyped"], [placeholders, mistype(rng, numbers)], 0)
    values = {
        "nhs_number": pl.Series(typed, dtype=pl.Int64).set(pl.Series(kind == "empty"), None),
        "number_wrong": kind == "mistyped",
    }
    records = records.with_columns(no_number=pl.Series(without).scatter(rows, values=True))
    return overwrite(records, rows, pl.DataFrame(values))


def add_wrong_numbers(
    rng: np.random.Generator,
    records: pl.DataFrame,
    population: Population,
    rates: ErrorRates,
    *,
    stage_share: float,
    number_range: tuple[int, int],
) -> pl.DataFrame:
    """Replace the number of some records with one that is valid but wrong.

    It is the number of another member of the household, of another patient in ``records``, or a mistyped one.

    ``records`` has the same columns as for :func:`remove_numbers`. ``stage_share`` is the share of all errors that are
    made at this stage.
    """
    numbered = np.flatnonzero(~(records["no_number"] | records["number_wrong"]).to_numpy())
    if not len(numbered):
        return records
    chance = min(stage_share * rates.wrong_number * len(records) / len(numbered), 1.0)
    rows = numbered[rng.random(len(numbered)) < chance]
    kind = draw_kinds(rng, rates.wrong_number_kinds, len(rows))
    people = population.people
    entity = records["entity"].gather(rows)
    companions = people["companions"].gather(entity).to_numpy().astype(np.int64)
    first_companion = people["first_companion"].gather(entity).to_numpy().astype(np.int64)
    # Choose any other member of the household. For a person who lives alone, this is the same person.
    step = 1 + np.floor(rng.random(len(rows)) * (companions - 1)).astype(np.int64)
    position = entity.to_numpy().astype(np.int64) - first_companion
    companion = first_companion + (position + step) % companions
    true_number = records["nhs_number"].gather(rows).to_numpy()
    other_patient = records["nhs_number"].gather(numbered[rng.integers(0, len(numbered), size=len(rows))]).to_numpy()
    relative = people["nhs_number"].gather(companion).fill_null(0).to_numpy()
    relative = np.where(relative == 0, true_number, relative)
    typed = mistype_to_valid(rng, true_number, *number_range)
    wrong = np.select([kind == "household", kind == "mistyped"], [relative, typed], other_patient)
    # Where that gives no other number, take that of another patient.
    wrong = np.where(wrong == true_number, other_patient, wrong)
    return overwrite(records, rows, pl.DataFrame({"nhs_number": wrong, "number_wrong": wrong != true_number}))
