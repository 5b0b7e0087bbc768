"""Recall of blocking, counted one hidden record at a time; and its interval by SciPy."""

import polars as pl
import pytest
from scipy.stats import beta

from linkcore.quality.blocking_recall import blocking_table
from tests.quality.test_fallback_tables import NAMES, TEST, reporting

PROPOSED = pl.DataFrame(
    [(record, record // 3) for record in range(0, 40, 3)],
    schema={"record": pl.UInt32, "person": pl.UInt32},
    orient="row",
)


@pytest.mark.parametrize("source", [1, 2, None])
def test_recall_is_the_weight_of_the_hidden_records_that_were_compared_with_their_person(
    source: int | None,
) -> None:
    total, found, of_person, of_person_found = 0.0, 0.0, dict[int, float](), dict[int, float]()
    for row in reporting(source).filter(pl.col("listed")).iter_rows(named=True):
        if row["record"] >= 40:  # it was not hidden, and stands for itself
            continue
        total += row["reweighted"]
        found += row["reweighted"] * (row["record"] % 3 == 0)
        person, weight = row["true_person"], row["reweighted"]
        of_person[person] = of_person.get(person, 0.0) + weight
        of_person_found[person] = of_person_found.get(person, 0.0) + weight * (row["record"] % 3 == 0)
    share = found / total
    variance = sum((of_person_found[each] - share * of_person[each]) ** 2 for each in of_person) / total**2
    cases = min(total**2 / sum(each**2 for each in of_person.values()), share * (1 - share) / variance)
    name = "all" if source is None else NAMES[source]
    (row,) = blocking_table(TEST, 40, PROPOSED).filter(source=name).rows(named=True)
    assert row["rate"] == pytest.approx(found / total)
    assert row["cases"] == pytest.approx(cases)
    events = share * cases
    assert row["low"] == pytest.approx(beta.ppf(0.025, events, cases - events + 1))
    assert row["high"] == pytest.approx(beta.ppf(0.975, events + 1, cases - events))


def test_a_source_without_hidden_records_has_no_row() -> None:
    assert blocking_table(TEST, 0, PROPOSED).is_empty()
