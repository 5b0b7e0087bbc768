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


def test_numbers_that_are_superseded_or_stand_twice_are_counted_by_source() -> None:
    old, new = "9990000018", "9990000026"
    exact = lc.Exact(usable=("valid", "test"), superseded=pl.DataFrame({"old": [old], "new": [new]}))
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [old, new, None]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [old, old], "local_patient_id": ["1", "1"]}))
    nobody = lc.Source("nobody", pl.DataFrame({"family_name": ["NG"]}))
    found = lc.link([gp, seen, nobody], exact=exact, fallback=None).quality.number_faults
    assert found.rows() == [
        ("gp", "superseded", 1),
        ("gp", "duplicate", 2),
        ("seen", "superseded", 2),
        ("seen", "duplicate", 0),
    ]
