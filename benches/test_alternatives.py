"""What it gains to compare records with other names and former homes, where people really move and marry.

The records of synthetic visits show people as they were on the day, and as they are known. The same sources are linked
twice: as they are, and as if no record had shown anything beside PERSONS.
"""

from pathlib import Path

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import linkcore.linkage.fallback.probabilistic as fallback
from linkcore.linkage.exact.alternatives import TAUGHT
from linkcore.programme.programme import Programme
from linkcore.synthetic import synthesise, with_history

PEOPLE, MANY = 20_000, 60_000
MOST_WRONG = 0.002


def test_alternatives_find_more_persons(
    benchmark: BenchmarkFixture, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = MANY if request.config.getoption("--ics") else PEOPLE
    made = synthesise(tmp_path / "ics", people=people, seed=1, error_rates=with_history())
    programme, truth = Programme.load(made.programme), pl.read_parquet(made.truth)
    found = benchmark.pedantic(lambda: found_at_few_wrong(programme, truth), rounds=1)
    monkeypatch.setattr(fallback, "taught_by_numbers", lambda *_: pl.DataFrame(schema=TAUGHT))
    without = found_at_few_wrong(programme, truth)
    benchmark.extra_info |= {"found": round(found, 4), "found without alternatives": round(without, 4)}
    assert found > without


def found_at_few_wrong(programme: Programme, truth: pl.DataFrame) -> float:
    """The largest share of records without a number that a threshold links to their person, with 0.2 % wrong links."""
    linkage = programme.link()
    probabilistic = linkage.probabilistic
    assert probabilistic is not None
    key = ["source", "record_id"]
    true_person = truth.select(*key, "entity")
    persons = linkage.persons[: probabilistic.listed].join(true_person, on=key)
    persons = persons.select("person_id", person="entity")
    open_records = probabilistic.records.filter(pl.col("nhs_number").is_null()).join(true_person, on=key)
    best = probabilistic.candidates.sort("match_probability", "person_id", descending=[True, False]).unique(
        key, keep="first", maintain_order=True
    )
    by_probability = (
        open_records.join(best, on=key)
        .join(persons, on="person_id", how="left")
        .group_by("match_probability")
        .agg(pl.len().alias("links"), (pl.col("entity") == pl.col("person")).sum().alias("right"))
        .sort("match_probability", descending=True)
        .with_columns(pl.col("links", "right").cum_sum())
    )
    allowed = by_probability.filter(pl.col("right") >= (1 - MOST_WRONG) * pl.col("links"))
    listed = open_records.filter(pl.col("entity").is_in(persons["person"].implode())).height
    return int(allowed["right"].max()) / listed
