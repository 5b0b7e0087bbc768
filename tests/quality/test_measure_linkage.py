"""Completeness of each kind of identifier, counted by hand."""

import polars as pl

import linkcore as lc

FRAME = pl.DataFrame(
    {
        "nhs_number": ["4010232137", "4010232138", None, ""],
        "family_name": ["Ng", "UNKNOWN", None, "Okafor"],
        "birth_date": ["1980-02-03", "31/02/1990", "1900-01-01", None],
        "gender": ["1", "9", "F", None],
        "postcode": ["EX1 2AB", "ZZ99 3VZ", "nowhere", None],
        "nickname": ["a", "", None, "b"],
    }
)


def completeness(**settings: object) -> dict[str, tuple[int, int, int]]:
    source = lc.Source("seen", FRAME, further={"nickname": "exact"}, **settings)  # type: ignore[arg-type]
    table = lc.link([source], fallback=None).quality.completeness
    return {identifier: counts for _, identifier, *counts in map(tuple, table.iter_rows())}  # type: ignore[misc]


def test_present_values_are_not_empty_and_usable_values_can_be_compared() -> None:
    assert completeness() == {
        "nhs_number": [4, 2, 1],
        "family_name": [4, 3, 2],
        "birth_date": [4, 3, 2],  # an impossible date is compared as text
        "gender": [4, 3, 2],
        "postcode": [4, 3, 1],
        "nickname": [4, 2, 2],
    }


def test_an_identifier_that_is_not_compared_is_present_but_not_usable() -> None:
    assert completeness(not_compared=["postcode", "birth_date"])["postcode"] == [4, 3, 0]
    assert completeness(not_compared=["postcode", "birth_date"])["birth_date"] == [4, 3, 0]
