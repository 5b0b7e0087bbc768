"""The tables of the self-test have the numbers of the functions that estimate them."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import (
    Rate,
    calibration,
    false_links,
    missed_in_run,
    missed_links,
    threshold_curve,
)
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.quality.fallback_tables import (
    FallbackTest,
    calibration_table,
    candidates_table,
    curve_table,
    rates_table,
)
from linkcore.schema import RECORDS

NAMES = {0: "gp", 1: "ambulance", 2: "a_and_e"}
THRESHOLDS = {1: Threshold(0.8, "own"), 2: Threshold(0.9, "pooled")}
NUMBERLESS = {1: 600, 2: 90}
LINKS = {1: 400, 2: 30}
LISTED = {1: 480.2, 2: 45.0}
PI = {1: 0.8, 2: 0.5}


def rows() -> pl.DataFrame:
    """Outcomes of 40 hidden records of two sources and two halves, each with its person listed and not listed."""
    outcomes: list[dict[str, Any]] = [
        {
            "record": record,
            "true_person": record // 3,
            "source": 1 + record % 2,
            "chooses": record % 4 < 2,
            "listed": listed,
            "probability": (0.85, 0.95, 0.7, 0.0, 0.999)[record % 5] if listed else 0.1 * (record % 10),
            "right": listed and record % 5 != 3 and record % 9 != 0,
            "doubtful": record == 7 and not listed,
            "weight": 0.8 if listed else 0.2,
            "reweighted": 0.5 + record % 3 if listed else 0.1,
        }
        for record in range(40)
        for listed in (True, False)
    ]
    alone = {"record": 43, "true_person": 1003, "source": 1, "chooses": False, "listed": True, "probability": 0.97}
    outcomes.append(alone | {"right": True, "doubtful": False, "weight": 0.0, "reweighted": 3.0})
    return pl.DataFrame(outcomes, schema=Outcomes.none().rows.schema, orient="row")


TEST = FallbackTest(Outcomes(rows()), NAMES, THRESHOLDS, NUMBERLESS, LINKS, LISTED, PI)
ACCEPT = {1: 0.8, 2: 0.9}


def reporting(source: int | None) -> pl.DataFrame:
    """The half that reports, with weights that add up to the records without a number in each source."""
    half = rows().filter(~pl.col("chooses"))
    parts = []
    for source_index, numberless in NUMBERLESS.items():
        part = half.filter(pl.col("source") == source_index)
        scale = numberless / part["weight"].sum()
        parts.append(part.with_columns(pl.col("weight") * scale, pl.col("reweighted") * scale))
    all_sources = pl.concat(parts)
    return all_sources if source is None else all_sources.filter(pl.col("source") == source)


def as_row(rate: Rate, population: int) -> tuple[Any, ...]:
    return (
        pytest.approx(rate.rate),
        *(pytest.approx(end) for end in rate.interval()),
        pytest.approx(rate.cases),
        population,
        *rate.predicted(population),
    )


GROUPS = pl.DataFrame({"gender": ["female", "male", "male", None, "female"] * 8, "area": ["E1", None, None, "E1"] * 10})


@pytest.mark.parametrize(("source", "name"), [(1, "ambulance"), (2, "a_and_e"), (None, "all")])
def test_rates_come_from_the_half_that_reports(source: int | None, name: str) -> None:
    table = rates_table(TEST, GROUPS).filter(source=name, dimension="all")
    assert table["group"].to_list() == ["all"] * 2
    found = {row[3]: row[4:] for row in table.iter_rows()}
    # Of the 600 and 90 records without a number, 480 and 45 are expected to be of listed persons.
    links, listed = ({1: 400, 2: 30, None: 430}[source], {1: 480.2, 2: 45.0, None: 525.2}[source])
    wrong, missed = (estimate(reporting(source), ACCEPT, "reweighted") for estimate in (false_links, missed_links))
    assert wrong.rate
    in_run = missed_in_run(links, wrong.rate, listed, missed)
    assert found == {"false links": as_row(wrong, links), "missed links": as_row(in_run, round(listed))}
    assert in_run.rate == pytest.approx(1 - links * (1 - wrong.rate) / listed)


def test_rates_of_groups_come_from_their_records() -> None:
    table = rates_table(TEST, GROUPS)
    of_groups = table.filter(pl.col("dimension") != "all")
    assert set(of_groups.select("source", "dimension", "group").unique().rows()) == {
        ("all", "gender", "female"),
        ("all", "gender", "male"),
        ("all", "area", "E1"),
    }
    outcomes = reporting(None)
    total = outcomes["reweighted"].sum()
    for dimension, group in (("gender", "female"), ("gender", "male"), ("area", "E1")):
        members = [record for record, value in enumerate(GROUPS[dimension]) if value == group]
        part = outcomes.filter(pl.col("record").is_in(members))
        found = of_groups.filter(dimension=dimension, group=group, measure="false links")
        rate = false_links(part, ACCEPT, "reweighted")
        share = part["reweighted"].sum() / total
        assert found["rate"].item() == pytest.approx(rate.rate)
        assert found["cases"].item() == pytest.approx(rate.cases)
        assert found["of"].item() == round(430 * share)


def test_a_source_is_weighted_by_its_records_without_a_number() -> None:
    rates = {source: false_links(TEST.source_rows(source), ACCEPT, "weight").rate for source in (1, 2, None)}
    weights = {
        source: part.filter(
            (pl.col("probability") >= ACCEPT[source]) & (pl.col("probability") > 0.5) & ~pl.col("doubtful")
        )["weight"].sum()
        for source in (1, 2)
        if (part := TEST.source_rows(source)) is not None
    }
    mean = sum((rates[source] or 0.0) * weights[source] for source in (1, 2)) / sum(weights.values())
    assert rates[None] == pytest.approx(mean)
    assert TEST.source_rows(1)["weight"].sum() == pytest.approx(600)
    assert TEST.source_rows(2)["weight"].sum() == pytest.approx(90)


def test_the_curve_has_the_rates_of_each_source_and_marks_its_threshold() -> None:
    table = curve_table(TEST)
    for source, name in ((1, "ambulance"), (2, "a_and_e"), (None, "all")):
        chosen = 0.5 if source is None else ACCEPT[source]
        expected = [
            (name, threshold, source is not None and threshold == chosen, wrong.rate, missed.rate)
            for threshold, wrong, missed in threshold_curve(reporting(source), chosen, "reweighted")
        ]
        found = table.filter(source=name).rows()
        assert [row[:3] for row in found] == [row[:3] for row in expected]
        for column in (3, 4):
            assert [row[column] for row in found] == [
                None if row[column] is None else pytest.approx(row[column]) for row in expected
            ]
    assert table.filter("chosen").select("source", "threshold").rows() == [("ambulance", 0.8), ("a_and_e", 0.9)]


def test_calibration_is_over_all_sources() -> None:
    expected = [
        (low, high, pytest.approx(mean), pytest.approx(rate.rate), pytest.approx(rate.cases))
        for low, high, mean, rate in calibration(reporting(None), "reweighted")
    ]
    table = calibration_table(TEST)
    assert len(expected) > 4
    assert table.select("from", "to", "predicted", "observed", "cases").rows() == expected
    assert (table["low"] <= table["observed"] + 1e-9).all()
    assert (table["observed"] <= table["high"] + 1e-9).all()


def test_without_outcomes_all_rates_are_null() -> None:
    nothing = FallbackTest(Outcomes.none(), NAMES, {}, NUMBERLESS, LINKS, LISTED, PI)
    table = rates_table(nothing, GROUPS)
    assert table["rate"].null_count() == table.height == 2
    assert calibration_table(nothing).is_empty()
    assert curve_table(nothing)["false_links"].null_count() == curve_table(nothing).height


def test_candidates_count_the_hidden_records_that_blocking_pairs_with_their_person() -> None:
    full = {"given_name": "ANNA", "family_name": "NG", "postcode": "EX1 2AB"}
    bare = {"family_name": "NG", "further_telephone": "01392", "local_patient_id": "H1"}
    hidden = [
        full | {"source_index": 1, "true_person": 10},  # found
        full | {"source_index": 1, "true_person": 11},  # not found
        full | {"source_index": 1, "true_person": 12},  # a person who does not exist without this record
        bare | {"source_index": 1, "true_person": 13},  # another person was found
        bare | {"source_index": 2, "true_person": 10, "birth_date": dt.date(1980, 2, 3)},  # found, by three identifiers
    ]
    schema = dict(RECORDS) | {"source_index": pl.Int32, "true_person": pl.UInt32, "further_telephone": pl.String}
    frame = pl.DataFrame(hidden, schema=schema).with_columns(nhs_number=pl.lit(4_010_232_137))
    proposed = pl.DataFrame(
        [(0, 10), (3, 10), (4, 10), (2, 12)], schema={"record": pl.UInt32, "person": pl.UInt32}, orient="row"
    )
    removed_persons = pl.Series([12], dtype=pl.UInt32)
    table = candidates_table(frame.with_row_index("record"), removed_persons, proposed, NAMES)
    assert table.rows() == [
        ("a_and_e", "three and more", 1, 1, 1.0),
        ("ambulance", "three and more", 2, 1, 0.5),
        ("ambulance", "fewer", 1, 0, 0.0),
    ]
