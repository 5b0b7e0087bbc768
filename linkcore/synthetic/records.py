"""Build the records of a provider: who comes when, which errors it makes, and how it writes values."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.errors import make_errors
from linkcore.synthetic.names import letters_beyond
from linkcore.synthetic.payload import Visits, written
from linkcore.synthetic.population import Population
from linkcore.synthetic.provider import Provider
from linkcore.synthetic.rates import ErrorRates

__all__ = ["ProviderRecords", "build_records"]

_WINDOW_DAYS: Final = 730
# With a patient index, most errors are made when a patient is entered in the index, and are in all the records.
_MADE_IN_THE_INDEX: Final = 0.7
_ENTERED_TWICE: Final = 0.015
_MISFILED: Final = 0.0003  # share of records with the local identifier of somebody else
_LOCAL_IDS: Final = 99_999_989  # a prime, so that multiplication by any number is a permutation
_ABBREVIATIONS: Final = {"Road": "Rd", "Street": "St", "Avenue": "Ave", "Close": "Cl", "Gardens": "Gdns", "Drive": "Dr"}


@dataclass(frozen=True)
class ProviderRecords:
    """The extract of one provider, and the truth about it.

    Parameters
    ----------
    frame : polars.DataFrame
        The extract as the provider sends it.
    truth : polars.DataFrame
        One row for each record, in the same order: ``source``, ``record_id`` (the row number, from 0, if the provider
        has no record ids), ``entity``, ``listed``, ``number_wrong``.
    """

    frame: pl.DataFrame
    truth: pl.DataFrame


def build_records(
    seeds: Iterator[np.random.SeedSequence],
    provider: Provider,
    population: Population,
    rates: ErrorRates,
    *,
    number_range: tuple[int, int],
    encoding: str,
    reference_date: date,
) -> ProviderRecords:
    """Build the extract of one provider."""
    step = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
    entity = _listed(next(step), population) if provider.spine else _patients(next(step), provider, population)
    day = _days(next(step), population.people["age"].gather(entity).to_numpy(), reference_date)
    if not provider.spine:
        order = np.argsort(day, kind="stable")
        entity, day = entity[order], day[order]
    visits = Visits(pl.Series("entity", entity, dtype=pl.UInt32), day, population, provider.dates)
    if provider.trust:
        records = _through_an_index(
            next(step), provider, population, rates, number_range=number_range, entity=visits.entity
        )
    else:
        records = make_errors(
            next(step), _without_errors(population, visits.entity), population, rates, number_range=number_range
        )
    record_id = _record_ids(provider, len(records))
    # A digit lost in typing is not filled up with 0, unless the numbers of the range begin with 0 themselves.
    digits = 10 if number_range[0] < 100_000_000 else 1
    identifiers = _identifiers(provider, records, encoding, digits)
    payload = {name: column.column(next(step), visits) for name, column in provider.payload.items()}
    named = {} if provider.record_id is None else {provider.record_id: record_id}
    truth = pl.DataFrame(
        {
            "source": pl.repeat(provider.name, len(records), dtype=pl.String, eager=True),
            "record_id": record_id,
            "entity": visits.entity,
            "listed": population.people["listed"].gather(visits.entity),
            "number_wrong": records["number_wrong"],
        }
    )
    return ProviderRecords(pl.DataFrame({**named, **identifiers, **payload}), truth)


def _listed(rng: np.random.Generator, population: Population) -> npt.NDArray[np.int64]:
    """Return everyone on the GP list, practice by practice."""
    people = population.people.select(
        "listed", "practice", entity=pl.int_range(pl.len()), key=pl.Series(rng.random(len(population.people)))
    )
    return people.filter("listed").sort("practice", "key")["entity"].to_numpy()


def _patients(rng: np.random.Generator, provider: Provider, population: Population) -> npt.NDArray[np.int64]:
    """Draw the people of the records, in random order: people in need of more care come more often."""
    people = population.people
    use = people["need"].to_numpy() * np.interp(people["age"].to_numpy(), *provider.by_age)
    use = np.where(people["listed"], use, use * provider.unlisted)
    counts = rng.poisson(use * provider.records_per_person / (use.mean() or 1))
    return rng.permutation(np.repeat(np.arange(len(people)), counts))


def _days(rng: np.random.Generator, age: npt.NDArray[np.float64], reference_date: date) -> npt.NDArray[np.datetime64]:
    """Draw a day in the window for each record, not before birth."""
    possible = np.minimum(_WINDOW_DAYS, np.floor(age * 365.2425) + 1)
    back = np.floor(rng.random(len(age)) * possible).astype("timedelta64[D]")
    days: npt.NDArray[np.datetime64] = np.datetime64(reference_date, "D") - back
    return days


def _without_errors(population: Population, entity: pl.Series) -> pl.DataFrame:
    """Return the records that a provider would write without errors."""
    people = population.people
    home = people["dwelling"].gather(entity)
    known = ("nhs_number", "given_name", "family_name", "birth_date", "gender")
    return pl.DataFrame(
        {
            "entity": entity,
            **{name: people[name].gather(entity) for name in known},
            "postcode": population.places.dwellings["postcode"].gather(home),
            "address": population.places.dwellings["address"].gather(home),
        }
    ).with_columns(
        no_number=pl.col("nhs_number").is_null(),
        number_wrong=pl.lit(value=False),
        impossible_date=pl.lit(value=False),
    )


def _through_an_index(
    rng: np.random.Generator,
    provider: Provider,
    population: Population,
    rates: ErrorRates,
    *,
    number_range: tuple[int, int],
    entity: pl.Series,
) -> pl.DataFrame:
    """Copy records from a patient index with its errors, then make further errors in the records."""
    patients, patient = np.unique(entity.to_numpy(), return_inverse=True)
    twice = np.flatnonzero(rng.random(len(patients)) < _ENTERED_TWICE)
    second = np.full(len(patients), -1)
    second[twice] = len(patients) + np.arange(len(twice))
    # If somebody was entered twice, a record may come from either entry.
    other = (second[patient] >= 0) & (rng.random(len(patient)) < 0.5)
    entry = np.where(other, second[patient], patient)
    entries = np.concatenate([patients, patients[twice]])
    # In the end, records without a number should have `ratio` times the errors. Some of them lost their number after
    # the index, so the ratio r of each of the two steps solves r·(s + (1-s)²) + s·(1-s) = ratio.
    s, ratio = _MADE_IN_THE_INDEX, rates.without_number
    step_rates = replace(rates, without_number=max(1.0, (ratio - s * (1 - s)) / (s + (1 - s) ** 2)))
    index = make_errors(
        rng,
        _without_errors(population, pl.Series(entries, dtype=pl.UInt32)),
        population,
        step_rates,
        number_range=number_range,
        part=s,
        no_number=s * rates.no_number,
        weight=np.bincount(entry, minlength=len(entries)).astype(np.float64),
    )
    key = entries.astype(np.int64) + np.where(np.arange(len(entries)) < len(patients), 0, len(population.people))
    index = index.with_columns(local_patient_id=_local_ids(provider, key))
    records = make_errors(rng, index[entry], population, step_rates, number_range=number_range, part=1 - s)
    misfiled = np.flatnonzero(rng.random(len(records)) < _MISFILED)
    elsewhere = records["local_patient_id"].gather(rng.integers(0, max(len(records), 1), size=len(misfiled)))
    return records.with_columns(local_patient_id=records["local_patient_id"].scatter(misfiled, elsewhere))


def _local_ids(provider: Provider, key: npt.NDArray[np.int64]) -> pl.Series:
    """Return local patient identifiers: one for each key, the same in all providers of a trust."""
    trust = str(provider.trust)
    multiplier = zlib.crc32(trust.encode()) % (_LOCAL_IDS - 1) + 1
    numbers = pl.Series((key + 1) * multiplier % _LOCAL_IDS).cast(pl.String).str.zfill(8)
    return pl.select(pl.lit(trust[0].upper()) + numbers).to_series()


def _record_ids(provider: Provider, count: int) -> pl.Series:
    """Return record ids: the provider's own, or the row number."""
    rows = pl.int_range(count, eager=True)
    if provider.record_id is None:
        return rows.cast(pl.String)
    prefix = "".join(word[0] for word in provider.name.split("_")).upper()
    return pl.select(pl.lit(prefix) + (rows + 10_000_000).cast(pl.String)).to_series()


def _identifiers(provider: Provider, records: pl.DataFrame, encoding: str, digits: int) -> dict[str, pl.Series]:
    """Return the identifiers as the provider writes them, under its own column names."""
    letters = "ascii" if not provider.accents else encoding if provider.data.endswith(".csv") else "utf-8"
    result = {}
    for standard, own in provider.columns.items():
        column = records[standard]
        match standard:
            case "nhs_number":
                column = _write_numbers(provider, column, digits)
            case "given_name" | "family_name":
                column = _write_names(provider, _plain(column, letters))
            case "birth_date":
                column = _write_dates(provider, column, records["impossible_date"])
            case "gender":
                column = column.replace_strict(dict(provider.gender), return_dtype=pl.String)
            case "address" if not provider.title_case:
                column = _abbreviated(column)
        result[own] = column
    return result


def _plain(names: pl.Series, encoding: str) -> pl.Series:
    """Return names in letters that an encoding has."""
    table = letters_beyond(encoding)
    return names.str.replace_many(list(table), list(table.values())) if table else names


def _write_numbers(provider: Provider, numbers: pl.Series, digits: int) -> pl.Series:
    if provider.number == "integer":
        return numbers
    text = numbers.cast(pl.String).str.zfill(digits)
    text = pl.select(pl.when(numbers == 0).then(pl.lit("0000000000")).otherwise(text)).to_series()
    if provider.number == "plain":
        return text
    return text.str.slice(0, 3) + " " + text.str.slice(3, 3) + " " + text.str.slice(6)


def _write_names(provider: Provider, names: pl.Series) -> pl.Series:
    names = names.str.slice(0, 35)
    return names.str.to_titlecase() if provider.title_case else names


def _write_dates(provider: Provider, dates: pl.Series, impossible: pl.Series) -> pl.Series:
    if provider.dates is None:
        return dates.set(impossible, None)
    text = written(dates, provider.dates)
    rows = impossible.arg_true()
    never = written(dates.gather(rows), provider.dates.replace("%d", "30"))
    return text.scatter(rows, never) if len(rows) else text


def _abbreviated(addresses: pl.Series) -> pl.Series:
    short = [f" {word}," for word in _ABBREVIATIONS], [f" {word}," for word in _ABBREVIATIONS.values()]
    return addresses.str.replace_many(*short).str.to_uppercase()
