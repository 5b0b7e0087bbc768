"""Implausible links: each finding by hand, and stays at once against every pair of stays."""

import datetime as dt
from itertools import combinations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from linkcore.quality.implausible import (
    AFTER_DEATH,
    BEFORE_BIRTH,
    BIRTH_DATE_APART,
    GENDER_DIFFERS,
    MAN_GIVING_BIRTH,
    TWO_STAYS,
    in_events,
    in_identifiers,
)

DAY = dt.date(2024, 6, 15)
PERSONS = pl.DataFrame(
    {"person_id": [0, 1, 2], "birth_date": [dt.date(1940, 1, 1), dt.date(2024, 1, 1), None],
     "gender": ["male", "female", None]}
)  # fmt: skip


def found(frame: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    return {(source, finding): (links, of) for source, finding, links, of in frame.iter_rows()}


def test_only_what_both_say_is_judged() -> None:
    records = pl.DataFrame({"gender": ["male", "male", None], "birth_date": [DAY, DAY, DAY]})
    persons = pl.DataFrame(
        {"gender": ["female", None, "male"], "birth_date": [dt.date(2023, 6, 15), dt.date(2023, 6, 14), None]}
    )
    assert found(in_identifiers("seen", records, persons)) == {
        ("seen", GENDER_DIFFERS): (1, 1),
        ("seen", BIRTH_DATE_APART): (1, 2),  # a leap year has 366 days
    }


def test_events_are_held_against_the_person_and_not_against_the_record_that_defines_it() -> None:
    deaths = pl.DataFrame({"person_id": [0, 0], "defines": [True, False], "death": [DAY, DAY + dt.timedelta(10)]})
    seen = pl.DataFrame(
        {
            "person_id": [0, 0, 1, 2, 1],
            "defines": [False, False, False, False, True],
            "start": [DAY + dt.timedelta(11), DAY + dt.timedelta(12), dt.date(2023, 12, 31), DAY, dt.date(2020, 1, 1)],
            "delivery": [True, False, True, True, True],
        }
    )
    assert found(in_events({"gp": deaths, "seen": seen}, PERSONS)) == {
        ("seen", AFTER_DEATH): (1, 2),  # of the last day of death that is told, and a day of grace
        ("seen", BEFORE_BIRTH): (1, 3),
        ("seen", MAN_GIVING_BIRTH): (1, 2),
    }


def test_a_source_that_tells_nothing_is_judged_by_nothing() -> None:
    assert in_events({}, PERSONS).is_empty()
    assert in_events({"gp": pl.DataFrame({"person_id": [0], "defines": [True]})}, PERSONS).is_empty()


STAY = st.tuples(st.integers(0, 2), st.integers(0, 12), st.one_of(st.none(), st.integers(-1, 4)), st.booleans())


@given(st.lists(STAY, max_size=12))
def test_stays_at_once_are_those_of_every_pair(stays: list[tuple[int, int, int | None, bool]]) -> None:
    known = [(person, start, start + days, place) for person, start, days, place in stays if days is not None]
    known = sorted(stay for stay in known if stay[2] >= stay[1])
    earlier = {later: [stay for stay in known[:later] if stay[0] == known[later][0]] for later in range(len(known))}
    judged = sum(bool(before) for before in earlier.values())
    at_once = sum(any(stay[2] > known[later][1] for stay in before) for later, before in earlier.items())

    def of(place: bool) -> pl.DataFrame:
        rows = [
            (person, False, DAY + dt.timedelta(start), None if days is None else DAY + dt.timedelta(start + days))
            for person, start, days, there in stays
            if there is place
        ]
        schema = {"person_id": pl.UInt32, "defines": pl.Boolean, "start": pl.Date, "end": pl.Date}
        return pl.DataFrame(rows, schema=schema, orient="row")

    table = in_events({"ward": of(False), "hospice": of(True)}, PERSONS).filter(finding=TWO_STAYS)
    assert (table["links"].sum(), table["of"].sum()) == (at_once, judged)


def test_leaving_and_coming_on_one_day_is_no_overlap_and_an_earlier_long_stay_counts() -> None:
    days = [(0, 10), (3, 4), (10, 12)]
    ward = pl.DataFrame(
        {
            "person_id": [0] * 3,
            "defines": [False] * 3,
            "start": [DAY + dt.timedelta(start) for start, _ in days],
            "end": [DAY + dt.timedelta(end) for _, end in days],
        }
    )
    assert found(in_events({"ward": ward}, PERSONS))["ward", TWO_STAYS] == (1, 2)
    assert sum(b[0] < a[1] for a, b in combinations(days, 2)) == 1
