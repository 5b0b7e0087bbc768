"""Exact linkage, compared with a slow and obvious linker, and case by case."""

import dataclasses
import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.linkage.exact.link_exactly import link_exactly, with_current_numbers
from linkcore.linkage.settings import Exact
from linkcore.sources.records import standardise
from linkcore.sources.source import Source
from tests.naive_linkage import link_by_number, ten_digits

ANNA = {"given_name": "ANNA", "family_name": "SMITH", "birth_date": dt.date(1980, 2, 3)}
PETER = {"given_name": "PETER", "family_name": "OKAFOR", "birth_date": dt.date(2011, 7, 28)}
ONE, TWO, THREE, FOUR = (ten_digits(number) for number in (400_000_001, 400_000_003, 400_000_004, 600_000_006))
TEST = ten_digits(999_123_457)


def placed(*sources: Source, exact: Exact | None = None) -> dict[str, list[tuple[int | None, str | None, bool]]]:
    exact = exact or Exact()
    placement = link_exactly([standardise(source, usable=exact.usable) for source in sources], exact)
    return {name: links.select("person_id", "method", "conflict").rows() for name, links in placement.links.items()}


def source(name: str, *records: dict[str, object], spine: bool = False) -> Source:
    columns = dict.fromkeys(["nhs_number", "given_name", "family_name", "local_patient_id"], pl.String)
    return Source(name, pl.DataFrame(records, schema=columns | {"birth_date": pl.Date}), spine=spine)


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from([None, ONE, TWO, THREE, FOUR]), max_size=8), min_size=1, max_size=4),
    st.booleans(),
)
def test_persons_and_links_equal_those_of_a_slow_and_obvious_linker(
    numbers: list[list[str | None]], with_spine: bool
) -> None:
    sources = [
        source(f"s{i}", *({"nhs_number": number} for number in written), spine=with_spine and i == 0)
        for i, written in enumerate(numbers)
    ]
    expected = link_by_number({each.name: written for each, written in zip(sources, numbers, strict=True)}, with_spine)
    found = {name: [(person, method) for person, method, _ in rows] for name, rows in placed(*sources).items()}
    assert found == expected


def test_a_conflict_is_flagged_and_taken_from_its_number() -> None:
    gp = source("gp", ANNA | {"nhs_number": ONE}, PETER | {"nhs_number": TWO}, spine=True)
    seen = source("seen", ANNA | {"nhs_number": ONE}, PETER | {"nhs_number": ONE})
    assert placed(gp, seen)["seen"] == [(0, "nhs_number", False), (None, None, True)]
    assert placed(gp, seen, exact=Exact(conflicts="keep"))["seen"] == [
        (0, "nhs_number", False),
        (0, "nhs_number", True),
    ]


def test_one_wrong_number_does_not_define_the_person_of_the_others() -> None:
    gp = source("gp", PETER | {"nhs_number": TWO}, spine=True)
    wrong = source("first", PETER | {"nhs_number": ONE})
    right = source("second", ANNA | {"nhs_number": ONE}, ANNA | {"nhs_number": ONE})
    links = placed(gp, wrong, right)
    assert links["first"] == [(None, None, True)]
    assert links["second"] == [(1, "nhs_number", False), (1, "nhs_number", False)]


def test_a_number_twice_on_the_spine_is_one_person() -> None:
    gp = source("gp", ANNA | {"nhs_number": ONE}, ANNA | {"nhs_number": ONE}, {"nhs_number": None}, spine=True)
    assert placed(gp)["gp"] == [(0, "spine", False), (0, "nhs_number", False), (1, "spine", False)]


def test_test_numbers_link_only_where_they_are_usable() -> None:
    gp = source("gp", {"nhs_number": TEST}, spine=True)
    seen = source("seen", {"nhs_number": TEST})
    assert placed(gp, seen)["seen"] == [(None, None, False)]
    assert placed(gp, seen, exact=Exact(usable=("valid", "test")))["seen"] == [(0, "nhs_number", False)]


class TestLocalPatientId:
    def linked(self, *records: dict[str, object]) -> list[tuple[int | None, str | None, bool]]:
        gp = source("gp", ANNA | {"nhs_number": ONE}, PETER | {"nhs_number": TWO}, spine=True)
        return placed(gp, source("hospital", *records))["hospital"]

    def test_a_record_without_a_number_links_by_it(self) -> None:
        links = self.linked(ANNA | {"nhs_number": ONE, "local_patient_id": "H1"}, {"local_patient_id": " H1"})
        assert links[1] == (0, "local_patient_id", False)

    def test_it_links_nothing_if_it_points_to_two_persons(self) -> None:
        numbered = [
            ANNA | {"nhs_number": ONE, "local_patient_id": "H1"},
            PETER | {"nhs_number": TWO, "local_patient_id": "H1"},
        ]
        assert self.linked(*numbered, {"local_patient_id": "H1"})[2] == (None, None, False)

    def test_it_does_not_link_a_record_that_contradicts_the_person(self) -> None:
        numbered = ANNA | {"nhs_number": ONE, "local_patient_id": "H1"}
        assert self.linked(numbered, PETER | {"local_patient_id": "H1"})[1] == (None, None, False)

    def test_a_conflict_can_link_by_it(self) -> None:
        numbered = ANNA | {"nhs_number": ONE, "local_patient_id": "H1"}
        conflict = ANNA | {"nhs_number": TWO, "local_patient_id": "H1"}
        assert self.linked(numbered, conflict)[1] == (0, "local_patient_id", True)

    def test_an_empty_identifier_links_nothing(self) -> None:
        numbered = ANNA | {"nhs_number": ONE, "local_patient_id": ""}
        assert self.linked(numbered, {"local_patient_id": " "})[1] == (None, None, False)


class TestSuperseded:
    def table(self, *pairs: tuple[str, str]) -> Exact:
        return Exact(superseded=pl.DataFrame(pairs, schema=["old", "new"], orient="row"))

    def test_an_old_number_links_to_the_person_of_its_last_successor(self) -> None:
        gp = source("gp", {"nhs_number": THREE}, spine=True)
        exact = self.table((ONE, TWO), (TWO, THREE))
        assert placed(gp, source("seen", {"nhs_number": ONE}), exact=exact)["seen"] == [(0, "nhs_number", False)]

    def test_two_spine_records_of_merged_numbers_are_one_person(self) -> None:
        gp = source("gp", {"nhs_number": ONE}, {"nhs_number": TWO}, spine=True)
        assert [row[0] for row in placed(gp, exact=self.table((ONE, TWO)))["gp"]] == [0, 0]

    @pytest.mark.parametrize(
        ("pairs", "says"),
        [
            ([(ONE, TWO), (TWO, ONE)], "in a circle"),
            ([(ONE, ONE)], "in a circle"),
            ([(ONE, TWO), (ONE, THREE)], "by two different ones"),
            ([(ONE, "4010232138")], "1 rows hold something that is no NHS Number, the first in row 1"),
            (
                [(ONE, TWO), (TWO, TEST)],
                "1 rows have a new number that is not valid or scotland or northern_ireland, the first in row 2",
            ),
        ],
    )
    def test_a_contradictory_table_is_refused(self, pairs: list[tuple[str, str]], says: str) -> None:
        with pytest.raises(ProgrammeError, match=says):
            self.table(*pairs)

    def test_a_test_number_may_supersede_where_test_numbers_are_usable(self) -> None:
        exact = Exact(usable=("valid", "test"), superseded=pl.DataFrame({"old": [ONE], "new": [TEST]}))
        gp = source("gp", {"nhs_number": TEST}, spine=True)
        assert placed(gp, source("seen", {"nhs_number": ONE}), exact=exact)["seen"] == [(0, "nhs_number", False)]

    def test_the_table_may_be_a_lazy_frame(self) -> None:
        table = pl.DataFrame({"old": [ONE], "new": [TWO]})
        resolved = [Exact(superseded=given).superseded for given in (table, table.lazy())]
        assert [frame.lazy().collect().rows() for frame in resolved if frame is not None] == [
            [(int(ONE), int(TWO))],
            [(int(ONE), int(TWO))],
        ]

    def test_anything_but_a_frame_is_refused(self) -> None:
        with pytest.raises(ProgrammeError, match="superseded is a str; give a Polars frame"):
            Exact(superseded="superseded.csv")  # type: ignore[arg-type]
        with pytest.raises(ProgrammeError, match="cannot be read"):
            Exact(superseded=pl.DataFrame({"old": [ONE]}).lazy().select("old", "new"))

    def test_only_the_numbers_of_the_records_change(self) -> None:
        records = standardise(source("seen", {"nhs_number": ONE}))
        exact = self.table((ONE, TWO))
        assert link_exactly([records], exact).persons["nhs_number"].to_list() == [int(TWO)]
        current = with_current_numbers(records, exact)
        others = [each.name for each in dataclasses.fields(records) if each.name != "frame"]
        assert others
        assert all(getattr(current, name) is getattr(records, name) for name in others)
        assert current.frame.drop("nhs_number").equals(records.frame.drop("nhs_number"))

    def test_other_columns_are_refused(self) -> None:
        with pytest.raises(ProgrammeError, match="columns old and new"):
            Exact(superseded=pl.DataFrame({"from": [ONE], "to": [TWO]}))


@pytest.mark.parametrize("settings", [{"usable": ()}, {"usable": ("valid", "placeholder")}, {"conflicts": "ignore"}])
def test_invalid_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ProgrammeError):
        Exact(**settings)


@pytest.mark.parametrize("usable", ["valid", "test"])
def test_a_string_is_refused_where_a_list_of_statuses_is_needed(usable: str) -> None:
    with pytest.raises(ProgrammeError, match=f"usable is the text '{usable}'; give a sequence"):
        Exact(usable=usable)
