"""People of a small spine, in the form of PERSONS, and a check of one column of their records."""

import datetime as dt

import polars as pl

from linkcore.governance.releases.identifying.check import AS_WRITTEN, PERSON, RECORD, IdentifierCheck
from linkcore.governance.releases.identifying.people import People
from linkcore.schema import PERSONS
from tests.governance.extracts import FAMILY, GIVEN, numbers

COUNT = 96
NUMBERS = numbers(400_000_100, COUNT)
FIRST = [GIVEN[i % 4] + chr(65 + i // 4) for i in range(COUNT)]
LAST = [FAMILY[i % 6] + chr(65 + i // 6) * 2 for i in range(COUNT)]
BORN = [dt.date(1930 + i % 88, 1 + i % 12, 1 + (7 * i) % 28) for i in range(COUNT)]
HOMES = [f"EX{1 + i % 9} {i % 10}{chr(65 + i % 7)}{chr(72 + i // 7)}" for i in range(COUNT)]
STREETS = [f"{i + 1} ELM ROAD EXETER" for i in range(COUNT)]
CODES = [f"{i:032x}" for i in range(COUNT)]
RECORDS = [f"R{1000 + i}" for i in range(COUNT)]
IDS = [f"H{70_000 + 13 * i}" for i in range(COUNT)]

PEOPLE = pl.DataFrame(
    {
        "person_id": range(COUNT),
        "nhs_number": [int(number) for number in NUMBERS],
        "source": ["gp"] * COUNT,
        "record_id": RECORDS,
        "token": [f"stage1:{code}" for code in CODES],
        "given_name": FIRST,
        "family_name": LAST,
        "birth_date": BORN,
        "birth_date_text": [None] * COUNT,
        "gender": [None] * COUNT,
        "postcode": HOMES,
        "address": STREETS,
    },
    schema=PERSONS,
)
EVERYBODY = list(range(COUNT))


def held(values: list[object], dtype: pl.DataType | None = None, whose: list[int] | None = None) -> set[str]:
    """Return what a column holds; each value stands beside the person in ``whose``, by default each in turn."""
    persons = whose or [i % COUNT for i in range(len(values))]
    rows = pl.DataFrame(
        {
            PERSON: pl.Series(persons, dtype=pl.UInt32),
            RECORD: [RECORDS[person] for person in persons],
            AS_WRITTEN + "local_patient_id": [IDS[person] for person in persons],
            AS_WRITTEN + "postcode": [HOMES[person].lower() + "." for person in persons],
            "value": pl.Series(values, dtype=dtype, strict=False),
        }
    )
    check = IdentifierCheck(["value"], People(PEOPLE), rows=rows.height, references=(dt.date(2026, 3, 31),))
    check.add(rows)
    return set(check.found().get("value", ()))
