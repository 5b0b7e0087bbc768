"""Derived columns keep a stated part of an identifier, and no more."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import linkcore as lc
from linkcore.governance.releases.derived import Derived, derive


def derived(frame: pl.DataFrame, name: str, columns: Derived) -> list[object]:
    source = lc.Source("gp", frame)
    return derive(frame.lazy(), source, {name: columns}).select(name).collect().to_series().to_list()


def birthdays(born: dt.date, at: dt.date) -> int | None:
    """Count the birthdays there have been, one by one."""
    count, year = 0, born.year + 1
    while True:
        try:
            birthday = born.replace(year=year)
        except ValueError:
            birthday = dt.date(year, 3, 1)
        if birthday > at:
            return count if born <= at else None
        count, year = count + 1, year + 1


@given(st.dates(dt.date(1900, 2, 1), dt.date(2030, 1, 1)), st.dates(dt.date(1990, 1, 1), dt.date(2029, 1, 1)))
def test_an_age_is_the_number_of_birthdays(born: dt.date, at: dt.date) -> None:
    assert derived(pl.DataFrame({"birth_date": [born]}), "age", Derived("age", at=at)) == [birthdays(born, at)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("birth_year", [2001, None, None]), ("birth_month", ["2001-02", None, None])],
)
def test_only_the_year_or_month_of_a_birth_date_is_kept(kind: str, expected: list[object]) -> None:
    frame = pl.DataFrame({"birth_date": ["03/02/2001", "31/02/2001", None]})
    assert derived(frame, "born", Derived(kind)) == expected  # type: ignore[arg-type]


def test_the_order_of_day_and_month_is_that_of_the_source() -> None:
    frame = pl.DataFrame({"birth_date": ["03/02/2001"]})
    source = lc.Source("gp", frame, day_first=False)
    assert derive(frame.lazy(), source, {"m": Derived("birth_month")}).collect()["m"].to_list() == ["2001-03"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("postcode_area", ["EX", "M", None, None]), ("postcode_district", ["EX1", "M1", None, None])],
)
def test_only_the_area_or_district_of_a_postcode_is_kept(kind: str, expected: list[object]) -> None:
    frame = pl.DataFrame({"postcode": ["ex12ab", "M1 1AA", "ZZ99 3VZ", "nonsense"]})
    assert derived(frame, "place", Derived(kind)) == expected  # type: ignore[arg-type]


def test_gender_is_male_female_or_missing() -> None:
    frame = pl.DataFrame({"gender": ["1", "F", "9", None]})
    assert derived(frame, "sex", Derived("gender")) == ["male", "female", None, None]


class TestSmallArea:
    @pytest.fixture
    def look_up(self, tmp_path: Path) -> Path:
        file = tmp_path / "areas.csv"
        file.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nex1 2ab,E01000001\nTQ1 1AA,E01000002\n,E01000003\n")
        return file

    def test_is_found_however_the_postcode_is_written(self, look_up: Path) -> None:
        frame = pl.DataFrame({"postcode": ["EX12AB", "tq1 1aa", "PL1 1AA", None] * 50})
        small = Derived("small_area", look_up=look_up, postcode="pcds", area="lsoa21")
        assert derived(frame, "LSOA", small) == ["E01000001", "E01000002", None, None] * 50

    def test_a_postcode_with_two_areas_is_refused(self, look_up: Path) -> None:
        look_up.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nEX12AB,E01000002\n")
        with pytest.raises(lc.ProgrammeError, match="two areas"):
            Derived("small_area", look_up=look_up, postcode="pcds", area="lsoa21").areas()

    def test_a_missing_look_up_or_column_is_refused(self, look_up: Path) -> None:
        with pytest.raises(lc.ProgrammeError, match=r"no columns \['postcode', 'area'\]"):
            Derived("small_area", look_up=look_up).check()
        with pytest.raises(lc.ProgrammeError, match="there is no look-up"):
            Derived("small_area", look_up=look_up.with_name("none.csv")).check()


@pytest.mark.parametrize(
    "stated",
    [
        {"kind": "name"},
        {"kind": "age"},
        {"kind": "birth_year", "at": dt.date(2026, 1, 1)},
        {"kind": "small_area"},
        {"kind": "age", "at": dt.date(2026, 1, 1), "look_up": "areas.csv"},
    ],
)
def test_a_derived_column_with_wrong_settings_is_refused(stated: dict[str, object]) -> None:
    with pytest.raises(lc.ProgrammeError, match="derived column"):
        Derived(**stated)  # type: ignore[arg-type]
