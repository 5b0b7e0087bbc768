"""The file of persons who are probably one: for those who may see identifiers, and nothing in it runs or joins."""

import csv
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_both_persons_stand_side_by_side_with_the_evidence(linkage: lc.Linkage, tmp_path: Path) -> None:
    # Few are probable here: of improbable pairs there are some.
    path = tmp_path / "doubles.csv"
    found = linkage.double_persons(path, identifiable=True, least=1e-6)
    rows = read(path)
    assert len(rows) == found > 5
    assert path.stat().st_mode & 0o777 == 0o600
    persons = {(row["source"], row["record_id"]): row for row in linkage.persons.iter_rows(named=True)}
    sizes = dict(linkage.links.group_by("person_id").len().iter_rows())
    for row in rows:
        for side in ("first", "second"):
            person = persons[row[f"{side}_source"], row[f"{side}_record_id"].removeprefix("'")]
            number = "" if person["nhs_number"] is None else f"'{person['nhs_number']:010}"
            assert row[f"{side}_nhs_number"] == number
            assert row[f"{side}_family_name"] == (person["family_name"] or "")
            assert row[f"{side}_birth_date"] == str(person["birth_date"] or person["birth_date_text"] or "")
            assert int(row[f"{side}_records"]) == sizes[person["person_id"]]
        assert row["agreement_birth_date"].split(" (")[0] in {
            level.label
            for each in linkage.probabilistic.model.comparisons  # type: ignore[union-attr]
            for level in each.levels
        }
    assert [row["pair"] for row in rows] == [str(at) for at in range(1, found + 1)]
    assert list(rows[0])[:5] == ["pair", "probability", "match_weight", "first_source", "second_source"]


def test_the_file_is_refused_to_those_who_may_not_see_identifiers(linkage: lc.Linkage, tmp_path: Path) -> None:
    with pytest.raises(lc.RefusedError, match="identifiable=True"):
        linkage.double_persons(tmp_path / "doubles.csv")
    with pytest.raises(lc.ProgrammeError, match="least is 0"):
        linkage.double_persons(tmp_path / "doubles.csv", identifiable=True, least=0)
    assert list(tmp_path.iterdir()) == []


def test_no_value_runs_as_a_formula(linkage: lc.Linkage, tmp_path: Path) -> None:
    formula = linkage.persons.with_columns(pl.lit("=1+1").alias("address"))
    replace(linkage, persons=formula).double_persons(tmp_path / "doubles.csv", identifiable=True, least=1e-6)
    assert {row["first_address"] for row in read(tmp_path / "doubles.csv")} == {"'=1+1"}
