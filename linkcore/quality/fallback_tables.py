"""The results of the fallback's self-test, as tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import polars as pl

from linkcore.linkage.enough_identifiers import enough_to_be_found
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import (
    Rate,
    calibration,
    false_links,
    missed_in_run,
    missed_links,
    threshold_curve,
)
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.quality.tables import FALLBACK_TABLES
from linkcore.schema import ALL

__all__ = ["FallbackTest", "calibration_table", "candidates_table", "curve_table", "rates_of_now", "rates_table"]

Measure = Literal["false links", "missed links"]

_MEASURES: Final[tuple[Measure, ...]] = ("false links", "missed links")


@dataclass(frozen=True, eq=False)
class FallbackTest:
    """The self-test of the fallback, and the records without a number that it represents.

    Parameters
    ----------
    outcomes : Outcomes
        The decisions about the hidden records.
    names : mapping of int to str
        Name of each source, by its index.
    thresholds : mapping of int to Threshold
        Threshold of each source.
    numberless : mapping of int to int
        Number of open records without an NHS Number, by source.
    links : mapping of int to int
        Number of these records that were linked to persons, by source.
    listed : mapping of int to float
        Sum of the chances that the persons of these records are listed, by source.
    pi : mapping of int to float
        Estimated share of these records whose person is listed, by source.
    """

    outcomes: Outcomes
    names: Mapping[int, str]
    thresholds: Mapping[int, Threshold]
    numberless: Mapping[int, int]
    links: Mapping[int, int]
    listed: Mapping[int, float]
    pi: Mapping[int, float]

    @cached_property
    def rows(self) -> pl.DataFrame:
        """Outcomes of the half that reports, with weights that add up to the records without a number."""
        rows = self.outcomes.half(chooses=False)
        totals = {
            int(source): float(part["weight"].sum()) for (source,), part in rows.group_by("source", maintain_order=True)
        }
        represented = {source: self.numberless.get(source, 0) / total for source, total in totals.items() if total}
        scale = pl.col("source").replace_strict(represented, default=0.0, return_dtype=pl.Float64)
        return rows.with_columns(pl.col("weight", "reweighted") * scale)

    @property
    def accept(self) -> dict[int, float]:
        """The lowest probability of a link, by source."""
        return {source: threshold.accept for source, threshold in self.thresholds.items()}

    def source_rows(self, source: int | None) -> pl.DataFrame:
        """Return the rows of one source, or of all sources for None."""
        return self.rows if source is None else self.rows.filter(pl.col("source") == source)

    def tested_sources(self) -> Iterator[tuple[int | None, str]]:
        """Yield the index and name of each tested source, and at last None and "all"."""
        for source in sorted(self.rows["source"].unique()):
            yield source, self.names[source]
        yield None, ALL

    def links_of(self, source: int | None) -> int:
        """Return the number of links of this run, of one source or of all."""
        return sum(self.links.values()) if source is None else self.links.get(source, 0)

    def listed_of(self, source: int | None) -> float:
        """Return how many records without a number have a listed person, of one source or of all."""
        return sum(self.listed.values()) if source is None else self.listed.get(source, 0.0)


def rates_table(test: FallbackTest, hidden_groups: pl.DataFrame) -> pl.DataFrame:
    """Estimate the rates of false and missed links, by source and, over all sources, by demographic group.

    ``hidden_groups``: the demographic groups of the hidden records, one column a dimension.
    Returns ``rates`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. ``cases`` is the effective number of hidden
    records behind the rate, ``of`` the number of links or records of this run to which it applies, and ``fewest`` and
    ``most`` are how many of these are predicted to be wrong or missed.
    """
    rows: list[tuple[object, ...]] = []
    for source, name in test.tested_sources():
        links, listed = test.links_of(source), test.listed_of(source)
        wrong, missed = _tested_rates(test, test.source_rows(source))
        in_run = missed_in_run(links, wrong.rate or 0.0, listed, missed)
        rows += _rows((name, ALL, ALL), (wrong, in_run), (links, round(listed)))
    total = float(test.rows["reweighted"].sum())
    for dimension in hidden_groups.columns:
        # Records that represent only themselves are in no group: they are few, and were not hidden.
        groups = hidden_groups[dimension]
        row_groups = groups.extend_constant(None, 1)[test.rows["record"].clip(0, groups.len())]
        for group in sorted(row_groups.drop_nulls().unique()):
            members = test.rows.filter(row_groups == group)
            share = float(members["reweighted"].sum()) / total if total else 0.0
            of = round(test.links_of(None) * share), round(test.listed_of(None) * share)
            rows += _rows((ALL, dimension, group), _tested_rates(test, members), of)
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["rates"], orient="row")


def rates_of_now(earlier: pl.DataFrame, test: FallbackTest) -> pl.DataFrame:
    """Return rates that an earlier run has measured, and what they predict for the links and records of this one.

    Groups are expected to be as large a part of all as they were then.

    ``earlier``: ``rates`` of the run that made the test. ``test``: of this run, in which nothing was hidden.
    """
    index_of: dict[str, int | None] = {name: index for index, name in test.names.items()} | {ALL: None}
    then = {tuple(key): of for *key, of in earlier.filter(dimension=ALL).select("source", "measure", "of").iter_rows()}
    false = dict(earlier.filter(dimension=ALL, measure=_MEASURES[0]).select("source", "rate").iter_rows())
    rows: list[tuple[object, ...]] = []
    for source, dimension, group, measure, rate, cases, of in earlier.select(
        "source", "dimension", "group", "measure", "rate", "cases", "of"
    ).iter_rows():
        links, listed = test.links_of(index_of.get(source, -1)), test.listed_of(index_of.get(source, -1))
        now, found = (links if measure == _MEASURES[0] else round(listed)), Rate(rate, cases)
        if dimension != ALL:
            now = round(now * of / then[source, measure]) if then[source, measure] else 0
        elif measure != _MEASURES[0]:
            found = missed_in_run(links, false[source] or 0.0, listed, found)
        rows.append((source, dimension, group, measure, *_with_interval(found, now)))
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["rates"], orient="row")


def _tested_rates(test: FallbackTest, rows: pl.DataFrame) -> tuple[Rate, Rate]:
    return false_links(rows, test.accept, "reweighted"), missed_links(rows, test.accept, "reweighted")


def _rows(cell: tuple[str, str, str], rates: tuple[Rate, Rate], of: tuple[int, int]) -> Iterator[tuple[object, ...]]:
    for measure, rate, population in zip(_MEASURES, rates, of, strict=True):
        yield *cell, measure, *_with_interval(rate, population)


def _with_interval(rate: Rate, of: int) -> tuple[float | int | None, ...]:
    if rate.rate is None:
        return None, None, None, 0.0, of, *rate.predicted(of)
    return rate.rate, *rate.interval(), rate.cases, of, *rate.predicted(of)


def calibration_table(test: FallbackTest) -> pl.DataFrame:
    """Compare predicted probabilities with the rate of right candidates, over all sources, re-weighted.

    Returns ``calibration`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. ``predicted`` is the mean probability of
    the best candidates in a band, ``observed`` the share of them that is right.
    """
    rows = [
        (low, high, predicted, rate.rate, *rate.interval(), rate.cases)
        for low, high, predicted, rate in calibration(test.rows, "reweighted")
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["calibration"], orient="row")


def curve_table(test: FallbackTest) -> pl.DataFrame:
    """Estimate the false and missed links at other thresholds, by source, re-weighted.

    Returns ``curve`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. No threshold is ``chosen`` for all sources.
    """
    rows = []
    for source, name in test.tested_sources():
        chosen = 0.5 if source is None else test.thresholds[source].accept
        for threshold, false_rate, missed_rate in threshold_curve(test.source_rows(source), chosen, "reweighted"):
            is_chosen = source is not None and threshold == chosen
            rows.append((name, threshold, is_chosen, false_rate.rate, missed_rate.rate))
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["curve"], orient="row")


def candidates_table(
    hidden: pl.DataFrame, removed_persons: pl.Series, proposed: pl.DataFrame, names: Mapping[int, str]
) -> pl.DataFrame:
    """Count the hidden records with a listed person, and those that blocking pairs with that person.

    ``hidden``: RECORDS, ``source_index``, ``true_person``, and ``record`` (UInt32), the id used in ``proposed``.
    ``proposed``: ``record`` and ``person``: hidden records whose true person some blocking rule proposed.
    """
    usable = enough_to_be_found(hidden.columns)
    pairs = proposed.select("record", true_person="person", found=True)
    return (
        hidden.filter(~pl.col("true_person").is_in(removed_persons.implode()))
        .select(
            pl.col("source_index").replace_strict(dict(names), return_dtype=pl.String).alias("source"),
            pl.when(usable).then(pl.lit("three and more")).otherwise(pl.lit("fewer")).alias("usable_identifiers"),
            "record",
            "true_person",
        )
        .join(pairs, on=["record", "true_person"], how="left", maintain_order="left")
        .group_by("source", "usable_identifiers", maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("records"), pl.col("found").is_not_null().sum().cast(pl.Int64))
        .with_columns((pl.col("found") / pl.col("records")).alias("recall"))
        .select(*FALLBACK_TABLES["candidates"])
        .sort("source", "usable_identifiers", descending=[False, True])
    )
