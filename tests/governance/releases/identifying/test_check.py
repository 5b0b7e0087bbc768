"""Identifiers under another name are found in every row and every disguise, and harmless columns pass."""

import base64
import datetime as dt
import hashlib
import json
import resource
from collections.abc import Callable

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.identifying.check import PERSON, RECORD, IdentifierCheck
from linkcore.governance.releases.identifying.patterns import BIRTHS, EXCUSED
from linkcore.governance.releases.identifying.people import People
from tests.governance.extracts import numbers
from tests.governance.releases.identifying.people import (
    BORN,
    CODES,
    COUNT,
    EVERYBODY,
    FIRST,
    HOMES,
    IDS,
    LAST,
    NUMBERS,
    PEOPLE,
    RECORDS,
    STREETS,
    held,
)

NUMBER = "the patient's own NHS Number"
NAME = "the patient's own name"
BIRTH_DATE = "the patient's own birth date"
POSTCODE = "the patient's own postcode"
HASHED = "a hash without a key of the patient's own NHS Number"


@pytest.mark.parametrize(
    "disguised",
    [
        lambda n: n,
        int,
        float,
        lambda n: f"{n[:3]} {n[3:6]} {n[6:]}",
        lambda n: f"{n[:3]}/{n[3:6]}–{n[6:]}",
        lambda n: "".join(chr(ord(digit) + 0xFF10 - 48) for digit in n),
        lambda n: "".join(chr(ord(digit) + 0x0660 - 48) for digit in n),
        " ".join,
        lambda n: n[::-1],
        lambda n: int(n) * 10,
        lambda n: int(n) + 1,
        lambda n: int(n) / 10,
        lambda n: n[:9],
        lambda n: f"{float(n):.9e}",
        lambda n: f"77{n}8",
        lambda n: f"CASE-{n}-A",
        lambda n: f"{int(n):x}",
        lambda n: f"0x{int(n):X}",
        lambda n: n.encode().hex(),
        lambda n: int(n).to_bytes(5, "big").hex(),
        lambda n: int(n).to_bytes(8, "big"),
        lambda n: int(n).to_bytes(8, "little"),
        lambda n: n.encode(),
        lambda n: base64.b64encode(n.encode()).decode(),
        lambda n: base64.urlsafe_b64encode(int(n).to_bytes(8, "little")).decode().rstrip("="),
        lambda n: base64.b64encode(int(n).to_bytes(5, "big")).decode(),
        lambda n: json.dumps({"id": {"nhs": n}, "seen": 3}),
        lambda n: [n, None],
        lambda n: [int(digit) for digit in n],
        lambda n: {"seen": True, "of": [n]},
        lambda n: {"a": n[:3], "b": n[3:6], "c": n[6:]},
        lambda n: f"999 seen\n{n[:5]}\r\n{n[5:]}",
        lambda n: n[:4] + "\u200b" + n[4:],
        lambda n: f"rang the patient ({n[:3]}-{n[3:6]}-{n[6:]}) twice on 3 May",
    ],
)
def test_the_own_nhs_number_is_found(disguised: Callable[[str], object]) -> None:
    assert NUMBER in held([disguised(number) for number in NUMBERS])


def test_one_own_number_among_thousands_of_rows_is_found() -> None:
    notes = [f"seen {i}" for i in range(5_000)]
    assert held(list(notes)) == set()
    notes[4_321] = f"seen, {NUMBERS[4_321 % COUNT]}"
    assert NUMBER in held(list(notes))


@pytest.mark.parametrize(
    "disguised",
    [
        lambda day: day,
        lambda day: dt.datetime(day.year, day.month, day.day, 9, 30),
        lambda day: dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC),
        str,
        lambda day: day.strftime("%d/%m/%Y"),
        lambda day: day.strftime("%m/%d/%Y"),
        lambda day: day.strftime("%d.%m.%y"),
        lambda day: day.strftime("%d %B %Y"),
        lambda day: day.strftime("%b %d, %Y"),
        lambda day: day.strftime("born on %d-%b-%y at home"),
        lambda day: day.strftime("%d%m%y"),
        lambda day: day.strftime("%y%m%d"),
        lambda day: int(day.strftime("%Y%m%d")),
        lambda day: int(day.strftime("%d%m%Y")),
        lambda day: int(day.strftime("%Y%j")),
        lambda day: day.strftime("%y%j"),
        lambda day: (day - dt.date(1970, 1, 1)).days,
        lambda day: float((day - dt.date(1899, 12, 30)).days),
        lambda day: str((day - dt.date(1904, 1, 1)).days),
        lambda day: day.toordinal(),
        lambda day: day.toordinal() + 1_721_425,
        lambda day: 86_400 * (day - dt.date(1970, 1, 1)).days,
        lambda day: 86_400_000 * (day - dt.date(1970, 1, 1)).days,
        lambda day: day - dt.date(1970, 1, 1),
        lambda day: (dt.date(2026, 3, 31) - day).days,
        lambda day: {"day": day.day, "month": day.month, "year": day.year},
        lambda day: {"year": day.year, "rest": {"month": day.month, "day": day.day}},
        lambda day: [day.year, day.month, day.day],
        lambda day: base64.b64encode(str(day).encode()).decode(),
        lambda day: str(day).encode().hex(),
        lambda day: f'{{"dob": "{day}"}}',
        lambda day: day.strftime("%d / %m / %Y"),
        lambda day: day.strftime("%d\u2013%m\u2013%Y"),
        lambda day: day.strftime("%Y:%m:%d 00:00:00"),
        lambda day: day.strftime("%Y%m%d000000"),
        lambda day: day.strftime("1%Y%m%d2"),
        lambda day: json.dumps({"d": day.day, "m": day.month, "y": day.year}),
        lambda day: f"day={day.day};month={day.month};year={day.year}",
        lambda day: f"{(day - dt.date(1899, 12, 30)).days}.0",
        lambda day: f"{(day - dt.date(1970, 1, 1)).days}.00",
        lambda day: 86_400 * (day - dt.date(1582, 10, 14)).days,
        lambda day: 86_400_000 * (day - dt.date(1960, 1, 1)).days,
    ],
)
def test_the_own_birth_date_is_found(disguised: Callable[[dt.date], object]) -> None:
    assert BIRTH_DATE in held([disguised(day) for day in BORN])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (FIRST, NAME),
        ([name.title() for name in LAST], NAME),
        ([f"Mrs {b.title()}, {a.title()}" for a, b in zip(FIRST, LAST, strict=True)], NAME),
        ([f"seen {name.lower()} at home" for name in LAST], NAME),
        ([base64.b64encode(name.encode()).decode() for name in LAST], NAME),
        ([name.encode().hex() for name in LAST], NAME),
        ([{"to": name} for name in LAST], NAME),
        ([name.encode() for name in LAST], NAME),
        (HOMES, POSTCODE),
        ([home.lower().replace(" ", "") for home in HOMES], POSTCODE),
        ([f"visit at {home.replace(' ', '-')}, ring first" for home in HOMES], POSTCODE),
        ([f"x{home.replace(' ', '')}y" for home in HOMES], POSTCODE),
        (STREETS, "the patient's own address"),
        ([f"to {street.title().replace(' ', ', ')}" for street in STREETS], "the patient's own address"),
        (CODES, "the patient's own stage-1 code"),
        ([code.upper() + "F" * 32 for code in CODES], "the patient's own stage-1 code"),
        ([hashlib.md5(n.encode()).hexdigest() for n in NUMBERS], HASHED),
        ([hashlib.sha256(n.encode()).hexdigest().upper() for n in NUMBERS], HASHED),
        ([base64.b64encode(hashlib.sha1(n.encode()).digest()).decode() for n in NUMBERS], HASHED),
        ([hashlib.sha256(f"{n[:3]} {n[3:6]} {n[6:]}".encode()).digest() for n in NUMBERS], HASHED),
        (RECORDS, "the record's own record id"),
        ([f"row {record}" for record in RECORDS], "the record's own record id"),
        (IDS, "the record's own local patient id"),
        ([f"{own}/2" for own in IDS], "the record's own local patient id"),
        ([home.lower() + "." for home in HOMES], "the record's own postcode"),
    ],
)
def test_other_identifiers_of_the_row_are_found(values: list[object], kind: str) -> None:
    assert kind in held(list(values))


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        (lambda i: f"rang {FIRST[i].title()}", NAME),
        (lambda i: f"letter to {HOMES[i]}", POSTCODE),
        (lambda i: f"d.o.b. {BORN[i]:%d/%m/%Y}", BIRTH_DATE),
    ],
)
def test_a_note_that_names_one_patient_in_a_hundred_does_not_pass(says: Callable[[int], str], kind: str) -> None:
    notes = [says(i % COUNT) if i % 100 == 17 else f"seen {i % 7} times, feels well" for i in range(1_000)]
    assert held(list(notes)) == {kind}
    # The same notes beside other people say nothing about the patient.
    assert kind not in held(list(notes), whose=[(i + 31) % COUNT for i in range(1_000)])


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None] * 9,
        ["", " "] * 9,
        list(range(COUNT)),
        list(range(900, 900 + COUNT)),
        [float("nan"), 1.5] * 12,
        # As many ten-digit numbers as a hospital makes up by itself.
        [5_000_001_000 + 7 * i for i in range(200)],
        ["0000000000"] * 24,
        ["ROSE", "OAK", "ANNEA"] * 8,
        ["WHITE", "BLACK", "BAKERBB"] * 32,
        ["M", "F"] * 12,
        [f"C{i}" for i in range(24)],
        [dt.date(2026, 1, 1 + i % 28) for i in range(COUNT)],
        [f"{i % 28 + 1:02}/01/2026 10:{i % 60:02}" for i in range(COUNT)],
        [f"{100 + i}.{i:02}" for i in range(COUNT)],
        ["EX1", "TQ2"] * 12,
        [True, False] * 12,
        [dt.timedelta(days=i) for i in range(24)],
        [dt.time(9, i % 60) for i in range(COUNT)],
        [b"\xff\xfe"] * 24,
        [f"{i + 999:032x}" for i in range(COUNT)],
        [hashlib.sha256(f"visit {i}".encode()).hexdigest() for i in range(COUNT)],
        [[]] * 24,
        [f"patient seen on day {i}" for i in range(24)],
        ["I21.9", "F329", "EB07E", "225358003", "1066331000000109"] * 20,
        ["White British", "Any other Asian background"] * 50,
    ],
)
def test_harmless_values_are_not_taken_for_identifiers(values: list[object]) -> None:
    assert held(values) == set()


@pytest.mark.parametrize(
    "disguised",
    [
        lambda n: n,
        int,
        lambda n: int(n) * 10,
        lambda n: f"77{n}8",
        lambda n: f"rang {n[:3]}/{n[3:6]}/{n[6:]}",
        lambda n: f"{int(n):x}",
    ],
)
def test_scottish_and_northern_irish_numbers_are_found_too(disguised: Callable[[str], object]) -> None:
    for first_nine in (101_234_500, 320_000_100):
        own = [number.zfill(10) for number in numbers(first_nine, COUNT)]
        people = PEOPLE.with_columns(nhs_number=pl.Series(own).cast(pl.Int64))
        rows = pl.DataFrame({PERSON: pl.Series(EVERYBODY, dtype=pl.UInt32), RECORD: RECORDS})
        check = IdentifierCheck(["value"], People(people), rows=COUNT)
        check.add(rows.with_columns(value=pl.Series([disguised(number) for number in own])))
        assert NUMBER in check.found()["value"]


def test_dates_of_events_may_be_birth_dates_of_newborns_if_the_agreement_says_so() -> None:
    for share, kind in ((10, BIRTHS), (3, BIRTH_DATE)):
        days = [BORN[i % COUNT] if i % share == 0 else dt.date(2026, 1 + i % 6, 1 + i % 28) for i in range(960)]
        for values in (days, [f"{day:%d/%m/%Y}" for day in days], [f"{day}T09:30:00Z" for day in days]):
            assert held(list(values)) == {kind}
    assert BIRTHS in EXCUSED
    notes = [f"d.o.b. {BORN[i % COUNT]}" if i % 10 == 0 else "well" for i in range(960)]
    assert held(list(notes)) == {BIRTH_DATE}


def test_long_letters_take_memory_in_proportion_to_their_length() -> None:
    letter = " ".join(f"seen {i} times at home" for i in range(400))
    rows = pl.DataFrame({PERSON: pl.Series(EVERYBODY, dtype=pl.UInt32), RECORD: RECORDS})
    check = IdentifierCheck(["value"], People(PEOPLE), rows=COUNT)
    check.add(rows.with_columns(value=pl.Series([f"{letter} {i}" for i in EVERYBODY])))
    assert check.found() == {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check = IdentifierCheck(["value"], People(PEOPLE), rows=10 * COUNT)
    for part in range(10):
        check.add(rows.with_columns(value=pl.Series([f"{letter} {part} {i}" for i in EVERYBODY])))
    assert check.found() == {}
    # Ten times as many letters are 9 MB; all words of each beside each of its words would be several GB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800_000


def test_somebody_elses_identifiers_are_patterns() -> None:
    others = EVERYBODY[::-1]
    assert held(list(NUMBERS), whose=others) == {"NHS Numbers", "somebody's NHS Numbers"}
    assert held([f"mother: {number}" if i < 9 else "" for i, number in enumerate(NUMBERS)], whose=others) >= {
        "somebody's NHS Numbers"
    }
    assert held(list(HOMES), whose=others) == {"postcodes"}
    assert held(list(LAST), whose=others) == {"names of the spine"}
    assert held([f"{name.lower()}@example.org" for name in "abcdefgh"]) == {"e-mail addresses"}
    assert held(["01392 555012", "+44 7700 900123", "(020) 7946 0018"] * 9) == {"telephone numbers"}


def test_numbers_of_a_range_that_the_spine_fills_are_not_taken_for_its_own() -> None:
    # Every tenth number of a range belongs to somebody, so ids of that range often meet one.
    ids = [int(NUMBERS[0]) + 7 * i + (7 * i % 11 == 0) for i in range(400)]
    assert "somebody's NHS Numbers" not in held([each for each in ids if f"{each}" not in NUMBERS])


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(20, 2)])
def test_every_dtype_of_numbers_is_read(dtype: pl.DataType) -> None:
    assert held([i % 100 for i in range(COUNT)], dtype) == set()
    if dtype in (pl.UInt64, pl.Int128, pl.Decimal):
        assert NUMBER in held([int(number) for number in NUMBERS], dtype)


def test_categories_are_read() -> None:
    assert NAME in held(list(LAST), pl.Enum(LAST))
    assert NAME in held(list(LAST), pl.Categorical())


def test_the_result_does_not_depend_on_batches() -> None:
    rows = pl.DataFrame(
        {
            PERSON: pl.Series([i % COUNT for i in range(3_000)], dtype=pl.UInt32),
            RECORD: [str(i) for i in range(3_000)],
            "note": [FIRST[i % COUNT] if i % 150 == 0 else "well" for i in range(3_000)],
        }
    )
    found = []
    for length in (1, 7, 1_000, 3_000):
        check = IdentifierCheck(["note"], People(PEOPLE), rows=3_000)
        for start in range(0, 3_000, length):
            check.add(rows[start : start + length])
        found.append(check.found())
    assert found == [{"note": [NAME]}] * 4


def _check(values: list[str]) -> IdentifierCheck:
    rows = pl.DataFrame({PERSON: pl.Series(EVERYBODY, dtype=pl.UInt32), RECORD: RECORDS, "SITE": values})
    check = IdentifierCheck(["SITE"], People(PEOPLE), rows=COUNT)
    check.add(rows)
    return check


def test_a_refusal_names_columns_but_no_value() -> None:
    with pytest.raises(lc.RefusedError, match=r"here: 'SITE' holds .*NHS Number.*, under another name") as caught:
        _check(list(NUMBERS)).refuse("here")
    assert not any(number in str(caught.value) for number in NUMBERS)


def test_not_identifying_allows_patterns_but_nothing_of_the_patients_own() -> None:
    for values in (HOMES[::-1], LAST[::-1], ["ward@example.org"] * COUNT):
        with pytest.raises(lc.RefusedError, match="not_identifying"):
            _check(list(values)).refuse("here")
        _check(list(values)).refuse("here", ["SITE"])
    for values in (NUMBERS, LAST, HOMES, numbers(400_000_300, COUNT)):
        with pytest.raises(lc.RefusedError, match="'SITE' holds"):
            _check(list(values)).refuse("here", ["SITE"])
