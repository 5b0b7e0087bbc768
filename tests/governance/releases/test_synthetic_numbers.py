"""Synthetic data are known by their NHS Numbers: none lies in a range that is issued to patients."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.identifiers.nhs_number import PLACEHOLDERS
from tests.governance.extracts import DAY, KEY, PURPOSE, linked, numbers, signed_and_audited, terms, withholding

TEST = numbers(999_000_100, 1000)
REAL = numbers(400_000_100, 1000)
# A hospital that wrote every number with another last digit: none of them passes the check.
MANGLED = [number[:9] + str((int(number[9]) + 1) % 10) for number in REAL]


def source(name: str, written: list[str | None], *, spine: bool = False) -> lc.Source:
    frame = pl.DataFrame({"nhs_number": pl.Series(written, dtype=pl.String), "cost": range(len(written))})
    return lc.Source(name, frame, spine=spine)


def released(tmp_path: Path, *sources: lc.Source) -> None:
    linkage = lc.link(sources, exact=lc.Exact(usable=("valid", "test")), fallback=None)
    columns = {each.name: ["cost"] for each in sources}
    lc.release(linkage, lc.Agreement("partner", KEY.id, columns), KEY, tmp_path / "out")


@pytest.mark.parametrize(
    "written",
    [
        TEST[:991] + REAL[:9],
        TEST[:999] + MANGLED[:1],
        [*TEST[:999], f"NHS no. {REAL[0][:3]}/{REAL[0][3:6]}/{REAL[0][6:]}"],
        [*TEST[:999], "".join(chr(65296 + int(digit)) for digit in MANGLED[0])],
    ],
)
def test_one_number_in_a_real_range_is_enough_to_refuse(tmp_path: Path, written: list[str | None]) -> None:
    with pytest.raises(lc.RefusedError, match="synthetic data only"):
        released(tmp_path, source("gp", written, spine=True))


@pytest.mark.parametrize("without", [[None] * 900, [TEST[0]] + [None] * 899, [str(each) for each in PLACEHOLDERS[1:9]]])
def test_a_source_without_numbers_is_synthetic_only_beside_a_spine_that_has_them(
    tmp_path: Path, without: list[str | None]
) -> None:
    with pytest.raises(lc.RefusedError, match="synthetic data only"):
        released(tmp_path, source("gp", TEST), source("care", without))
    with pytest.raises(lc.RefusedError, match="synthetic data only"):
        released(tmp_path, source("gp", TEST * 2), source("care", without, spine=True))
    released(tmp_path, source("gp", TEST, spine=True), source("care", without))


def test_real_records_without_numbers_outnumber_no_synthetic_spine(tmp_path: Path) -> None:
    with pytest.raises(lc.RefusedError, match="synthetic data only"):
        released(tmp_path, source("gp", TEST[:800], spine=True), source("care", [None] * 900))


def test_data_that_are_declared_synthetic_but_have_real_numbers_are_refused(tmp_path: Path) -> None:
    linkage = replace(linked(real=True), synthetic=True)
    agreement = lc.Agreement("partner", KEY.id, {"gp": ["SMOKER"]}, PURPOSE, terms=terms())
    stated = {"on": DAY, "withholding": withholding(linkage)}
    with pytest.raises(lc.RefusedError, match="declared synthetic, but gp and hospital have NHS Numbers"):
        lc.release(linkage, agreement, KEY, tmp_path / "out", **stated, **signed_and_audited(tmp_path))
    assert not (tmp_path / "out").exists()
