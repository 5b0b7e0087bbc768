"""The fallback, compared with plain Splink 5 on the same records: time, pairs, memory and accuracy.

Plain Splink uses its own comparisons with their defaults, and blocks on the pairs of identifiers that its guides use.
It learns by expectation maximisation, and links each record to its best person if the probability is at least 0.9.
"""

import resource
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from linkcore.linkage.blocking import blocking_rules, make_blocks, pairs_sql
from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.open_records import gather_open_records
from linkcore.linkage.fallback.probabilistic import link_probabilistically
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.placement import Placement
from linkcore.linkage.settings import Exact, Fallback
from linkcore.private_database import make_table
from linkcore.programme.programme import Programme
from linkcore.sources.records import Records, standardise

Exactly = tuple[list[Records], Placement]


@pytest.fixture(scope="module")
def exactly(ics: Path) -> Exactly:
    programme = Programme.load(ics / "programme.toml")
    usable = programme.numbers.usable
    records = [standardise(source, usable=usable) for source in programme.sources()]
    return records, link_exactly(records, Exact(usable=usable))


@pytest.fixture(scope="module")
def unknown(ics: Path, exactly: Exactly) -> pl.DataFrame:
    """Return the open records with their source, their true person, and whether that person is listed."""
    records, placement = exactly
    truth = pl.read_parquet(ics / "truth.parquet").select("source", "record_id", "entity")
    names = dict(enumerate(each.source.name for each in records))
    found = gather_open_records(records, placement).with_columns(
        pl.col("source_index").replace_strict(names, return_dtype=pl.String).alias("source")
    )
    persons = entities(placement.persons, truth)
    return found.join(truth, on=["source", "record_id"], how="left", maintain_order="left").with_columns(
        pl.col("entity").is_in(persons["entity"].implode()).alias("findable")
    )


def entities(persons: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    return persons.join(truth, on=["source", "record_id"], how="left", maintain_order="left").select(
        "person_id", "entity"
    )


def judge(ics: Path, persons: pl.DataFrame, unknown: pl.DataFrame, links: pl.DataFrame) -> dict[str, float]:
    """Compute precision and recall of links (``source``, ``record_id``, ``person_id``)."""
    truth = pl.read_parquet(ics / "truth.parquet").select("source", "record_id", "entity")
    of_person = entities(persons, truth).rename({"entity": "person_entity"})
    judged = links.join(unknown, on=["source", "record_id"]).join(of_person, on="person_id")
    right = int((judged["entity"] == judged["person_entity"]).sum())
    return {
        "open": unknown.height,
        "linked": links.height,
        "wrong": links.height - right,
        "precision": round(right / max(links.height, 1), 5),
        "recall": round(right / int(unknown["findable"].sum()), 5),
    }


def note(benchmark: BenchmarkFixture, **figures: Any) -> None:
    # This is the peak of the process so far: run one bench alone for its own figure.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    benchmark.extra_info |= figures | {"peak_gib": round(peak, 2)}


def test_linkcore_on_the_ics(benchmark: BenchmarkFixture, ics: Path, exactly: Exactly, unknown: pl.DataFrame) -> None:
    records, placement = exactly
    result: Probabilistic = benchmark.pedantic(
        lambda: link_probabilistically(records, placement, Fallback(), seed=0), rounds=1
    )
    links = pl.concat(
        each.frame.select(pl.lit(each.source.name).alias("source"), "record_id").hstack(
            result.placement.links[each.source.name]
        )
        for each in records
    ).filter(pl.col("method") == "probabilistic")
    figures = judge(ics, placement.persons, unknown, links.select("source", "record_id", "person_id"))
    note(benchmark, **figures, **{name: count for name, count in result.counts.items() if name not in figures})
    assert figures["precision"] >= 0.997


def test_plain_splink_on_the_ics(
    benchmark: BenchmarkFixture, ics: Path, exactly: Exactly, unknown: pl.DataFrame
) -> None:
    _, placement = exactly
    pairs = 0

    def run() -> pl.DataFrame:
        nonlocal pairs
        best, pairs = plain_splink(placement.persons, unknown)
        return best

    best: pl.DataFrame = benchmark.pedantic(run, rounds=1)
    links = unknown[best["record"]].select("source", "record_id").with_columns(best["person"].alias("person_id"))
    note(benchmark, **judge(ics, placement.persons, unknown, links), pairs_with_persons=pairs)


def plain_splink(persons: pl.DataFrame, records: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, block_on

    connection = duckdb.connect()
    api = DuckDBAPI(connection)
    columns = ["given_name", "family_name", "birth_date", "gender", "postcode"]
    tables = []
    for name, frame in (("persons", persons), ("records", records)):
        dated = frame.select(columns).with_columns(
            pl.col("birth_date").dt.to_string("%Y-%m-%d"), pl.col("gender").cast(pl.String)
        )
        make_table(connection, name, dated.with_row_index("unique_id"))
        tables.append(api.register(name, table_name=name))
    settings = {
        "link_type": "link_only",
        "comparisons": [
            cl.ForenameSurnameComparison("given_name", "family_name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.ExactMatch("gender"),
            cl.PostcodeComparison("postcode"),
        ],
        "blocking_rules_to_generate_predictions": [
            block_on("birth_date", "family_name"),
            block_on("birth_date", "given_name"),
            block_on("birth_date", "postcode"),
            block_on("postcode", "family_name"),
            block_on("postcode", "given_name"),
            block_on("given_name", "family_name"),
        ],
        "probability_two_random_records_match": 1 / persons.height,
    }
    linker = Linker(tables, settings, log_level=None)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=0)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth_date"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("given_name", "family_name"))
    scored = linker.inference.predict(warning_mode="never").as_duckdbpyrelation()
    found = scored.select("unique_id_l AS person, unique_id_r AS record, match_weight, match_probability").pl()
    best = (
        found.filter(pl.col("match_probability") >= 0.9)
        .sort("record", "match_weight", "person", descending=[False, True, False])
        .unique("record", keep="first", maintain_order=True)
        .cast({"person": pl.UInt32, "record": pl.UInt32})
    )
    return best, found.height


def test_blocking_finds_the_true_person(
    benchmark: BenchmarkFixture, ics: Path, exactly: Exactly, unknown: pl.DataFrame
) -> None:
    """Measure the recall of blocking among records with a name, birth date and postcode."""
    placement = exactly[1]
    truth = pl.read_parquet(ics / "truth.parquet").select("source", "record_id", "entity")
    three = unknown.filter(
        pl.col("findable")
        & pl.any_horizontal(pl.col("given_name", "family_name").is_not_null())
        & pl.all_horizontal(pl.col("birth_date", "postcode").is_not_null())
    )

    def run() -> tuple[float, float]:
        with duckdb.connect() as connection:
            sides = {"persons": placement.persons, "records": three}
            for name, frame in sides.items():
                make_table(connection, name, comparable(frame).with_row_index("unique_id"))
            for name, side in (("entity_l", entities(placement.persons, truth)), ("entity_r", three)):
                make_table(connection, name, side.select("entity").with_row_index("unique_id"))
            columns = [name for name in comparable(three).columns if name != "gender"]
            rules = blocking_rules(columns)
            make_blocks(connection, rules, "persons", "records")
            (pairs, found) = connection.sql(
                "SELECT count(*), count(DISTINCT p.unique_id_r) FILTER (l.entity = r.entity) "
                f"FROM ({pairs_sql(rules, 'records')}) AS p "
                "JOIN entity_l AS l ON l.unique_id = p.unique_id_l JOIN entity_r AS r ON r.unique_id = p.unique_id_r"
            ).fetchall()[0]
        return found / three.height, pairs / three.height

    recall, per_record = benchmark.pedantic(run, rounds=1)
    note(benchmark, records=three.height, recall_of_blocking=round(recall, 5), pairs_a_record=round(per_record, 2))
    assert recall >= 0.995
