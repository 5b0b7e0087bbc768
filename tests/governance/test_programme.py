"""The programme file: what is wrong is named by key and place."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.governance.programme import Programme

WHOLE = """
[programme]
name = "Example"
synthetic = true
reference_date = 2026-03-31
seed = 3

[numbers]
usable = ["valid", "test"]
superseded = "superseded.csv"

[linkage]
conflicts = "keep"

[[source]]
name = "gp"
data = "gp.csv"
spine = true
record_id = "ID"
practice = "PRACTICE"
[source.columns]
nhs_number = "NHS"
[source.further]
PHONE = "exact"
[source.attributes]
ethnic_group = "ETHNIC"

[[recipient]]
name = "partner"
key = "partner-2026"
purpose = "a test"
[recipient.columns]
gp = ["ETHNIC"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gp.csv").write_text("ID,NHS,PRACTICE,PHONE,ETHNIC\n1,999 000 0018,L83001,1,A\n")
    (tmp_path / "superseded.csv").write_text("old,new\n401 023 2137,999 000 0018\n")
    return tmp_path


def load(folder: Path, text: str) -> Programme:
    (folder / "programme.toml").write_text(text)
    return Programme.load(folder / "programme.toml")


def test_a_whole_file_is_read_as_it_is_meant(folder: Path) -> None:
    programme = load(folder, WHOLE)
    (source,) = programme.sources()
    assert source.spine
    assert source.practice == "PRACTICE"
    assert source.identifier_columns == {"nhs_number": "NHS"}
    assert source.files == (folder / "gp.csv",)
    exact = programme.exact()
    assert exact.usable == ("valid", "test")
    assert exact.conflicts == "keep"
    assert exact.superseded is not None
    assert exact.superseded.rows() == [(4010232137, 9990000018)]
    (agreement,) = programme.agreements()
    assert (agreement.recipient, agreement.key, agreement.purpose) == ("partner", "partner-2026", "a test")
    assert programme.programme.reference_date == dt.date(2026, 3, 31)
    agreement.check([source])
    assert programme.link().links.select("method", "nhs_number_status").rows() == [("spine", "test")]


def test_the_fallback_can_be_left_out_or_set(folder: Path) -> None:
    assert load(folder, WHOLE).fallback() is not None
    stated = WHOLE.replace("[linkage]", '[linkage]\naccept = 0.95\nmemory = "1GB"')
    fallback = load(folder, stated).fallback()
    assert fallback is not None
    assert (fallback.accept, fallback.memory) == (0.95, "1GB")
    assert load(folder, WHOLE.replace("[linkage]", "[linkage]\nprobabilistic = false")).fallback() is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("spine = true", "spin = true", r"source\[1\]\.spin: no such key"),
        ("[linkage]", "[linking]", "linking: no such key"),
        ('name = "gp"\n', "", r"source\[1\]\.name: is required"),
        ('conflicts = "keep"', 'conflicts = "ignore"', "linkage.conflicts: Input should be 'fallback' or 'keep'"),
        ('PHONE = "exact"', 'PHONE = "telephone"', r"source\[1\]\.further\.PHONE: Input should be"),
        ("seed = 3", 'seed = "three"', "programme.seed: Input should be a valid integer"),
        ("seed = 3", "seed = ", "not a TOML file"),
        ("[programme]", 'folder = "/"\n[programme]', "folder: no such key"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_place(folder: Path, old: str, new: str, says: str) -> None:
    assert old in WHOLE
    with pytest.raises(ProgrammeError, match=says) as caught:
        load(folder, WHOLE.replace(old, new, 1))
    assert str(folder / "programme.toml") in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match="no such programme file"):
        Programme.load(tmp_path / "programme.toml")


def test_a_table_of_superseded_numbers_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "superseded.csv").unlink()
    with pytest.raises(ProgrammeError, match=r"numbers\.superseded: .*superseded\.csv cannot be read"):
        load(folder, WHOLE).exact()


def test_paths_are_relative_to_the_file_not_to_where_it_is_called_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    programme = load(folder, WHOLE)
    assert programme.sources()[0].scan(["NHS"]).collect().equals(pl.DataFrame({"NHS": ["999 000 0018"]}))
