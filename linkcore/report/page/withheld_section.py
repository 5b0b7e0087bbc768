"""The report section on records withheld from releases: how many, for which reason, on what basis."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from linkcore.quality.measures import Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD
from linkcore.report.page.charts import WITHHELD_COLOURS, shares
from linkcore.report.page.sections import Figure, Panel, Section, Table, extremes, table
from linkcore.report.page.words import NOTHING, REASONS, count
from linkcore.schema import ALL

__all__ = ["DRAWN_AS", "withheld_section"]

DRAWN_AS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NOT_WITHHELD: "may leave",
        **dict.fromkeys(("objection", "exclusion", "type_1", "national", "other_number"), "opted out"),
        **dict.fromkeys(("not_asked", "links_to_nobody"), "cannot be looked up"),
        **dict.fromkeys(("sensitive", "carried_away"), "sensitive"),
    }
)
"""The colour group of each reason. The chart shows a few groups; the table shows every reason."""

# The width of a sheet of paper.
_WIDE: Final = 760


def withheld_section(quality: Quality) -> Section | None:
    """Show which records may leave in releases, and why the others may not."""
    withheld, not_read = quality.withheld, quality.not_read
    if withheld.is_empty() and not_read.is_empty():
        return None
    text, parts = [], list[Figure | Table]()
    if withheld.height:
        text.append(
            "All records are linked. Records of people who opted out, and sensitive records, are then withheld from "
            "each release, according to its purpose and as of its day. Each record is counted under the first reason "
            "that applies."
        )
        parts += [_figure(quality), *_basis(quality.withheld_basis)]
    if not_read.height:
        (left_out,) = not_read.filter(source=ALL, practice=ALL)["records"]
        text.append(
            f"{count(left_out)} rows of GP data belong to people with a Type 1 opt-out. They were dropped when the "
            "data were read and are in no other count of this report. They should not have been sent."
        )
        heads = {"records": "rows"}
        rows = table(not_read, "Rows dropped when read, by practice", heads=heads)
        parts.append(Figure("", (), (), (rows,)))
    return Section("withheld", "Withheld from releases", tuple(text), tuple(parts))


def _figure(quality: Quality) -> Figure:
    records = dict(quality.by_method().select("source", "records").iter_rows())
    purposes = quality.withheld.partition_by("purpose", maintain_order=True)
    # Under disclosure control, only the first purpose has counts.
    counted = [rows for rows in purposes if rows["records"].count()]
    panels = tuple(_panel(rows, records, is_only=len(counted) == 1) for rows in counted)
    legend = tuple(("bar", colour, meaning) for meaning, colour in WITHHELD_COLOURS.items())
    numbers = tuple(_numbers(rows, records) for rows in purposes)
    return Figure("Share of each source's records that may leave, by purpose of release.", panels, legend, numbers)


def _panel(rows: pl.DataFrame, records: Mapping[str, int | None], *, is_only: bool) -> Panel:
    of_sources = rows.filter(pl.col("source") != ALL)
    drawn_as = pl.col("reason").replace_strict(dict(DRAWN_AS), default=None).alias("drawn as")
    drawn = (
        of_sources.with_columns(drawn_as)
        .drop_nulls("drawn as")
        .group_by("source", "drawn as", maintain_order=True)
        .agg(pl.col("records").sum())
    )
    of_source = pl.col("source").replace_strict(dict(records), return_dtype=pl.Int64)
    share = pl.col("records") / pl.when(of_source > 0).then(of_source)
    withheld = of_sources.filter(reason=ANY_REASON).select("source", share.alias("share"))
    wide = shares(drawn, "drawn as", WITHHELD_COLOURS, width=_WIDE) if is_only else ""
    return Panel(rows["purpose"][0], extremes(withheld, "Withheld"), shares(drawn, "drawn as", WITHHELD_COLOURS), wide)


def _numbers(rows: pl.DataFrame, records: Mapping[str, int | None]) -> Table:
    """Return one row for each source and one column for each reason. A dash marks a reason that does not apply."""
    of_each = rows.select("source").unique(maintain_order=True)
    totals = of_each.with_columns(
        pl.lit("records").alias("reason"), _in_words(pl.Series(map(records.get, of_each["source"])))
    )
    cells = pl.concat([totals, rows.select("source", "reason", _in_words(rows["records"]))])
    wide = cells.pivot("reason", index="source", values="cell", maintain_order=True)
    reasons = [name for name in REASONS if name in wide.columns]
    others = [name for name in wide.columns if name not in ("source", *reasons)]
    wide = wide.select("source", *others, *reasons).fill_null(NOTHING)
    heads = {NOT_WITHHELD: "may leave", ANY_REASON: "withheld", **REASONS}
    return table(wide, f"Releases for {rows['purpose'][0]}", heads=heads, written=wide.columns[1:])


def _in_words(counts: pl.Series) -> pl.Series:
    return pl.Series("cell", [count(each) for each in counts], pl.String)


def _basis(basis: pl.DataFrame) -> Iterator[Table]:
    heads = {"kind": "rule", "basis": "applied, or why not"}
    for rows in basis.partition_by("purpose", maintain_order=True):
        purpose, on = rows.row(0)[:2]
        named = rows.select(pl.col("kind").replace(dict(REASONS)), "basis")
        yield table(named, f"Releases for {purpose} on {on}: basis", heads=heads)
