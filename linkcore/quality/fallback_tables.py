"""The results of the fallback's self-test, as tables."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final, Literal

import polars as pl

from linkcore.linkage.enough_identifiers import enough_to_be_found
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import Rate, calibration, false_links, missed_links, threshold_curve
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.quality.tables import FALLBACK_TABLES
from linkcore.schema import ALL

__all__ = ["FallbackTest", "calibration_table", "candidates_table", "curve_table", "rates_table"]

Measure = Literal["false links", "missed links"]
Weighting = Literal["raw", "reweighted"]

_ESTIMATES: Final[Mapping[Measure, Callable[[pl.DataFrame, Mapping[int, float], str], Rate]]] = {
    "false links": false_links,
    "missed links": missed_links,
}
_WEIGHTINGS: Final[Mapping[Weighting, str]] = {"raw": "weight", "reweighted": "reweighted"}


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
    pi : mapping of int to float
        Share of these records whose person is listed, by source.
    """

    outcomes: Outcomes
    names: Mapping[int, str]
    thresholds: Mapping[int, Threshold]
    numberless: Mapping[int, int]
    links: Mapping[int, int]
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
        return rows.with_columns(pl.col(*_WEIGHTINGS.values()) * scale)

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

    def population(self, source: int | None, measure: Measure) -> int:
        """Return the number of links, or of records with a listed person, to which a rate applies in this run."""
        sources = list(self.numberless) if source is None else [source]
        if measure == "false links":
            return sum(self.links.get(index, 0) for index in sources)
        return round(sum(self.numberless.get(index, 0) * self.pi.get(index, 0.5) for index in sources))


def rates_table(test: FallbackTest, hidden_groups: pl.DataFrame) -> pl.DataFrame:
    """Estimate the rates of false and missed links, by source and, over all sources, by demographic group.

    ``hidden_groups``: the demographic groups of the hidden records, one column a dimension.
    Returns ``rates`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. ``cases`` is the effective number of hidden
    records behind the rate, ``of`` the number of links or records of this run to which it applies.
    """
    rows = [
        (name, ALL, ALL, *rate)
        for source, name in test.tested_sources()
        for rate in _rates(test, test.source_rows(source), partial(test.population, source))
    ]
    total = float(test.rows["reweighted"].sum())
    for dimension in hidden_groups.columns:
        # Records that represent only themselves are in no group: they are few, and were not hidden.
        groups = hidden_groups[dimension]
        row_groups = groups.extend_constant(None, 1)[test.rows["record"].clip(0, groups.len())]
        for group in sorted(row_groups.drop_nulls().unique()):
            members = test.rows.filter(row_groups == group)
            share = float(members["reweighted"].sum()) / total if total else 0.0
            populations = {measure: round(test.population(None, measure) * share) for measure in _ESTIMATES}
            rows += [(ALL, dimension, group, *rate) for rate in _rates(test, members, populations.__getitem__)]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["rates"], orient="row")


def _rates(
    test: FallbackTest, rows: pl.DataFrame, population: Callable[[Measure], int]
) -> Iterator[tuple[object, ...]]:
    for measure, estimate in _ESTIMATES.items():
        for weighting, column in _WEIGHTINGS.items():
            yield measure, weighting, *_with_interval(estimate(rows, test.accept, column), population(measure))


def _with_interval(rate: Rate, population: int) -> tuple[float | None, float | None, float | None, float, int]:
    if rate.rate is None:
        return None, None, None, 0.0, population
    return rate.rate, *rate.interval(population), rate.cases, population


def calibration_table(test: FallbackTest) -> pl.DataFrame:
    """Compare predicted probabilities with the rate of right candidates, over all sources, re-weighted.

    Returns ``calibration`` of :data:`linkcore.quality.tables.FALLBACK_TABLES`. ``predicted`` is the mean probability of
    the best candidates in a band, ``observed`` the share of them that is right.
    """
    rows = [
        (low, high, predicted, rate.rate, *rate.interval(max(round(rate.cases), 1)), rate.cases)
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
