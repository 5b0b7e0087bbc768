"""The tables of a report: their numbers are those of the functions that they are made with."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.self_test.outcomes import Outcomes
from linkcore.linkage.self_test.rates import Rate, calibration, false_links, missed_links, threshold_curve
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.quality.fallback_tables import Tested as SelfTest  # pytest would take Tested for a class of tests
from linkcore.quality.fallback_tables import calibration_table, candidates_table, curve_table, groups, rates_table
from linkcore.schema import RECORDS
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

NAMES = {0: "gp", 1: "ambulance", 2: "a_and_e"}
THRESHOLDS = {1: Threshold(0.8, "own"), 2: Threshold(0.9, "pooled")}
NUMBERLESS = {1: 600, 2: 90}
LINKS = {1: 400, 2: 30}
PI = {1: 0.8, 2: 0.5}


def rows() -> pl.DataFrame:
    """Of 40 hidden records, each listed and not, in turns of one source and the other, of one half and the other."""
    made: list[dict[str, Any]] = [
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
    made.append(alone | {"right": True, "doubtful": False, "weight": 0.0, "reweighted": 3.0})
    return pl.DataFrame(made, schema=Outcomes.none().rows.schema, orient="row")


TESTED = SelfTest(Outcomes(rows()), NAMES, THRESHOLDS, NUMBERLESS, LINKS, PI)
ACCEPT = {1: 0.8, 2: 0.9}


def reporting(source: int | None) -> pl.DataFrame:
    """The half that reports, each source weighing as much as it has records without a number."""
    half = rows().filter(~pl.col("chooses"))
    parts = []
    for order, numberless in NUMBERLESS.items():
        part = half.filter(pl.col("source") == order)
        scale = numberless / part["weight"].sum()
        parts.append(part.with_columns(pl.col("weight") * scale, pl.col("reweighted") * scale))
    every = pl.concat(parts)
    return every if source is None else every.filter(pl.col("source") == source)


def of_table(rate: Rate, of: int) -> tuple[Any, ...]:
    return (
        pytest.approx(rate.rate),
        *(pytest.approx(end, abs=1 / of) for end in rate.interval(of)),
        pytest.approx(rate.cases),
        of,
    )


GROUPS = pl.DataFrame({"gender": ["female", "male", "male", None, "female"] * 8, "area": ["E1", None, None, "E1"] * 10})


@pytest.mark.parametrize(("source", "name"), [(1, "ambulance"), (2, "a_and_e"), (None, "all")])
def test_rates_are_those_of_the_rows_that_report(source: int | None, name: str) -> None:
    table = rates_table(TESTED, GROUPS).filter(source=name, dimension="all")
    assert table["group"].to_list() == ["all"] * 4
    found = {(row[3], row[4]): row[5:] for row in table.iter_rows()}
    expected = {}
    # 0.8 of 600 and 0.5 of 90 are listed; links are as many as there were.
    of = {"false links": {1: 400, 2: 30, None: 430}, "missed links": {1: 480, 2: 45, None: 525}}
    for measure, estimate in (("false links", false_links), ("missed links", missed_links)):
        for weighting, column in (("raw", "weight"), ("reweighted", "reweighted")):
            rate = estimate(reporting(source), ACCEPT, column)
            assert rate.rate
            expected[measure, weighting] = of_table(rate, of[measure][source])
    assert found == expected


def test_rates_of_groups_are_those_of_their_records() -> None:
    table = rates_table(TESTED, GROUPS)
    of_groups = table.filter(pl.col("dimension") != "all")
    assert set(of_groups.select("source", "dimension", "group").unique().rows()) == {
        ("all", "gender", "female"),
        ("all", "gender", "male"),
        ("all", "area", "E1"),
    }
    every = reporting(None)
    whole = every["reweighted"].sum()
    for dimension, group in (("gender", "female"), ("gender", "male"), ("area", "E1")):
        members = [at for at, value in enumerate(GROUPS[dimension]) if value == group]
        part = every.filter(pl.col("record").is_in(members))
        found = of_groups.filter(dimension=dimension, group=group, measure="false links", weighting="reweighted")
        rate = false_links(part, ACCEPT, "reweighted")
        share = part["reweighted"].sum() / whole
        assert found["rate"].item() == pytest.approx(rate.rate)
        assert found["cases"].item() == pytest.approx(rate.cases)
        assert found["of"].item() == round(430 * share)


def test_a_source_counts_by_its_records_without_a_number() -> None:
    rates = {source: false_links(TESTED.of(source), ACCEPT, "weight").rate for source in (1, 2, None)}
    weights = {
        source: part.filter(
            (pl.col("probability") >= ACCEPT[source]) & (pl.col("probability") > 0.5) & ~pl.col("doubtful")
        )["weight"].sum()
        for source in (1, 2)
        if (part := TESTED.of(source)) is not None
    }
    mean = sum((rates[source] or 0.0) * weights[source] for source in (1, 2)) / sum(weights.values())
    assert rates[None] == pytest.approx(mean)
    assert TESTED.of(1)["weight"].sum() == pytest.approx(600)
    assert TESTED.of(2)["weight"].sum() == pytest.approx(90)


def test_the_curve_is_that_of_each_source_with_its_threshold_marked() -> None:
    table = curve_table(TESTED)
    for source, name in ((1, "ambulance"), (2, "a_and_e"), (None, "all")):
        chosen = 0.5 if source is None else ACCEPT[source]
        expected = [
            (name, at, source is not None and at == chosen, wrong.rate, missed.rate)
            for at, wrong, missed in threshold_curve(reporting(source), chosen, "reweighted")
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
    table = calibration_table(TESTED)
    assert len(expected) > 4
    assert table.select("from", "to", "predicted", "observed", "cases").rows() == expected
    assert (table["low"] <= table["observed"] + 1e-9).all()
    assert (table["observed"] <= table["high"] + 1e-9).all()


def test_without_outcomes_there_are_rates_of_nothing() -> None:
    nothing = SelfTest(Outcomes.none(), NAMES, {}, NUMBERLESS, LINKS, PI)
    table = rates_table(nothing, GROUPS)
    assert table["rate"].null_count() == table.height == 4
    assert calibration_table(nothing).is_empty()
    assert curve_table(nothing)["false_links"].null_count() == curve_table(nothing).height


BANDS = ("under 1", "1-4", "5-14", "15-19", "20-29", "30-44", "45-64", "65-74", "75-84", "85 and over")


def slow_age(born: dt.date, on: dt.date) -> int:
    """Birthdays that have been, counted; of who was born on 29 February, on 1 March in other years."""
    age = 0
    while True:
        year = born.year + age + 1
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        birthday = dt.date(year, 3, 1) if (born.month, born.day) == (2, 29) and not leap else born.replace(year=year)
        if birthday > on:
            return age
        age += 1


def test_of_a_partial_birth_date_there_is_no_age_band() -> None:
    births = pl.DataFrame({"birth_date": ["1980", "1980-02", "1980-02-03"], "gender": ["1", "1", "1"]})
    records = standardise(Source("s", births)).frame
    assert groups(records, dt.date(2026, 3, 31))["age band"].to_list() == [None, None, "45-64"]
    assert groups(records, None)["decade of birth"].to_list() == [None, None, "1980s"]


def ages(born: list[dt.date | None], on: dt.date) -> list[str | None]:
    frame = pl.DataFrame({"birth_date": born}, schema={"birth_date": pl.Date}).with_columns(gender=pl.lit("male"))
    return groups(frame, on)["age band"].to_list()


@given(
    st.lists(st.dates(dt.date(1905, 1, 1), dt.date(2023, 12, 31)), min_size=1, max_size=20),
    st.dates(dt.date(2024, 1, 1), dt.date(2028, 12, 31)),
)
def test_people_are_of_the_age_that_they_have_on_the_reference_date(born: list[dt.date], on: dt.date) -> None:
    expected = []
    for date in born:
        age = slow_age(date, on)
        (band,) = (
            band
            for band in BANDS
            if (band == "under 1" and age < 1)
            or ("over" in band and age >= 85)
            or ("-" in band and int(band.split("-")[0]) <= age <= int(band.split("-")[1]))
        )
        expected.append(band)
    assert ages(born, on) == expected


def test_a_birthday_is_on_the_day() -> None:
    born = dt.date(1981, 4, 15)
    days = [
        dt.date(2026, 4, 14),
        dt.date(2026, 4, 15),
        dt.date(2026, 4, 16),
        dt.date(2026, 12, 1),
        dt.date(2026, 1, 31),
    ]
    assert [ages([born], on) for on in days] == [["30-44"], ["45-64"], ["45-64"], ["45-64"], ["30-44"]]
    assert ages([None, dt.date(2026, 1, 1)], dt.date(2026, 3, 31)) == [None, "under 1"]


def test_without_a_reference_date_it_is_the_decade_of_birth() -> None:
    frame = pl.DataFrame(
        {
            "birth_date": [dt.date(1979, 12, 31), dt.date(1980, 1, 1), None],
            "gender": ["male", None, "female"],
            "attribute_deprivation": [1, None, 10],
        },
        schema_overrides={"gender": RECORDS["gender"]},
    )
    found = groups(frame, None)
    assert found.columns == ["decade of birth", "gender", "deprivation"]
    assert found.rows() == [("1970s", "male", "1"), ("1980s", None, None), (None, "female", "10")]


def test_how_many_of_the_hidden_records_are_candidates_of_their_persons() -> None:
    full = {"given_name": "ANNA", "family_name": "NG", "postcode": "EX1 2AB"}
    bare = {"family_name": "NG", "further_telephone": "01392", "local_patient_id": "H1"}
    hidden = [
        full | {"order": 1, "true_person": 10},  # found
        full | {"order": 1, "true_person": 11},  # not
        full | {"order": 1, "true_person": 12},  # not there without this record
        bare | {"order": 1, "true_person": 13},  # another person was found
        bare | {"order": 2, "true_person": 10, "birth_date": dt.date(1980, 2, 3)},  # found, by three identifiers
    ]
    schema = dict(RECORDS) | {"order": pl.Int32, "true_person": pl.UInt32, "further_telephone": pl.String}
    frame = pl.DataFrame(hidden, schema=schema).with_columns(nhs_number=pl.lit(4_010_232_137))
    proposed = pl.DataFrame(
        [(0, 10), (3, 10), (4, 10), (2, 12)], schema={"record": pl.UInt32, "person": pl.UInt32}, orient="row"
    )
    gone = pl.Series([12], dtype=pl.UInt32)
    table = candidates_table(frame.with_row_index("record"), gone, proposed, NAMES)
    assert table.rows() == [
        ("a_and_e", "three and more", 1, 1, 1.0),
        ("ambulance", "three and more", 2, 1, 0.5),
        ("ambulance", "fewer", 1, 0, 0.0),
    ]
