"""Conflicts: which disagreements occur between records of one person, and which show that a number is wrong."""

import datetime as dt

import polars as pl
import pytest

from linkcore.linkage.exact.conflicts import COMPARED, contradict
from linkcore.schema import RECORDS

PERSON = {
    "given_name": "ANNA MARIE",
    "family_name": "SMITH",
    "birth_date": dt.date(1980, 2, 3),
    "gender": "female",
    "postcode": "EX1 2AB",
}
ANOTHER = {
    "given_name": "PETER",
    "family_name": "OKAFOR",
    "birth_date": dt.date(2011, 7, 28),
    "gender": "male",
    "postcode": "PL4 9XX",
}
MARRIED = {"family_name": "OKAFOR", "postcode": "PL4 9XX"}
NO_NAME = {"given_name": None, "family_name": None}
BORN_ANOTHER_DAY = {"birth_date": ANOTHER["birth_date"]}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # The same person.
        (PERSON, False),
        (PERSON | MARRIED, False),
        (PERSON | MARRIED | {"birth_date": dt.date(1980, 3, 2)}, False),  # and day and month swapped
        (PERSON | MARRIED | {"birth_date": dt.date(1908, 2, 3)}, False),  # and a mistyped year
        (PERSON | {"given_name": "NAN"}, False),  # a nickname
        (PERSON | {"given_name": "NAN", "birth_date": dt.date(1980, 2, 8)}, False),
        (PERSON | {"given_name": "SMITH", "family_name": "ANNA MARIE"} | BORN_ANOTHER_DAY, False),  # names swapped
        (PERSON | {"given_name": "ANNE", "family_name": "SMYTH"} | BORN_ANOTHER_DAY, False),  # a wholly wrong date
        (PERSON | {"given_name": "A"} | BORN_ANOTHER_DAY, False),  # an initial
        (PERSON | {"given_name": "MARIE"} | BORN_ANOTHER_DAY, False),  # known by the middle name
        (PERSON | NO_NAME | BORN_ANOTHER_DAY, False),  # no name, but the same home
        (PERSON | MARRIED | {"birth_date": None}, False),
        (PERSON | {"birth_date": None, "birth_date_text": "1980-02-31"}, False),
        (PERSON | MARRIED | {"birth_date": None, "birth_date_text": "1980"}, False),
        (PERSON | MARRIED | {"birth_date": None, "birth_date_text": "1980-02"}, False),
        (PERSON | MARRIED | {"birth_date": None, "birth_date_text": "1980-03"}, False),  # swapped with the day, perhaps
        (ANOTHER | {"birth_date": None, "birth_date_text": "1980"}, False),  # as any other that agrees
        (PERSON | {"given_name": "ANNE", "birth_date": None, "birth_date_text": "2011"}, False),
        # Too little to contradict anything.
        (PERSON | NO_NAME | {"birth_date": None, "postcode": "PL4 9XX"}, False),
        (dict.fromkeys(PERSON), False),
        # Somebody else.
        (ANOTHER, True),
        (PERSON | {"given_name": "PETER"} | BORN_ANOTHER_DAY, True),  # her son, at the same home
        (PERSON | {"family_name": "OKAFOR"} | BORN_ANOTHER_DAY, True),  # a namesake
        (ANOTHER | {"birth_date": None}, True),
        (ANOTHER | {"birth_date": None, "birth_date_text": "2011-06-31"}, True),
        (ANOTHER | {"birth_date": None, "birth_date_text": "2011"}, True),
        (PERSON | MARRIED | {"birth_date": None, "birth_date_text": "2011"}, True),
        (PERSON | MARRIED | {"birth_date": None, "birth_date_text": "2011-02"}, True),
        (ANOTHER | NO_NAME | {"birth_date": None, "birth_date_text": "2011-02"}, True),
        (ANOTHER | NO_NAME, True),
        (ANOTHER | NO_NAME | {"postcode": "EX1 2AB"}, True),  # her son, without a name
        (ANOTHER | NO_NAME | {"postcode": None, "gender": None}, True),
        (ANOTHER | {"given_name": None}, True),
    ],
)
def test_records_contradict_their_person_as_listed(record: dict[str, object], expected: bool) -> None:
    columns = {name: RECORDS[name] for name in COMPARED}
    person = pl.DataFrame([PERSON], schema=columns).rename(lambda name: f"{name}_person")
    pairs = pl.concat([pl.DataFrame([record], schema=columns), person], how="horizontal")
    assert contradict(pairs).to_list() == [expected]


def test_each_row_is_judged_by_itself() -> None:
    columns = {name: RECORDS[name] for name in COMPARED}
    records = [PERSON, ANOTHER, PERSON | MARRIED, ANOTHER | NO_NAME, PERSON] * 3
    persons = pl.DataFrame([PERSON] * 15, schema=columns).rename(lambda name: f"{name}_person")
    verdicts = contradict(pl.concat([pl.DataFrame(records, schema=columns), persons], how="horizontal"))
    assert verdicts.to_list() == [False, True, False, True, False] * 3
