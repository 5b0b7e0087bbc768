"""What is withheld from releases: by purpose, every record of every source, once."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.quality.measures import Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD, QUALITY_TABLES
from linkcore.schema import ALL

__all__ = ["with_not_read", "with_withheld"]

_NOT_NAMED: Final = "not named"


def with_withheld(
    quality: Quality,
    purpose: str,
    *,
    on: dt.date,
    kept: Mapping[str, pl.Series],
    counts: pl.DataFrame,
    basis: Mapping[str, str],
) -> Quality:
    """Tell what is withheld from releases for one purpose.

    ``counts``: ``source``, ``reason``, ``records``: each record that may not, under one reason.
    Returns With this purpose in ``withheld`` and ``withheld_basis``.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> links = pl.DataFrame([link] * 3, schema=LINKS)
    >>> quality = measure(links, pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"])
    >>> told = with_withheld(
    ...     quality, "planning", on=dt.date(2026, 4, 1), kept={"gp": pl.Series([True, False, True])},
    ...     counts=pl.DataFrame({"source": ["gp"], "reason": ["national"], "records": [1]}), basis={},
    ... )
    >>> told.withheld.filter(source="all").select("reason", "records").rows()
    [('not withheld', 2), ('any reason', 1), ('national', 1)]
    """
    if quality.disclosed:
        raise ProgrammeError("these are disclosed counts: what is withheld is told of beside true ones")
    if purpose in quality.withheld["purpose"]:
        raise ProgrammeError(f"what is withheld for {purpose!r} is told of twice; give it as of one day")
    records = dict(quality.records.group_by("source").agg(pl.col("records").sum()).iter_rows())
    rows = list(_rows(kept, counts))
    reasons = [(source, count) for source, reason, count in rows if reason not in (NOT_WITHHELD, ANY_REASON)]
    withheld = {source: sum(count for of, count in reasons if of == source) for source in kept}
    if {source: each.len() for source, each in kept.items()} != records or withheld != {
        source: count for source, reason, count in rows if reason == ANY_REASON
    }:
        raise ProgrammeError(
            f"what is withheld for {purpose!r} does not account for every record; it is of another linkage"
        )
    of_sources = pl.DataFrame(rows, ["source", "reason", "records"], orient="row").with_columns(
        pl.lit(purpose).alias("purpose")
    )
    stated = [(purpose, str(on), kind, told) for kind, told in basis.items()]
    return replace(
        quality,
        withheld=_extended(quality, "withheld", _and_all(of_sources, "purpose", "reason")),
        withheld_basis=_extended(
            quality, "withheld_basis", pl.DataFrame(stated, QUALITY_TABLES["withheld_basis"], orient="row")
        ),
    )


def with_not_read(quality: Quality, rows: pl.DataFrame) -> Quality:
    """Tell how many rows were left out when their source was read, as those of people with a Type 1 opt-out are.

    ``rows``: ``source``, ``practice`` (null where it is not named), ``rows``.
    Returns With ``not_read``.

    Examples
    --------
    >>> nothing = pl.DataFrame()
    >>> rows = pl.DataFrame({"source": ["gp", "gp"], "practice": ["A81001", None], "rows": [30, 12]})
    >>> with_not_read(Quality(nothing, nothing, nothing, nothing, 0), rows).not_read.rows()
    [('gp', 'A81001', 30), ('gp', 'not named', 12), ('gp', 'all', 42), ('all', 'all', 42)]
    """
    if quality.disclosed:
        raise ProgrammeError("these are disclosed counts: what was not read is told of beside true ones")
    by_practice = rows.select("source", pl.col("practice").fill_null(_NOT_NAMED), pl.col("rows").alias("records"))
    of_sources = by_practice.group_by("source", maintain_order=True).agg(
        pl.lit(ALL).alias("practice"), pl.col("records").sum()
    )
    of_all = _and_all(of_sources, "practice")
    table = pl.concat([by_practice, of_all.select(by_practice.columns)], how="vertical_relaxed")
    return replace(quality, not_read=_typed("not_read", table))


def _rows(kept: Mapping[str, pl.Series], counts: pl.DataFrame) -> Iterator[tuple[str, str, int]]:
    for source, may_leave in kept.items():
        yield source, NOT_WITHHELD, int(may_leave.sum())
        yield source, ANY_REASON, int((~may_leave).sum())
        yield from counts.filter(pl.col("source") == source).select("source", "reason", "records").iter_rows()


def _and_all(of_sources: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Add the sums over all sources."""
    of_all = of_sources.group_by(by, maintain_order=True).agg(pl.lit(ALL).alias("source"), pl.col("records").sum())
    return pl.concat([of_sources, of_all.select(of_sources.columns)])


def _extended(quality: Quality, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    before: pl.DataFrame = getattr(quality, table)
    return pl.concat([before, _typed(table, rows)])


def _typed(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in QUALITY_TABLES[table].items())
