"""De-duplicating one file without NHS Numbers, compared with plain Splink 5 on the same records: processor time.

Records are like those of historical_50k: about eight a person, with much missing, shortened or changed. Splink is set
up as in its guide (see ``plain_splink``), learns, scores and clusters; it looks at fewer candidates. A whole file of
50,578 records is measured with ``--ics``.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import polars as pl
import pytest
from datasets import Dataset, historical_persons
from plain_splink import HISTORICAL_RECIPE, score
from pytest_benchmark.fixture import BenchmarkFixture
from test_fallback import note

from linkcore.linkage.decisions.groups import components

_Result = TypeVar("_Result")

# As many as historical_50k has.
_WHOLE, _FEW = 50_578, 4_000


def _splink(dataset: Dataset) -> int:
    """Learn, score and cluster; return how many pairs were scored."""
    pairs = score(dataset.tables, HISTORICAL_RECIPE)
    components(pairs.filter(pl.col("probability") >= 0.5))
    return pairs.height


def _processor_seconds(run: Callable[[], _Result]) -> tuple[_Result, float]:
    began = time.process_time()
    result = run()
    return result, time.process_time() - began


@pytest.mark.ratio
def test_deduplicating_beside_plain_splink(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest, check_ratio: Callable[[str, float], None]
) -> None:
    dataset = historical_persons(_WHOLE if request.config.getoption("--ics") else _FEW)
    # What is loaded and compiled once is not measured.
    for run in (historical_persons(300).link, lambda: _splink(historical_persons(300))):
        run()
    pairs, theirs = _processor_seconds(lambda: _splink(dataset))
    linkage, ours = benchmark.pedantic(lambda: _processor_seconds(dataset.link), rounds=1)
    assert linkage.probabilistic is not None
    compared = linkage.probabilistic.counts["pairs_among_records"]
    note(
        benchmark,
        processor_s=round(ours, 1),
        splink_processor_s=round(theirs, 1),
        pairs=compared,
        splink_pairs=pairs,
        pairs_a_processor_s_to_splinks=round(compared / ours / (pairs / theirs), 2),
        **dataset.judge(linkage).figures(),
    )
    check_ratio("de-duplicating, to plain Splink", theirs / ours)
