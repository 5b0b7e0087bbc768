"""CPU time to save and open a linkage, to answer a practice from it, and to release again without linking.

With ``--ics`` the limits of a whole ICS hold too. A linkage of a small area is exact only: it costs little, and its
tables are those that these commands read.
"""

import datetime as dt
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore as lc
from linkcore.store.contents import tables_of

KEY = lc.Key.generate("linkage-2026")
OWN = lc.Key.generate("analytics-partner-2026")


class Cost(NamedTuple):
    cpu: float
    seconds: float


def cost(work: Callable[[], object], rounds: int = 5) -> Cost:
    """The least cost of some rounds."""
    costs = []
    for _ in range(rounds):
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        costs.append(Cost(used, time.perf_counter() - began))
    return min(costs)


class Kept(NamedTuple):
    programme: lc.Programme
    linkage: lc.Linkage
    store: Path

    def opened(self) -> lc.Linkage:
        """The kept linkage, as a new process opens it: each source is read and compared with what was linked."""
        return lc.Linkage.load(self.store, self.programme.sources(), key=KEY)


@pytest.fixture(scope="module")
def kept(ics: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    programme = lc.Programme.load(ics / "programme.toml")
    linkage = programme.link() if request.config.getoption("--ics") else linked_exactly(programme)
    linkage.save(store := tmp_path_factory.mktemp("store") / "work", key=KEY)
    return Kept(programme, linkage, store)


def linked_exactly(programme: lc.Programme) -> lc.Linkage:
    return lc.link(programme.sources(), exact=programme.exact(), fallback=None, synthetic=True)


@pytest.mark.ratio
def test_save(
    benchmark: BenchmarkFixture,
    kept: Kept,
    tmp_path: Path,
    check_ratio: Callable[[str, float], None],
    request: pytest.FixtureRequest,
) -> None:
    def plainly() -> None:
        for name, table in tables_of(kept.linkage).items():
            table.write_parquet(tmp_path / f"{name}.parquet", compression="lz4")

    saved = cost(lambda: kept.linkage.save(tmp_path / "work", key=KEY))
    check_ratio("saving a linkage, to writing its tables with Polars", cost(plainly).cpu / saved.cpu)
    if request.config.getoption("--ics"):
        assert saved.seconds <= 2
    note(benchmark, "save", saved, kept.linkage)


@pytest.mark.ratio
def test_open(
    benchmark: BenchmarkFixture,
    kept: Kept,
    tmp_path: Path,
    check_ratio: Callable[[str, float], None],
    request: pytest.FixtureRequest,
) -> None:
    for name, table in tables_of(kept.linkage).items():
        table.write_parquet(tmp_path / f"{name}.parquet", compression="lz4")
    plainly = cost(lambda: [pl.read_parquet(file) for file in tmp_path.glob("*.parquet")])
    found = cost(kept.opened)
    check_ratio("opening a linkage, to reading its tables with Polars", plainly.cpu / found.cpu)
    if request.config.getoption("--ics"):
        assert found.seconds <= 1
    note(benchmark, "open", found, kept.linkage)


@pytest.mark.ratio
def test_reidentify_100(
    benchmark: BenchmarkFixture,
    kept: Kept,
    tmp_path: Path,
    check_ratio: Callable[[str, float], None],
    request: pytest.FixtureRequest,
) -> None:
    spine = next(source for source in kept.programme.sources() if source.spine)
    gp = spine.scan(["NHS_NO", "PRACTICE_CODE"]).collect().drop_nulls()
    practice = gp["PRACTICE_CODE"].sort()[0]
    mine = gp.filter(PRACTICE_CODE=practice)["NHS_NO"]
    asked = mine.head(100).to_frame("n").select(lc.pseudonymise("n", OWN)).to_series()
    requester = lc.Requester("A81001", practice=practice, limit=1_000_000)
    at = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)

    def answer() -> None:
        occasion = lc.Occasion("team", at, lc.Audit(tmp_path / "audit.jsonl"), reason="a bench")
        patients = lc.PatientList("A81001", mine)
        found = lc.reidentify(asked, patients, OWN, requesters=[requester], linkage=kept.opened(), occasion=occasion)
        assert found.height > 90

    exact = cost(lambda: linked_exactly(kept.programme), 1)
    found = cost(answer)
    check_ratio("answering a practice from the store, to the exact linkage", exact.cpu / found.cpu)
    if request.config.getoption("--ics"):
        assert found.seconds <= 2
    note(benchmark, "reidentify 100", found, kept.linkage)


@pytest.mark.ratio
def test_second_release(
    benchmark: BenchmarkFixture,
    kept: Kept,
    tmp_path: Path,
    check_ratio: Callable[[str, float], None],
) -> None:
    (agreement,) = kept.programme.agreements()
    alone = cost(lambda: lc.release(kept.linkage, agreement, OWN, tmp_path / "first"), 2)
    again = cost(lambda: lc.release(kept.opened(), agreement, OWN, tmp_path / "second"), 2)
    check_ratio("a release from the store, to the release alone", alone.cpu / again.cpu)
    note(benchmark, "second release", again, kept.linkage)


def note(benchmark: BenchmarkFixture, name: str, found: Cost, linkage: lc.Linkage) -> None:
    benchmark.extra_info |= {
        "records": linkage.links.height,
        f"{name}, CPU s": round(found.cpu, 3),
        f"{name}, s": round(found.seconds, 3),
    }
    benchmark.pedantic(lambda: None)  # the costs above are of the processor, which the benchmark does not measure
