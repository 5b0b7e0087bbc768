"""Columns of days are read as days alone, and what equal columns say is remembered, but judged for each by itself."""

import datetime as dt

import polars as pl
import pytest

from linkcore.governance.releases.identifying.check import PERSON, RECORD, IdentifierCheck
from linkcore.governance.releases.identifying.people import People
from linkcore.governance.releases.identifying.readings import days_alone
from tests.governance.releases.identifying.people import BORN, COUNT, EVERYBODY, PEOPLE, RECORDS

BIRTH_DATE = "the patient's own birth date"


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d-%b-%Y"])
def test_a_column_of_whole_dates_says_the_same_as_its_dates_do(form: str) -> None:
    people, days = People(PEOPLE), pl.Series(sorted({*BORN, dt.date(2024, 5, 6)}))
    of_texts, of_dates = (days_alone(each, people, ()) for each in (days.dt.strftime(form), days))
    assert of_texts is not None
    assert of_dates is not None
    assert of_dates["reading"].n_unique() == len(set(BORN))
    assert set(of_dates["reading"]) <= set(of_texts["reading"])


@pytest.mark.parametrize(
    "values",
    [
        ["2024-05-06", "2024-02-31"],
        ["2024-05-06", "2024-05-07 Ann"],
        ["2024-05-06", "06/05/2024"],
        [20240506],
    ],
)
def test_a_column_that_may_say_more_than_days_is_read_as_text(values: list[object]) -> None:
    assert days_alone(pl.Series(values, strict=False), People(PEOPLE), ()) is None


def test_a_date_with_a_year_of_five_digits_may_be_a_number() -> None:
    days = pl.Series([dt.date(2024, 5, 6)]).dt.offset_by("9000y")
    assert days_alone(days, People(PEOPLE), ()) is None


@pytest.mark.parametrize("own_first", [True, False])
def test_columns_of_the_same_values_are_judged_each_by_itself(own_first: bool) -> None:
    people = People(PEOPLE)
    rows = pl.DataFrame({PERSON: pl.Series(EVERYBODY, dtype=pl.UInt32), RECORD: RECORDS}).with_columns(
        own=pl.Series(BORN), others=pl.Series([*BORN[7:], *BORN[:7]])
    )
    check = IdentifierCheck(["own", "others"] if own_first else ["others", "own"], people, rows=COUNT)
    check.add(rows)
    assert check.found() == {"own": [BIRTH_DATE]}
    assert len(people.remembered) == 1
