"""Disclosure control: a Quality from which no small count can be read or worked out.

- Counts from 1 to 7 are suppressed (null). Other counts are rounded to the nearest 5.
- Further counts are suppressed where a margin, another table with the same cells, or a difference would leave fewer
  than three possible values for a small count (:mod:`~linkcore.disclosure.suppression`).
- Rates, intervals and differences are calculated from the counts that are shown.
- A recipient counts the rows of its release, so what is not withheld counts as known exactly.
- Withheld records are counted for the first purpose only, because all purposes count the same records.
- Rare values of an attribute are pooled as ``other``, because they could be a name.
- Estimates of the self-test are not counts. They are rounded to two significant digits, or to one if they stand for
  fewer than 8 records. An estimate from fewer than 8 records is not shown.

It does **not** protect against:

- A group of which all or no records are linked: 0 is shown as 0. This says how well linkage works, and nothing about
  anybody's health.
- Subtracting two reports on nearly the same records, such as those of two runs a day apart.
- Two recipients who count their rows and compare: the difference is what one purpose withholds and the other does not.
- Someone who already knows most records of a small cell and learns the rest.
- Bounds: often a suppressed count is known to be below some number, and sometimes to be one of three.
- Inference from many sums at once, which gives tighter bounds than one sum after another, or from the choice of what is
  suppressed.
- The learned model, whose probabilities are shares of thousands of pairs, shown with three significant digits.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, Final

import polars as pl

from linkcore.disclosure.cells import cells_of
from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT, rounded, suppressed
from linkcore.linkage.fallback.model_use import ModelUse
from linkcore.linkage.self_test.rates import Rate
from linkcore.quality.group_rates import group_rates, pool_rare
from linkcore.quality.measures import FallbackQuality, Quality, Weights
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import ALL

__all__ = ["ROUND_TO", "SMALLEST_COUNT", "disclosed"]

# A rate is shown with five decimals at most.
_FINEST: Final = 5

# The number of unreadable opt-outs is replaced by words.
_WORDS_FOR_A_COUNT: Final = pl.col("basis").str.replace_all(r"\b\d+ of them have\b", "some of them have")


def disclosed(quality: Quality) -> Quality:
    """Return the quality under disclosure control.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> methods = ["spine"] * 62 + ["nhs_number"] * 23 + ["new_person"] * 12 + ["unlinked"] * 3
    >>> links = pl.DataFrame({"method": methods}, schema_overrides=LINKS).with_row_index("person_id").with_columns(
    ...     pl.when(pl.col("method") == "spine").then(pl.lit("gp")).otherwise(pl.lit("seen")).alias("source"),
    ...     pl.lit("valid", LINKS["nhs_number_status"]).alias("nhs_number_status"),
    ...     pl.lit(False).alias("conflict"),
    ... )
    >>> measured = measure(links, pl.DataFrame(schema=SET_ASIDE), 100, sources=["gp", "seen"])
    >>> disclosed(measured).by_method().select("source", "nhs_number", "new_person", "unlinked", "records").rows()
    [('gp', 0, 0, 0, 60), ('seen', 25, 10, None, 40), ('all', 25, 10, None, 100)]
    """
    if quality.disclosed:
        return quality
    if quality.drift is not None:
        raise ValueError("apply disclosure control before comparing: compared(disclosed(this), disclosed(previous))")
    first, others = _of_first_purpose(quality.withheld)
    pooled = replace(quality, groups=pool_rare(quality.groups, SMALLEST_COUNT), withheld=first)
    shown = _Shown(pooled)
    tables: dict[str, Any] = {
        name: shown.table(name, getattr(pooled, name))
        for name in QUALITY_TABLES
        if name not in ("drift", "truth", "totals")
    }
    tables["groups"] = group_rates(tables["groups"].select("source", "dimension", "group", "records", "linked"))
    tables["withheld_basis"] = tables["withheld_basis"].with_columns(_WORDS_FOR_A_COUNT)
    tables["withheld"] = pl.concat([tables["withheld"], others])
    cases = _cases(pooled.fallback)
    fallback = None if pooled.fallback is None else _of_fallback(pooled.fallback, shown, pooled.groups, cases)
    if fallback is not None:
        # What is not shown among the estimates is not shown beside the truth either.
        cases |= dict.fromkeys(
            fallback.rates.filter(pl.col("rate").is_null(), dimension=ALL).select("source", "measure").rows(), 0.0
        )
    return replace(
        pooled,
        **tables,
        persons=shown.column("persons", "")[0],
        fallback=fallback,
        truth=None if pooled.truth is None else _of_truth(shown.table("truth", pooled.truth), cases),
        totals=shown.totals(),
        disclosed=True,
    )


def _of_first_purpose(withheld: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the withheld counts: those of the first purpose, and those of the others with all counts suppressed.

    Two purposes count the same records by overlapping reasons. Many sums together could reveal a small count that no
    single sum reveals.
    """
    is_first = withheld["purpose"] == withheld["purpose"].first() if withheld.height else pl.Series(dtype=pl.Boolean)
    others = withheld.filter(~is_first).with_columns(pl.lit(None, withheld.schema["records"]).alias("records"))
    return withheld.filter(is_first), others


class _Shown:
    """The counts as they are shown."""

    def __init__(self, quality: Quality) -> None:
        self.cells = cells_of(quality)
        self.suppressed = suppressed(self.cells.counts)

    def count(self, key: Hashable) -> int | None:
        return None if key in self.suppressed else rounded(self.cells.counts.value(key))

    def column(self, table: str, column: str) -> list[int | None]:
        return [self.count(key) for key in self.cells.columns[table, column]]

    def table(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        columns = [column for table, column in self.cells.columns if table == name]
        return frame.with_columns(pl.Series(column, self.column(name, column), pl.Int64) for column in columns)

    def totals(self) -> pl.DataFrame:
        rows = []
        for key in self.cells.columns["totals", "count"]:
            # A method or a status has its own name; records and conflicts are named by what they count.
            what, source, *value = key
            rows.append((source, value[0] if value else what, self.count(key)))
        return pl.DataFrame(rows, schema=QUALITY_TABLES["totals"], orient="row")


def _cases(fallback: FallbackQuality | None) -> dict[tuple[str, str], float]:
    """Return the number of cases behind each estimate, so that it has the same digits in every table."""
    if fallback is None:
        return {}
    rates = fallback.rates.filter(dimension=ALL).select("source", "measure", "cases")
    return {(source, measure): effective for source, measure, effective in rates.iter_rows()}


def _of_fallback(
    fallback: FallbackQuality, shown: _Shown, groups: pl.DataFrame, cases: Mapping[tuple[str, str], float]
) -> FallbackQuality:
    # In linkcore's own comparisons, m and u are shares of thousands of pairs. A level that somebody else wrote may
    # be of one person, and its m and u then spell what that person is called.
    own = fallback.weights.own_model
    model, departures = (table if own else table[:0] for table in (fallback.model, fallback.departures))
    rates = _without_few(shown.table("rates", fallback.rates))
    # A group that is not among the shown groups is left out, with its name.
    named = {(dimension, group) for dimension, group in groups.select("dimension", "group").iter_rows()}
    rates = _mapped(
        rates.filter(
            (pl.col("dimension") == ALL)
            | pl.struct("dimension", "group").map_elements(
                lambda row: (row["dimension"], row["group"]) in named, return_dtype=pl.Boolean
            )
        ),
        lambda row: _estimate(row, "rate", row["cases"]),
    )
    rates = _mapped(rates, _predicted)
    return replace(
        fallback,
        sources=shown.table("sources", fallback.sources).with_columns(pl.col("pi").round(3)),
        rates=rates,
        calibration=_mapped(fallback.calibration, lambda row: _estimate(row, "observed", row["cases"], "predicted")),
        curve=_mapped(
            fallback.curve,
            lambda row: {
                column: _digits(row[column], cases.get((row["source"], column.replace("_", " ")), 0.0))
                for column in ("false_links", "missed_links")
            },
        ),
        candidates=shown.table("candidates", fallback.candidates).with_columns(
            _share("found", "records").alias("recall")
        ),
        blocking=_mapped(fallback.blocking, lambda row: _estimate(row, "rate", row["cases"])),
        left_out=shown.table("left_out", fallback.left_out),
        model=_significant(model, "m", "u").with_columns(pl.col("weight").round(2)),
        departures=_significant(departures, "m_learned", "m_open"),
        counts=dict(zip(fallback.counts, shown.column("counts", ""), strict=True)),
        weights=_of_weights(fallback.weights),
        model_use=_of_model_use(fallback),
    )


def _of_model_use(fallback: FallbackQuality) -> ModelUse:
    """Round the share of new records, suppress it where few are new or few are not; show drift as departures are."""
    use, compared = fallback.model_use, int(fallback.sources["compared"].sum())
    new = round((use.new_records or 0.0) * compared)
    few = any(0 < count < SMALLEST_COUNT for count in (new, compared - new))
    return replace(
        use,
        new_records=None if few or use.new_records is None else round(use.new_records, 2),
        drift={name: round(share, 3) for name, share in use.drift.items()} if fallback.weights.own_model else {},
    )


def _of_weights(weights: Weights) -> Weights:
    """Round the number of pairs that were checked; suppress it where they are few."""
    checked = weights.checked
    few = checked is not None and checked < SMALLEST_COUNT
    return replace(weights, checked=None if few or checked is None else rounded(checked))


def _without_few(rates: pl.DataFrame) -> pl.DataFrame:
    """Leave out the rates of missed links from which a suppressed number of links could be worked out."""
    few = pl.col("of").is_null().any().over("source", "dimension", "group")
    shown = ~few | (pl.col("measure") != "missed links")
    return rates.with_columns(pl.when(shown).then(pl.col("rate", "low", "high")).name.keep())


def _predicted(row: Mapping[str, Any]) -> dict[str, int | None]:
    """Predict a count anew from what is shown, so that it tells no more than that."""
    if row["rate"] is None or row["of"] is None:
        return {"fewest": None, "most": None}
    fewest, most = Rate(row["rate"], row["cases"]).predicted(row["of"])
    return {"fewest": fewest, "most": most}


def _of_truth(truth: pl.DataFrame, cases: Mapping[tuple[str, str], float]) -> pl.DataFrame:
    estimated = _mapped(
        truth,
        lambda row: {
            name: _digits(row[name], cases.get((row["source"], row["measure"]), 0.0))
            for name in ("estimated", "low", "high")
        },
    )
    return estimated.with_columns(_share("cases", "of").alias("true"))


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def _mapped(frame: pl.DataFrame, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> pl.DataFrame:
    """Replace some values in each row of a small table."""
    return pl.DataFrame([{**row, **change(row)} for row in frame.iter_rows(named=True)], schema=frame.schema)


def _estimate(row: Mapping[str, Any], rate: str, cases: float, *further: str) -> dict[str, float | None]:
    """Round an estimate and its interval; suppress it if it comes from too few cases."""
    few = cases < SMALLEST_COUNT
    shown = {name: None if few else _digits(row[name], cases) for name in (rate, "low", "high", *further)}
    return shown | {"cases": 0.0 if cases == 0 else None if few else float(rounded(round(cases)))}


def _digits(rate: float | None, cases: float) -> float | None:
    """Round a rate to two significant digits, or to one if it stands for few cases; suppress it if all are few."""
    if rate is None or cases < SMALLEST_COUNT:
        return None
    stands_for = min(rate, 1 - rate) * cases
    digits = 1 if stands_for < SMALLEST_COUNT else 2
    # A rate near 1 is rounded like its difference from 1: 0.9987 to 0.999.
    least = min(rate, 1 - rate)
    return rate if least <= 0 else round(rate, min(digits - 1 - math.floor(math.log10(least)), _FINEST))


def _significant(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return frame.with_columns(pl.col(*columns).round_sig_figs(3))
