"""The self-test as plain tables: estimated rates, calibration, the curve of thresholds, and what blocking finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import polars as pl

from linkcore.linkage.enough_identifiers import enough_to_be_found
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import Rate, calibration, false_links, missed_links, threshold_curve
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.quality.tables import FALLBACK_TABLES
from linkcore.schema import ALL

__all__ = ["SelfTest", "calibration_table", "candidates_table", "curve_table", "rates_table"]

Weighting = Literal["raw", "reweighted"]
_WEIGHTINGS: Final[Mapping[Weighting, str]] = {"raw": "weight", "reweighted": "reweighted"}


@dataclass(frozen=True, eq=False)
class SelfTest:
    """The self-test, and the records without a number that it stands for.

    Parameters
    ----------
    outcomes : Outcomes
        What became of the records whose numbers were hidden.
    names : mapping of int to str
        Name of each source, by its position.
    thresholds : mapping of int to Threshold
        Threshold of each source.
    numberless : mapping of int to int
        How many open records of each source have no number.
    links : mapping of int to int
        How many of these were linked to a person, by source.
    pi : mapping of int to float
        Estimated share of these whose person is in PERSONS, by source.
    """

    outcomes: Outcomes
    names: Mapping[int, str]
    thresholds: Mapping[int, Threshold]
    numberless: Mapping[int, int]
    links: Mapping[int, int]
    pi: Mapping[int, float]
    rows: pl.DataFrame = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the half that reports, and weight each source by its records without a number."""
        rows = self.outcomes.half(chooses=False)
        totals = {
            int(source): float(part["weight"].sum()) for (source,), part in rows.group_by("source", maintain_order=True)
        }
        stands_for = {source: self.numberless.get(source, 0) / total for source, total in totals.items() if total}
        scale = pl.col("source").replace_strict(stands_for, default=0.0, return_dtype=pl.Float64)
        object.__setattr__(self, "rows", rows.with_columns(pl.col(*_WEIGHTINGS.values()) * scale))

    @property
    def accept(self) -> dict[int, float]:
        """The probability from which a record of each source was linked."""
        return {source: threshold.accept for source, threshold in self.thresholds.items()}

    def rows_of(self, source: int | None) -> pl.DataFrame:
        """Return the rows of one source, or of all sources."""
        return self.rows if source is None else self.rows.filter(pl.col("source") == source)

    def sources_and_all(self) -> Iterator[tuple[int | None, str]]:
        """Yield each source that was tested, then all of them together."""
        for source in sorted(self.rows["source"].unique()):
            yield source, self.names[source]
        yield None, ALL

    def cases_in_run(self, source: int | None, measure: str) -> int:
        """Count the links or records of this run that a measure describes."""
        sources = list(self.numberless) if source is None else [source]
        if measure == "false links":
            return sum(self.links.get(each, 0) for each in sources)
        return round(sum(self.numberless.get(each, 0) * self.pi.get(each, 0.5) for each in sources))


def rates_table(self_test: SelfTest, groups_of_hidden: pl.DataFrame) -> pl.DataFrame:
    """Estimate the rates of false and missed links, by source and by group.

    False links are a share of the accepted links; missed links are a share of the records whose person is listed.
    Groups are of all sources together. Intervals are for this run's own links.

    Returns ``rates`` of ``FALLBACK_TABLES``.
    """
    rows = [
        (name, ALL, ALL, *each)
        for source, name in self_test.sources_and_all()
        for each in _rates(self_test, self_test.rows_of(source), partial(self_test.cases_in_run, source))
    ]
    whole = float(self_test.rows["reweighted"].sum())
    for dimension in groups_of_hidden.columns:
        # Rows that are not of a hidden record are in no group; they are few.
        of_hidden = groups_of_hidden[dimension]
        of_row = of_hidden.extend_constant(None, 1)[self_test.rows["record"].clip(0, of_hidden.len())]
        for group in sorted(of_row.drop_nulls().unique()):
            part = self_test.rows.filter(of_row == group)
            share = float(part["reweighted"].sum()) / whole if whole else 0.0
            of = {
                measure: round(self_test.cases_in_run(None, measure) * share)
                for measure in ("false links", "missed links")
            }
            rows += [(ALL, dimension, group, *each) for each in _rates(self_test, part, of.__getitem__)]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["rates"], orient="row")


def _rates(self_test: SelfTest, rows: pl.DataFrame, of: Callable[[str], int]) -> Iterator[tuple[object, ...]]:
    for measure, estimate in (("false links", false_links), ("missed links", missed_links)):
        for weighting, column in _WEIGHTINGS.items():
            yield measure, weighting, *_with_interval(estimate(rows, self_test.accept, column), of(measure))


def _with_interval(rate: Rate, of: int) -> tuple[float | None, float | None, float | None, float, int]:
    if rate.rate is None:
        return None, None, None, 0.0, of
    return rate.rate, *rate.interval(of), rate.cases, of


def calibration_table(self_test: SelfTest) -> pl.DataFrame:
    """Compare predicted probabilities with how often they are right; returns ``calibration`` of FALLBACK_TABLES."""
    rows = [
        (low, high, predicted, rate.rate, *rate.interval(max(round(rate.cases), 1)), rate.cases)
        for low, high, predicted, rate in calibration(self_test.rows, "reweighted")
    ]
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["calibration"], orient="row")


def curve_table(self_test: SelfTest) -> pl.DataFrame:
    """Estimate false and missed links at other thresholds, by source; returns ``curve`` of ``FALLBACK_TABLES``."""
    rows = []
    for source, name in self_test.sources_and_all():
        chosen = 0.5 if source is None else self_test.thresholds[source].accept
        for threshold, wrong, missed in threshold_curve(self_test.rows_of(source), chosen, "reweighted"):
            rows.append((name, threshold, source is not None and threshold == chosen, wrong.rate, missed.rate))
    return pl.DataFrame(rows, schema=FALLBACK_TABLES["curve"], orient="row")


def candidates_table(
    hidden: pl.DataFrame, removed_persons: pl.Series, proposed: pl.DataFrame, names: Mapping[int, str]
) -> pl.DataFrame:
    """Count the hidden records that blocking compares with their own person.

    ``hidden``: RECORDS, ``order``, ``true_person``, and ``record`` (UInt32) by which ``proposed`` names them.
    ``proposed``: ``record``, ``person``: pairs of a hidden record and its own person that some rule proposed.
    Returns ``candidates`` of ``FALLBACK_TABLES``; ``usable_identifiers`` is ``"three and more"`` or ``"fewer"``.
    """
    usable = enough_to_be_found(hidden.columns)
    pairs = proposed.select("record", true_person="person", found=True)
    return (
        hidden.filter(~pl.col("true_person").is_in(removed_persons.implode()))
        .select(
            pl.col("order").replace_strict(dict(names), return_dtype=pl.String).alias("source"),
            pl.when(usable).then(pl.lit("three and more")).otherwise(pl.lit("fewer")).alias("usable_identifiers"),
            "record",
            "true_person",
        )
        .join(pairs, on=["record", "true_person"], how="left", maintain_order="left")
        .group_by("source", "usable_identifiers", maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("records"), pl.col("found").is_not_null().sum().cast(pl.Int64))
        .with_columns((pl.col("found") / pl.col("records")).alias("recall"))
        .sort("source", "usable_identifiers", descending=[False, True])
    )
