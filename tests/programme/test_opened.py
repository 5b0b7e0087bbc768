"""What a programme file names is opened: sources, settings, lists, by paths relative to the file."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import ProgrammeError, SourceError
from tests.programme.programmes import WHOLE, load


def test_a_whole_file_is_read(folder: Path) -> None:
    programme = load(folder, WHOLE)
    (source,) = programme.sources()
    assert source.spine
    assert source.practice == "PRACTICE"
    assert source.events == {"start": "SEEN"}
    assert source.identifier_columns == {"nhs_number": "NHS"}
    assert source.files == (folder / "gp.csv",)
    exact = programme.exact()
    assert exact.usable == ("valid", "test")
    assert exact.conflicts == "keep"
    assert isinstance(exact.superseded, pl.DataFrame)
    assert exact.superseded.rows() == [(4010232137, 9990000018)]
    (agreement,) = programme.agreements()
    assert (agreement.recipient, agreement.key, agreement.purpose) == ("partner", "partner-2026", "a test")
    assert programme.programme.reference_date == dt.date(2026, 3, 31)
    agreement.check([source])
    assert programme.link().links.select("method", "nhs_number_status").rows() == [("spine", "test")]


def test_the_fallback_can_be_left_out_or_configured(folder: Path) -> None:
    assert load(folder, WHOLE).fallback() is not None
    stated = WHOLE.replace("[linkage]", '[linkage]\naccept = 0.95\nmemory = "1GB"')
    fallback = load(folder, stated).fallback()
    assert fallback is not None
    assert (fallback.accept, fallback.memory) == (0.95, "1GB")
    assert load(folder, WHOLE.replace("[linkage]", "[linkage]\nprobabilistic = false")).fallback() is None


class TestSuperseded:
    def test_a_missing_file_is_named(self, folder: Path) -> None:
        (folder / "superseded.csv").unlink()
        with pytest.raises(ProgrammeError, match=r"numbers\.superseded: there is no file .*superseded\.csv"):
            load(folder, WHOLE).exact()

    def test_a_file_is_read_as_strictly_as_a_source(self, folder: Path) -> None:
        (folder / "superseded.csv").write_text("old,new\n401 023 2137\n")
        with pytest.raises(SourceError, match=r"numbers\.superseded.*superseded\.csv: row 1"):
            load(folder, WHOLE).exact()

    @pytest.mark.parametrize("before", ["", "\ufeff"])
    def test_a_byte_order_mark_is_not_part_of_a_name(self, folder: Path, before: str) -> None:
        (folder / "superseded.csv").write_text(f"{before}old,new\n401 023 2137,999 000 0018\n", "utf-8")
        superseded = load(folder, WHOLE).exact().superseded
        assert isinstance(superseded, pl.DataFrame)
        assert superseded.rows() == [(4010232137, 9990000018)]


class TestBrackets:
    def test_in_the_name_of_the_folder_are_not_a_pattern(self, folder: Path) -> None:
        named = folder / "ICS [2026]"
        named.mkdir()
        for file in ("gp.csv", "superseded.csv"):
            (folder / file).rename(named / file)
        for pattern in ("gp.csv", "g*.csv", "[g]p.csv"):
            (source,) = load(named, WHOLE.replace('"gp.csv"', f'"{pattern}"')).sources()
            assert source.files == (named / "gp.csv",)

    def test_in_an_absolute_path_are_a_pattern(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        (folder / "gp.csv").rename(elsewhere / "gp.csv")
        (source,) = load(folder, WHOLE.replace('"gp.csv"', f'"{elsewhere}/[g]p.csv"')).sources()
        assert source.files == (elsewhere / "gp.csv",)

    def test_in_the_name_of_an_existing_file_are_not_a_pattern(self, folder: Path) -> None:
        named = folder / "[1]"
        named.mkdir()
        (folder / "gp.csv").rename(named / "gp[1].csv")
        (source,) = load(named, WHOLE.replace('"gp.csv"', '"gp[1].csv"')).sources()
        assert source.files == (named / "gp[1].csv",)


def test_paths_are_relative_to_the_file_and_not_to_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    programme = load(folder, WHOLE)
    assert programme.sources()[0].scan(["NHS"]).collect().equals(pl.DataFrame({"NHS": ["999 000 0018"]}))
