"""The programme file: what is wrong is named by key and place."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import LinkcoreError, ProgrammeError, SourceError
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
    assert isinstance(exact.superseded, pl.DataFrame)
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
        (WHOLE[WHOLE.index("[[source]]") : WHOLE.index("[[recipient]]")], "", "source: is required"),
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


def test_a_programme_without_sources_is_refused(folder: Path) -> None:
    with pytest.raises(
        ProgrammeError, match=r"programme\.toml, source: there is none; state at least one \[\[source\]\]"
    ):
        load(folder, 'source = []\n[programme]\nname = "Example"\n')


OTHER_RECIPIENT = """
[[recipient]]
name = "other"
key = "other-2026"
[recipient.columns]
gp = ["ETHNIC"]
"""


class TestRecipients:
    def test_may_be_several(self, folder: Path) -> None:
        assert [each.recipient for each in load(folder, WHOLE + OTHER_RECIPIENT).agreements()] == ["partner", "other"]

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                "other-2026",
                "partner-2026",
                r"recipient: \[1\]\.key and \[2\]\.key are both 'partner-2026'; each has its own",
            ),
            ('"other"', '"partner"', r"recipient: \[1\]\.name and \[2\]\.name are both 'partner'; each has its own"),
        ],
    )
    def test_share_neither_name_nor_key(self, folder: Path, old: str, new: str, says: str) -> None:
        with pytest.raises(ProgrammeError, match=says) as caught:
            load(folder, WHOLE + OTHER_RECIPIENT.replace(old, new))
        assert str(folder / "programme.toml") in str(caught.value)


SECOND_SOURCE = """
[[source]]
name = "seen"
data = "gp.csv"
[source.columns]
nhs_number = "NHS"
[source.further]
PHONE = "exact"
"""


class TestCheck:
    def test_gives_the_sources_of_what_can_be_linked(self, folder: Path) -> None:
        assert [source.name for source in load(folder, WHOLE + SECOND_SOURCE).check()] == ["gp", "seen"]

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('"seen"', '"gp"', "two sources are called gp"),
            ('name = "seen"', 'name = "seen"\nspine = true', "gp, seen are all the spine"),
            ("[linkage]", "[linkage]\naccept = 7.0", "accept is 7.0"),
            ("[linkage]", '[linkage]\nmodel = "none.json"', r"none\.json is no trained model"),
            ('"superseded.csv"', '"none.csv"', r"numbers\.superseded: there is no file .*none\.csv"),
            ('gp = ["ETHNIC"]', 'gp = ["DIAGNOSIS"]', "has no columns .*DIAGNOSIS"),
            ('gp = ["ETHNIC"]', 'gp = ["PHONE"]', "identify people"),
        ],
    )
    def test_finds_what_could_not_be_linked_or_released(self, folder: Path, old: str, new: str, says: str) -> None:
        whole = WHOLE + SECOND_SOURCE
        assert old in whole
        programme = load(folder, whole.replace(old, new, 1))
        with pytest.raises(LinkcoreError, match=says):
            programme.check()

    def test_finds_one_further_identifier_of_two_kinds(self, folder: Path) -> None:
        programme = load(folder, WHOLE + SECOND_SOURCE.replace('"exact"', '"text"'))
        with pytest.raises(ProgrammeError, match="'PHONE' is 'exact' in source 'gp' and 'text' in source 'seen'"):
            programme.check()


class TestSuperseded:
    def test_a_file_that_is_not_there_is_named(self, folder: Path) -> None:
        (folder / "superseded.csv").unlink()
        with pytest.raises(ProgrammeError, match=r"numbers\.superseded: there is no file .*superseded\.csv"):
            load(folder, WHOLE).exact()

    def test_a_file_is_read_as_strictly_as_a_source(self, folder: Path) -> None:
        (folder / "superseded.csv").write_text("old,new\n401 023 2137\n")
        with pytest.raises(SourceError, match=r"numbers\.superseded.*superseded\.csv: row 1"):
            load(folder, WHOLE).exact()

    @pytest.mark.parametrize("before", ["", "\ufeff"])
    def test_a_byte_order_mark_is_no_part_of_a_name(self, folder: Path, before: str) -> None:
        (folder / "superseded.csv").write_text(f"{before}old,new\n401 023 2137,999 000 0018\n", "utf-8")
        superseded = load(folder, WHOLE).exact().superseded
        assert isinstance(superseded, pl.DataFrame)
        assert superseded.rows() == [(4010232137, 9990000018)]


class TestBrackets:
    def test_in_the_name_of_the_folder_are_no_pattern(self, folder: Path) -> None:
        named = folder / "ICS [2026]"
        named.mkdir()
        for file in ("gp.csv", "superseded.csv"):
            (folder / file).rename(named / file)
        for pattern in ("gp.csv", "g*.csv", "[g]p.csv"):
            (source,) = load(named, WHOLE.replace('"gp.csv"', f'"{pattern}"')).sources()
            assert source.files == (named / "gp.csv",)

    def test_in_an_absolute_place_are_as_the_file_states_them(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        (folder / "gp.csv").rename(elsewhere / "gp.csv")
        (source,) = load(folder, WHOLE.replace('"gp.csv"', f'"{elsewhere}/[g]p.csv"')).sources()
        assert source.files == (elsewhere / "gp.csv",)

    def test_in_the_name_of_a_file_that_is_there_are_no_pattern(self, folder: Path) -> None:
        named = folder / "[1]"
        named.mkdir()
        (folder / "gp.csv").rename(named / "gp[1].csv")
        (source,) = load(named, WHOLE.replace('"gp.csv"', '"gp[1].csv"')).sources()
        assert source.files == (named / "gp[1].csv",)


def test_paths_are_relative_to_the_file_not_to_where_it_is_called_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    programme = load(folder, WHOLE)
    assert programme.sources()[0].scan(["NHS"]).collect().equals(pl.DataFrame({"NHS": ["999 000 0018"]}))
