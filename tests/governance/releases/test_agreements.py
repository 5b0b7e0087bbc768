"""Agreements are checked before any data are read."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from tests.governance.extracts import linked

SOURCE = lc.Source(
    "seen",
    pl.DataFrame({"NUMBER": [""], "postcode": [""], "COST": [1], "pseudonym": [""], "SCANS": [[b""]]}),
    columns={"nhs_number": "NUMBER"},
)


def test_a_sound_agreement_passes() -> None:
    lc.Agreement("partner", "key", {"seen": ["COST"]}).check([SOURCE])


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"other": ["COST"]}, lc.ProgrammeError, "no such source; there are seen"),
        ({"seen": ["NOPE"]}, lc.ProgrammeError, "no columns"),
        ({"seen": ["pseudonym"]}, lc.ProgrammeError, "adds"),
        ({"seen": ["NUMBER"]}, lc.RefusedError, "identify people"),
        ({"seen": ["postcode"]}, lc.RefusedError, "identify people"),
        ({"seen": ["SCANS"]}, lc.ProgrammeError, "bytes in lists"),
    ],
)
def test_a_column_that_cannot_be_released_is_refused(
    columns: dict[str, list[str]], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        lc.Agreement("partner", "key", columns).check([SOURCE])


@pytest.mark.parametrize("columns", [{}, {"seen": ["COST", "COST"]}, {"seen": "COST"}])
def test_contradictory_columns_are_refused_when_the_agreement_is_made(columns: dict[str, list[str]]) -> None:
    with pytest.raises(lc.ProgrammeError):
        lc.Agreement("partner", "key", columns)


def test_an_agreement_cannot_be_widened_after_it_was_made() -> None:
    columns = {"seen": ["COST"]}
    agreement = lc.Agreement("partner", "key", columns)
    columns["seen"].append("nhs_number")
    columns["gp"] = ["nhs_number"]
    assert dict(agreement.columns) == {"seen": ("COST",)}


TERMS = {"gp": ["SMOKER"], "hospital": ["COST"]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pseudonymised": {"ambulance": ["ID"]}}, r"pseudonymised is of \['ambulance'\], which columns does not name"),
        ({"pseudonymised": {"hospital": "SPELL"}}, "must be a list"),
        ({"pseudonymised": {"hospital": ["COST"]}}, "a column of 'hospital' is named twice"),
        ({"derived": {"gp": {"SMOKER": Derived("birth_year")}}}, "a column of 'gp' is named twice"),
        ({"quasi_identifiers": {"gp": ["SEX"]}}, "which are not released"),
        ({"not_identifying": {"gp": ["SEX"]}}, "which are not released"),
        ({"format": "xlsx"}, "format is 'xlsx'; it is one of parquet, csv, duckdb"),
        ({"minimum_k": 0}, "minimum_k is a whole number from 1 on"),
        ({"cohort": "age >="}, "filter"),
    ],
)
def test_a_contradictory_setting_is_refused_when_the_agreement_is_made(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says):
        lc.Agreement("partner", "key", TERMS, **changes)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"pseudonymised": {"gp": ["NHS"]}}, lc.RefusedError, "not even pseudonymised"),
        ({"pseudonymised": {"gp": ["HOME"]}}, lc.RefusedError, "not even pseudonymised"),
        ({"pseudonymised": {"gp": ["HEIGHT"]}}, lc.ProgrammeError, "has no columns"),
        ({"pseudonymised": {"hospital": ["ON"]}}, lc.ProgrammeError, "neither text nor whole numbers"),
        ({"derived": {"gp": {"NHS": Derived("birth_year")}}}, lc.ProgrammeError, "has the name of one of its own"),
        ({"derived": {"gp": {"postcode": Derived("postcode_area")}}}, lc.ProgrammeError, "the name of one of its own"),
        ({"derived": {"hospital": {"age": Derived("birth_year")}}}, lc.ProgrammeError, "made of birth_date, which"),
        ({"derived": {"gp": {"pseudonym": Derived("birth_year")}}}, lc.ProgrammeError, "adds"),
        ({"derived": {"gp": {"linkcore:rank": Derived("birth_year")}}}, lc.ProgrammeError, "begin with 'linkcore:'"),
        ({"cohort": "NHS == '1'"}, lc.RefusedError, "cohort: .'NHS'. identify people"),
    ],
)
def test_a_setting_that_does_not_fit_the_sources_is_refused(
    changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        lc.Agreement("partner", "key", TERMS, **changes).check(linked().sources)


@pytest.mark.parametrize("column", ["PRACTICE"])
def test_an_id_of_a_place_is_released_only_as_a_pseudonym(column: str) -> None:
    sources = linked().sources
    lc.Agreement("partner", "key", TERMS, pseudonymised={"gp": [column]}).check(sources)
    with pytest.raises(lc.RefusedError, match="identify people"):
        lc.Agreement("partner", "key", {"gp": [column]}).check(sources)


def test_names_that_differ_in_capitals_only_are_refused_for_duckdb() -> None:
    for columns in ({"gp": [], "GP": []}, {"gp": ["COST", "cost"]}, {"gp": ["Pseudonym"]}):
        lc.Agreement("partner", "key", columns)
        with pytest.raises(lc.ProgrammeError, match="differ in capitals only"):
            lc.Agreement("partner", "key", columns, format="duckdb")


def test_lists_are_refused_for_csv() -> None:
    source = lc.Source("seen", pl.DataFrame({"nhs_number": [""], "CODES": [["a"]]}))
    lc.Agreement("partner", "key", {"seen": ["CODES"]}).check([source])
    with pytest.raises(lc.ProgrammeError, match="CSV"):
        lc.Agreement("partner", "key", {"seen": ["CODES"]}, format="csv").check([source])


def test_a_smallest_k_without_quasi_identifiers_is_refused_since_it_promises_nothing() -> None:
    with pytest.raises(lc.ProgrammeError, match="minimum_k counts persons who are alike in the quasi-identifiers"):
        lc.Agreement("partner", "key", {"seen": ["COST"]}, minimum_k=99)
    lc.Agreement("partner", "key", {"seen": ["COST"]}, quasi_identifiers={"seen": ["COST"]}, minimum_k=99)


MARCH, APRIL = (Derived("age", at=dt.date(2026, month, 30)) for month in (3, 4))


@pytest.mark.parametrize(
    ("derived", "says"),
    [
        ({"seen": {"a": MARCH, "b": APRIL}}, "ages on 2 days together tell the birth date"),
        ({"seen": {"a": MARCH}, "gp": {"a": APRIL}}, "ages on 2 days together tell the birth date"),
        ({"seen": {"a": MARCH, "b": Derived("birth_month")}}, "an age beside a birth month"),
        ({"seen": {"a": MARCH}, "gp": {"b": Derived("birth_month")}}, "an age beside a birth month"),
    ],
)
def test_columns_that_together_tell_a_birth_date_are_refused(derived: dict[str, dict[str, Derived]], says: str) -> None:
    """In one source, or in two that the recipient joins by the pseudonym."""
    with pytest.raises(lc.RefusedError, match=says):
        lc.Agreement("partner", "key", {"seen": [], "gp": []}, derived=derived)


def test_one_age_in_two_sources_and_an_age_with_a_year_may_leave() -> None:
    derived = {"seen": {"a": MARCH}, "gp": {"a": MARCH, "b": Derived("birth_year")}}
    lc.Agreement("partner", "key", {"seen": [], "gp": []}, derived=derived)


@pytest.mark.parametrize("other", [APRIL, Derived("birth_month")])
def test_a_cohort_is_not_chosen_by_what_together_tells_a_birth_date(other: Derived) -> None:
    with pytest.raises(lc.RefusedError, match="birth"):
        Cohort("a == 65 and b == 66", derived={"a": MARCH, "b": other})
