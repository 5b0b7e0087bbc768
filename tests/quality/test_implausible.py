"""Implausible links: each finding counted by hand, and overlapping stays compared with every pair of stays."""

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
    implausible_events,
    implausible_identifiers,
)

DAY = dt.date(2024, 6, 15)
PERSONS = pl.DataFrame(
    {"person_id": [0, 1, 2], "birth_date": [dt.date(1940, 1, 1), dt.date(2024, 1, 1), None],
     "gender": ["male", "female", None]}
)  # fmt: skip


def found(frame: pl.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    return {(source, finding): (links, judged) for source, finding, links, judged in frame.iter_rows()}


def test_a_link_is_judged_only_where_record_and_person_both_have_a_value() -> None:
    records = pl.DataFrame({"gender": ["male", "male", None], "birth_date": [DAY, DAY, DAY]})
    persons = pl.DataFrame(
        {"gender": ["female", None, "male"], "birth_date": [dt.date(2023, 6, 15), dt.date(2023, 6, 14), None]}
    )
    assert found(implausible_identifiers("seen", records, persons)) == {
        ("seen", GENDER_DIFFERS): (1, 1),
        ("seen", BIRTH_DATE_APART): (1, 2),  # a leap year has 366 days
    }


def test_events_are_compared_with_the_person_except_those_of_its_defining_record() -> None:
    deaths = pl.DataFrame({"person_id": [0, 0], "defines": [True, False], "death": [DAY, DAY + dt.timedelta(10)]})
    seen = pl.DataFrame(
        {
            "person_id": [0, 0, 1, 2, 1],
            "defines": [False, False, False, False, True],
            "start": [DAY + dt.timedelta(11), DAY + dt.timedelta(12), dt.date(2023, 12, 31), DAY, dt.date(2020, 1, 1)],
            "delivery": [True, False, True, True, True],
        }
    )
    assert found(implausible_events({"gp": deaths, "seen": seen}, PERSONS)) == {
        ("seen", AFTER_DEATH): (1, 2),  # after the latest date of death, with a day of grace
        ("seen", BEFORE_BIRTH): (1, 3),
        ("seen", MAN_GIVING_BIRTH): (1, 2),
    }


def test_sources_without_events_have_no_findings() -> None:
    assert implausible_events({}, PERSONS).is_empty()
    assert implausible_events({"gp": pl.DataFrame({"person_id": [0], "defines": [True]})}, PERSONS).is_empty()


STAY = st.tuples(st.integers(0, 2), st.integers(0, 12), st.one_of(st.none(), st.integers(-1, 4)), st.booleans())


@given(st.lists(STAY, max_size=12))
def test_overlapping_stays_equal_those_among_all_pairs(stays: list[tuple[int, int, int | None, bool]]) -> None:
    known = [(person, start, start + days, place) for person, start, days, place in stays if days is not None]
    known = sorted(stay for stay in known if stay[2] >= stay[1])
    earlier = {later: [stay for stay in known[:later] if stay[0] == known[later][0]] for later in range(len(known))}
    judged = sum(bool(before) for before in earlier.values())
    overlapping = sum(any(stay[2] > known[later][1] for stay in before) for later, before in earlier.items())

    def stays_at(place: bool) -> pl.DataFrame:
        rows = [
            (person, False, DAY + dt.timedelta(start), None if days is None else DAY + dt.timedelta(start + days))
            for person, start, days, stay_place in stays
            if stay_place is place
        ]
        schema = {"person_id": pl.UInt32, "defines": pl.Boolean, "start": pl.Date, "end": pl.Date}
        return pl.DataFrame(rows, schema=schema, orient="row")

    table = implausible_events({"ward": stays_at(False), "hospice": stays_at(True)}, PERSONS).filter(finding=TWO_STAYS)
    assert (table["links"].sum(), table["of"].sum()) == (overlapping, judged)


def test_a_stay_that_begins_on_the_last_day_of_another_does_not_overlap_but_one_inside_a_longer_stay_does() -> None:
    days = [(0, 10), (3, 4), (10, 12)]
    ward = pl.DataFrame(
        {
            "person_id": [0] * 3,
            "defines": [False] * 3,
            "start": [DAY + dt.timedelta(start) for start, _ in days],
            "end": [DAY + dt.timedelta(end) for _, end in days],
        }
    )
    assert found(implausible_events({"ward": ward}, PERSONS))["ward", TWO_STAYS] == (1, 2)
    assert sum(b[0] < a[1] for a, b in combinations(days, 2)) == 1
