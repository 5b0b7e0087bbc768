"""The self-test as plain tables: what a report shows of how good the fallback is."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final, Literal

import polars as pl

from linkcore.linkage.enough_identifiers import enough_to_be_found
from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import Rate, calibration, false_links, missed_links, threshold_curve
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.schema import ATTRIBUTE

__all__ = ["Tested", "calibration_table", "candidates_table", "curve_table", "groups", "rates_table"]

ALL: Final = "all"

Weighting = Literal["raw", "reweighted"]
_WEIGHTINGS: Final[Mapping[Weighting, str]] = {"raw": "weight", "reweighted": "reweighted"}

_AGES: Final = (1, 5, 15, 20, 30, 45, 65, 75, 85)


@dataclass(frozen=True, eq=False)
class Tested:
    """A self-test, and the records without a number that it speaks for.

    Parameters
    ----------
    outcomes : Outcomes
        What became of the hidden records.
    names : mapping of int to str
        Of the sources.
    thresholds : mapping of int to Threshold
        By source.
    numberless : mapping of int to int
        By source, how many open records have no number.
    links : mapping of int to int
        By source, how many of them were linked to persons.
    pi : mapping of int to float
        By source, the share of them whose person is among the persons.
    """

    outcomes: Outcomes
    names: Mapping[int, str]
    thresholds: Mapping[int, Threshold]
    numberless: Mapping[int, int]
    links: Mapping[int, int]
    pi: Mapping[int, float]
    rows: pl.DataFrame = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the half that reports, and let each source count by its records without a number."""
        rows = self.outcomes.half(chooses=False)
        totals = {
            int(source): float(part["weight"].sum()) for (source,), part in rows.group_by("source", maintain_order=True)
        }
        stands_for = {source: self.numberless.get(source, 0) / total for source, total in totals.items() if total}
        scale = pl.col("source").replace_strict(stands_for, default=0.0, return_dtype=pl.Float64)
        object.__setattr__(self, "rows", rows.with_columns(pl.col(*_WEIGHTINGS.values()) * scale))

    @property
    def accept(self) -> dict[int, float]:
        """By source, the probability from which it was linked."""
        return {source: threshold.accept for source, threshold in self.thresholds.items()}

    def of(self, source: int | None) -> pl.DataFrame:
        """Give the rows of one source, or of all."""
        return self.rows if source is None else self.rows.filter(pl.col("source") == source)

    def every(self) -> Iterator[tuple[int | None, str]]:
        """Go through all sources that were tested, and all of them together."""
        for source in sorted(self.rows["source"].unique()):
            yield source, self.names[source]
        yield None, ALL

    def cases(self, source: int | None, measure: str) -> int:
        """Give of how many of this run's cases a measure speaks."""
        sources = list(self.numberless) if source is None else [source]
        if measure == "false links":
            return sum(self.links.get(each, 0) for each in sources)
        return round(sum(self.numberless.get(each, 0) * self.pi.get(each, 0.5) for each in sources))


def groups(records: pl.DataFrame, reference_date: dt.date | None) -> pl.DataFrame:
    """Sort records into groups of people: by age or decade of birth, gender, and the attributes that sources name.

    ``records``: RECORDS, with ``attribute_*``.

    Examples
    --------
    >>> record = {"birth_date": dt.date(1980, 2, 3), "gender": "female", "attribute_area": "E1"}
    >>> groups(pl.DataFrame([record]), dt.date(2026, 3, 31)).row(0, named=True)
    {'age band': '45-64', 'gender': 'female', 'area': 'E1'}
    """
    born = pl.col("birth_date")
    if reference_date is None:
        age = ((born.dt.year() // 10 * 10).cast(pl.String) + "s").alias("decade of birth")
    else:
        labels = [f"under {_AGES[0]}", *(f"{a}-{b - 1}" for a, b in pairwise(_AGES)), f"{_AGES[-1]} and over"]
        reached = [(born <= _years_before(reference_date, age)).cast(pl.UInt8) for age in _AGES]
        named = pl.sum_horizontal(reached).replace_strict(dict(enumerate(labels)), return_dtype=pl.String)
        age = pl.when(born.is_not_null()).then(named).alias("age band")
    attributes = [name for name in records.columns if name.startswith(ATTRIBUTE)]
    return records.select(
        age,
        pl.col("gender").cast(pl.String),
        *(pl.col(name).cast(pl.String).alias(name.removeprefix(ATTRIBUTE)) for name in attributes),
    )


def _years_before(date: dt.date, years: int) -> dt.date:
    """Give the last day on which somebody was born who is that old; 29 February is reached on 1 March."""
    day = 28 if (date.month, date.day) == (2, 29) else date.day
    return date.replace(year=date.year - years, day=day)


def rates_table(tested: Tested, groups_of_hidden: pl.DataFrame) -> pl.DataFrame:
    """Give the estimated rates of false and missed links, by source and by group.

    Returns ``source`` (or "all"), ``dimension`` and ``group`` ("all" for everybody; groups are of all sources
    together), ``measure`` (``false links``: share of the accepted; ``missed links``: share of those whose person is
    listed), ``weighting`` (``raw``, ``reweighted``), ``rate``, ``low``, ``high`` (95 %, for this run's own links),
    ``cases`` (effective number of hidden records it comes from) and ``of`` (how many of this run it speaks of).
    """
    rows = [
        (name, ALL, ALL, *each)
        for source, name in tested.every()
        for each in _rates(tested, tested.of(source), partial(tested.cases, source))
    ]
    whole = float(tested.rows["reweighted"].sum())
    for dimension in groups_of_hidden.columns:
        # Those that stand for themselves are in no group: they are few, and none of the hidden records.
        of_hidden = groups_of_hidden[dimension]
        of_row = of_hidden.extend_constant(None, 1)[tested.rows["record"].clip(0, of_hidden.len())]
        for group in sorted(of_row.drop_nulls().unique()):
            part = tested.rows.filter(of_row == group)
            share = float(part["reweighted"].sum()) / whole if whole else 0.0
            of = {measure: round(tested.cases(None, measure) * share) for measure in ("false links", "missed links")}
            rows += [(ALL, dimension, group, *each) for each in _rates(tested, part, of.__getitem__)]
    return pl.DataFrame(rows, schema=_RATES, orient="row")


_RATES: Final = pl.Schema(
    {
        "source": pl.String(),
        "dimension": pl.String(),
        "group": pl.String(),
        "measure": pl.String(),
        "weighting": pl.String(),
        "rate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "cases": pl.Float64(),
        "of": pl.Int64(),
    }
)


def _rates(tested: Tested, rows: pl.DataFrame, of: Callable[[str], int]) -> Iterator[tuple[object, ...]]:
    for measure, estimate in (("false links", false_links), ("missed links", missed_links)):
        for weighting, column in _WEIGHTINGS.items():
            yield measure, weighting, *_with_interval(estimate(rows, tested.accept, column), of(measure))


def _with_interval(rate: Rate, of: int) -> tuple[float | None, float | None, float | None, float, int]:
    if rate.rate is None:
        return None, None, None, 0.0, of
    return rate.rate, *rate.interval(of), rate.cases, of


def calibration_table(tested: Tested) -> pl.DataFrame:
    """Hold predicted probabilities against how often they were right, over all sources.

    Returns ``from``, ``to``, ``predicted`` (mean of the best candidates' probabilities), ``observed``, ``low``,
    ``high`` (95 %) and ``cases``; re-weighted.
    """
    rows = [
        (low, high, predicted, rate.rate, *rate.interval(max(round(rate.cases), 1)), rate.cases)
        for low, high, predicted, rate in calibration(tested.rows, "reweighted")
    ]
    columns = ("from", "to", "predicted", "observed", "low", "high", "cases")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")


def curve_table(tested: Tested) -> pl.DataFrame:
    """Give false and missed links at other thresholds, by source.

    Returns ``source`` (or "all"), ``threshold``, ``chosen`` (Boolean; none for all sources), ``false_links``,
    ``missed_links``; re-weighted.
    """
    rows = []
    for source, name in tested.every():
        chosen = 0.5 if source is None else tested.thresholds[source].accept
        for threshold, wrong, missed in threshold_curve(tested.of(source), chosen, "reweighted"):
            rows.append((name, threshold, source is not None and threshold == chosen, wrong.rate, missed.rate))
    schema = {
        "source": pl.String,
        "threshold": pl.Float64,
        "chosen": pl.Boolean,
        "false_links": pl.Float64,
        "missed_links": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def candidates_table(
    hidden: pl.DataFrame, removed_persons: pl.Series, proposed: pl.DataFrame, names: Mapping[int, str]
) -> pl.DataFrame:
    """Say how many records blocking brings together with their person.

    ``hidden``: RECORDS, ``order``, ``true_person``, and ``record`` (UInt32) by which ``proposed`` names them.
    ``proposed``: ``record``, ``person``: pairs of a hidden record and its own person that some rule proposed.
    Returns ``source``, ``usable_identifiers`` (``"three and more"``, ``"fewer"``), ``records`` (hidden, with their
    person listed), ``found``, ``recall``.
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
