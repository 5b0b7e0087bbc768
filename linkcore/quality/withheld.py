"""Add to a Quality the records that are withheld from releases, and the rows that were not read."""

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

_PRACTICE_MISSING: Final = "not named"


def with_withheld(
    quality: Quality,
    purpose: str,
    *,
    on: dt.date,
    kept: Mapping[str, pl.Series],
    counts: pl.DataFrame,
    basis: Mapping[str, str],
) -> Quality:
    """Add the records withheld for one purpose on a date, by reason, and the basis for withholding them.

    ``kept``: by source, whether each record may be released.
    ``counts``: ``source``, ``reason`` and ``records``: each withheld record is counted under one reason.
    ``basis``: by kind of withholding, the list, policy or exemption.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> links = pl.DataFrame([link] * 3, schema=LINKS)
    >>> quality = measure(links, pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"])
    >>> quality = with_withheld(
    ...     quality, "planning", on=dt.date(2026, 4, 1), kept={"gp": pl.Series([True, False, True])},
    ...     counts=pl.DataFrame({"source": ["gp"], "reason": ["national"], "records": [1]}), basis={},
    ... )
    >>> quality.withheld.filter(source="all").select("reason", "records").rows()
    [('not withheld', 2), ('any reason', 1), ('national', 1)]
    """
    _check_true_counts(quality, "withheld records")
    if purpose in quality.withheld["purpose"]:
        raise ProgrammeError(f"the quality already has the records withheld for {purpose!r}; add each purpose once")
    rows = list(_rows(kept, counts))
    _check_every_record(quality, purpose, kept, rows)
    by_source = pl.DataFrame(rows, ["source", "reason", "records"], orient="row").with_columns(
        pl.lit(purpose).alias("purpose")
    )
    basis_rows = [(purpose, str(on), kind, text) for kind, text in basis.items()]
    return replace(
        quality,
        withheld=_extended(quality, "withheld", _with_all(by_source, "purpose", "reason")),
        withheld_basis=_extended(
            quality, "withheld_basis", pl.DataFrame(basis_rows, QUALITY_TABLES["withheld_basis"], orient="row")
        ),
    )


def with_not_read(quality: Quality, rows: pl.DataFrame) -> Quality:
    """Add the number of rows that were left out on reading, such as those of people with a Type 1 opt-out.

    ``rows``: ``source``, ``practice`` (null where the source does not name it) and ``rows``.

    Examples
    --------
    >>> nothing = pl.DataFrame()
    >>> rows = pl.DataFrame({"source": ["gp", "gp"], "practice": ["A81001", None], "rows": [30, 12]})
    >>> with_not_read(Quality(nothing, nothing, nothing, nothing, 0), rows).not_read.rows()
    [('gp', 'A81001', 30), ('gp', 'not named', 12), ('gp', 'all', 42), ('all', 'all', 42)]
    """
    _check_true_counts(quality, "rows that were not read")
    practice = pl.col("practice").fill_null(_PRACTICE_MISSING)
    by_practice = rows.select("source", practice, pl.col("rows").alias("records"))
    by_source = by_practice.group_by("source", maintain_order=True).agg(
        pl.lit(ALL).alias("practice"), pl.col("records").sum()
    )
    totals = _with_all(by_source, "practice")
    table = pl.concat([by_practice, totals.select(by_practice.columns)], how="vertical_relaxed")
    return replace(quality, not_read=_typed("not_read", table))


def _check_true_counts(quality: Quality, addition: str) -> None:
    if quality.disclosed:
        raise ProgrammeError(
            f"this Quality has only disclosed counts; add the {addition} to the true counts, before disclosure control"
        )


def _check_every_record(
    quality: Quality, purpose: str, kept: Mapping[str, pl.Series], rows: list[tuple[str, str, int]]
) -> None:
    """Check that each record of each source is counted once: as not withheld, or under one reason."""
    all_records = dict(quality.records.group_by("source").agg(pl.col("records").sum()).iter_rows())
    decided = {source: flags.len() for source, flags in kept.items()}
    withheld = {source: count for source, reason, count in rows if reason == ANY_REASON}
    by_reason = dict.fromkeys(kept, 0)
    for source, reason, count in rows:
        if reason not in (NOT_WITHHELD, ANY_REASON):
            by_reason[source] += count
    if decided != all_records or by_reason != withheld:
        raise ProgrammeError(
            f"what is withheld for {purpose!r} does not account for every record; give the withholding of this linkage"
        )


def _rows(kept: Mapping[str, pl.Series], counts: pl.DataFrame) -> Iterator[tuple[str, str, int]]:
    """Yield source, reason and number of records, first for NOT_WITHHELD and ANY_REASON, then for each reason."""
    for source, may_be_released in kept.items():
        yield source, NOT_WITHHELD, int(may_be_released.sum())
        yield source, ANY_REASON, int((~may_be_released).sum())
        yield from counts.filter(pl.col("source") == source).select("source", "reason", "records").iter_rows()


def _with_all(by_source: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Append the sums of ``records`` over all sources, by ``columns``."""
    of_all = by_source.group_by(columns, maintain_order=True).agg(pl.lit(ALL).alias("source"), pl.col("records").sum())
    return pl.concat([by_source, of_all.select(by_source.columns)])


def _extended(quality: Quality, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    present: pl.DataFrame = getattr(quality, table)
    return pl.concat([present, _typed(table, rows)])


def _typed(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(dtype) for name, dtype in QUALITY_TABLES[table].items())
