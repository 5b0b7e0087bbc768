"""Identifiers under another name are found by what a column holds, and harmless columns pass."""

import datetime as dt

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.identifying_columns import PERSON, RECORD, identifying, names_of, refuse_identifying
from tests.governance.extracts import FAMILY, GIVEN, PEOPLE, numbers, spine, stays

PERSONS = pl.DataFrame(
    {
        "given_name": [GIVEN[i % 4] for i in range(PEOPLE)],
        "family_name": [FAMILY[i // 4] + chr(65 + i) * 2 for i in range(PEOPLE)],
        "birth_date": [dt.date(1950 + 3 * i, 1 + i % 12, 1 + i) for i in range(PEOPLE)],
        "token": [f"stage1:{i:032x}" for i in range(PEOPLE)],
    }
)
HOMES = spine()["HOME"].to_list()
NUMBERS = numbers(400_000_100)


def held(values: list[object], dtype: pl.DataType | None = None) -> set[str]:
    sample = pl.DataFrame(
        {
            "value": pl.Series(values, dtype=dtype),
            RECORD: [f"R{i}" for i in range(len(values))],
        }
    )
    return identifying(sample.hstack(PERSONS[[i % PEOPLE for i in range(len(values))]]), names_of(PERSONS))


FIRST, LAST = PERSONS["given_name"].to_list(), PERSONS["family_name"].to_list()
BORN = PERSONS["birth_date"].to_list()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (NUMBERS, {"NHS Numbers"}),
        ([int(each) for each in NUMBERS], {"NHS Numbers"}),
        ([float(each) for each in NUMBERS], {"NHS Numbers"}),
        ([f"{each[:3]} {each[3:6]} {each[6:]}" for each in NUMBERS], {"NHS Numbers"}),
        (numbers(999_000_100), {"NHS Numbers"}),
        # Where the number is not known, the hospital's own is there.
        ([each if i % 3 == 0 else f"H{i}" for i, each in enumerate(NUMBERS)], {"NHS Numbers"}),
        ([each if i % 3 else None for i, each in enumerate(NUMBERS)], {"NHS Numbers"}),
        ([[each, None] for each in NUMBERS], {"NHS Numbers"}),
        ([{"seen": True, "of": [each]} for each in NUMBERS], {"NHS Numbers"}),
        ([each.encode() for each in NUMBERS], {"NHS Numbers"}),
        (HOMES, {"postcodes"}),
        ([each.lower().replace(" ", "") for each in HOMES], {"postcodes"}),
        (FIRST, {"the patient's own name"}),
        ([each.title() for each in LAST], {"the patient's own name", "names of the spine"}),
        (
            [f"Mrs {b.title()}, {a.title()}" for a, b in zip(FIRST, LAST, strict=True)],
            {"the patient's own name", "names of the spine"},
        ),
        ([f"seen {each.lower()} at home" for each in LAST], {"the patient's own name"}),
        # Somebody else's: a mother's, a neighbour's.
        (LAST[::-1], {"names of the spine"}),
        (BORN, {"the patient's own birth date"}),
        ([dt.datetime(each.year, each.month, each.day, 0, 0) for each in BORN], {"the patient's own birth date"}),
        ([each.strftime("%d/%m/%Y") for each in BORN], {"the patient's own birth date"}),
        ([f"R{i}" for i in range(PEOPLE)], {"record ids"}),
        ([f"{i:032X}" for i in range(PEOPLE)], {"stage-1 codes"}),
        ([f"{i:032x}" + "f" * 32 for i in range(PEOPLE)], {"stage-1 codes"}),
    ],
)
def test_identifiers_are_found(values: list[object], found: set[str]) -> None:
    assert held(values) == found


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None] * 9,
        ["", " "] * 9,
        list(range(24)),
        [float("nan"), 1.5] * 12,
        # As many ten-digit numbers as a hospital makes up by itself.
        [4_000_001_000 + 7 * i for i in range(200)],
        ["0000000000"] * 24,
        ["ROSE", "OAK", "ANNE"] * 8,
        ["WHITE", "BLACK", "BAKER"] * 8,
        ["M", "F"] * 12,
        [f"C{i}" for i in range(24)],
        [dt.date(2026, 1, 1 + i) for i in range(24)],
        ["EX1", "TQ2"] * 12,
        [True, False] * 12,
        [dt.timedelta(days=i) for i in range(24)],
        [b"\xff\xfe"] * 24,
        [f"{i + 99:032x}" for i in range(PEOPLE)],
        [[]] * 24,
        [f"patient seen on day {i}" for i in range(24)],
    ],
)
def test_harmless_values_are_not_taken_for_identifiers(values: list[object]) -> None:
    assert held(values) == set()


def test_a_refusal_names_columns_but_no_value() -> None:
    sample = stays().head(PEOPLE).select(pl.col("NHS").alias("CODE"), "WARD", "COST")
    sample = sample.with_columns(pl.Series(PERSON, range(PEOPLE), pl.UInt32), pl.lit(None, pl.String).alias(RECORD))
    with pytest.raises(lc.RefusedError, match="'CODE' holds NHS Numbers, under another name") as caught:
        refuse_identifying(sample, ["WARD", "COST", "CODE"], PERSONS, names_of(PERSONS), where="here")
    assert not any(each in str(caught.value) for each in numbers(999_000_100))


def test_not_identifying_allows_only_names_and_postcodes_that_are_not_the_patients_own() -> None:
    def sample(values: list[str]) -> pl.DataFrame:
        return pl.DataFrame({"SITE": values}).with_columns(
            pl.Series(PERSON, range(PEOPLE), pl.UInt32), pl.lit(None, pl.String).alias(RECORD)
        )

    for values in (HOMES, LAST[::-1]):
        with pytest.raises(lc.RefusedError, match="not_identifying"):
            refuse_identifying(sample(values), ["SITE"], PERSONS, names_of(PERSONS), where="here")
        refuse_identifying(sample(values), ["SITE"], PERSONS, names_of(PERSONS), where="here", not_identifying=["SITE"])
    for values in (NUMBERS, LAST):
        with pytest.raises(lc.RefusedError, match="'SITE' holds"):
            refuse_identifying(
                sample(values), ["SITE"], PERSONS, names_of(PERSONS), where="here", not_identifying=["SITE"]
            )
