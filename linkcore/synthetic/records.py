"""Turn people into the records of a provider: who visits when, with which errors, and in which format."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from linkcore.synthetic.errors import add_errors
from linkcore.synthetic.names import letters_beyond
from linkcore.synthetic.payload import Visits, format_dates
from linkcore.synthetic.population import Population
from linkcore.synthetic.provider import Provider
from linkcore.synthetic.rates import ErrorRates

__all__ = ["WINDOW_DAYS", "ProviderRecords", "build_records", "record_ids", "type_again"]

WINDOW_DAYS: Final = 730
"""Days that a first extract covers."""

# Where there is a patient index, most errors are made in it and are then copied to all records of the patient.
_INDEX_SHARE: Final = 0.7
_ENTERED_TWICE: Final = 0.015  # share of patients who have two entries in the index
_MISFILED: Final = 0.0003  # share of records with the local identifier of another patient
_LOCAL_IDS: Final = 99_999_989  # a prime, so that multiplication modulo it is a permutation
_ABBREVIATIONS: Final = {"Road": "Rd", "Street": "St", "Avenue": "Ave", "Close": "Cl", "Gardens": "Gdns", "Drive": "Dr"}


@dataclass(frozen=True)
class ProviderRecords:
    """One provider's extract and the truth about it.

    ``frame`` is the table as the provider sends it. ``truth`` has one row per record in the same order: ``source``,
    ``record_id`` (the row number, from 0, where the provider has none), ``entity``, ``listed`` and ``number_wrong``.
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
    window_days: int = WINDOW_DAYS,
) -> ProviderRecords:
    """Build the extract of one provider, of the days up to the reference date; each step uses its own seed."""
    generators = (np.random.Generator(np.random.PCG64(seed)) for seed in seeds)
    if provider.spine:
        entity = _listed(next(generators), population)
    else:
        entity = _patients(next(generators), provider, population)
    age = population.people["age"].gather(entity).to_numpy()
    day = _days(next(generators), age, reference_date, window_days)
    if not provider.spine:
        order = np.argsort(day, kind="stable")
        entity, day = entity[order], day[order]
    visits = Visits(pl.Series("entity", entity, dtype=pl.UInt32), day, population, provider.dates)
    # Drawn only where it is asked for, so that all else stays the same.
    past = _Past.draw(next(generators), population, visits, rates) if rates.as_of_visit or rates.known_as else None
    if provider.trust:
        records = _records_from_patient_index(
            next(generators), provider, population, rates, number_range=number_range, entity=visits.entity, past=past
        )
    else:
        correct = _correct_records(population, visits.entity)
        correct = correct if past is None else past.shown_in(correct, population)
        records = add_errors(next(generators), correct, population, rates, number_range=number_range)
    record_id = record_ids(provider, len(records))
    identifiers = _identifiers(provider, records, encoding, _least_digits(number_range))
    payload = {name: column.column(next(generators), visits) for name, column in provider.payload.items()}
    id_column = {} if provider.record_id is None else {provider.record_id: record_id}
    truth = pl.DataFrame(
        {
            "source": pl.repeat(provider.name, len(records), dtype=pl.String, eager=True),
            "record_id": record_id,
            "entity": visits.entity,
            "listed": population.people["listed"].gather(visits.entity),
            "number_wrong": records["number_wrong"],
        }
    )
    return ProviderRecords(pl.DataFrame({**id_column, **identifiers, **payload}), truth)


def _listed(rng: np.random.Generator, population: Population) -> npt.NDArray[np.int64]:
    """Return the people on the GP list, practice by practice."""
    people = population.people.select(
        "listed", "practice", entity=pl.int_range(pl.len()), key=pl.Series(rng.random(len(population.people)))
    )
    return people.filter("listed").sort("practice", "key")["entity"].to_numpy()


def _patients(rng: np.random.Generator, provider: Provider, population: Population) -> npt.NDArray[np.int64]:
    """Draw the person of each record, in random order; people who need much care come often."""
    people = population.people
    use = people["need"].to_numpy() * np.interp(people["age"].to_numpy(), *provider.by_age)
    use = np.where(people["listed"], use, use * provider.unlisted)
    counts = rng.poisson(use * provider.records_per_person / (use.mean() or 1))
    return rng.permutation(np.repeat(np.arange(len(people)), counts))


def _days(
    rng: np.random.Generator, age: npt.NDArray[np.float64], reference_date: date, window_days: int
) -> npt.NDArray[np.datetime64]:
    """Draw the day of each record within the window, and not before birth."""
    possible = np.minimum(window_days, np.floor(age * 365.2425) + 1)
    days_ago = np.floor(rng.random(len(age)) * possible).astype("timedelta64[D]")
    days: npt.NDArray[np.datetime64] = np.datetime64(reference_date, "D") - days_ago
    return days


def _correct_records(population: Population, entity: pl.Series) -> pl.DataFrame:
    """Build the records of a provider that makes no errors."""
    people = population.people
    home = people["dwelling"].gather(entity)
    identifiers = ("nhs_number", "given_name", "family_name", "birth_date", "gender")
    return pl.DataFrame(
        {
            "entity": entity,
            **{name: people[name].gather(entity) for name in identifiers},
            "postcode": population.places.dwellings["postcode"].gather(home),
            "address": population.places.dwellings["address"].gather(home),
        }
    ).with_columns(
        no_number=pl.col("nhs_number").is_null(),
        number_wrong=pl.lit(value=False),
        impossible_date=pl.lit(value=False),
    )


@dataclass(frozen=True)
class _Past:
    """Which records show a person as it was, or as it is known.

    ``before_move``, ``before_renaming`` and ``known_as`` say of each record whether it shows the previous home, the
    previous family name, and the name that the person is known as.
    """

    before_move: pl.Series
    before_renaming: pl.Series
    known_as: pl.Series

    @classmethod
    def draw(cls, rng: np.random.Generator, population: Population, visits: Visits, rates: ErrorRates) -> "_Past":
        """Draw the records; a provider knows a patient by one name, and a record shows home and name of one day."""
        people = population.people.select("moved_on", "renamed_on", "known_as")[visits.entity]
        day = pl.Series(visits.day.astype("datetime64[ms]")).cast(pl.Date)
        of_the_day = pl.Series(rng.random(len(day)) < rates.as_of_visit)
        by_patient = pl.Series(rng.random(len(population.people)) < rates.known_as)
        return cls(
            (of_the_day & (day < people["moved_on"])).fill_null(value=False),
            (of_the_day & (day < people["renamed_on"])).fill_null(value=False),
            by_patient.gather(visits.entity) & people["known_as"].is_not_null(),
        )

    def shown_in(self, records: pl.DataFrame, population: Population) -> pl.DataFrame:
        """Write former homes and names, and other given names, where a record shows the true ones of today."""
        entity, dwellings = records["entity"], population.places.dwellings
        people = population.people.select(
            "given_name", "family_name", "known_as", "previous_family_name", "dwelling", "previous_dwelling"
        )[entity]
        today = dwellings.select("postcode", "address")[people["dwelling"]]
        former = dwellings.select("postcode", "address")[people["previous_dwelling"].fill_null(0)]
        moved = self.before_move & records["postcode"].eq(today["postcode"]).fill_null(value=False)
        renamed = self.before_renaming & records["family_name"].eq(people["family_name"]).fill_null(value=False)
        called = self.known_as & records["given_name"].eq(people["given_name"]).fill_null(value=False)
        written = {
            "postcode": (moved, former["postcode"]),
            "address": (moved & records["address"].is_not_null(), former["address"]),
            "family_name": (renamed, people["previous_family_name"]),
            "given_name": (called, people["known_as"]),
        }
        return records.with_columns(
            pl.when(rows).then(values).otherwise(name).alias(name) for name, (rows, values) in written.items()
        )


def _records_from_patient_index(
    rng: np.random.Generator,
    provider: Provider,
    population: Population,
    rates: ErrorRates,
    *,
    number_range: tuple[int, int],
    entity: pl.Series,
    past: "_Past | None" = None,
) -> pl.DataFrame:
    """Build a patient index with errors, copy its entries to the records, and add errors to the records."""
    patients, patient = np.unique(entity.to_numpy(), return_inverse=True)
    twice = np.flatnonzero(rng.random(len(patients)) < _ENTERED_TWICE)
    second = np.full(len(patients), -1)
    second[twice] = len(patients) + np.arange(len(twice))
    # A record of a patient with two entries is equally likely to come from either.
    use_second = (second[patient] >= 0) & (rng.random(len(patient)) < 0.5)
    entry = np.where(use_second, second[patient], patient)
    entries = np.concatenate([patients, patients[twice]])
    # without_number is the ratio of errors in the final records, some of which lost their number after the index. With
    # the share s of errors made in the index, the ratio r of each stage solves r·(s + (1-s)²) + s·(1-s) = ratio.
    s, ratio = _INDEX_SHARE, rates.without_number
    stage_rates = replace(rates, without_number=max(1.0, (ratio - s * (1 - s)) / (s + (1 - s) ** 2)))
    index = add_errors(
        rng,
        _correct_records(population, pl.Series(entries, dtype=pl.UInt32)),
        population,
        stage_rates,
        number_range=number_range,
        stage_share=s,
        no_number_rate=s * rates.no_number,
        record_counts=np.bincount(entry, minlength=len(entries)).astype(np.float64),
    )
    key = entries.astype(np.int64) + np.where(np.arange(len(entries)) < len(patients), 0, len(population.people))
    index = index.with_columns(local_patient_id=_local_ids(provider, key))
    copied = index[entry] if past is None else past.shown_in(index[entry], population)
    records = add_errors(rng, copied, population, stage_rates, number_range=number_range, stage_share=1 - s)
    misfiled = np.flatnonzero(rng.random(len(records)) < _MISFILED)
    other_ids = records["local_patient_id"].gather(rng.integers(0, max(len(records), 1), size=len(misfiled)))
    return records.with_columns(local_patient_id=records["local_patient_id"].scatter(misfiled, other_ids))


def _local_ids(provider: Provider, key: npt.NDArray[np.int64]) -> pl.Series:
    """Build one local patient identifier per key; all providers of a trust share them."""
    trust = str(provider.trust)
    multiplier = zlib.crc32(trust.encode()) % (_LOCAL_IDS - 1) + 1
    numbers = pl.Series((key + 1) * multiplier % _LOCAL_IDS).cast(pl.String).str.zfill(8)
    return pl.select(pl.lit(trust[0].upper()) + numbers).to_series()


def type_again(
    rng: np.random.Generator,
    provider: Provider,
    population: Population,
    rates: ErrorRates,
    *,
    number_range: tuple[int, int],
    encoding: str,
    entity: pl.Series,
) -> tuple[dict[str, pl.Series], pl.Series]:
    """Type the identifiers of people anew, as a clerk does who corrects a record; not the local patient identifier.

    Returns the provider's columns, and whether each number is not the person's.
    """
    records = add_errors(rng, _correct_records(population, entity), population, rates, number_range=number_range)
    typed = {name: column for name, column in provider.columns.items() if name != "local_patient_id"}
    columns = _identifiers(replace(provider, columns=typed), records, encoding, _least_digits(number_range))
    return columns, records["number_wrong"]


def _least_digits(number_range: tuple[int, int]) -> int:
    # A number that lost a digit to mistyping stays short, unless numbers may begin with 0: then all get ten digits.
    return 10 if number_range[0] < 100_000_000 else 1


def record_ids(provider: Provider, count: int, first: int = 0) -> pl.Series:
    """Build the record ids: the provider's own identifiers, or the row numbers."""
    rows = pl.int_range(first, first + count, eager=True)
    if provider.record_id is None:
        return rows.cast(pl.String)
    prefix = "".join(word[0] for word in provider.name.split("_")).upper()
    return pl.select(pl.lit(prefix) + (rows + 10_000_000).cast(pl.String)).to_series()


def _identifiers(provider: Provider, records: pl.DataFrame, encoding: str, digits: int) -> dict[str, pl.Series]:
    """Write the identifiers in the provider's format, under its column names."""
    if not provider.accents:
        encoding = "ascii"
    elif not provider.data.endswith(".csv"):
        encoding = "utf-8"
    result = {}
    for standard, column_name in provider.columns.items():
        column = records[standard]
        match standard:
            case "nhs_number":
                column = _write_numbers(provider, column, digits)
            case "given_name" | "family_name":
                column = _write_names(provider, _encodable(column, encoding))
            case "birth_date":
                column = _write_dates(provider, column, records["impossible_date"])
            case "gender":
                column = column.replace_strict(dict(provider.gender), return_dtype=pl.String)
            case "address" if not provider.title_case:
                column = _abbreviated(column)
        result[column_name] = column
    return result


def _encodable(names: pl.Series, encoding: str) -> pl.Series:
    """Replace the letters that an encoding lacks."""
    table = letters_beyond(encoding)
    return names.str.replace_many(list(table), list(table.values())) if table else names


def _write_numbers(provider: Provider, numbers: pl.Series, digits: int) -> pl.Series:
    """Write NHS Numbers plain, spaced or as integers, filled up to ``digits`` digits."""
    if provider.number == "integer":
        return numbers
    text = numbers.cast(pl.String).str.zfill(digits)
    text = pl.select(pl.when(numbers == 0).then(pl.lit("0000000000")).otherwise(text)).to_series()
    if provider.number == "plain":
        return text
    return text.str.slice(0, 3) + " " + text.str.slice(3, 3) + " " + text.str.slice(6)


def _write_names(provider: Provider, names: pl.Series) -> pl.Series:
    """Write names in the provider's case, cut to 35 characters."""
    names = names.str.slice(0, 35)
    return names.str.to_titlecase() if provider.title_case else names


def _write_dates(provider: Provider, dates: pl.Series, impossible: pl.Series) -> pl.Series:
    """Write dates in the provider's format; impossible ones become 30 February, or null in a date column."""
    if provider.dates is None:
        return dates.set(impossible, None)
    text = format_dates(dates, provider.dates)
    rows = impossible.arg_true()
    impossible_text = format_dates(dates.gather(rows), provider.dates.replace("%d", "30"))
    return text.scatter(rows, impossible_text) if len(rows) else text


def _abbreviated(addresses: pl.Series) -> pl.Series:
    """Abbreviate street types, and write addresses in upper case."""
    words = [f" {word}," for word in _ABBREVIATIONS]
    abbreviations = [f" {abbreviation}," for abbreviation in _ABBREVIATIONS.values()]
    return addresses.str.replace_many(words, abbreviations).str.to_uppercase()
