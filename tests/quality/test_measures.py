"""Measures: equal to a count made another way."""

from collections import Counter

import polars as pl

from linkcore.quality.measures import measure
from linkcore.schema import LINKS, SET_ASIDE

ROWS = [
    ("gp", "1", 0, "spine", None, 1.0, "valid", False),
    ("gp", "2", 1, "spine", None, 1.0, "missing", False),
    ("seen", "1", 0, "nhs_number", None, 1.0, "valid", False),
    ("seen", "2", 2, "new_person", None, None, "valid", True),
    ("seen", "3", 3, "unlinked", None, None, "check_digit", False),
    ("empty", "1", 4, "unlinked", None, None, "missing", False),
]
LINKED = pl.DataFrame(ROWS, schema=LINKS, orient="row")


def test_counts_equal_those_of_a_loop_over_the_links() -> None:
    quality = measure(LINKED, pl.DataFrame(schema=SET_ASIDE), 5)
    assert {row[:2]: row[2] for row in quality.records.iter_rows()} == Counter((row[0], row[3]) for row in ROWS)
    assert {row[:2]: row[2] for row in quality.numbers.iter_rows()} == Counter((row[0], row[6]) for row in ROWS)
    assert dict(quality.conflicts.iter_rows()) == {"gp": 0, "seen": 1, "empty": 0}


def test_by_method_keeps_the_order_of_sources_and_adds_up() -> None:
    assert measure(LINKED, pl.DataFrame(schema=SET_ASIDE), 5).by_method().rows(named=True) == [
        {"source": "gp", "spine": 2, "nhs_number": 0, "new_person": 0, "unlinked": 0, "records": 2, "conflicts": 0},
        {"source": "seen", "spine": 0, "nhs_number": 1, "new_person": 1, "unlinked": 1, "records": 3, "conflicts": 1},
        {"source": "empty", "spine": 0, "nhs_number": 0, "new_person": 0, "unlinked": 1, "records": 1, "conflicts": 0},
        {"source": "all", "spine": 2, "nhs_number": 1, "new_person": 1, "unlinked": 2, "records": 6, "conflicts": 1},
    ]
