"""Drift: how a run differs from an earlier run of the same programme."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.disclosure.disclosed import disclosed
from linkcore.identifiers import birth_date
from linkcore.quality.measures import Quality
from linkcore.quality.tables import QUALITY_TABLES
from linkcore.schema import ALL

__all__ = ["RECORDS_FLAGGED", "SHARES_FLAGGED", "compared"]

RECORDS_FLAGGED: Final = 0.1
"""A number of records is flagged if it changes by more than this share."""

SHARES_FLAGGED: Final = 0.01
"""A share of records is flagged if it changes by more than this, one percentage point."""

_RECORDS: Final = "records"
_STATUSES: Final = [
    ("nhs_number", "missing"),
    ("nhs_number", "malformed"),
    ("nhs_number", "check_digit"),
    ("nhs_number", "placeholder"),
    ("nhs_number", "out_of_range"),
    *(("birth_date", status) for status in birth_date.STATUS.categories if status != "valid"),
]
"""The identifiers of which a source can mend faults, and their statuses that are faults."""
_FAULT: Final = " (nhs_number|birth_date)$"
_ESTIMATED: Final = "estimated "


def compared(quality: Quality, previous: Quality, *, named: str | None = None) -> Quality:
    """Compare a run with an earlier run, and return its quality with ``drift``.

    These are flagged: numbers of records that change by more than ``RECORDS_FLAGGED``, shares that change by more than
    ``SHARES_FLAGGED``, estimates whose 95 % intervals do not overlap, and sources that are new or gone.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> one, two = (measure(pl.DataFrame([link] * n, schema=LINKS), pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"])
    ...             for n in (100, 120))
    >>> compared(two, one).drift.row(0, named=True)
    {'measure': 'records', 'source': 'all', 'previous': 100.0, 'current': 120.0, 'change': 20.0, 'flagged': True}
    """
    if previous.disclosed and not quality.disclosed:
        raise ValueError("the earlier Quality is disclosed and this one is not; disclose this one first")
    if quality.disclosed:
        previous = disclosed(replace(previous, drift=None))
    current, before = (pl.DataFrame(list(_values(each)), schema=_VALUES, orient="row") for each in (quality, previous))
    both = current.join(before, on=["measure", "source"], how="full", coalesce=True, suffix="_before")
    positions = {key: position for position, key in enumerate(dict.fromkeys([*_keys(current), *_keys(before)]))}
    position = pl.Series([positions[key] for key in _keys(both)], dtype=pl.Int64)
    table = (
        both.sort(position)
        .select(
            "measure",
            "source",
            pl.col("value_before").alias("previous"),
            pl.col("value").alias("current"),
            (pl.col("value") - pl.col("value_before")).alias("change"),
            _flagged().alias("flagged"),
        )
        .filter(~_is_idle().fill_null(False))
    )
    name = named or (f"the run of {previous.run.reference_date}" if previous.run.reference_date else "an earlier run")
    return replace(
        quality,
        drift=table.select(pl.col(name).cast(dtype) for name, dtype in QUALITY_TABLES["drift"].items()),
        run=replace(quality.run, previous=name),
    )


_VALUES: Final = pl.Schema(
    {"measure": pl.String(), "source": pl.String(), "value": pl.Float64(), "low": pl.Float64(), "high": pl.Float64()}
)


def _keys(values: pl.DataFrame) -> list[tuple[str, str]]:
    return [(measure, source) for measure, source in values.select("measure", "source").iter_rows()]


def _is_idle() -> pl.Expr:
    """Whether a kind of fault occurs in neither run."""
    is_fault = pl.col("measure").str.contains(_FAULT) & ~pl.col("measure").str.starts_with("usable ")
    return is_fault & (pl.col("previous") == 0) & (pl.col("current") == 0)


def _flagged() -> pl.Expr:
    """Whether a value changed by much, is new or is gone."""
    change = (pl.col("value") - pl.col("value_before")).abs()
    estimated = pl.col("measure").str.starts_with(_ESTIMATED)
    apart = (pl.col("low") > pl.col("high_before")) | (pl.col("high") < pl.col("low_before"))
    flagged = (
        pl.when(pl.col("measure") == _RECORDS)
        .then(
            (change > RECORDS_FLAGGED * pl.col("value_before"))
            | pl.col("value").is_null().xor(pl.col("value_before").is_null())
        )
        .when(estimated)
        .then(apart)
        .otherwise(change > SHARES_FLAGGED)
    )
    return flagged.fill_null(False)


def _values(quality: Quality) -> Iterator[tuple[str, str, float | None, float | None, float | None]]:
    """Yield what is compared: measure, source, value, and an interval if the value is an estimate."""
    by_method = quality.by_method()
    totals = by_method.sort(pl.col("source") != ALL, maintain_order=True)
    for source, records in totals.select("source", "records").iter_rows():
        yield _RECORDS, source, records, None, None
    for source, share in totals.select("source", _share("conflicts", "records")).iter_rows():
        yield "conflicts", source, share, None, None
    linked = (
        quality.groups.filter(
            pl.col("dimension") == pl.col("dimension").first(),
            ~pl.any_horizontal(pl.col("linked", "records").is_null()),
        )
        .group_by("source", maintain_order=True)
        .agg(pl.col("linked", "records").sum())
    )
    for source, share in linked.select("source", _share("linked", "records")).iter_rows():
        yield "linked", source, share, None, None
    yield from _faults(quality)
    usable = quality.completeness.select("identifier", "source", _share("usable", "records"))
    for identifier, source, share in usable.iter_rows():
        yield f"usable {identifier}", source, share, None, None
    if quality.fallback is not None and not quality.fallback.rates.is_empty():
        rates = quality.fallback.rates.filter(dimension=ALL)
        for measure, source, *rate in rates.select("measure", "source", "rate", "low", "high").iter_rows():
            yield _ESTIMATED + measure, source, *rate


def _faults(quality: Quality) -> Iterator[tuple[str, str, float | None, None, None]]:
    """Yield the share of each source's records that has each fault which the source can mend."""
    statuses = pl.DataFrame(_STATUSES, schema=["identifier", "status"], orient="row")
    wanted = quality.completeness.select("source", "identifier").join(statuses, on="identifier", maintain_order="left")
    # A status that does not occur has no row; a suppressed one has a null.
    aside = quality.set_aside.select("source", "identifier", "status", "records", occurs=True)
    counted = wanted.join(aside, on=["source", "identifier", "status"], how="left", maintain_order="left").select(
        "source",
        (pl.col("status") + " " + pl.col("identifier")).alias("measure"),
        pl.when(pl.col("occurs").is_null()).then(0).otherwise("records").alias("records"),
    )
    of_number = quality.number_faults.select("source", (pl.col("fault") + " nhs_number").alias("measure"), "records")
    totals = quality.by_method().select("source", total="records")
    shares = pl.concat([counted, of_number]).join(totals, on="source", how="left", maintain_order="left")
    for measure, source, share in shares.select("measure", "source", _share("records", "total")).iter_rows():
        yield measure, source, share, None, None


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole)).alias("share")
