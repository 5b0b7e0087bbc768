"""Look up five million numbers among more than a million, compared with Polars' joins."""

import time
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.linkage.exact.number_index import NumberIndex


def fastest(run: Callable[[], pl.Series], rounds: int = 3) -> tuple[float, pl.Series]:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


@pytest.mark.ratio
def test_number_index_beside_polars(
    benchmark: BenchmarkFixture, request: pytest.FixtureRequest, check_ratio: Callable[[str, float], None]
) -> None:
    people = 1_200_000 if request.config.getoption("--ics") else 100_000
    generator = np.random.default_rng(1)
    numbers = pl.Series("nhs_number", generator.choice(600_000_000, people, replace=False) * 10 + 4_000_000_003)
    records = numbers.gather(generator.integers(0, people, 4 * people))
    persons = numbers.to_frame().with_row_index("person_id")

    def joined() -> pl.Series:
        return records.to_frame().join(persons, on="nhs_number", how="left", maintain_order="left")["person_id"]

    def replaced() -> pl.Series:
        return records.replace_strict(persons["nhs_number"], persons["person_id"], default=None)

    found = benchmark.pedantic(lambda: NumberIndex(numbers).find(records), rounds=5, warmup_rounds=1)
    beside = {"join": fastest(joined), "replace_strict": fastest(replaced)}
    for _, theirs in beside.values():
        assert found.equals(theirs, check_names=False)
    if benchmark.stats:
        best = benchmark.stats.stats.min
        benchmark.extra_info |= {f"times_as_fast_as_{name}": seconds / best for name, (seconds, _) in beside.items()}
        check_ratio("number index, to Polars' join", beside["join"][0] / best)
