"""The counts of a Quality are equal to independent counts."""

from collections import Counter

import polars as pl

import linkcore as lc
from linkcore.quality.measures import Quality, measure
from linkcore.quality.truth import with_truth
from linkcore.schema import LINKS, METHOD, NHS_NUMBER_STATUS, SET_ASIDE

ROWS = [
    ("gp", "1", 0, "spine", None, 1.0, "valid", False),
    ("gp", "2", 1, "spine", None, 1.0, "missing", False),
    ("seen", "1", 0, "nhs_number", None, 1.0, "valid", False),
    ("seen", "2", 2, "new_person", None, None, "valid", True),
    ("seen", "3", 3, "unlinked", None, None, "check_digit", False),
    ("few", "1", 4, "unlinked", None, None, "missing", False),
]
LINKED = pl.DataFrame(ROWS, schema=LINKS, orient="row")
SOURCES = ["gp", "seen", "few", "none"]


def measured(links: pl.DataFrame = LINKED) -> Quality:
    return measure(links, pl.DataFrame(schema=SET_ASIDE), links["person_id"].n_unique(), sources=SOURCES)


def test_counts_equal_a_loop_over_the_links() -> None:
    quality = measured()
    for table, column, position in ((quality.records, METHOD, 3), (quality.numbers, NHS_NUMBER_STATUS, 6)):
        counted = Counter((row[0], row[position]) for row in ROWS)
        assert table.rows() == [(name, value, counted[name, value]) for name in SOURCES for value in column.categories]
    assert dict(quality.conflicts.iter_rows()) == {"gp": 0, "seen": 1, "few": 0, "none": 0}


def test_by_method_keeps_the_order_of_sources_and_adds_up() -> None:
    assert measured().by_method().rows(named=True) == [
        {"source": "gp", "spine": 2, "nhs_number": 0, "new_person": 0, "unlinked": 0, "records": 2, "conflicts": 0},
        {"source": "seen", "spine": 0, "nhs_number": 1, "new_person": 1, "unlinked": 1, "records": 3, "conflicts": 1},
        {"source": "few", "spine": 0, "nhs_number": 0, "new_person": 0, "unlinked": 1, "records": 1, "conflicts": 0},
        {"source": "none", "spine": 0, "nhs_number": 0, "new_person": 0, "unlinked": 0, "records": 0, "conflicts": 0},
        {"source": "all", "spine": 2, "nhs_number": 1, "new_person": 1, "unlinked": 2, "records": 6, "conflicts": 1},
    ]


def test_by_method_has_a_row_for_each_source_even_if_all_are_empty() -> None:
    assert measured(LINKED.clear()).by_method().rows(named=True) == [
        {"source": name, "records": 0, "conflicts": 0} for name in [*SOURCES, "all"]
    ]


def test_measures_of_a_linkage_agree_with_each_other(linkage: lc.Linkage) -> None:
    quality = linkage.quality
    records_of = dict(quality.by_method().select("source", "records").iter_rows())
    assert all(records_of[source] == records for source, records in quality.completeness[["source", "records"]].rows())
    for table in (quality.records, quality.numbers, quality.flow):
        assert dict(table.group_by("source").agg(pl.col("records").sum()).iter_rows()) == {
            source: records for source, records in records_of.items() if source != "all"
        }
    usable = quality.completeness.filter(identifier="nhs_number")[["source", "usable"]]
    numbers = quality.numbers.filter(pl.col("nhs_number_status").is_in(["valid", "test"]))
    assert dict(usable.iter_rows()) == dict(numbers.group_by("source").agg(pl.col("records").sum()).iter_rows())
    conflicts = quality.flow.filter(number="conflict").group_by("source").agg(pl.col("records").sum())
    assert dict(conflicts.iter_rows()) == dict(quality.conflicts.filter(pl.col("conflicts") > 0).iter_rows())


def test_true_rates_are_beside_the_estimates_of_the_same_source(linkage: lc.Linkage, truth: pl.DataFrame) -> None:
    table = with_truth(linkage, truth).truth
    assert table is not None
    assert linkage.quality.fallback is not None
    estimates = linkage.quality.fallback.rates.filter(dimension="all")
    expected = {(row["source"], row["measure"]): row["rate"] for row in estimates.iter_rows(named=True)}
    assert {(row["source"], row["measure"]): row["estimated"] for row in table.iter_rows(named=True)} | expected == (
        expected | dict.fromkeys(set(table[["source", "measure"]].rows()) - set(expected))
    )
    entity_of = {(source, record): entity for source, record, entity in truth[["source", "record_id", "entity"]].rows()}
    persons = linkage.persons[["source", "record_id"]].rows()
    wrong = sum(
        entity_of[source, record] != entity_of[persons[person]]
        for source, record, person in linkage.links.filter(
            pl.col("method") == "probabilistic", ~pl.col("nhs_number_status").is_in(list(linkage.exact.usable))
        )[["source", "record_id", "person_id"]].rows()
    )
    assert table.filter(source="all", measure="false links")["cases"].item() == wrong
