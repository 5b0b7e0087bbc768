"""Evaluation: counts that can be checked by hand."""

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.evaluation import compare_with_truth
from tests.naive_linkage import ten_digits

ONE, TWO = ten_digits(400_000_001), ten_digits(400_000_003)


def test_each_kind_of_record_counts_where_it_should() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [ONE, ONE, None, None, None]}))
    truth = pl.DataFrame(
        {
            "source": ["gp"] * 2 + ["seen"] * 5,
            "record_id": ["0", "1", "0", "1", "2", "3", "4"],
            # Right; somebody else's number; missed; two records of one person whom the spine lacks.
            "entity": [1, 2, 1, 2, 2, 3, 3],
        }
    )
    judged = compare_with_truth(lc.link([gp, seen]), truth)
    assert judged.rows(named=True) == [
        {"source": "gp", "method": "spine", "records": 2, "linked": 0, "right": 0, "findable": 0, "found": 0},
        {"source": "seen", "method": "nhs_number", "records": 2, "linked": 2, "right": 1, "findable": 2, "found": 1},
        {"source": "seen", "method": "unlinked", "records": 3, "linked": 0, "right": 0, "findable": 3, "found": 0},
    ]


def test_truth_of_other_sources_is_refused() -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": [ONE]}))])
    truth = pl.DataFrame({"source": ["gp"], "record_id": ["7"], "entity": [1]})
    with pytest.raises(lc.ProgrammeError, match="lacks 1 records"):
        compare_with_truth(linkage, truth)
