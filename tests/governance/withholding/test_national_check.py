"""The national check: the file has every number and nothing else, and the answer lacks those who opted out."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.withholding.national_check import export_national_check, national_opt_outs, read_national_check
from tests.naive_linkage import numbers

DAY = dt.date(2026, 3, 1)
AT = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
ONE, TWO, OLD, NEW = numbers(4)


def linkage() -> lc.Linkage:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [TWO, NEW, None]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [OLD, ONE, "9999999999", TWO, "0101299877"]}))
    superseded = pl.DataFrame({"old": [OLD], "new": [NEW]})
    return lc.link([gp, seen], exact=lc.Exact(usable=("valid",), superseded=superseded), fallback=None)


def export(path: Path, audit: Audit, reason: str = "before release") -> int:
    return export_national_check(linkage(), path, occasion=Occasion("analyst", AT, audit, reason))


def test_the_file_holds_every_number_once_in_the_form_that_the_service_takes(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    file = tmp_path / "ask.dat"
    assert export(file, audit) == 5
    # A Scottish number does not link here, but it belongs to somebody.
    expected = sorted([ONE, TWO, OLD, NEW, "0101299877"])
    assert file.read_bytes() == "".join(f"{number},\n" for number in expected).encode()
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert verify_audit(audit.path).lines == 1
    line = audit.path.read_text()
    assert '"numbers": 5' in line
    assert not any(number in line for number in expected)


def test_the_export_is_recorded_before_the_file_is_written(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    with pytest.raises(lc.LinkcoreError):
        export(tmp_path / "ask.dat", audit, reason=f"of {ONE}")
    assert not (tmp_path / "ask.dat").exists()


def test_another_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lc.ProgrammeError, match=r"\.dat"):
        export(tmp_path / "ask.csv", Audit(tmp_path / "audit.jsonl"))


def test_people_missing_from_the_answer_have_opted_out(tmp_path: Path) -> None:
    (tmp_path / "ask.dat").write_text(f"{ONE},\n{TWO},\n{NEW},\n")
    (tmp_path / "answer.dat").write_bytes(f"{TWO},\r\n".encode())
    found = national_opt_outs(tmp_path / "ask.dat", tmp_path / "answer.dat", as_of=DAY)
    assert found.in_force(DAY).to_list() == sorted([int(ONE), int(NEW)])
    assert found.asked is not None
    assert found.asked.to_list() == sorted([int(ONE), int(TWO), int(NEW)])


def test_an_empty_answer_means_that_everybody_opted_out(tmp_path: Path) -> None:
    (tmp_path / "answer.dat").write_text("")
    asked = pl.Series([int(ONE)])
    assert national_opt_outs(asked, tmp_path / "answer.dat", as_of=DAY).in_force(DAY).to_list() == [int(ONE)]


def test_an_answer_with_other_numbers_is_refused() -> None:
    with pytest.raises(lc.SourceError, match="1 numbers that were not asked about"):
        national_opt_outs(pl.Series([int(ONE)]), pl.Series([int(ONE), int(TWO)]), as_of=DAY)


@pytest.mark.parametrize("line", ["nhs_number,", f"{ONE},{TWO},", ONE[:9], f" {ONE},", "9999999999,", ""])
def test_a_wrong_line_is_refused_and_not_quoted(tmp_path: Path, line: str) -> None:
    file = tmp_path / "answer.dat"
    file.write_text(f"{TWO},\n{line}\n{TWO},\n")
    with pytest.raises(lc.SourceError, match="the first is line 2") as caught:
        read_national_check(file)
    assert ONE not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(lc.SourceError, match=r"nope\.dat"):
        read_national_check(tmp_path / "nope.dat")
