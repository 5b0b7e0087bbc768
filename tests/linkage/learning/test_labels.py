"""Learning: against Splink's own estimates from the same pairs, and against counting by hand."""

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from splink import DuckDBAPI, Linker

from linkcore.errors import ProgrammeError
from linkcore.linkage.comparisons.comparisons import comparable, comparisons
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.open_records import gather_open_records
from linkcore.linkage.learning.labels import (
    Shares,
    counts_of_levels,
    labelled_records,
    shares_of_levels,
    with_probabilities,
)
from linkcore.linkage.model.read import read_model
from linkcore.linkage.settings import Exact
from linkcore.private_database import make_table, sample
from linkcore.schema import RECORDS
from linkcore.sources.records import standardise
from linkcore.sources.source import Source
from tests.naive_linkage import numbers, ten_digits

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


def of_splink(model: dict[str, Any], which: str) -> dict[str, dict[int, float]]:
    return {
        comparison["output_column_name"]: {
            place: level[f"{which}_probability"]
            for place, level in enumerate(comparison["comparison_levels"])
            if f"{which}_probability" in level
        }
        for comparison in model["comparisons"]
    }


def without_term_frequencies(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The comparisons as Splink learns them, when all values of an identifier count alike."""
    return [
        comparison
        | {
            "comparison_levels": [
                {key: value for key, value in level.items() if not key.startswith("tf_")}
                for level in comparison["comparison_levels"]
            ]
        }
        for comparison in made
    ]


def test_shares_are_what_splink_learns_from_labels_and_from_random_pairs() -> None:
    with duckdb.connect() as connection:
        columns = tables(connection)
        present = [name for name in columns if name not in ("address", "home", "partial_birth_date")]
        made = without_term_frequencies(comparisons(present, {}))
        sides = {"left": "persons", "right": "records"}
        m = shares_of_levels(made, counts_of_levels(connection, made, columns, on="l.label = r.label", **sides))
        u = shares_of_levels(made, counts_of_levels(connection, made, columns, on="TRUE", **sides))
        api = DuckDBAPI(connection)
        both = [api.register(name, table_name=name) for name in ("persons", "records")]
        linker = Linker(both, {"link_type": "link_only", "comparisons": made}, log_level=None)
        linker.training.estimate_m_from_label_column("label")
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, min_count_per_level=None)
        model = linker.misc.save_model_to_json()
    for which, ours in (("m", m), ("u", u)):
        theirs = of_splink(model, which)
        assert set(theirs) == set(ours) == {"name", "birth_date", "gender", "postcode"}
        for name, shares in ours.items():
            assert dict(shares.of_level) == pytest.approx(theirs[name])
    assert m["name"].pairs == 16
    assert u["name"].pairs == 256


def learned(m: Shares, u: Shares, matches: float = 0.0) -> list[tuple[float, float]]:
    ladder = {
        "output_column_name": "x",
        "comparison_levels": [
            {"sql_condition": "x_l IS NULL", "is_null_level": True},
            {"sql_condition": "x_l = x_r"},
            {"sql_condition": "ELSE"},
        ],
    }
    (made,) = with_probabilities([ladder], m={"x": m}, u={"x": u}, matches=matches)
    assert made["comparison_levels"][0] == ladder["comparison_levels"][0]  # type: ignore[index]
    return [(level["m_probability"], level["u_probability"]) for level in made["comparison_levels"][1:]]


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


def source(name: str, rows: list[dict[str, object]], *, spine: bool = False) -> Source:
    schema = dict.fromkeys(["record_id", "nhs_number", "given_name", "family_name", "gender", "postcode"], pl.String)
    return Source(name, pl.DataFrame(rows, schema=schema | {"birth_date": pl.Date}), spine=spine)


def labelled(seed: int = 0) -> pl.DataFrame:
    who = numbers(len(PEOPLE))
    spine = [person | {"record_id": f"s{i:02}", "nhs_number": who[i]} for i, person in enumerate(PEOPLE)]
    seen: list[dict[str, object]] = []
    for i, person in enumerate(PEOPLE[:10]):
        # The first is a heavy user.
        visits = 20 if i == 0 else 1
        seen += [person | {"record_id": f"v{i}-{k}", "nhs_number": who[i]} for k in range(visits)]
    # A conflict: somebody else entirely under the number of the eleventh.
    seen.append(PEOPLE[0] | {"record_id": "conflict", "nhs_number": who[11]})
    # A number that the spine lacks: the record defines its person, and so does not teach anything about it.
    seen.append(PEOPLE[5] | {"record_id": "defining", "nhs_number": ten_digits(600_000_006)})
    seen.append(PEOPLE[3] | {"record_id": "open"})
    sources = [standardise(source("gp", spine, spine=True)), standardise(source("seen", seen))]
    placement = link_exactly(sources, Exact())
    return labelled_records(sources, placement, gather_open_records(sources, placement), seed)


def test_one_record_a_person_teaches_and_neither_conflicts_nor_what_defines_a_person() -> None:
    drawn = labelled()
    assert sorted(drawn["label"]) == list(range(10))
    assert not set(drawn["record_id"]) & {"conflict", "defining", "open"}
    assert not any(record_id.startswith("s") for record_id in drawn["record_id"])


def test_the_same_seed_draws_the_same() -> None:
    assert labelled(1).equals(labelled(1))
    assert len({labelled(seed).filter(label=0)["record_id"].item() for seed in range(8)}) > 1


def test_a_sample_is_in_order_and_of_its_size() -> None:
    import numpy as np

    values = pl.int_range(1000, eager=True)
    drawn = sample(values, 100, np.random.default_rng(0))
    assert drawn.len() == drawn.n_unique() == 100
    assert drawn.is_sorted()


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"comparisons": [{"comparison_levels": [{"sql_condition": "ELSE", "m_probability": 0.5}]}]},
        {"comparisons": [], "probability_two_random_records_match": 0.1},
        {"comparisons": 7},
    ],
)
def test_a_model_that_was_not_trained_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ProgrammeError, match="no trained model"):
        read_model(broken)


def test_a_model_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for file in ("broken.json", "absent.json"):
        with pytest.raises(ProgrammeError, match=file):
            read_model(tmp_path / file)
