"""Linking month after month: what a month costs in which few records change, and where ten instalments end.

A month keeps the model, so it neither learns nor tests itself. It does read every record, link it exactly, and block,
weigh and decide about every open record. The cost is counted in CPU seconds of all threads.
"""

import datetime as dt
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise
from tests.changed_months import extracts, in_other_company, wrong_links

MOST_OF_LINKING_ANEW = 0.25
INSTALMENTS = 10
MOST_IN_OTHER_COMPANY = 0.005
"""So large a share of the records may have another person, after ten instalments, than after linking once."""


@pytest.fixture(scope="module")
def programme(ics: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Programme:
    """Return the programme of an ICS; of a tiny one if nothing is timed."""
    if pytestconfig.getoption("benchmark_disable"):
        ics = synthesise(tmp_path_factory.mktemp("tiny") / "ics", people=2_000, seed=1).folder
    return Programme.load(ics / "programme.toml")


def linked(programme: Programme, previous: lc.Linkage | None = None, **of: Any) -> tuple[lc.Linkage, float]:
    """Link, and return what it cost."""
    sources = extracts(programme, **of)
    start = time.process_time()
    date = dt.date(2026, 1, 1) if previous is None else (previous.reference_date or dt.date.min) + dt.timedelta(30)
    linkage = lc.link(sources, exact=programme.exact(), previous=previous, reference_date=date, synthetic=True)
    return linkage, time.process_time() - start


def test_a_month_in_which_three_records_in_a_hundred_change(benchmark: BenchmarkFixture, programme: Programme) -> None:
    before, _ = linked(programme)
    after, kept = benchmark.pedantic(linked, (programme, before), {"changes": ["a"]}, rounds=1)
    _, anew = linked(programme, changes=["a"])
    assert after.probabilistic.model_use.kept
    benchmark.extra_info |= {
        "CPU seconds": round(kept, 2),
        "CPU seconds anew": round(anew, 2),
        "share of linking anew": {"found": round(kept / anew, 3), "wanted, at most": MOST_OF_LINKING_ANEW},
    }


def test_ten_instalments_end_in_the_persons_of_linking_once(benchmark: BenchmarkFixture, programme: Programme) -> None:
    once, _ = linked(programme)
    truth = pl.read_parquet(programme.folder / "truth.parquet").select("source", "record_id", "entity")

    def in_instalments() -> lc.Linkage:
        linkage = None
        for number in range(1, INSTALMENTS + 1):
            linkage, _ = linked(programme, linkage, arrived=number / INSTALMENTS)
        assert linkage is not None
        return linkage

    last = benchmark.pedantic(in_instalments, rounds=1)
    differing = in_other_company(once, last).height
    benchmark.extra_info |= {
        "records": last.links.height,
        "in other company": differing,
        "wrong links": wrong_links(last, truth),
        "wrong links, once": wrong_links(once, truth),
        "model kept": last.probabilistic.model_use.kept,
    }
    assert differing <= MOST_IN_OTHER_COMPANY * last.links.height
    assert wrong_links(last, truth) <= wrong_links(once, truth) + 0.002 * last.links.height
