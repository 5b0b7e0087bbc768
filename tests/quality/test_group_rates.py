"""Linkage rates by group: equal to a loop over the records, and to Austin's formula."""

import math
from collections import Counter

import polars as pl
import pytest

import linkcore as lc
from linkcore.quality.group_rates import OTHER, UNKNOWN, count_groups, group_rates, pool_rare, with_all_sources
from linkcore.sources.records import standardise


def test_the_standardised_difference_follows_the_formula() -> None:
    counts = pl.DataFrame(
        {"source": "seen", "dimension": "age", "group": ["young", "old"], "records": [300, 700], "linked": [240, 680]}
    )
    rates = group_rates(counts)
    p1, p2 = 240 / 920, 60 / 80
    expected = (p1 - p2) / math.sqrt((p1 * (1 - p1) + p2 * (1 - p2)) / 2)
    assert rates["standardised_difference"].to_list() == pytest.approx([expected, -expected])
    assert rates["flagged"].to_list() == [True, True]


def test_the_standardised_difference_is_null_where_all_records_are_linked() -> None:
    counts = count_groups("seen", pl.DataFrame({"gender": ["male", "female", None]}), pl.Series([True] * 3))
    rates = group_rates(counts)
    assert rates["rate"].to_list() == [1.0, 1.0, 1.0]
    assert rates["standardised_difference"].null_count() == rates["flagged"].null_count() == 3


def test_groups_are_sorted_by_their_numbers_and_unknown_comes_last() -> None:
    groups = ["10", "2", None, "1", "85 and over", "5-14", "other"]
    assert count_groups("seen", pl.DataFrame({"x": groups}), pl.Series([True] * 7))["group"].to_list() == [
        "1", "2", "5-14", "10", "85 and over", OTHER, UNKNOWN,
    ]  # fmt: skip


def test_rare_groups_are_pooled_in_every_source_without_losing_records() -> None:
    seen = count_groups("seen", pl.DataFrame({"kind": ["A"] * 20 + ["Jo Smith"] + ["B"] * 5}), pl.Series([True] * 26))
    there = count_groups("there", pl.DataFrame({"kind": ["B"] * 3 + [None] * 2}), pl.Series([False] * 5))
    pooled = pool_rare(group_rates(with_all_sources(pl.concat([seen, there]))), 8)
    assert pooled.select("source", "group", "records", "linked").rows() == [
        ("all", "A", 20, 20), ("all", "B", 8, 5), ("all", "other", 1, 1), ("all", "unknown", 2, 0),
        ("seen", "A", 20, 20), ("seen", "B", 5, 5), ("seen", "other", 1, 1),
        ("there", "B", 3, 0), ("there", "unknown", 2, 0),
    ]  # fmt: skip


def test_groups_of_a_linkage_equal_a_loop_over_its_records(linkage: lc.Linkage) -> None:
    spine = set(linkage.links.filter(source="gp")["person_id"])
    counted: Counter[tuple[str, str, str]] = Counter()
    linked: Counter[tuple[str, str, str]] = Counter()
    for source in linkage.sources[1:]:
        frame = standardise(source, usable=linkage.exact.usable, reference_date=linkage.reference_date).frame
        links = linkage.links.filter(source=source.name)
        for record, person in zip(frame.iter_rows(named=True), links["person_id"], strict=True):
            groups_of_record = {"gender": record["gender"], "area": (record["postcode"] or "")[:2].rstrip("0123456789")}
            groups_of_record |= {name: record[f"attribute_{name}"] for name in source.attributes or {}}
            for name in (source.name, "all"):
                for dimension, group in groups_of_record.items():
                    cell = (name, dimension, group or "unknown")
                    counted[cell] += 1
                    linked[cell] += person in spine
    groups = linkage.quality.groups.filter(pl.col("dimension") != "age band")
    cells = {tuple(cell): (records, part) for *cell, records, part in groups.select(groups.columns[:5]).iter_rows()}
    assert cells == {cell: (records, linked[cell]) for cell, records in counted.items()}
    ages = linkage.quality.groups.filter(dimension="age band", source="all")
    assert ages["records"].sum() == linkage.links.height - linkage.links.filter(source="gp").height
    assert ages["linked"].sum() == sum(linked[cell] for cell in linked if cell[:2] == ("all", "gender"))


def test_without_a_spine_linked_means_having_a_record_in_another_source() -> None:
    people = pl.DataFrame({"nhs_number": ["4010232137", "4010232137", "4010232218"], "gender": ["1", "1", "2"]})
    linkage = lc.link([lc.Source("a", people), lc.Source("b", people[:1])], fallback=None)
    genders = linkage.quality.groups.filter(dimension="gender", source="a")
    assert genders.select("group", "records", "linked").rows() == [("female", 1, 0), ("male", 2, 2)]
