"""Demographic groups: age bands, decades of birth, gender and attributes."""

import datetime as dt

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from linkcore.quality.demographics import demographic_groups
from linkcore.schema import RECORDS
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

BANDS = ("under 1", "1-4", "5-14", "15-19", "20-29", "30-44", "45-64", "65-74", "75-84", "85 and over")


def slow_age(born: dt.date, on: dt.date) -> int:
    """Count birthdays one by one; 29 February becomes 1 March in other years."""
    age = 0
    while True:
        year = born.year + age + 1
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        birthday = dt.date(year, 3, 1) if (born.month, born.day) == (2, 29) and not leap else born.replace(year=year)
        if birthday > on:
            return age
        age += 1


def test_a_partial_birth_date_has_no_age_band() -> None:
    births = pl.DataFrame({"birth_date": ["1980", "1980-02", "1980-02-03"], "gender": ["1", "1", "1"]})
    records = standardise(Source("s", births)).frame
    assert demographic_groups(records, dt.date(2026, 3, 31))["age band"].to_list() == [None, None, "45-64"]
    assert demographic_groups(records, None)["decade of birth"].to_list() == [None, None, "1980s"]


def ages(born: list[dt.date | None], on: dt.date) -> list[str | None]:
    frame = pl.DataFrame({"birth_date": born}, schema={"birth_date": pl.Date}).with_columns(gender=pl.lit("male"))
    return demographic_groups(frame, on)["age band"].to_list()


@given(
    st.lists(st.dates(dt.date(1905, 1, 1), dt.date(2023, 12, 31)), min_size=1, max_size=20),
    st.dates(dt.date(2024, 1, 1), dt.date(2028, 12, 31)),
)
def test_the_age_band_is_that_of_the_age_on_the_reference_date(born: list[dt.date], on: dt.date) -> None:
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


def test_the_age_band_changes_on_the_birthday() -> None:
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


def test_without_a_reference_date_the_group_is_the_decade_of_birth() -> None:
    frame = pl.DataFrame(
        {
            "birth_date": [dt.date(1979, 12, 31), dt.date(1980, 1, 1), None],
            "gender": ["male", None, "female"],
            "attribute_deprivation": [1, None, 10],
        },
        schema_overrides={"gender": RECORDS["gender"]},
    )
    found = demographic_groups(frame, None)
    assert found.columns == ["decade of birth", "gender", "deprivation"]
    assert found.rows() == [("1970s", "male", "1"), ("1980s", None, None), (None, "female", "10")]
