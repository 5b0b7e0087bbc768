"""Recall of blocking, counted one hidden record at a time; and its interval against SciPy's."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from linkcore.quality.blocking_recall import blocking_table, exact_interval
from tests.quality.test_fallback_tables import NAMES, TEST, reporting

PROPOSED = pl.DataFrame(
    [(record, record // 3) for record in range(0, 40, 3)],
    schema={"record": pl.UInt32, "person": pl.UInt32},
    orient="row",
)


@pytest.mark.parametrize("source", [1, 2, None])
@pytest.mark.parametrize(("weighting", "weight"), [("raw", "weight"), ("reweighted", "reweighted")])
def test_recall_is_the_weight_of_the_hidden_records_that_were_compared_with_their_person(
    source: int | None, weighting: str, weight: str
) -> None:
    total, found, of_person = 0.0, 0.0, dict[int, float]()
    for row in reporting(source).filter(pl.col("listed")).iter_rows(named=True):
        if row["record"] >= 40:  # it was not hidden, and stands for itself
            continue
        total += row[weight]
        found += row[weight] * (row["record"] % 3 == 0)
        of_person[row["true_person"]] = of_person.get(row["true_person"], 0.0) + row[weight]
    cases = total**2 / sum(each**2 for each in of_person.values())
    name = "all" if source is None else NAMES[source]
    (row,) = blocking_table(TEST, 40, PROPOSED).filter(source=name, weighting=weighting).rows(named=True)
    assert row["rate"] == pytest.approx(found / total)
    assert row["cases"] == pytest.approx(cases)
    assert (row["low"], row["high"]) == pytest.approx(exact_interval(found / total, cases))


def test_a_source_without_hidden_records_has_no_row() -> None:
    assert blocking_table(TEST, 0, PROPOSED).is_empty()


@given(st.floats(0, 1), st.floats(1, 1e5))
def test_the_interval_is_that_of_clopper_and_pearson(share: float, cases: float) -> None:
    low, high = exact_interval(share, cases)
    events, rest = share * cases, cases - share * cases
    assert low == pytest.approx(beta.ppf(0.025, events, rest + 1) if events > 1e-9 else 0.0, abs=1e-7)
    assert high == pytest.approx(beta.ppf(0.975, events + 1, rest) if rest > 1e-9 else 1.0, abs=1e-7)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
