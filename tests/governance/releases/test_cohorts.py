"""Cohorts: whose records are released, and which columns may not choose them."""

from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.releases.cohorts import Cohort, persons_of
from linkcore.governance.releases.derived import Derived
from linkcore.governance.releases.leaving import person_pseudonyms
from tests.governance.extracts import DAY, KEY, PEOPLE, linked, spine, stays

NONE_RENAMED = pl.DataFrame(schema={"old": pl.String, "new": pl.String})


def pseudonyms(linkage: lc.Linkage) -> pl.Series:
    return person_pseudonyms(linkage.persons, KEY)["pseudonym"]


def chosen(cohort: Cohort, kept: dict[str, pl.Series] | None = None) -> list[int]:
    linkage = linked()
    cohort.check(linkage.sources)
    return persons_of(cohort, linkage, pseudonyms(linkage), renamed=NONE_RENAMED, kept=kept).arg_true().to_list()


def test_a_filter_on_the_spine_chooses_persons_whose_record_passes() -> None:
    practice = [i for i, row in enumerate(spine().rows(named=True)) if row["PRACTICE"] != "L83001" and row["SMOKER"]]
    assert chosen(Cohort('PRACTICE in ("L83002", "L83003") and SMOKER')) == practice


def test_a_filter_can_use_derived_columns_and_gender() -> None:
    expected = [i for i, row in enumerate(spine().rows(named=True)) if DAY.year - row["BORN"].year >= 60]
    age = {"age": Derived("age", at=DAY.replace(month=12, day=31))}
    assert chosen(Cohort("age >= 60", derived=age)) == expected
    assert chosen(Cohort("SEX == '2'")) == [i for i in range(PEOPLE) if i % 2]


def test_a_filter_on_another_source_chooses_persons_with_a_record_that_passes() -> None:
    linkage = linked()
    rows = stays().with_columns(linkage.links_of("hospital")["person_id"])
    expected = sorted(set(rows.filter(pl.col("COST") == 6)["person_id"]))
    assert chosen(Cohort("COST == 6", source="hospital")) == expected


def test_a_withheld_record_puts_nobody_into_the_cohort() -> None:
    kept = {"gp": pl.Series([i not in (1, 2) for i in range(PEOPLE)])}
    assert 0 in chosen(Cohort("SEX in ('1', '2')"), kept)
    assert not {1, 2} & set(chosen(Cohort("SEX in ('1', '2')"), kept))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_list_of_released_pseudonyms_chooses_their_persons(tmp_path: Path, suffix: str) -> None:
    listed = pl.DataFrame({"pseudonym": pseudonyms(linked()).gather([3, 5, 3]), "score": [1, 2, 3]})
    file = tmp_path / f"list.{suffix}"
    listed.write_parquet(file) if suffix == "parquet" else listed.write_csv(file)
    assert chosen(Cohort(pseudonyms=file)) == [3, 5]
    assert chosen(Cohort(pseudonyms=listed["pseudonym"])) == [3, 5]
    assert chosen(Cohort('PRACTICE == "L83001"', pseudonyms=file)) == [3]


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        (["9990001234"], "1 of 1 in its list are no pseudonyms"),
        ([None, "0" * 32], "1 of 2 in its list are no pseudonyms"),
        (["0" * 32], "under another key"),
    ],
)
def test_a_list_of_anything_else_is_refused(listed: list[str | None], says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says):
        chosen(Cohort(pseudonyms=pl.Series(listed)))


def test_an_empty_list_chooses_nobody() -> None:
    assert chosen(Cohort(pseudonyms=pl.Series([], dtype=pl.String))) == []


def test_a_file_without_a_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("code\n1\n")
    (tmp_path / "list.parquet").write_text("code\n1\n")
    for name, says in (("none.csv", "no file"), ("list.csv", "no column"), ("list.parquet", "no Parquet")):
        with pytest.raises(lc.ProgrammeError, match=says):
            chosen(Cohort(pseudonyms=tmp_path / name))


@pytest.mark.parametrize(
    ("cohort", "error", "says"),
    [
        (Cohort("NHS == '9990001000'"), lc.RefusedError, "'NHS'.* identify people"),
        (Cohort("FAMILY == 'ABBOTT'"), lc.RefusedError, "'FAMILY'.* identify people"),
        (Cohort("HOME == 'EX1 0AB'"), lc.RefusedError, "'HOME'.* identify people"),
        (Cohort("HEIGHT > 3"), lc.ProgrammeError, "has no columns .'HEIGHT'"),
        (Cohort("PRACTICE > 3"), lc.ProgrammeError, "'PRACTICE' is a text"),
        (Cohort("COST > 3", source="none"), lc.ProgrammeError, "'none', and there is none"),
        (Cohort("a > 3", source="hospital", derived={"a": Derived("birth_year")}), lc.ProgrammeError, "derived from"),
    ],
)
def test_a_filter_that_cannot_or_may_not_be_used_is_refused_before_rows_are_read(
    cohort: Cohort, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        cohort.check(linked().sources)


def test_a_cohort_without_filter_and_list_is_refused() -> None:
    for stated in ({}, {"source": "gp", "pseudonyms": pl.Series([])}):
        with pytest.raises(lc.ProgrammeError, match="cohort"):
            Cohort(**stated)  # type: ignore[arg-type]
