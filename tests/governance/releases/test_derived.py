"""Derived columns keep a stated part of an identifier, and no more."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import linkcore as lc
from linkcore.governance.releases.cohorts import Cohort, persons_of
from linkcore.governance.releases.derived import Derived, derive
from tests.governance.extracts import KEY, numbers


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

    def test_a_look_up_that_is_nearly_one_to_one_is_refused(self, tmp_path: Path, look_up: Path) -> None:
        letters = "ABDEFGHJLN"
        homes = [f"EX{1 + i // 100} {i // 10 % 10}A{letters[i % 10]}" for i in range(500)]
        for each_area in (1, 2, 3):  # as many postcodes make one area
            areas = [f"{home},E{i // each_area:08}" for i, home in enumerate(homes)]
            # A look-up that is filled up with postcodes of nobody is no coarser.
            areas += [f"TQ{1 + i // 100} {i // 10 % 10}B{letters[i % 10]},E{i % 500:08}" for i in range(900)]
            look_up.write_text("\n".join(["pcds,lsoa21", *areas]))
            with pytest.raises(lc.RefusedError, match=r"nearly one to one: more than 1 in 10 people") as caught:
                release_areas(tmp_path, look_up, homes * 30)
            assert not any(home in str(caught.value) for home in homes)
        look_up.write_text("\n".join(["pcds,lsoa21", *[f"{home},E{i // 4}" for i, home in enumerate(homes)]]))
        assert release_areas(tmp_path, look_up, homes * 30).n_unique() == 125

    def test_an_area_of_few_people_is_left_empty(self, tmp_path: Path, look_up: Path) -> None:
        homes = ["EX1 2AB"] * 1200 + ["TQ1 1AA"] * 60 + ["PL1 1AA"] * 60
        look_up.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nTQ1 1AA,E01000002\nPL1 1AA,E01000003\n")
        assert dict(release_areas(tmp_path, look_up, homes).value_counts().rows()) == {"E01000001": 1200, None: 120}
        few = release_areas(tmp_path, look_up, homes, least_people=10)
        assert dict(few.value_counts().rows()) == {"E01000001": 1200, "E01000002": 60, "E01000003": 60}

    def test_an_empty_area_tells_nobodys_postcode(self, tmp_path: Path, look_up: Path) -> None:
        """If one postcode only were left empty, that would be its mark."""
        homes = ["EX1 2AB"] * 2000 + ["PL1 1AA"] * 120 + ["TQ1 1AA"] * 60
        look_up.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nTQ1 1AA,E01000002\nPL1 1AA,E01000003\n")
        assert dict(release_areas(tmp_path, look_up, homes).value_counts().rows()) == {"E01000001": 2000, None: 180}
        with pytest.raises(lc.RefusedError, match="nearly one to one"):
            release_areas(tmp_path, look_up, homes[:2000] + homes[-60:])

    def test_the_people_of_the_spine_are_counted_and_not_their_records(self, tmp_path: Path, look_up: Path) -> None:
        homes = ["EX1 2AB"] * 2000 + ["PL1 1AA"] * 110 + ["TQ1 1AA"] * 2
        look_up.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nTQ1 1AA,E01000002\nPL1 1AA,E01000003\n")
        gp, hospital = source("gp", homes, spine=True), source("hospital", [*homes, *["TQ1 1AA"] * 300])
        found = release_areas(tmp_path, look_up, homes, sources=[gp, hospital])
        assert set(found) == {"E01000001", None}

    def test_a_spine_without_postcodes_cannot_count_people(self, tmp_path: Path, look_up: Path) -> None:
        homes = ["EX1 2AB"] * 200
        bare = source("gp", homes, spine=True).data.drop("postcode")
        sources = [lc.Source("gp", bare, spine=True), source("hospital", homes)]
        with pytest.raises(lc.RefusedError, match="nobody on the spine has a postcode"):
            release_areas(tmp_path, look_up, homes, sources=sources)

    def test_a_cohort_is_not_chosen_by_an_area_of_few_people(self, look_up: Path) -> None:
        homes = ["EX1 2AB"] * 2000 + ["PL1 1AA"] * 110 + ["TQ1 1AA"] * 12
        look_up.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nTQ1 1AA,E01000002\nPL1 1AA,E01000003\n")
        area = Derived("small_area", look_up=look_up, postcode="pcds", area="lsoa21")
        cohort = Cohort("LSOA == 'E01000002'", derived={"LSOA": area})
        linkage = lc.link([source("gp", homes, spine=True)], exact=lc.Exact(usable=("test",)), fallback=None)
        none = pl.DataFrame(schema={"old": pl.String, "new": pl.String})
        assert not persons_of(cohort, linkage, pl.Series(dtype=pl.String), renamed=none).any()

    def test_a_programme_states_how_many_people_an_area_has_but_not_fewer_than_ten(self, look_up: Path) -> None:
        assert Derived("small_area", look_up=look_up).described() == "small area of at least 100 people"
        few = Derived("small_area", look_up=look_up, least_people=20)
        assert few.described() == "small area of at least 20 people"
        for wrong in (9, 20.0):
            with pytest.raises(lc.ProgrammeError, match="least_people is a whole number from 10 on"):
                Derived("small_area", look_up=look_up, least_people=wrong)  # type: ignore[arg-type]
        with pytest.raises(lc.ProgrammeError, match="no use for least_people"):
            Derived("gender", least_people=20)

    def test_a_look_up_whose_areas_are_identifiers_is_refused(self, tmp_path: Path, look_up: Path) -> None:
        """The areas are checked as every other released column is, and nobody can excuse them."""
        homes = [f"EX1 {i}A{letter}" for i in range(10) for letter in "ABD"]
        look_up.write_text("\n".join(["pcds,lsoa21", *[f"{home},{home[:3]} {home[4]}AA" for home in homes]]))
        with pytest.raises(lc.RefusedError, match="'LSOA' holds postcodes"):
            release_areas(tmp_path, look_up, homes * 50)
        with pytest.raises(lc.ProgrammeError, match=r"'LSOA'.* derived"):
            release_areas(tmp_path, look_up, homes * 50, not_identifying={"hospital": ["LSOA"]})

    @pytest.mark.parametrize("crossed", ["look-up", "district"])
    def test_two_places_that_together_tell_a_postcode_are_refused(
        self, tmp_path: Path, look_up: Path, crossed: str
    ) -> None:
        """Each of four postcodes shares each of its areas with another one, but not both."""
        homes = ["EX1 2AB", "EX1 2AD", "EX2 2AB", "EX2 2AD"]
        look_up.write_text("\n".join(["pcds,one,two", *(f"{homes[i]},{'0110'[i]},{'0011'[i]}" for i in range(4))]))
        one, two = (Derived("small_area", look_up=look_up, postcode="pcds", area=name) for name in ("one", "two"))
        other = two if crossed == "look-up" else Derived("postcode_district")
        sources = [source("gp", homes * 60, spine=True), source("hospital", homes * 60)]
        linkage = lc.link(sources, exact=lc.Exact(usable=("test",)), fallback=None)
        stated = lc.Agreement(
            "p", KEY.id, {"gp": [], "hospital": []}, derived={"gp": {"a": one}, "hospital": {"b": other}}
        )
        with pytest.raises(lc.RefusedError, match="together leave places of fewer than 100 people"):
            lc.release(linkage, stated, KEY, tmp_path / "out")
        nested = {"gp": {"a": Derived("postcode_district")}, "hospital": {"b": Derived("postcode_area")}}
        lc.release(
            linkage, lc.Agreement("p", KEY.id, {"gp": [], "hospital": []}, derived=nested), KEY, tmp_path / "out"
        )

    def test_a_postcode_with_two_areas_is_refused(self, look_up: Path) -> None:
        look_up.write_text("pcds,lsoa21\nEX1 2AB,E01000001\nEX12AB,E01000002\n")
        with pytest.raises(lc.ProgrammeError, match="two areas"):
            Derived("small_area", look_up=look_up, postcode="pcds", area="lsoa21").areas()

    def test_a_missing_look_up_or_column_is_refused(self, look_up: Path) -> None:
        with pytest.raises(lc.ProgrammeError, match=r"no columns \['postcode', 'area'\]"):
            Derived("small_area", look_up=look_up).check()
        with pytest.raises(lc.ProgrammeError, match="there is no look-up"):
            Derived("small_area", look_up=look_up.with_name("none.csv")).check()


def source(name: str, homes: list[str], *, spine: bool = False) -> lc.Source:
    of = numbers(999_000_100, len(homes))
    return lc.Source(name, pl.DataFrame({"nhs_number": of, "postcode": homes}), spine=spine)


def release_areas(
    folder: Path,
    look_up: Path,
    homes: list[str],
    *,
    sources: list[lc.Source] | None = None,
    least_people: int | None = None,
    **changes: Any,
) -> pl.Series:
    """Release the area of each hospital record, or of each person on the spine."""
    sources = sources or [source("gp", homes, spine=True), source("hospital", homes)]
    area = Derived("small_area", look_up=look_up, postcode="pcds", area="lsoa21", least_people=least_people)
    linkage = lc.link(sources, exact=lc.Exact(usable=("test",)), fallback=None)
    agreement = lc.Agreement("p", KEY.id, {"hospital": []}, derived={"hospital": {"LSOA": area}}, **changes)
    lc.release(linkage, agreement, KEY, folder / "out")
    return pl.read_parquet(folder / "out" / "hospital.parquet")["LSOA"]


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
