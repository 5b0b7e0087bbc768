"""All faults of a programme file at once: each with its file, line and key, what is allowed, and what was meant."""

from pathlib import Path

import pytest

from linkcore.errors import LinkcoreError, ProgrammeError, SourceError
from linkcore.programme.programme import Programme

WRONG = """
[programme]
name = "X"
sed = 3
reference_date = "1 April"
[linkage]
conflicts = "fall-back"
[[source]]
name = "gp"
file = "x.csv"
delimiter = ";"
postcode = "HOME"
spine = "yeah"
[source.columns]
dob = "DOB"
[[source]]
name = "b"
data = [
 "a",
]
[opt_outs.national]
list = "a"
as_of = 2026-01-01
expected = "many"
[[recipient]]
name = "p"
key = "k"
columns = {gp = ["x"]}
cohort = {were = "age"}
[recipient.derived.gp]
born = "birth_yeer"
"""

FAULTS = """
line 4, programme.sed: no such key; did you mean seed?
line 5, programme.reference_date: must be a date, such as 2026-04-01
line 7, linkage.conflicts: must be "fallback" or "keep"; did you mean fallback?
line 8, source[1].data: is required
line 10, source[1].file: no such key; did you mean data?
line 11, source[1].delimiter: no such key; did you mean separator?
line 12, source[1].postcode: no such key; did you mean columns.postcode?
line 13, source[1].spine: must be true or false, without quotation marks
line 15, source[1].columns.dob: no such key; did you mean birth_date?
line 18, source[2].data: must be a text in quotation marks
line 24, opt_outs.national.expected: must be a whole number, or must be a list, such as ["a", "b"]
line 29, recipient[1].cohort.were: no such key; did you mean where?
"""


def load(folder: Path, text: str) -> Programme:
    (folder / "programme.toml").write_text(text)
    return Programme.load(folder / "programme.toml")


def test_all_faults_are_told_in_the_words_of_toml(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError) as caught:
        load(tmp_path, WRONG)
    *told, last = (fault.removeprefix(f"{tmp_path / 'programme.toml'}, ") for fault in caught.value.faults)
    assert told == FAULTS.strip().splitlines()
    assert last.startswith('line 31, recipient[1].derived.gp.born.kind: must be "age" or "birth_year" or ')
    assert last.endswith("; did you mean birth_year?")
    assert str(caught.value).splitlines() == list(caught.value.faults)


@pytest.mark.parametrize(
    ("table", "guessed", "ours"),
    [
        ("source", "delimiter", "separator"),
        ("source", "path", "data"),
        ("source", "id", "record_id"),
        ("source.columns", "date_of_birth", "birth_date"),
        ("source.columns", "surname", "family_name"),
        ("source.columns", "sex", "gender"),
        ("source.columns", "post_code", "postcode"),
        ("audit", "path", "file"),
        ("opt_outs.national", "date", "as_of"),
    ],
)
def test_keys_that_people_guess_are_answered(tmp_path: Path, table: str, guessed: str, ours: str) -> None:
    header = "[[source]]" if table == "source" else f'[[source]]\nname = "gp"\ndata = "x"\n[{table}]'
    with pytest.raises(ProgrammeError, match=rf"\.{guessed}: no such key; did you mean {ours}\?"):
        load(tmp_path, f'[programme]\nname = "X"\n{header}\n{guessed} = "x"\n')


def test_a_key_that_resembles_nothing_is_told_which_keys_there_are(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match=r"audit\.zzz: no such key; there are file, key"):
        load(tmp_path, '[programme]\nname = "X"\n[[source]]\nname = "gp"\ndata = "x"\n[audit]\nzzz = 1')


OPENED = """
[programme]
name = "Example"
synthetic = true
[linkage]
probabilistic = false
work = "nowhere"
[[source]]
name = "gp"
data = "gp.csv"
spine = true
columns = {nhs_number = "NHS", birth_date = "BRON"}
[[source]]
name = "hospital"
data = "hospital.csv"
columns = {nhs_number = "NUMBER", postcode = "HOME"}
[[source]]
name = "ambulance"
data = "none.csv"
[opt_outs.excluded]
list = "nobody.csv"
as_of = 2026-04-01
[[recipient]]
name = "one"
key = "one"
columns = {gp = ["BORN"]}
[[recipient]]
name = "two"
key = "two"
columns = {other = ["SEEN"]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gp.csv").write_text("NHS,BORN,SEEN\n999 000 0018,1980-01-02,3\n")
    (tmp_path / "hospital.csv").write_text("NHS,COST\n999 000 0018,7\n")
    return tmp_path


def test_the_faults_of_all_sources_and_files_are_told(folder: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load(folder, OPENED).check()
    told = [fault.removeprefix(f"{folder / 'programme.toml'}, ") for fault in caught.value.faults]
    for line, key, says in (
        (8, "source[1]", "no column 'BRON', which columns['birth_date'] names (did you mean 'BORN'?)"),
        (13, "source[2]", "no column 'NUMBER', which columns['nhs_number'] names; its columns are NHS, COST"),
        (13, "source[2]", "no column 'HOME'"),
        (17, "source[3]", "no file matches"),
        (7, "linkage.work", "there is no folder"),
        (21, "opt_outs.excluded.list", "there is no file"),
    ):
        assert [fault for fault in told if fault.startswith(f"line {line}, {key}: ") and says in fault], (key, says)
    assert len(told) == 6


def test_the_faults_of_all_recipients_are_told(folder: Path) -> None:
    (folder / "nobody.csv").write_text("nhs_number\n")
    (folder / "nowhere").mkdir()
    opened = OPENED.replace("BRON", "BORN").replace("NUMBER", "NHS").replace(', postcode = "HOME"', "")
    (folder / "none.csv").write_text("nhs_number\n999 000 0018\n")
    with pytest.raises(LinkcoreError) as caught:
        load(folder, opened).check()
    one, two = caught.value.faults
    assert "line 23, recipient[1]: agreement with 'one', source 'gp': ['BORN'] identify people" in one
    assert "line 27, recipient[2]: agreement with 'two', source 'other': there is no such source" in two
