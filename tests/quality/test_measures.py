"""Measures: equal to a count made another way."""

from collections import Counter

import polars as pl

from linkcore.quality.measures import Quality, measure
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


def test_counts_equal_those_of_a_loop_over_the_links() -> None:
    quality = measured()
    for table, column, at in ((quality.records, METHOD, 3), (quality.numbers, NHS_NUMBER_STATUS, 6)):
        counted = Counter((row[0], row[at]) for row in ROWS)
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


def test_where_all_sources_are_empty_every_one_is_told_of() -> None:
    assert measured(LINKED.clear()).by_method().rows(named=True) == [
        {"source": name, "records": 0, "conflicts": 0} for name in [*SOURCES, "all"]
    ]
