"""Counting levels, and turning counts into m and u: against Splink's own estimates from the same pairs."""

import datetime as dt
from typing import Any

import duckdb
import polars as pl
import pytest
from splink import DuckDBAPI, Linker

from linkcore.linkage.comparisons.comparable import comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.levels import Shares, counts_of_levels, shares_of_levels, with_probabilities
from linkcore.linkage.model.model import Comparison, Level
from linkcore.private_database import make_table
from linkcore.schema import RECORDS

PEOPLE = [
    {
        "given_name": given,
        "family_name": family,
        "birth_date": dt.date(1950 + i, 1 + i % 12, 1 + i),
        "gender": "female" if i % 2 else "male",
        "postcode": f"EX{1 + i % 4} 2AB",
    }
    for i, (given, family) in enumerate(
        (given, family) for given in ("ANNA", "PETER", "CHIKE", "OLWEN") for family in ("SMITH", "OKAFOR", "NG", "REES")
    )
]
CHANGED = [
    person | ({"given_name": None} if i % 3 == 0 else {"postcode": "PL4 8AA"} if i % 3 == 1 else {})
    for i, person in enumerate(PEOPLE)
]


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The same people twice, with something changed; label says who is who."""
    columns: list[str] = []
    for name, rows in (("persons", PEOPLE), ("records", CHANGED)):
        frame = comparable(pl.DataFrame(rows, schema=RECORDS))
        columns = frame.columns
        frame = frame.with_row_index("unique_id").with_columns(pl.col("unique_id").alias("label"))
        make_table(connection, name, frame)
    return columns


def unlearned(made: list[Comparison]) -> list[dict[str, Any]]:
    """The comparisons as Splink learns them, when all values of an identifier count alike."""
    return [
        {
            "output_column_name": comparison.name,
            "comparison_levels": [
                {"sql_condition": level.condition, "is_null_level": level.is_null} for level in comparison.levels
            ],
        }
        for comparison in made
    ]


def learned_by_splink(model: dict[str, Any], which: str) -> dict[str, dict[int, float]]:
    return {
        comparison["output_column_name"]: {
            position: level[f"{which}_probability"]
            for position, level in enumerate(comparison["comparison_levels"])
            if f"{which}_probability" in level
        }
        for comparison in model["comparisons"]
    }


def test_shares_are_what_splink_learns_from_labels_and_from_random_pairs() -> None:
    with duckdb.connect() as connection:
        columns = tables(connection)
        present = [name for name in columns if name not in ("address", "home", "partial_birth_date")]
        made = comparisons(present, {})
        sides = {"left": "persons", "right": "records"}
        m = shares_of_levels(made, counts_of_levels(connection, made, columns, on="l.label = r.label", **sides))
        u = shares_of_levels(made, counts_of_levels(connection, made, columns, on="TRUE", **sides))
        api = DuckDBAPI(connection)
        both = [api.register(name, table_name=name) for name in ("persons", "records")]
        linker = Linker(both, {"link_type": "link_only", "comparisons": unlearned(made)}, log_level=None)
        linker.training.estimate_m_from_label_column("label")
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, min_count_per_level=None)
        model = linker.misc.save_model_to_json()
    for which, ours in (("m", m), ("u", u)):
        theirs = learned_by_splink(model, which)
        assert set(theirs) == set(ours) == {"name", "birth_date", "gender", "postcode"}
        for name, shares in ours.items():
            assert dict(shares.of_level) == pytest.approx(theirs[name])
    assert m["name"].pairs == 16
    assert u["name"].pairs == 256


def learned(m: Shares, u: Shares, matches: float = 0.0) -> list[tuple[float, float]]:
    null = Level("x_l IS NULL", "Missing", is_null=True)
    ladder = Comparison("x", (null, Level("x_l = x_r", "Agrees"), Level("ELSE", "Differs")))
    (made,) = with_probabilities([ladder], m={"x": m}, u={"x": u}, matches=matches)
    assert made.levels[0] == null
    return [(level.m, level.u) for level in made.levels[1:] if level.m is not None and level.u is not None]


def test_what_was_never_seen_among_records_of_one_person_is_no_evidence_for_a_link() -> None:
    # Seen among random pairs: against a link, as much as half a pair in a hundred allows.
    assert learned(Shares({1: 1.0}, 100), Shares({1: 0.1, 2: 0.9}, 1000))[1] == (0.005, 0.9)
    # Never seen at all: no evidence.
    (_, (m, u)) = learned(Shares({1: 1.0}, 100), Shares({1: 1.0}, 1000))
    assert m == u


def test_what_was_never_seen_among_random_pairs_is_bounded_by_how_many_there_were() -> None:
    assert learned(Shares({1: 0.9, 2: 0.1}, 100), Shares({2: 1.0}, 1000))[0] == (0.9, 0.0005)


def test_pairs_of_one_person_are_taken_out_of_the_random_ones() -> None:
    (agree, _) = learned(Shares({1: 0.9, 2: 0.1}, 100), Shares({1: 0.01, 2: 0.99}, 10_000), matches=0.01)
    assert agree == (0.9, pytest.approx((0.01 - 0.01 * 0.9) / 0.99, rel=1e-5))


def test_what_is_learned_has_six_significant_digits() -> None:
    for level in learned(Shares({1: 2 / 3, 2: 1 / 3}, 3), Shares({1: 1 / 7, 2: 6 / 7}, 7)):
        assert level == tuple(float(f"{value:.6g}") for value in level)
