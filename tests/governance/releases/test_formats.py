"""Formats: each that an agreement can state can be written."""

import csv
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.governance.releases.formats import FORMATS, Format, count_rows, write_rows


def test_every_format_that_can_be_stated_is_there() -> None:
    assert list(FORMATS) == list(get_args(Format))


@pytest.mark.parametrize("kind", get_args(Format))
def test_a_format_writes_one_file_for_a_table_and_leaves_nothing_else(kind: Format, tmp_path: Path) -> None:
    files = {write_rows(pl.LazyFrame({"pseudonym": ["00ff"]}), tmp_path, source, kind) for source in ("gp", "stays")}
    assert set(tmp_path.iterdir()) == files
    assert len(files) == (1 if FORMATS[kind].one_file else 2)


def test_headers_of_csv_files_are_guarded_like_cells(tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "@SUM(1)", "+1", "-cost", "'quoted", "\tx", "＝1", "a\x1b[2J\u202eb", "plain"]
    file = write_rows(pl.LazyFrame({name: ["-x"] for name in names}), tmp_path, "gp", "csv")
    header, row = list(csv.reader(file.read_text("utf-8").splitlines()))
    assert header == [
        *("'=HYPERLINK(1)", "'@SUM(1)", "'+1", "'-cost", "''quoted", r"\tx", "'＝1", r"a\x1b[2J\u202eb", "plain"),
    ]
    assert row == ["'-x"] * len(names)


def test_headers_that_would_be_the_same_are_refused(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"a\x1b": ["x"], r"a\x1b": ["y"]})
    with pytest.raises(ProgrammeError, match="two columns have the same header"):
        write_rows(rows, tmp_path, "gp", "csv")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_are_counted_in_this_file_and_not_in_one_that_its_path_matches_as_a_pattern(
    kind: Format, tmp_path: Path
) -> None:
    for name, rows in (("rel[1]", 2), ("rel1", 3)):
        (tmp_path / name).mkdir()
        write_rows(pl.LazyFrame({"cost": range(rows)}), tmp_path / name, "gp", kind)
    assert count_rows(tmp_path / "rel[1]" / f"gp.{kind}", "gp") == 2
