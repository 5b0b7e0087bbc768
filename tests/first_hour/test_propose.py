"""`init` on seven messy extracts: its programme links as well as that of somebody who knows every column."""

import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.first_hour.propose import propose
from linkcore.programme.programme import Programme
from linkcore.quality.truth import judge_groups
from tests.first_hour.conftest import FirstHour


def proposed(folder: Path, *places: Path) -> dict[str, Any]:
    """The sources of the programme that init writes for a folder."""
    text = propose(places or [folder], folder=folder).text
    return {source["name"]: source for source in tomllib.loads(text)["source"]}


def judged(programme: Path, truth: pl.DataFrame) -> float:
    linkage = Programme.load(programme).link()
    links = [linkage.links.filter(source=name).with_columns(rows["row"]) for name, rows in linkage.rows.items()]
    records = pl.concat(links).join(truth, on=["source", "row"])
    assert records.height == truth.height
    return float(judge_groups(records).filter(over="records")["f1"].item())


def test_the_programme_links_as_well_as_the_right_one(first_hour: FirstHour, tmp_path: Path) -> None:
    shutil.copytree(first_hour.folder, tmp_path / "mine")
    guessed, right = tmp_path / "mine" / "guessed.toml", tmp_path / "mine" / "right.toml"
    guessed.write_text(first_hour.proposal.text, "utf-8")
    right.write_text(first_hour.right, "utf-8")
    Programme.load(guessed).check()
    assert judged(guessed, first_hour.truth) >= judged(right, first_hour.truth) - 0.002


def test_every_column_is_what_it_is(first_hour: FirstHour) -> None:
    guessed = {source["name"]: source for source in tomllib.loads(first_hour.proposal.text)["source"]}
    for source in tomllib.loads(first_hour.right)["source"]:
        own = guessed[source["name"]]
        assert own["columns"] == source["columns"]
        for key in ("data", "spine", "one_record_per_person", "encoding", "separator", "day_first", "events"):
            assert own.get(key) == source.get(key)
    assert guessed["gp_list"]["attributes"] == {"ethnic_group": "Ethnic Category", "deprivation": "IMD Decile"}
    assert guessed["gp_list"]["practice"] == "GP Practice Code"
    assert guessed["rxx_inpatient"]["record_id"] == "Spell No"


def renamed(file: Path, names: dict[str, str], to: Path) -> Path:
    frame = pl.read_csv(file, infer_schema=False)
    frame.rename(names).write_csv(to)
    return to


def test_values_suffice_without_names(first_hour: FirstHour, tmp_path: Path) -> None:
    source = first_hour.folder / "GP list.csv"
    names = pl.read_csv(source, n_rows=0).columns
    renamed(source, {name: f"C{number}" for number, name in enumerate(names)}, tmp_path / "people.csv")
    columns = proposed(tmp_path)["people"]["columns"]
    expected = {"nhs_number": 1, "birth_date": 4, "given_name": 2, "family_name": 3, "postcode": 7, "address": 6}
    assert columns == {identifier: f"C{number}" for identifier, number in expected.items()}


def test_a_contact_date_is_never_the_birth_date_whatever_it_is_called(first_hour: FirstHour, tmp_path: Path) -> None:
    shutil.copy(first_hour.folder / "GP list.csv", tmp_path)
    names = {"DOB": "Admitted", "Admitted": "DOB"}
    renamed(first_hour.folder / "RXX_inpatient.csv", names, tmp_path / "inpatient.csv")
    proposal = propose([tmp_path], folder=tmp_path)
    source = {each["name"]: each for each in tomllib.loads(proposal.text)["source"]}["inpatient"]
    assert source["columns"]["birth_date"] == "Admitted"
    assert any("'Admitted' is taken" in doubt.text for doubt in proposal.doubts)
    assert "# CHECK birth_date: column 'Admitted' is taken" in proposal.text


def test_a_contact_date_alone_is_not_mapped(first_hour: FirstHour, tmp_path: Path) -> None:
    shutil.copy(first_hour.folder / "GP list.csv", tmp_path)
    frame = pl.read_csv(first_hour.folder / "RXX_inpatient.csv", infer_schema=False).drop("DOB")
    frame.rename({"Admitted": "DOB"}).write_csv(tmp_path / "inpatient.csv")
    proposal = propose([tmp_path], folder=tmp_path)
    source = {each["name"]: each for each in tomllib.loads(proposal.text)["source"]}["inpatient"]
    assert "birth_date" not in source["columns"]
    assert any("'DOB' is left out: only" in doubt.text for doubt in proposal.doubts)


def test_rounded_numbers_are_told(first_hour: FirstHour, tmp_path: Path) -> None:
    frame = pl.read_csv(first_hour.folder / "nhs_111.csv", infer_schema=False)
    rounded = pl.concat_str(pl.col("NHS_NUMBER").str.head(1), pl.lit("."), pl.col("NHS_NUMBER").str.slice(1, 5))
    frame.with_columns(NHS_NUMBER=rounded + "E+09").write_csv(tmp_path / "calls.csv")
    proposal = propose([tmp_path], folder=tmp_path)
    assert "nhs_number" not in tomllib.loads(proposal.text)["source"][0]["columns"]
    assert any("a spreadsheet has rounded its numbers" in doubt.text for doubt in proposal.doubts)
    frame.with_columns(NHS_NUMBER=pl.col("NHS_NUMBER").str.head(6) + "0000").write_csv(tmp_path / "calls.csv")
    proposal = propose([tmp_path], folder=tmp_path)
    assert "nhs_number" not in tomllib.loads(proposal.text)["source"][0]["columns"]
    assert any("'NHS_NUMBER' is called so, but hardly any" in doubt.text for doubt in proposal.doubts)


def test_files_that_are_no_sources_are_told_and_left_out(first_hour: FirstHour, tmp_path: Path) -> None:
    shutil.copy(first_hour.folder / "GP list.csv", tmp_path)
    people = (first_hour.folder / "GP list.csv").read_text("utf-8-sig")
    (tmp_path / "titled.csv").write_text("List of patients\n\n" + people, "utf-8")
    (tmp_path / "headless.csv").write_text(people.partition("\n")[2], "utf-8")
    (tmp_path / "notes.docx").write_bytes(b"PK")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "codes.csv").write_text("code,meaning\n1,yes\n2,no\n", "utf-8")
    (tmp_path / "empty.csv").write_text("NHS_NO,DOB\n", "utf-8")
    numbers = pl.read_csv(first_hour.folder / "GP list.csv", infer_schema=False).select("NHS Number")
    numbers.head(50).write_csv(tmp_path / "opted_out.csv")
    proposal = propose([tmp_path], folder=tmp_path)
    assert [source["name"] for source in tomllib.loads(proposal.text)["source"]] == ["gp_list"]
    why = {Path(each.file).name: each.why for each in proposal.skipped}
    others = {"titled.csv", "headless.csv", "codes.csv", "empty.csv", "opted_out.csv"}
    assert set(why) == {"broken.parquet", "notes.docx", *others}
    assert "[opt_outs]" in why["opted_out.csv"]
    assert "row 2" in why["titled.csv"]
    assert "header" in why["headless.csv"]


def test_a_header_with_digits_is_a_header(first_hour: FirstHour, tmp_path: Path) -> None:
    renamed(first_hour.folder / "nhs_111.csv", {"CALL_SECONDS": "GAD-7"}, tmp_path / "calls.csv")
    assert "calls" in proposed(tmp_path)


def test_files_of_a_folder_that_are_alike_are_one_source(first_hour: FirstHour, tmp_path: Path) -> None:
    (tmp_path / "gp").mkdir()
    frame = pl.read_csv(first_hour.folder / "GP list.csv", infer_schema=False)
    for part in range(2):
        frame[part::2].write_csv(tmp_path / "gp" / f"part-{part}.csv")
    (tmp_path / "kept").mkdir()
    frame.write_csv(tmp_path / "kept" / "a.csv")
    (tmp_path / "kept" / "store.json").write_text("{}")  # a linkage is no source
    text = propose([tmp_path], folder=tmp_path).text
    (source,) = tomllib.loads(text)["source"]
    assert (source["name"], source["data"], source["spine"]) == ("gp", "gp/*.csv", True)
    (tmp_path / "programme.toml").write_text(text, "utf-8")
    assert len(Programme.load(tmp_path / "programme.toml").check()[0].files) == 2


def test_the_names_of_columns_have_no_power_over_the_file(first_hour: FirstHour, tmp_path: Path) -> None:
    hostile = {"Cost": 'x"\n[programme]\nsynthetic = true #', "DOB": 'DOB "born" \\ é', "Spell No": "😀 id"}
    frame = pl.read_csv(first_hour.folder / "RXX_inpatient.csv", infer_schema=False)
    frame.rename(hostile).write_parquet(tmp_path / "inpatient.parquet")
    (source,) = proposed(tmp_path).values()
    assert source["columns"]["birth_date"] == hostile["DOB"]
    assert source["record_id"] == hostile["Spell No"]


def test_somebody_is_asked_what_is_not_sure(first_hour: FirstHour) -> None:
    asked = []

    def ask(text: str, answers: Sequence[str], usual: str) -> str:
        asked.append(text)
        return "no" if answers == ["yes", "no"] else "ambulance" if "spine" in text else usual

    files = [first_hour.folder / name for name in ("ambulance.csv", "ed-2026.csv")]
    proposal = propose(files, folder=first_hour.folder, ask=ask)
    stated = tomllib.loads(proposal.text)
    assert [source["name"] for source in stated["source"] if source.get("spine")] == ["ambulance"]
    assert stated["programme"]["synthetic"] is False
    assert len(asked) == 3  # ed_2026's whole names are one of them
    assert proposal.doubts == ()


@pytest.mark.parametrize(
    ("place", "said"),
    [("nowhere.csv", "there is no file"), ("postgresql://me:secret@host/db", "address of a database")],
)
def test_what_is_not_there_is_refused(tmp_path: Path, place: str, said: str) -> None:
    with pytest.raises(ProgrammeError, match=said) as refused:
        propose([place if "://" in place else tmp_path / place], folder=tmp_path)
    assert "secret" not in str(refused.value)


def test_no_value_is_in_what_init_says(first_hour: FirstHour) -> None:
    proposal = first_hour.proposal
    said = "\n".join([proposal.text, *proposal.sources, *(doubt.text for doubt in proposal.doubts)])
    for file in first_hour.folder.glob("*.csv"):
        rows = file.read_bytes().decode("latin-1").splitlines()[1:]
        values = {value for row in rows for value in row.replace(";", ",").split(",") if len(value) > 6}
        assert not [value for value in values if value in said]


def test_the_example_of_a_recipient_is_a_recipient(first_hour: FirstHour, tmp_path: Path) -> None:
    shutil.copytree(first_hour.folder, tmp_path / "mine")
    head, mark, tail = first_hour.proposal.text.partition("# [[recipient]]\n")
    (tmp_path / "mine" / "programme.toml").write_text(head + (mark + tail).replace("# ", ""), "utf-8")
    programme = Programme.load(tmp_path / "mine" / "programme.toml")
    programme.check()
    columns = programme.agreements()[0].columns["rxx_inpatient"]
    assert columns == ("Admitted", "Length of Stay", "Primary Diagnosis", "Cost")
