"""Herefordshire and Worcestershire: two stages, several partners, sensitive records, subject access."""

import json

import polars as pl

from tests.programmes.every_programme import EveryProgramme, Leaver
from tests.programmes.exits import NOBODY
from tests.programmes.leaks import leaks, wanted
from tests.programmes.running import material, pseudonym, released


class TestHerefordshireWorcestershire(EveryProgramme):
    name = "herefordshire_worcestershire"


def test_extracts_have_codes_instead_of_numbers_and_pseudonyms_are_the_second_stage(exits: Leaver) -> None:
    running = exits("herefordshire_worcestershire").running
    assert running.linkage.persons["nhs_number"].drop_nulls().min() > 1 << 60  # codes are above all numbers
    code = running.expected["subject"]["code"]
    gp = set(released(running.run.releases["University of Worcester"].folder, "gp")["pseudonym"])
    council = set(released(running.run.releases["Herefordshire Council"].folder, "gp")["pseudonym"])
    assert pseudonym("uow-2026", code) in gp
    assert council <= {pseudonym("council-2026", each) for each in running.numbers_in("gp")}


def test_a_partner_with_an_expired_registration_gets_nothing_and_the_others_get_theirs(exits: Leaver) -> None:
    running = exits("herefordshire_worcestershire").running
    assert set(running.run.refused) == {"Analytics Start-up Ltd"}
    assert "its ICO registration expired on 2026-03-31" in running.run.refused["Analytics Start-up Ltd"]
    assert sorted(path.name for path in (running.run.folder / "releases").iterdir()) == ["council-2026", "uow-2026"]
    assert "REFUSED: agreement with 'Analytics Start-up Ltd'" in running.run.text()


def test_the_pilot_has_12_practices(exits: Leaver) -> None:
    running = exits("herefordshire_worcestershire").running
    lists = {code: set(each) for code, each in running.practices().items()}
    assert len(lists) == 15
    gp = set(released(running.run.releases["University of Worcester"].folder, "gp")["pseudonym"])
    present = {code for code, each in lists.items() if any(pseudonym("uow-2026", one) in gp for one in each)}
    assert present == {f"Z9{number:04}" for number in range(1, 13)}


def test_no_sensitive_code_leaves_and_no_row_of_its_appointment(exits: Leaver) -> None:
    running = exits("herefordshire_worcestershire").running
    listed = pl.read_csv(running.folder / "sensitive_codes.csv", infer_schema=False)["code"].str.replace(r"\.", "")
    folder = running.run.releases["University of Worcester"].folder
    entries, appointments = released(folder, "gp_entries"), released(folder, "gp_appointments")
    assert not entries["SNOMED"].is_in(listed.implode()).any()
    codes = released(folder, "inpatient")["PRIMARY_DIAGNOSIS"].drop_nulls().str.replace(r"\.", "")
    assert not codes.str.contains_any(["A549", "Z312", "F640", "B24"]).any()
    sent = pl.read_csv(running.folder / "sources" / "gp_entries.csv", infer_schema=False)
    bad = sent.filter(pl.col("SNOMED").is_in(listed.implode()))["APPOINTMENT_ID"].unique()
    hidden = {pseudonym("uow-2026", f"linkcore:column:APPOINTMENT_ID:{one}") for one in bad}
    assert len(hidden) > 10
    assert not hidden & {*entries["APPOINTMENT_ID"], *appointments["APPOINTMENT_ID"]}
    # The other appointments are there, with the same pseudonym in both sources.
    assert set(entries["APPOINTMENT_ID"]) <= set(appointments["APPOINTMENT_ID"])


def test_subject_access_shows_everything_that_is_held_and_released(exits: Leaver) -> None:
    left = exits("herefordshire_worcestershire")
    assert left.subject is not None
    assert dict(left.subject.records) == left.running.expected["subject"]["records"]
    answer = json.loads((left.folder / "subject-access.json").read_text("utf-8"))
    mine = {
        (each["recipient"], source): released(each_folder, source)
        .filter(pl.col("pseudonym") == pseudonym(each["key"], left.running.expected["subject"]["code"]))
        .height
        for each, each_folder in ((release.manifest, release.folder) for release in left.running.run.releases.values())
        for source in [file["source"] for file in each["files"]]
    }
    told = {(each["recipient"], file["source"]): file["rows"] for each in answer["releases"] for file in each["files"]}
    assert told == {place: rows for place, rows in mine.items() if rows}
    assert answer["opt_outs"]["objections"]["in_force"] is False


def test_subject_access_shows_no_other_persons_code(exits: Leaver) -> None:
    left = exits("herefordshire_worcestershire")
    text = (left.folder / "subject-access.json").read_text("utf-8")
    mine = left.running.expected["subject"]["code"]
    everybody = set(left.running.numbers_in("gp"))
    assert {code for code in everybody if code in text} == {mine}


def test_a_practice_is_told_the_codes_of_its_own_patients_only(exits: Leaver) -> None:
    left = exits("herefordshire_worcestershire")
    assert left.reidentified is not None
    practice = left.running.expected["practice"]
    gp = set(released(left.running.run.releases["University of Worcester"].folder, "gp")["pseudonym"])
    released_of_them = {code for code in practice["codes"] if pseudonym("uow-2026", code) in gp}
    assert set(left.reidentified["nhs_number"]) == released_of_them
    assert 1 < len(released_of_them) < len(gp)
    assert NOBODY not in set(left.reidentified["pseudonym"])


def test_subject_access_shows_no_other_persons_identifiers(exits: Leaver) -> None:
    left = exits("herefordshire_worcestershire")
    (file,) = left.carriers
    answer = json.loads(file.read_text("utf-8"))
    mine, *others = left.running.expected["sentinels"]
    assert set(answer) == {
        *("format", "at", "nhs_number", "persons", "records", "opt_outs", "releases"),
        "records_that_may_be_of_this_person_and_are_linked_to_another",
    }
    assert leaks([file], wanted(others, [material("uow-2026"), material("council-2026")])) == []
    assert mine["record_id"] in file.read_text("utf-8")
