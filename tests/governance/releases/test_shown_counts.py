"""The counts in a manifest: two of them beside each other tell no more than the report."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.disclosure.disclosed import disclosed
from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT
from linkcore.governance.releases.derived import Derived
from linkcore.governance.releases.formats import count_rows
from linkcore.governance.withholding.withholding import Withholding
from linkcore.report.write import with_withholding
from tests.governance.extracts import DAY, KEY, OTHER, PURPOSE, linked, terms, withholding

COLUMNS: dict[str, list[str]] = {"gp": ["SMOKER"], "hospital": []}
# Figures that count neither persons nor records; k says how many are alike, and not who.
NO_COUNTS = {"format", "key_version", "k", "classes"}


def numbers_in(stated: Any, name: str = "") -> Iterator[int]:
    if isinstance(stated, dict):
        for key, value in stated.items():
            yield from numbers_in(value, key)
    elif isinstance(stated, list):
        for value in stated:
            yield from numbers_in(value, name)
    elif isinstance(stated, int) and not isinstance(stated, bool) and name not in NO_COUNTS:
        yield stated


def manifest(folder: Path, without: range = range(0), **changes: Any) -> dict[str, Any]:
    """The manifest of a release that withholds some rows."""
    purpose = changes.get("purpose", PURPOSE)
    stated: dict[str, Any] = {"columns": COLUMNS, "purpose": PURPOSE, "terms": terms()}
    kept = withholding(linked(), without=without, purpose=purpose)
    agreement = lc.Agreement("partner", KEY.id, **(stated | changes))
    released = lc.release(linked(), agreement, KEY, folder, on=DAY, withholding=kept)
    return dict(lc.verify_release(released.folder))


@pytest.mark.parametrize("form", ["parquet", "csv", "duckdb"])
def test_two_manifests_do_not_tell_how_many_opted_out(tmp_path: Path, form: str) -> None:
    """One purpose is exempt from the national opt-out; the difference of the rows is the count shown as *."""
    exempt = manifest(tmp_path / "exempt", format=form)
    applied = manifest(tmp_path / "applied", range(3), format=form)
    assert [row["records"] for row in applied["withheld"]["records"]] == ["*", "*"]
    for stated in (exempt, applied):
        assert all(not number % ROUND_TO and (number >= SMALLEST_COUNT or not number) for number in numbers_in(stated))
        # A CSV file of pseudonyms has as many bytes a row as another.
        assert all(file.keys() == {"file", "source", "rows", "columns", "sha256"} for file in stated["files"])
    rows = {file["source"]: file["rows"] for file in applied["files"]}
    assert rows == {"gp": 20, "hospital": 70}  # 21 of 24, and 69 of 72


def test_the_recipient_counts_the_rows_in_the_file_itself(tmp_path: Path) -> None:
    for form in ("parquet", "csv", "duckdb"):
        stated = manifest(tmp_path / form, range(3), format=form)
        counted = {
            file["source"]: count_rows(tmp_path / form / file["file"], file["source"]) for file in stated["files"]
        }
        assert counted == {"gp": 21, "hospital": 69}


def test_a_file_that_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gp.parquet").write_bytes(b"nothing")
    with pytest.raises(lc.SourceError, match=r"gp\.parquet"):
        count_rows(tmp_path / "gp.parquet", "gp")


def test_the_persons_who_are_alike_are_counted_under_the_same_control(tmp_path: Path) -> None:
    derived = {"gp": {"sex": Derived("gender"), "district": Derived("postcode_district")}}
    stated = manifest(tmp_path, range(3), derived=derived)
    assert stated["anonymity"]["release"].keys() == {"k", "persons", "classes", "alone"}
    assert all(not number % ROUND_TO for number in numbers_in(stated["anonymity"]))
    assert stated["anonymity"]["release"]["persons"] == 20


def test_a_large_k_is_rounded_down_since_it_can_be_a_count_of_everybody(tmp_path: Path) -> None:
    everybody_alike = {"gp": {"sex": Derived("gender")}}
    stated = manifest(tmp_path, range(3), derived=everybody_alike, cohort='SEX == "1"')
    assert stated["anonymity"]["release"]["k"] == 10  # of 11


def test_the_basis_has_no_count(tmp_path: Path) -> None:
    kept = withholding(linked())
    told = {"national": "applied: a list, as of 2026-04-14; 3 of them have no number that can be read"}
    counted = Withholding(kept.kept, kept.counts, told, on=DAY, purpose=PURPOSE)
    agreement = lc.Agreement("partner", KEY.id, COLUMNS, PURPOSE, terms=terms())
    stated = lc.release(linked(), agreement, KEY, tmp_path / "out", on=DAY, withholding=counted).manifest
    assert stated["withheld"]["basis"]["national"].endswith("; some of them have no number that can be read")


def test_a_manifest_shows_what_the_report_of_its_run_shows(tmp_path: Path) -> None:
    """With a second purpose, the report suppresses all of its counts; so does the manifest."""
    withheld = [withholding(linked(), without=range(10)), withholding(linked(), without=range(13), purpose="research")]
    report = disclosed(with_withholding(linked().quality, withheld))
    agreement = lc.Agreement("other", OTHER.id, COLUMNS, "research", terms=terms())
    stated = lc.release(
        replace(linked(), quality=report), agreement, OTHER, tmp_path / "out", on=DAY, withholding=withheld[1]
    ).manifest
    assert report.withheld.filter(purpose="research")["records"].null_count() == report.withheld.height / 2
    assert {row["records"] for row in stated["withheld"]["records"]} == {"*"}
    assert {file["rows"] for file in stated["files"]} == {"*"}
    assert pl.read_parquet(tmp_path / "out" / "gp.parquet").height == 11


def test_a_report_without_the_purpose_is_refused(tmp_path: Path) -> None:
    agreement = lc.Agreement("partner", KEY.id, COLUMNS, PURPOSE, terms=terms())
    linkage = replace(linked(), quality=disclosed(linked().quality))
    with pytest.raises(lc.ProgrammeError, match="only disclosed counts"):
        lc.release(linkage, agreement, KEY, tmp_path / "out", on=DAY, withholding=withholding(linkage))
