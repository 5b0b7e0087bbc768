"""What is withheld from releases, by purpose: every record is counted once."""

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
    """Add to a Quality what is withheld from releases for one purpose.

    ``kept``: for each source, which records may leave. ``counts``: ``source``, ``reason``, ``records``; each withheld
    record is counted under one reason. Returns the Quality with the purpose in ``withheld`` and ``withheld_basis``.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> links = pl.DataFrame([link] * 3, schema=LINKS)
    >>> quality = measure(links, pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"])
    >>> with_planning = with_withheld(
    ...     quality, "planning", on=dt.date(2026, 4, 1), kept={"gp": pl.Series([True, False, True])},
    ...     counts=pl.DataFrame({"source": ["gp"], "reason": ["national"], "records": [1]}), basis={},
    ... )
    >>> with_planning.withheld.filter(source="all").select("reason", "records").rows()
    [('not withheld', 2), ('any reason', 1), ('national', 1)]
    """
    if quality.disclosed:
        raise ProgrammeError(
            "this Quality has only disclosed counts; add what is withheld to a Quality with true counts"
        )
    if purpose in quality.withheld["purpose"]:
        raise ProgrammeError(f"what is withheld for the purpose {purpose!r} is given twice; give each purpose once")
    records = dict(quality.records.group_by("source").agg(pl.col("records").sum()).iter_rows())
    rows = list(_rows(kept, counts))
    reasons = [(source, count) for source, reason, count in rows if reason not in (NOT_WITHHELD, ANY_REASON)]
    withheld = {source: sum(count for name, count in reasons if name == source) for source in kept}
    if {source: each.len() for source, each in kept.items()} != records or withheld != {
        source: count for source, reason, count in rows if reason == ANY_REASON
    }:
        raise ProgrammeError(
            f"what is withheld for the purpose {purpose!r} does not cover every record; "
            "give the withholding of this linkage"
        )
    of_sources = pl.DataFrame(rows, ["source", "reason", "records"], orient="row").with_columns(
        pl.lit(purpose).alias("purpose")
    )
    applied = [(purpose, str(on), kind, stated) for kind, stated in basis.items()]
    return replace(
        quality,
        withheld=_extended(quality, "withheld", _and_all(of_sources, "purpose", "reason")),
        withheld_basis=_extended(
            quality, "withheld_basis", pl.DataFrame(applied, QUALITY_TABLES["withheld_basis"], orient="row")
        ),
    )


def with_not_read(quality: Quality, rows: pl.DataFrame) -> Quality:
    """Add to a Quality the rows that were dropped when read, because of a Type 1 opt-out; returns it with ``not_read``.

    ``rows``: ``source``, ``practice`` (null where there is none), ``rows``.

    Examples
    --------
    >>> nothing = pl.DataFrame()
    >>> rows = pl.DataFrame({"source": ["gp", "gp"], "practice": ["A81001", None], "rows": [30, 12]})
    >>> with_not_read(Quality(nothing, nothing, nothing, nothing, 0), rows).not_read.rows()
    [('gp', 'A81001', 30), ('gp', 'not named', 12), ('gp', 'all', 42), ('all', 'all', 42)]
    """
    if quality.disclosed:
        raise ProgrammeError(
            "this Quality has only disclosed counts; add the rows that were not read to a Quality with true counts"
        )
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
