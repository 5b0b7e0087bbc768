"""Each comparison, level by level, as DuckDB finds them; and its shortcuts against what they stand for."""

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.comparisons.birth_date import BIRTH_DATES, as_learned
from linkcore.linkage.comparisons.comparable import COMPARABLE, comparable
from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.model.model import Comparison, Model
from linkcore.schema import ALTERNATIVE, OTHER, PERSONS, RECORDS

ANNA: dict[str, Any] = {
    "given_name": "ANNA",
    "family_name": "SMITH",
    "birth_date": dt.date(1980, 2, 13),
    "gender": "female",
    "postcode": "EX1 2AB",
    "address": "12 HIGH STREET",
}


def level_of_pair(connection: duckdb.DuckDBPyConnection, comparison: Comparison) -> str:
    """The label of the level on which the one pair of the view ``pair`` stands."""
    sql = comparison.case_sql(range(len(comparison.levels)))
    (position,) = connection.sql(f"SELECT {sql} FROM pair").fetchall()[0]
    return comparison.levels[position].label


def level(
    name: str,
    left: dict[str, Any],
    right: dict[str, Any],
    present: list[str] | None = None,
    change: Callable[[Comparison], Comparison] = lambda made: made,
) -> str:
    """The label of the level on which two records stand."""
    (comparison,) = (made for made in comparisons(present or list(COMPARABLE), {}) if made.name == name)
    schema = RECORDS | {OTHER + identifier: pl.List(pl.String) for identifier in ALTERNATIVE}
    sides = [comparable(pl.DataFrame([side], schema=schema)) for side in (left, right)]
    pair = pl.concat(
        [side.rename(lambda column, end=end: f"{column}_{end}") for side, end in zip(sides, "lr", strict=True)],
        how="horizontal",
    )
    with duckdb.connect() as connection:
        connection.register("pair", pair)
        return level_of_pair(connection, change(comparison))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (("ANNA", "SMITH"), ("ANNA", "SMITH"), "Both names agree"),
        (("ANNA", "SMITH"), ("SMITH", "ANNA"), "Names swapped"),
        (("ANNA", "SMITH"), ("SMYTH", "ANNA"), "Names swapped, one alike"),
        (("ANNA", "SMITH"), ("ANNAH", "SMITH"), "Family name agrees, given name alike"),
        (("WILLIAM", "SMITH"), ("BILL", "SMITH"), "Family name agrees, given name a nickname"),
        (("ANNA", "SMITH"), ("A", "SMITH"), "Family name agrees, given name shortened"),
        (("ANNA", "SMITH"), ("ANNA", "SMYTH"), "Given name agrees, family name alike"),
        (("ANNA", "JONES SMITH"), ("ANNA", "SMITH"), "Given name agrees, family name alike"),
        (("ANNA", "JONES SMITH"), ("ANNA", "JONES"), "Given name agrees, family name alike"),
        (("ANNAH", "SMYTH"), ("ANNA", "SMITH"), "Both names alike"),
        (("WILLIAM", "SMYTH"), ("BILL", "SMITH"), "Both names alike"),
        ((None, "SMITH"), ("ANNA", "SMITH"), "Family name agrees, given name missing"),
        (("ANNA", None), ("ANNA", "SMITH"), "Given name agrees, family name missing"),
        (("ANNA", "SMITH"), ("PETER", "SMITH"), "Family name agrees only"),
        (("ANNA", "SMITH"), ("ANNA", "OKAFOR"), "Given name agrees only"),
        (("ANNA", "SMITH"), ("PETER", "OKAFOR"), "Differs"),
        ((None, "SMITH"), (None, "OKAFOR"), "Family name differs, given name missing"),
        ((None, "SMITH"), ("ANNA", "SMYTH"), "Family name alike, given name missing"),
        (("ANNA", None), ("ANITA", "SMITH"), "Given name remotely alike, family name missing"),
        (("PETER", None), ("ANNA", "SMITH"), "Given name differs, family name missing"),
        (("ANNA", "SMITH"), ("ANNA", "SMOTHERS"), "Given name agrees, family name remotely alike"),
        (("ANNA", "SMITH"), ("ANITA", "SMITH"), "Family name agrees, given name remotely alike"),
        (("MARTHA", "SMITHSON"), ("SMITHSIN", "MARTHE"), "Names swapped, both alike"),
        ((None, None), ("ANNA", "SMITH"), "Missing"),
        ((None, "SMITH"), ("ANNA", None), "Missing"),
    ],
)
def test_names(left: tuple[str, str], right: tuple[str, str], expected: str) -> None:
    sides = [dict(zip(("given_name", "family_name"), names, strict=True)) for names in (left, right)]
    assert level("name", *sides) == level("name", *sides[::-1]) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("1980-02-13", "Agrees"),
        ("1980-12-03", "Within a year"),
        ("1980-02-31", "One edit"),  # no such day: compared all the same
        ("1981-02-13", "One edit"),
        ("1990-02-13", "One edit"),
        ("1980-02-27", "Year and month agree"),
        ("1965-02-13", "Month and day agree"),
        ("1980-11-13", "Year and day agree"),
        ("1981-01-01", "Within a year"),
        ("1955-07-28", "Differs"),
        (None, "Missing"),
    ],
)
def test_birth_dates(other: str | None, expected: str) -> None:
    try:
        record = ANNA | {"birth_date": None if other is None else dt.date.fromisoformat(other)}
    except ValueError:
        record = ANNA | {"birth_date": None, "birth_date_text": other}
    assert level("birth_date", ANNA, record) == level("birth_date", record, ANNA) == expected


def test_a_swapped_day_and_month() -> None:
    swapped = [ANNA | {"birth_date": date} for date in (dt.date(1980, 2, 3), dt.date(1980, 3, 2))]
    assert level("birth_date", *swapped) == "Day and month swapped"


def dated(text: str | None) -> dict[str, Any]:
    """A record with such a birth date: whole, partial, or impossible."""
    try:
        return ANNA | {"birth_date": dt.date.fromisoformat(text or "")}
    except ValueError:
        return ANNA | {"birth_date": None, "birth_date_text": text}


def levels_of_birth_dates(left: str | None, right: str | None) -> list[str]:
    return [level(name, dated(left), dated(right)) for name in BIRTH_DATES]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("1980-02-13", "1980-02", ["Missing", "Year and month agree", "Missing"]),
        ("1980-02-13", "1980-03", ["Missing", "Year agrees only", "Missing"]),
        ("1980-02-13", "1981-02", ["Missing", "Month agrees only", "Missing"]),
        ("1980-02-13", "1981-03", ["Missing", "Differs", "Missing"]),
        ("1980-02-31", "1980-02", ["Missing", "Year and month agree", "Missing"]),
        ("1980-02", "1980-02", ["Missing", "Year and month agree", "Missing"]),
        ("1980-02-13", "1980", ["Missing", "Missing", "Agrees"]),
        ("1980-02", "1980", ["Missing", "Missing", "Agrees"]),
        ("1980", "1980", ["Missing", "Missing", "Agrees"]),
        ("1980-02-13", "1979", ["Missing", "Missing", "Neighbouring years"]),
        ("1980-02", "1990", ["Missing", "Missing", "Differs"]),
        ("1980-02-13", "1980-02-13", ["Agrees", "Missing", "Missing"]),
        ("1980-02-13", "1955-07-28", ["Differs", "Missing", "Missing"]),
        # Without a year, nothing can be said by a year.
        ("0000-02-13", "1980", ["Missing", "Missing", "Missing"]),
        ("0000-02-13", "1980-02", ["Missing", "Missing", "Missing"]),
        ("0000-02-13", "1980-02-13", ["Month and day agree", "Missing", "Missing"]),
        ("1980", None, ["Missing", "Missing", "Missing"]),
    ],
)
def test_birth_dates_that_lack_a_day_or_a_month(left: str, right: str | None, expected: list[str]) -> None:
    assert levels_of_birth_dates(left, right) == levels_of_birth_dates(right, left) == expected


@settings(max_examples=40)
@given(
    *[st.tuples(st.dates(dt.date(1978, 1, 1), dt.date(1982, 12, 31)), st.sampled_from([4, 7, 10, 0]))] * 2,
)
def test_a_pair_is_judged_by_all_that_both_birth_dates_have_and_once(
    left: tuple[dt.date, int], right: tuple[dt.date, int]
) -> None:
    texts = [date.isoformat()[:length] or None for date, length in (left, right)]
    levels = dict(zip(BIRTH_DATES, levels_of_birth_dates(*texts), strict=True))
    finest = {10: "birth_date", 7: "birth_month", 4: "birth_year", 0: None}[min(left[1], right[1])]
    assert {name for name, level in levels.items() if level != "Missing"} == ({finest} if finest else set())
    for name, length, agreement in (("birth_month", 7, "Year and month agree"), ("birth_year", 4, "Agrees")):
        if finest == name:
            assert (levels[name] == agreement) == (left[0].isoformat()[:length] == right[0].isoformat()[:length])


def test_only_where_a_birth_date_is_partial_are_parts_compared() -> None:
    def births(*texts: str) -> list[str]:
        people = comparable(pl.concat([pl.DataFrame([dated(text)], schema=RECORDS) for text in texts]))
        present = [name for name in people.columns if people[name].null_count() < people.height]
        made = [each.name for each in comparisons(present, {})]
        return [name for name in made if name in BIRTH_DATES]

    assert births("1980-02-13", "1980-02-31") == ["birth_date"]
    assert births("1980-02-13", "1980-02") == births("1980-02-13", "1980") == list(BIRTH_DATES)
    assert births("1980", "1980-02") == ["birth_month", "birth_year"]
    assert births("1980") == ["birth_year"]


def test_parts_of_birth_dates_are_learned_from_whole_ones_too() -> None:
    # As in the comparison, but for those that a finer comparison judges.
    for left, right, month, year in (
        ("1980-02-13", "1980-02-14", "Year and month agree", "Agrees"),
        ("1980-02-13", "1981-02-13", "Month agrees only", "Neighbouring years"),
        ("1980-02-13", "1980", "Missing", "Agrees"),
        ("1980-02-13", None, "Missing", "Missing"),
    ):
        sides = dated(left), dated(right)
        assert [level(name, *sides, change=as_learned) for name in ("birth_month", "birth_year")] == [month, year]
    assert level("birth_date", *sides) == level("birth_date", *sides, change=as_learned)


@pytest.mark.parametrize(
    ("postcode", "address", "expected"),
    [
        ("EX1 2AB", "12 HIGH STREET", "Postcode and address agree"),
        ("EX1 2AB", None, "Postcode agrees, address missing"),
        ("EX1 2AB", "12 HIGH ST", "Postcode agrees, address alike"),
        ("EX1 2AB", "THE OLD RECTORY", "Postcode agrees only"),
        (None, "12 HIGH STREET", "Address agrees only"),
        ("PL4 8AA", "12 HIGH STREET", "Address agrees only"),
        ("EX1 2BA", None, "Postcode with one edit"),
        ("EX2 2AB", None, "Postcode with one edit"),
        ("EX1 2XY", None, "Postcode sector agrees"),
        ("EX1 3XY", None, "Postcode district agrees"),
        ("EX9 3XY", None, "Postcode area agrees"),
        (None, "12 HIGH ST", "Address alike, postcode missing"),
        ("PL4 8AA", "THE OLD RECTORY", "Differs"),
        (None, "THE OLD RECTORY", "Differs"),
        (None, None, "Missing"),
    ],
)
def test_places(postcode: str | None, address: str | None, expected: str) -> None:
    record = ANNA | {"postcode": postcode, "address": address}
    assert level("place", ANNA, record) == level("place", record, ANNA) == expected


def test_a_missing_gender_is_neither_agreement_nor_disagreement() -> None:
    found = [level("gender", ANNA, ANNA | {"gender": gender}) for gender in ("female", "male", None)]
    assert found == ["Agrees", "Differs", "Missing"]


@pytest.mark.parametrize(
    ("kind", "left", "right", "expected"),
    [
        ("exact", "07700900123", "07700900123", "Agrees"),
        ("exact", "07700900123", "07700900132", "One edit"),
        ("exact", "07700900123", "01392000000", "Differs"),
        ("text", "EXETER", "EXETER", "Agrees"),
        ("text", "EXETER", "EXETERR", "Nearly equal"),
        ("text", "EXETER", "LEEDS", "Differs"),
        ("number", 100.0, 100.0, "Agrees"),
        ("number", 100.0, 100.5, "Within 1 %: rounded"),
        ("number", -100.0, -95.0, "Within 10 %"),
        ("number", 100.0, 70.0, "Differs"),
        ("date", dt.date(2001, 2, 3), dt.date(2001, 2, 3), "Agrees"),
        ("date", dt.date(2001, 2, 3), dt.date(2001, 2, 9), "Two of year, month and day"),
        ("date", dt.date(2001, 2, 3), dt.date(2001, 4, 9), "Within a year"),
        ("date", dt.date(2001, 2, 3), dt.date(2009, 4, 9), "Differs"),
    ],
)
def test_further_identifiers_by_kind(kind: Any, left: object, right: object, expected: str) -> None:
    (comparison,) = comparisons(["further_x"], {"x": kind})
    for one, other, found in ((left, right, expected), (right, left, expected), (left, None, "Missing")):
        pair = pl.DataFrame({"further_x_l": [one, None], "further_x_r": [other, left]})[:1]
        with duckdb.connect() as connection:
            connection.register("pair", pair.cast({"further_x_r": pair.schema["further_x_l"]}))
            assert level_of_pair(connection, comparison) == found


def damerau_levenshtein(a: str, b: str) -> int:
    """The unrestricted distance, by its recurrence (Lowrance and Wagner 1975)."""
    last: dict[str, int] = {}
    far = len(a) + len(b)
    d = {(-1, -1): far}
    for i in range(len(a) + 1):
        d[i, -1], d[i, 0] = far, i
    for j in range(len(b) + 1):
        d[-1, j], d[0, j] = far, j
    for i in range(1, len(a) + 1):
        match = 0
        for j in range(1, len(b) + 1):
            before, at = last.get(b[j - 1], 0), match
            cost = int(a[i - 1] != b[j - 1])
            if not cost:
                match = j
            d[i, j] = min(
                d[i - 1, j - 1] + cost,
                d[i, j - 1] + 1,
                d[i - 1, j] + 1,
                d[before - 1, at - 1] + (i - before - 1) + 1 + (j - at - 1),
            )
        last[a[i - 1]] = i
    return d[len(a), len(b)]


@given(st.dates(dt.date(1900, 1, 1), dt.date(2025, 12, 31)), st.integers(0, 9), st.integers(0, 8), st.booleans())
def test_one_edit_of_a_birth_date_is_what_damerau_and_levenshtein_call_one(
    date: dt.date, digit: int, place: int, exchange: bool
) -> None:
    places = [0, 1, 2, 3, 5, 6, 8, 9]
    text, at = list(date.isoformat()), places[place % 8]
    if exchange and at + 1 in places:
        text[at], text[at + 1] = text[at + 1], text[at]
    else:
        text[at] = str(digit)
    try:
        other = dt.date.fromisoformat("".join(text))
    except ValueError:
        return
    found = level("birth_date", ANNA | {"birth_date": date}, ANNA | {"birth_date": other})
    assert damerau_levenshtein(date.isoformat(), other.isoformat()) <= 1
    assert found in {"Agrees", "One edit", "Day and month swapped"}


POSTCODES = st.from_regex(r"\A(EX|PL)[1-3] [1-2][AB][AB]\Z")


@given(POSTCODES, POSTCODES)
def test_one_edit_of_a_postcode_is_what_damerau_and_levenshtein_call_one(left: str, right: str) -> None:
    found = level("postcode", {"postcode": left}, {"postcode": right}, ["postcode", "postcode_sector"])
    distance = damerau_levenshtein(left, right)
    assert (found == "Agrees") == (distance == 0)
    assert (found == "Postcode with one edit") == (distance == 1)


def test_only_what_is_there_is_compared() -> None:
    assert comparisons([], {}) == []
    assert [made.name for made in comparisons(["family_name", "address"], {"telephone": "exact"})] == [
        "family_name",
        "address",
    ]


def test_persons_and_records_take_the_same_form() -> None:
    record, person = (comparable(pl.DataFrame([ANNA], schema=schema)) for schema in (RECORDS, PERSONS))
    assert record.equals(person)
    assert record.columns == list(COMPARABLE)


def test_rare_values_weigh_more_wherever_they_agree() -> None:
    numbers = itertools.count(2)
    learned = [
        replace(made, levels=tuple(replace(each, m=0.5, u=1 / next(numbers)) for each in made.levels))
        for made in comparisons(list(COMPARABLE), {})
    ]
    columns = ["full_name", "family_name", "given_name", "birth_date", "birth_year", "home", "postcode", "address"]
    agreeing = {
        column: each.u
        for made in learned
        for each in made.levels
        for column in columns
        if each.condition == f"{column}_l = {column}_r"
    }
    assert Model(tuple(learned), prior=0.1).average_frequencies == agreeing
    assert set(agreeing) == set(columns)


MARRIED = ANNA | {
    "other_given_name": ["NAN"],
    "other_family_name": ["NG", "OKAFOR"],
    "other_postcode": ["PL4 8AA"],
    "other_address": ["2 LOW ROAD"],
}
MOVED = {"postcode": "PL4 8AA", "address": "2 LOW ROAD"}


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        ("name", {}, "Both names agree"),
        ("name", {"given_name": "NAN"}, "Family name agrees, and another given name of this person"),
        ("name", {"family_name": "NG"}, "Given name agrees, and another family name of this person"),
        ("name", {"given_name": "NAN", "family_name": "NG"}, "Another given name and another family name agree"),
        ("name", {"family_name": "REES"}, "Given name agrees only"),
        ("place", {}, "Postcode and address agree"),
        ("place", MOVED, "Former postcode and former address agree"),
        ("place", MOVED | {"address": None}, "Former postcode agrees"),
        ("place", MOVED | {"address": "7 OLD ROW"}, "Former postcode agrees"),
        ("place", {"address": None}, "Postcode agrees, address missing"),
    ],
)
def test_other_names_and_former_homes_of_the_person_agree(name: str, record: dict[str, Any], expected: str) -> None:
    assert level(name, MARRIED, ANNA | record) == expected
    # Of the record, nothing but its own values is known; and without alternatives, no level asks for them.
    assert level(name, ANNA | record, ANNA) == level(name, ANNA | record, ANNA, PLAIN)


PLAIN = [column for column in COMPARABLE if not column.startswith(OTHER)]


def test_former_postcodes_are_compared_without_addresses_too() -> None:
    present = ["postcode", "postcode_sector", OTHER + "postcode"]
    assert level("postcode", MARRIED, ANNA | MOVED, present) == "Former postcode agrees"
    assert level("postcode", MARRIED, ANNA, present) == "Agrees"


def test_without_alternatives_no_level_asks_for_them() -> None:
    assert not any(OTHER in each.condition for made in comparisons(PLAIN, {}) for each in made.levels)
