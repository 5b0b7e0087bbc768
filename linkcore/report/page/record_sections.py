"""Report sections on the records: their flow, their sources, how they were linked, and what looks wrong."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from linkcore.quality.measures import Quality
from linkcore.report.page.charts import METHOD_COLOURS, bars, completeness, intervals, shares
from linkcore.report.page.flow_chart import flow_chart
from linkcore.report.page.sections import Figure, Panel, Section, Table, extremes, in_order, table
from linkcore.report.page.words import HIDDEN, METHODS, NOTHING, STATUSES, count, in_words, percent
from linkcore.schema import ALL, NHS_NUMBER_STATUS

__all__ = ["clusters_section", "flow_section", "groups_section", "methods_section", "odd_section", "sources_section"]

# The width of a sheet of paper, so that labels print as large as they show.
_WIDE: Final = 760
_IN_ORDER: Final = (
    "nhs_number",
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "gender",
    "postcode",
    "address",
)


def flow_section(quality: Quality) -> Section | None:
    """Show every record from its source to its person."""
    flow = quality.flow
    if not flow["records"].sum():
        return None
    totals = _totals(quality)
    narrow = "".join(
        flow_chart(flow, totals, stops=stops, width=340, sides=sides)
        for stops, sides in ((("source", "number"), (132, 136)), (("number", "method"), (136, 124)))
    )
    wide = flow_chart(flow, totals, width=_WIDE, sides=(180, 170))
    said = ", ".join(f"{count(records)} {method}" for method, records in totals["method"].items())
    rows = flow.with_columns(pl.col("method").cast(pl.String).replace(dict(METHODS)))
    figure = Figure(
        "From each source (left), through its NHS Number (middle), to how the record was linked (right). Heights show "
        "numbers of records. Spine: the record defines a person. The next three: what the record was linked on.",
        (Panel("", f"All records by how they were linked: {said}. The table shows every flow.", narrow, wide),),
        (),
        (table(rows, "Every record, once", heads={"number": "NHS Number", "method": "linked by"}),),
    )
    return Section(
        "flow",
        "The flow of records",
        (
            "Every record is counted exactly once. A number is usable if it passes its checks and was issued to a real "
            "person. It is a conflict if name and birth date show that it belongs to someone else. Records of people "
            "who opted out are linked, but withheld from each release"
            + (": see the next section." if quality.withheld.height else "."),
        ),
        (figure,),
    )


def _totals(quality: Quality) -> dict[str, dict[str, int | None]]:
    """Return the totals shown beside the flow, after disclosure control."""
    numbers = quality.by_method()
    of_all = numbers.filter(source=ALL).row(0, named=True)
    of_sources = dict(numbers.filter(pl.col("source") != ALL).select("source", "records").iter_rows())
    by_number: dict[str, int | None] = {"conflict": of_all["conflicts"]}
    if not quality.disclosed:
        by_number = dict(quality.flow.group_by("number").agg(pl.col("records").sum()).iter_rows())
    methods = {name: of_all[name] for name in METHODS if name in of_all}
    return {"source": of_sources, "number": by_number, "method": methods}


def sources_section(quality: Quality) -> Section | None:
    """Show how complete and how valid the identifiers of each source are."""
    if quality.records.is_empty():
        return None
    parts: list[Figure | Table] = []
    if quality.completeness.height:
        parts.append(_completeness(quality.completeness))
    parts.append(_statuses(quality.numbers))
    aside = quality.set_aside.filter(~pl.col("status").is_in(["valid", "test"])).with_columns(
        pl.col("status").replace(dict(STATUSES))
    )
    reasons = table(aside, "Values that were missing or set aside, by reason", heads={"status": "reason"})
    heads = {"fault": "NHS Number"}
    faults = table(quality.number_faults, "NHS Numbers that were superseded, or stand on two entries", heads=heads)
    parts.append(Figure("", (), (), (reasons, faults)))
    text = "An identifier is compared only if it is usable: present, not a filler value, and not impossible."
    return Section("sources", "Sources and their identifiers", (text,), tuple(parts))


def _completeness(frame: pl.DataFrame) -> Figure:
    names = frame["identifier"].unique(maintain_order=True).to_list()
    names.sort(key=lambda name: (*_IN_ORDER, name).index(name))
    share = (pl.col("usable") / pl.when(pl.col("records") > 0).then("records")).alias("usable share")
    panels = []
    for name in names:
        rows = frame.filter(identifier=name)
        usable = rows.select("source", share)
        panels.append(Panel(in_words(name), extremes(usable, "Usable"), completeness(rows)))
    legend = (("bar", "var(--blue)", "usable"), ("bar", "var(--pale)", "present, but set aside"))
    numbers = table(frame.with_columns(share), "Completeness and validity")
    return Figure("Share of each source's records, by identifier.", tuple(panels), legend, (numbers,))


def _statuses(numbers: pl.DataFrame) -> Table:
    # A null is a suppressed count, not zero.
    occurs = numbers.filter((pl.col("records") != 0).fill_null(True))["nhs_number_status"].unique(maintain_order=True)
    columns = sorted(occurs.cast(pl.String), key=list(NHS_NUMBER_STATUS.categories).index)
    wide = numbers.pivot("nhs_number_status", index="source", values="records", maintain_order=True)
    return table(wide.select("source", *columns), "NHS Numbers by status", heads=dict(STATUSES))


def methods_section(quality: Quality) -> Section | None:
    """Show how the records of each source were linked."""
    records = quality.records
    if not records["records"].sum():
        return None
    numbers = quality.by_method()
    linked = [
        name for name in ("nhs_number", "local_patient_id", "probabilistic", "decided") if name in numbers.columns
    ]
    others = pl.col("records") - (pl.col("spine") if "spine" in numbers.columns else 0)
    share = pl.sum_horizontal(pl.lit(0), *linked) / pl.when(others > 0).then(others)
    rates = numbers.with_columns(share.alias("linked share"))
    of_sources = rates.filter(pl.col("source") != ALL).select("source", "linked share")
    alternative = extremes(of_sources, "Linked, of the records not on the spine")
    # Most programmes have no decisions; their reports do not speak of them.
    colours = {name: colour for name, colour in METHOD_COLOURS.items() if name != "decided" or name in numbers.columns}
    drawn = shares(records, "method", colours), shares(records, "method", colours, width=_WIDE)
    figure = Figure(
        "Share of each source's records.",
        (Panel("", alternative, *drawn),),
        tuple(("bar", colour, METHODS[method]) for method, colour in colours.items()),
    )
    heads = dict(METHODS) | {"linked share": "linked, of records not on the spine"}
    return Section(
        "methods",
        "Rates by source and method",
        (
            "A record on the spine defines its person. A new person is found in no other source. An unlinked record "
            "has too few identifiers to be compared.",
        ),
        (figure, table(rates, "Records by source and method", heads=heads)),
    )


def groups_section(quality: Quality) -> Section | None:
    """Show which groups of people are linked less well."""
    groups = quality.groups
    if groups.is_empty():
        return None
    panels = []
    for dimension in groups["dimension"].unique(maintain_order=True):
        rows = in_order(groups.filter(source=ALL, dimension=dimension)).rename({"group": "label"}).drop_nulls("rate")
        alternative = extremes(rows.select("label", "rate"), "Linked")
        panels.append(Panel(in_words(dimension), alternative, intervals(rows, from_zero=False)))
    legend = (
        ("dot", "var(--blue)", "share linked and its 95 % interval"),
        ("square", "var(--red)", "standardised difference beyond 0.1"),
    )
    numbers = tuple(
        table(
            in_order(groups.filter(dimension=dimension)).drop("dimension"),
            f"Linkage by {in_words(dimension)}",
            forms={"standardised_difference": "{:+.2f}".format},
        )
        for dimension in groups["dimension"].unique(maintain_order=True)
    )
    figure = Figure("All sources except the spine, by group.", tuple(panels), legend, numbers)
    return Section(
        "groups",
        "Who is linked less well",
        (
            "A record counts as linked if its person also has a record on the spine. The standardised difference "
            "compares a group's share of the linked records with its share of the others. Beyond 0.1 in either "
            "direction it is flagged: results about such a group may be caused by the linkage. Each axis has its own "
            "scale and does not start at zero.",
        ),
        (figure,),
    )


def odd_section(quality: Quality) -> Section | None:
    """Show conflicts and implausible links."""
    if quality.conflicts.is_empty():
        return None
    share = pl.col("conflicts") / pl.when(pl.col("records") > 0).then("records")
    conflicts = quality.by_method().select("source", "conflicts", "records", share.alias("share"))
    heads = {"conflicts": "number of someone else"}
    parts: list[Figure | Table] = [
        table(conflicts, "Conflicts of the NHS Number with name and birth date", heads=heads)
    ]
    if quality.implausible.height:
        parts += _implausible(quality.implausible)
    return Section(
        "odd",
        "Conflicts and implausible links",
        (
            "An implausible link is not always wrong: the record itself may be wrong. Many of one kind in one source "
            "point to wrong links, or to the way that source writes its data.",
        ),
        tuple(parts),
    )


def _implausible(frame: pl.DataFrame) -> Iterator[Figure | Table]:
    share = (pl.col("links") / pl.when(pl.col("of") > 0).then("of")).alias("share")
    known = pl.col("links").is_not_null() & pl.col("of").is_not_null()
    written = share.map_elements(percent, return_dtype=pl.String, skip_nulls=False)
    cell = pl.when(known).then(written).otherwise(pl.lit(HIDDEN)).alias("cell")
    wide = frame.select("source", "finding", cell).pivot("finding", index="source", values="cell", maintain_order=True)
    wide = wide.with_columns(pl.all().fill_null(NOTHING))
    yield table(wide, "Implausible links, as a share of the links that could be checked", written=wide.columns[1:])
    heads = {"of": "links that could be checked"}
    yield Figure("", (), (), (table(frame.with_columns(share), "Implausible links", heads=heads),))


def clusters_section(quality: Quality) -> Section | None:
    """Show how many records each person has."""
    sizes = quality.cluster_sizes
    if sizes.is_empty():
        return None
    drawn = bars(sizes.select(label="size", count="persons"), title="persons")
    numbers = table(sizes, "Persons by number of records", heads={"size": "records per person"})
    most = sizes.drop_nulls().sort("persons", descending=True).row(0)
    alternative = f"Most persons have {most[0]} records ({count(most[1])} persons)."
    figure = Figure("Persons by number of records.", (Panel("", alternative, drawn),), (), (numbers,))
    text = "A person with very many records may be several people who share a wrong NHS Number."
    return Section("clusters", "Records per person", (text,), (figure,))
