"""NHS Numbers that are superseded, or stand twice in one provider's records."""

from typing import Any

import polars as pl

import linkcore as lc
from linkcore.linkage.exact.number_faults import number_faults

ANN, BOB, NEW = 4010232137, 4000000012, 4000000020


def faults(sent: pl.DataFrame, exact: lc.Exact | None = None, **given: Any) -> list[tuple[bool, bool]]:
    return number_faults(sent, lc.Source("seen", sent, **given), exact or lc.Exact()).rows()


def test_events_repeat_a_number_under_one_local_id() -> None:
    sent = pl.DataFrame({"nhs_number": [ANN, ANN, BOB, None, BOB], "local_patient_id": ["1", "1", "2", "3", None]})
    assert faults(sent) == [(False, False)] * 5
    assert faults(sent, one_record_per_person=True) == [
        (False, True),
        (False, True),
        (False, True),
        (False, False),
        (False, True),
    ]


def test_a_superseded_number_stands_twice_with_the_one_that_replaced_it() -> None:
    exact = lc.Exact(superseded=pl.DataFrame({"old": [ANN], "new": [NEW]}))
    sent = pl.DataFrame({"nhs_number": [ANN, NEW, BOB], "local_patient_id": ["1", "2", "3"]})
    assert faults(sent, exact) == [(True, True), (False, True), (False, False)]
    assert faults(sent.drop("local_patient_id").with_columns(x=1), exact) == [(True, False), *[(False, False)] * 2]
