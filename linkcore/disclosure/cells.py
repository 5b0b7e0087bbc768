"""Every count of a Quality under a key of what it counts, and the sums among counts.

A count that is in two tables has one key, and so is one count.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

import polars as pl

from linkcore.disclosure.suppression import Counts
from linkcore.quality.measures import FallbackQuality, Quality
from linkcore.quality.tables import ANY_REASON, NOT_WITHHELD, NUMBER_GROUPS
from linkcore.schema import ALL, METHOD, NHS_NUMBER_STATUS, USABLE_STATUSES, WHOLE_NAME

__all__ = ["Cells", "cells_of"]

Key = tuple[Any, ...]

# The methods of records that the exact linkage left open.
_LEFT_OPEN: Final = ("probabilistic", "new_person", "unlinked")


class Cells:
    """The counts of a Quality, and the tables that show them.

    ``counts`` holds each count by its key. ``columns`` holds, for a table and column, the key of the count in each row.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self.columns: dict[tuple[str, str], list[Key]] = {}

    def read(self, table: str, column: str, frame: pl.DataFrame, what: str, *by: str) -> None:
        """Add a column of counts. The key of each is ``what`` it counts and the values of the columns ``by``."""
        values = zip(frame.select(by).iter_rows(), frame[column], strict=True)
        self.columns[table, column] = [self.add((what, *of), count, table) for of, count in values]

    def add(self, key: Key, value: int, table: str) -> Key:
        """Add one count. If its key already has another value, the count gets a key of its own."""
        if key in self.counts and self.counts.value(key) != value:
            key = (*key, table)
        self.counts.add(key, value)
        return key

    def sum_up(self, sums: Iterable[tuple[Key, Key]]) -> None:
        """Add sums, given as pairs of a total and one part. A part that is not a count is ignored."""
        parts = defaultdict(list)
        for total, part in sums:
            if part in self.counts:
                parts[total].append(part)
        for total, of in parts.items():
            self.counts.add_sum(total, of)

    def sum_by(self, table: str, column: str, frame: pl.DataFrame, what: str, *by: str) -> None:
        """Add the sums of a column over all rows with the same values of ``by``."""
        totals = [(what, *of) for of in frame.select(by).iter_rows()] if by else [(what,)] * frame.height
        self.sum_up(zip(totals, self.columns[table, column], strict=True))

    def sum_sources(self, table: str, column: str, frame: pl.DataFrame, what: str, *by: str) -> None:
        """Add the sums of a column over all sources. Rows of all sources together may exist already."""
        rows = zip(frame.select("source", *by).iter_rows(), self.columns[table, column], strict=True)
        self.sum_up(((what, ALL, *of), key) for (source, *of), key in rows if source != ALL)

    def part(self, table: str, part: str, whole: str) -> None:
        """Record that one column is part of another."""
        for key, of in zip(self.columns[table, part], self.columns[table, whole], strict=True):
            self.counts.add_part(of, key, ("rest", of, key))


def cells_of(quality: Quality) -> Cells:
    """Collect all counts of a Quality and the sums among them.

    Examples
    --------
    >>> from linkcore.quality.measures import measure
    >>> from linkcore.schema import LINKS, SET_ASIDE
    >>> link = {"source": "gp", "record_id": "1", "person_id": 0, "method": "spine", "nhs_number_status": "valid",
    ...         "conflict": False}
    >>> links = pl.DataFrame([link], schema=LINKS)
    >>> cells = cells_of(measure(links, pl.DataFrame(schema=SET_ASIDE), 1, sources=["gp"]))
    >>> cells.columns["flow", "records"]
    [('flow', 'gp', 'usable', 'spine')]
    """
    cells = Cells()
    _read_records(cells, quality)
    _read_identifiers(cells, quality)
    _read_number_faults(cells, quality.number_faults)
    _read_flow(cells, quality)
    _read_groups(cells, quality.groups, quality.records["source"].unique(maintain_order=True).to_list())
    _read_persons(cells, quality)
    _read_earlier_persons(cells, quality)
    _read_implausible(cells, quality.implausible)
    _read_weights(cells, quality.match_weights)
    _read_withheld(cells, quality.withheld)
    _read_not_read(cells, quality.not_read)
    if quality.fallback is not None:
        _read_fallback(cells, quality.fallback)
    if quality.truth is not None:
        _read_truth(cells, quality.truth)
    return cells


def _read_records(cells: Cells, quality: Quality) -> None:
    records, conflicts = quality.records, quality.conflicts
    numbers = quality.numbers.with_columns(pl.lit("nhs_number").alias("identifier"))
    cells.read("records", "records", records, "method", "source", "method")
    cells.read("numbers", "records", numbers, "status", "source", "identifier", "nhs_number_status")
    cells.read("conflicts", "conflicts", conflicts, "conflicts", "source")
    cells.columns["totals", "count"] = [cells.add(key, count, "totals") for key, count in _totals(quality)]
    cells.sum_sources("conflicts", "conflicts", conflicts, "conflicts")
    cells.sum_by("records", "records", records, "records", "source")
    cells.sum_by("numbers", "records", numbers, "records", "source")
    cells.sum_sources("records", "records", records, "method", "method")
    cells.sum_sources("numbers", "records", numbers, "number status", "nhs_number_status")
    everything: Key = ("records", ALL)
    cells.sum_up((everything, ("records", source)) for source in records["source"].unique(maintain_order=True))
    cells.sum_up((everything, ("method", ALL, method)) for method in METHOD.categories)
    cells.sum_up((everything, ("number status", ALL, status)) for status in NHS_NUMBER_STATUS.categories)


def _totals(quality: Quality) -> Iterator[tuple[Key, int]]:
    of_sources = quality.records.group_by("source", maintain_order=True).agg(pl.col("records").sum())
    yield from ((("records", source), count) for source, count in of_sources.iter_rows())
    yield from ((("conflicts", source), count) for source, count in quality.conflicts.iter_rows())
    yield ("records", ALL), int(of_sources["records"].sum())
    yield ("conflicts", ALL), int(quality.conflicts["conflicts"].sum())
    of_methods = quality.records.group_by("method", maintain_order=True).agg(pl.col("records").sum())
    yield from ((("method", ALL, method), count) for method, count in of_methods.iter_rows())
    of_statuses = quality.numbers.group_by("nhs_number_status", maintain_order=True).agg(pl.col("records").sum())
    yield from ((("number status", ALL, status), count) for status, count in of_statuses.iter_rows())


def _read_identifiers(cells: Cells, quality: Quality) -> None:
    set_aside, frame = quality.set_aside, quality.completeness
    cells.read("set_aside", "records", set_aside, "status", "source", "identifier", "status")
    sums = zip(set_aside.select("identifier", "source").iter_rows(), cells.columns["set_aside", "records"], strict=True)
    by_identifier: dict[Key, list[Key]] = defaultdict(list)
    for of, key in sums:
        by_identifier[of].append(key)
    for (_, source), keys in by_identifier.items():
        cells.counts.add_sum(("records", source), keys)
    cells.read("completeness", "records", frame, "records", "source")
    cells.read("completeness", "present", frame, "present", "source", "identifier")
    cells.read("completeness", "usable", frame, "usable", "source", "identifier")
    cells.part("completeness", "usable", "records")
    cells.part("completeness", "usable", "present")
    for of in frame.select("source", "identifier").iter_rows():
        cells.counts.add_part(("records", of[0]), ("present", *of), ("status", *of, "missing"))
        # Each identifier keeps other statuses: use whichever set adds up.
        for kept in (("valid",), ("valid", "implausible", "impossible", "partial"), ("valid", "unclear", WHOLE_NAME)):
            cells.sum_up((("usable", *of), ("status", *of, status)) for status in kept)


def _read_number_faults(cells: Cells, faults: pl.DataFrame) -> None:
    cells.read("number_faults", "records", faults, "number fault", "source", "fault")
    cells.sum_sources("number_faults", "records", faults, "number fault", "fault")
    for key in cells.columns["number_faults", "records"]:
        cells.counts.add_part(("records", key[1]), key, ("rest", key))


def _read_flow(cells: Cells, quality: Quality) -> None:
    usable, conflict, _ = NUMBER_GROUPS
    cells.read("flow", "records", quality.flow, "flow", "source", "number", "method")
    cells.sum_by("flow", "records", quality.flow, "method", "source", "method")
    cells.sum_by("flow", "records", quality.flow, "number", "source", "number")
    for source in quality.records["source"].unique(maintain_order=True):
        cells.sum_up((("records", source), ("number", source, group)) for group in NUMBER_GROUPS)
        cells.sum_up([(("conflicts", source), ("number", source, conflict))])
        of_usable = ("usable", source, "nhs_number")
        cells.sum_up((of_usable, ("number", source, group)) for group in (usable, conflict))
        for statuses in (USABLE_STATUSES, (*USABLE_STATUSES, "test")):
            cells.sum_up((of_usable, ("status", source, "nhs_number", status)) for status in statuses)


def _read_groups(cells: Cells, groups: pl.DataFrame, sources: Iterable[str]) -> None:
    by = ("source", "dimension", "group")
    cells.read("groups", "records", groups, "of group", *by)
    cells.read("groups", "linked", groups, "linked of group", *by)
    cells.part("groups", "linked", "records")
    cells.sum_sources("groups", "records", groups, "of group", "dimension", "group")
    cells.sum_sources("groups", "linked", groups, "linked of group", "dimension", "group")
    counted = set(groups["source"])
    # All records of the counted sources. No table shows this total, but it can be added up.
    cells.sum_up((("in groups", ALL), ("records", source)) for source in sources if source in counted)
    for (dimension,), part in groups.group_by("dimension", maintain_order=True):
        for source, group in part.select("source", "group").group_by("source", maintain_order=True).agg("group").rows():
            total = ("in groups", ALL) if source == ALL else ("records", source)
            cells.sum_up((total, ("of group", source, dimension, each)) for each in group)
            cells.sum_up((("linked in groups", source), ("linked of group", source, dimension, each)) for each in group)
    cells.sum_up((("linked in groups", ALL), ("linked in groups", source)) for source in sources)


def _read_persons(cells: Cells, quality: Quality) -> None:
    assert quality.persons is not None
    cells.columns["persons", ""] = [cells.add(("persons",), quality.persons, "persons")]
    cells.read("cluster_sizes", "persons", quality.cluster_sizes, "persons", "size")
    cells.sum_by("cluster_sizes", "persons", quality.cluster_sizes, "persons")


def _read_earlier_persons(cells: Cells, quality: Quality) -> None:
    cells.read("earlier_persons", "times", quality.earlier_persons, "became", "source", "became")
    if quality.earlier_persons.is_empty():
        return
    # Everybody has a name that was kept, a new one, or one that took the place of another.
    named: list[Key] = [("became", ALL, "kept"), ("became", ALL, "new")]
    others = cells.counts.value(("persons",)) - sum(cells.counts.value(key) for key in named)
    if others >= 0:
        rest: Key = ("became", ALL, "another name")
        cells.counts.add(rest, others, shown=False)
        cells.counts.add_sum(("persons",), [*named, rest])
    if (probable := ("became", ALL, "probable")) in cells.counts:
        cells.counts.add_part(("became", ALL, "kept"), probable, ("rest", probable))
    for became in ("kept", "new"):
        for source in quality.records["source"].unique(maintain_order=True):
            if (part := ("became", source, became)) in cells.counts:
                cells.counts.add_part(("became", ALL, became), part, ("rest", part))


def _read_implausible(cells: Cells, implausible: pl.DataFrame) -> None:
    cells.read("implausible", "links", implausible, "implausible", "source", "finding")
    cells.read("implausible", "of", implausible, "judged", "source", "finding")
    cells.part("implausible", "links", "of")


def _read_weights(cells: Cells, weights: pl.DataFrame) -> None:
    cells.read("match_weights", "pairs", weights, "weight", "source", "outcome", "low")
    cells.sum_sources("match_weights", "pairs", weights, "weight", "outcome", "low")
    cells.sum_by("match_weights", "pairs", weights, "weights", "source", "outcome")
    for source in weights["source"].unique(maintain_order=True):
        cells.sum_up([(("method", source, "probabilistic"), ("weights", source, "accepted"))])


def _read_withheld(cells: Cells, withheld: pl.DataFrame) -> None:
    cells.read("withheld", "records", withheld, "withheld", "source", "purpose", "reason")
    cells.sum_sources("withheld", "records", withheld, "withheld", "purpose", "reason")
    for key in cells.columns["withheld", "records"]:
        # A recipient counts the rows of its release: what is not withheld, if its cohort is everybody.
        if key[1] != ALL and key[3] == NOT_WITHHELD:
            cells.counts.known_exactly(key)
    reasons: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for source, purpose, reason in withheld.select("source", "purpose", "reason").iter_rows():
        if reason not in (NOT_WITHHELD, ANY_REASON):
            reasons[source][purpose].append(reason)
    for source, purpose in withheld.select("source", "purpose").unique(maintain_order=True).iter_rows():
        of: Key = ("withheld", source, purpose)
        cells.sum_up((("records", source), (*of, either)) for either in (NOT_WITHHELD, ANY_REASON))
        cells.sum_up(((*of, ANY_REASON), (*of, reason)) for reason in reasons[source][purpose])
        # A record without a person to check usually has no usable number and is linked to nobody.
        nobody = ((number, method) for number in NUMBER_GROUPS[1:] for method in _LEFT_OPEN[1:])
        cells.sum_up(((*of, "links_to_nobody"), ("flow", source, *each)) for each in nobody)


def _read_not_read(cells: Cells, not_read: pl.DataFrame) -> None:
    cells.read("not_read", "records", not_read, "not read", "source", "practice")
    keys = cells.columns["not_read", "records"]
    totals = [key for key in keys if key[2] == ALL]
    cells.sum_up((("not read", key[1], ALL), key) for key in keys if key not in totals)
    cells.sum_up((("not read", ALL, ALL), key) for key in totals if key[1] != ALL)


def _read_fallback(cells: Cells, fallback: FallbackQuality) -> None:
    for column in ("open", "compared", "linked", "hidden"):
        cells.read("sources", column, fallback.sources, column, "source")
    cells.part("sources", "compared", "open")
    cells.part("sources", "linked", "compared")
    left_open = [(number, method) for number in NUMBER_GROUPS[1:] for method in _LEFT_OPEN]
    for source in fallback.sources["source"]:
        cells.sum_up((("open", source), ("flow", source, *each)) for each in left_open)
        cells.sum_up([(("linked", source), ("method", source, "probabilistic"))])
    totals = fallback.counts.items()
    cells.columns["counts", ""] = [cells.add((name, ALL), count or 0, "counts") for name, count in totals]
    for column in ("open", "compared", "hidden"):
        cells.sum_sources("sources", column, fallback.sources, column)
    cells.read("left_out", "persons", fallback.left_out, "left out", "rule")
    cells.read("left_out", "records", fallback.left_out, "records left out", "rule")
    left_out = [*cells.columns["left_out", "persons"], *cells.columns["left_out", "records"]]
    cells.sum_up((("left_out", ALL), key) for key in left_out)
    tested = fallback.candidates
    cells.read("candidates", "records", tested, "tested", "source", "usable_identifiers")
    cells.read("candidates", "found", tested, "found", "source", "usable_identifiers")
    cells.part("candidates", "found", "records")
    cells.sum_by("candidates", "records", tested, "tested", "source")
    for source in tested["source"].unique(maintain_order=True):
        if ("hidden", source) in cells.counts:
            cells.counts.add_part(("hidden", source), ("tested", source), ("taken out", source))
    cells.read("rates", "of", fallback.rates, "rated", "measure", "source", "dimension", "group")
    for source in fallback.rates["source"].unique(maintain_order=True):
        of_source = ("rated", "false links", source, ALL, ALL)
        cells.sum_up([(of_source, ("flow", source, NUMBER_GROUPS[2], "probabilistic"))])
        if source != ALL:
            cells.sum_up([(("rated", "false links", ALL, ALL, ALL), of_source)])


def _read_truth(cells: Cells, truth: pl.DataFrame) -> None:
    for column in ("cases", "of"):
        cells.read("truth", column, truth, f"truth {column}", "source", "measure")
        cells.sum_sources("truth", column, truth, f"truth {column}", "measure")
    cells.part("truth", "cases", "of")
    for source in truth["source"].unique(maintain_order=True):
        links: Key = ("flow", source, NUMBER_GROUPS[2], "probabilistic")
        cells.sum_up([(("truth of", source, "false links"), links)])
