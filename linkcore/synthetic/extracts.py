"""The extracts that one provider sends month after month: records are added, corrected and deleted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from linkcore.synthetic.kinds import Index
from linkcore.synthetic.lives import Lives
from linkcore.synthetic.population import Population
from linkcore.synthetic.provider import Provider
from linkcore.synthetic.rates import ErrorRates
from linkcore.synthetic.records import WINDOW_DAYS, ProviderRecords, build_records, record_ids, type_again

__all__ = ["Extracts"]

# Assumed, a month: records whose identifiers a clerk types again, as they are on that day, mostly because the number
# was traced; records that are deleted; and extracts whose rows come in another order than before.
_TYPED_AGAIN: Final = 0.004
_DELETED: Final = 0.001
_REORDERED: Final = 0.1
# What a registration list shows of a person: where one changes, the record is typed again.
_SHOWN: Final = ("nhs_number", "family_name", "dwelling")


@dataclass(frozen=True)
class _Day:
    """The people as they are on a day."""

    day: date
    population: Population

    @property
    def people(self) -> pl.DataFrame:
        return self.population.people

    def listing(self, listed: pl.Series) -> "_Day":
        """Return the same day with other people on the GP list."""
        people = self.people.with_columns(listed.alias("listed"))
        return _Day(self.day, Population(people, self.population.places))


@dataclass(frozen=True)
class Extracts:
    """One provider, and the settings of its extracts.

    The records of each month are drawn anew from the people of that month: of its patient index, the local patient
    identifiers last, and the typing errors do not.
    """

    provider: Provider
    rates: ErrorRates
    lives: Lives
    number_range: tuple[int, int]
    encoding: str

    def months(
        self, days: Sequence[date], seeds: Sequence[Iterator[np.random.SeedSequence]]
    ) -> Iterator[ProviderRecords]:
        """Build the extract of each day. Its truth has ``record`` too, which names a record for as long as it lasts."""
        before = _Day(days[0], self.lives.as_of(days[0]))
        records = _numbered(self._build(seeds[0], before, WINDOW_DAYS), 0)
        made = len(records.truth)
        yield self._as_sent(records, before)
        for day, of_month in zip(days[1:], seeds[1:], strict=True):
            now = _Day(day, self.lives.as_of(day))
            rng = np.random.Generator(np.random.PCG64(next(of_month)))
            kept = _some(records, _random_rows(rng, records, 1 - _DELETED))
            kept = self._typed_again(rng, kept, _random_rows(rng, kept, _TYPED_AGAIN), now)
            if self.provider.spine:
                kept, changed, new = self._registered(of_month, kept, before, now)
                kept = self._typed_again(rng, kept, changed, now)
            else:
                new = self._build(of_month, now, (day - before.day).days)
            new = self._named(new, made)
            made += len(new.truth)
            records, before = _together(kept, new), now
            if rng.random() < _REORDERED:
                records = _some(records, rng.permutation(len(records.truth)))
            yield self._as_sent(records, now)

    def _build(self, seeds: Iterator[np.random.SeedSequence], now: "_Day", window_days: int) -> ProviderRecords:
        """Build the records of some days, of the people who are there."""
        share = np.mean(now.people["need"].to_numpy() > 0) * window_days / WINDOW_DAYS
        provider = replace(self.provider, records_per_person=self.provider.records_per_person * float(share))
        return build_records(
            seeds,
            provider,
            now.population,
            self.rates,
            number_range=self.number_range,
            encoding=self.encoding,
            reference_date=now.day,
            window_days=window_days,
        )

    def _typed_again(
        self, rng: np.random.Generator, records: ProviderRecords, rows: Index, now: "_Day"
    ) -> ProviderRecords:
        """Type the identifiers in some rows again, as they are now."""
        columns, wrong = type_again(
            rng,
            self.provider,
            now.population,
            self.rates,
            number_range=self.number_range,
            encoding=self.encoding,
            entity=records.truth["entity"].gather(rows),
        )
        frame = records.frame.with_columns(
            records.frame[name].scatter(rows, column) for name, column in columns.items()
        )
        number_wrong = records.truth["number_wrong"].scatter(rows, wrong)
        return ProviderRecords(frame, records.truth.with_columns(number_wrong))

    def _registered(
        self, seeds: Iterator[np.random.SeedSequence], records: ProviderRecords, before: "_Day", now: "_Day"
    ) -> tuple[ProviderRecords, Index, ProviderRecords]:
        """Return the records of a registration list that stay, which of them change, and those of new registrations.

        Who changes practice is registered anew.
        """
        people, entity = now.people, records.truth["entity"]
        stays = people["listed"] & (people["practice"] == before.people["practice"]).fill_null(value=False)
        kept = _some(records, stays.gather(entity).arg_true().to_numpy())
        entity = kept.truth["entity"]
        differs = pl.any_horizontal(people[name].ne_missing(before.people[name]).alias(name) for name in _SHOWN)
        changed = people.select(differs).to_series().gather(entity).arg_true().to_numpy()
        new = people["listed"] & ~pl.int_range(len(people), eager=True).is_in(entity.implode())
        fresh = self._build(seeds, now.listing(new), WINDOW_DAYS)
        return kept, changed, fresh

    def _named(self, records: ProviderRecords, first: int) -> ProviderRecords:
        """Give records the ids that follow those of the records before them."""
        ids = record_ids(self.provider, len(records.truth), first)
        column = self.provider.record_id
        frame = records.frame if column is None else records.frame.with_columns(ids.alias(column))
        named = ProviderRecords(frame, records.truth.with_columns(ids.alias("record_id")))
        return _numbered(named, first)

    def _as_sent(self, records: ProviderRecords, now: "_Day") -> ProviderRecords:
        """Name the persons in place of their rows, and row numbers where the provider has no record ids."""
        entity = records.truth["entity"]
        people = now.people.select("person", listed=pl.col("listed").any().over("person"))[entity]
        truth = records.truth.with_columns(people["person"].alias("entity"), people["listed"])
        if self.provider.record_id is None:
            truth = truth.with_columns(record_ids(self.provider, len(truth)).alias("record_id"))
        return ProviderRecords(records.frame, truth)


def _numbered(records: ProviderRecords, first: int) -> ProviderRecords:
    record = pl.int_range(first, first + len(records.truth), dtype=pl.UInt32, eager=True)
    return ProviderRecords(records.frame, records.truth.with_columns(record=record))


def _random_rows(rng: np.random.Generator, records: ProviderRecords, share: float) -> Index:
    return np.flatnonzero(rng.random(len(records.truth)) < share)


def _some(records: ProviderRecords, rows: Index) -> ProviderRecords:
    return ProviderRecords(records.frame[rows], records.truth[rows])


def _together(one: ProviderRecords, other: ProviderRecords) -> ProviderRecords:
    return ProviderRecords(pl.concat([one.frame, other.frame]), pl.concat([one.truth, other.truth]))
