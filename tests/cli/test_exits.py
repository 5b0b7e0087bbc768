"""Exits with identifiers: each answers only those who may know, and is recorded first."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import linkcore as lc
from tests.cli.commands import (
    DAY,
    PASSPHRASE,
    PEOPLE,
    PRACTICES,
    WHO,
    actions,
    done,
    lines,
    number,
    pseudonyms,
    rows,
    run,
    state,
)

NOBODY = "0" * 32


@pytest.fixture(autouse=True)
def _still_running(programme: Path) -> None:
    # These commands use the current day.
    state(programme, "ends = 2026-12-31", "ends = 2199-12-31")


def listed(file: Path, people: list[str], column: str = "nhs_number") -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([column, *people]) + "\n", "utf-8")
    return file


def test_a_practice_is_told_about_its_own_patients_only(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    asked = listed(tmp_path / "asked.csv", [*pseudonyms(key, PEOPLE), NOBODY], "pseudonym")
    everybody = listed(tmp_path / "everybody.csv", PEOPLE, "NHS")
    arguments = (
        *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--requester", "B82002"),
        *("--pseudonyms", asked, "--list", everybody, "--list-column", "NHS", "--out", tmp_path / "answer.csv"),
    )
    said = done(*arguments, passphrase=PASSPHRASE)
    answer = rows(tmp_path / "answer.csv")
    assert [row["nhs_number"] for row in answer] == PRACTICES["B82002"]
    assert (tmp_path / "answer.csv").stat().st_mode & 0o777 == 0o600
    assert not [one for one in PEOPLE if one in said]
    last = lines(programme / "audit.jsonl")[-1]
    assert last["details"]["outcome"] == "answered"
    # The limit of 42 a day counts from the audit log.
    done(*arguments, passphrase=PASSPHRASE)
    refused = run(*arguments[:-1], tmp_path / "more.csv", passphrase=PASSPHRASE)
    assert (refused.returncode, "42 earlier today, and at most 42 a day" in refused.stderr) == (4, True)
    assert lines(programme / "audit.jsonl")[-1]["details"]["outcome"] == "refused, above the limit"
    assert not (tmp_path / "more.csv").exists()


@pytest.mark.parametrize("file", ["audit.jsonl", "audit.jsonl.head", "programme.toml", "gp.csv", "keyring", "list.csv"])
@pytest.mark.parametrize("command", ["reidentify", "subject-access"])
def test_an_answer_replaces_no_file_that_is_not_an_earlier_answer(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path, *, command: str, file: str
) -> None:
    out = keyring if file == "keyring" else tmp_path / file if file == "list.csv" else programme / file
    asked = listed(tmp_path / "asked.csv", pseudonyms(key, PEOPLE), "pseudonym")
    everybody = listed(tmp_path / "list.csv", PEOPLE)
    arguments = {
        "reidentify": (
            *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--requester", "B82002"),
            *("--pseudonyms", asked, "--list", everybody),
        ),
        "subject-access": ("subject-access", programme, "--keyring", keyring, *WHO),
    }[command]
    done(*arguments, "--out", tmp_path / "answer", passphrase=PASSPHRASE, stdin=PEOPLE[0])
    before = out.read_bytes()
    refused = run(*arguments, "--out", out, passphrase=PASSPHRASE, stdin=PEOPLE[0])
    assert (refused.returncode, "choose another" in refused.stderr) == (2, True)
    assert lines(programme / "audit.jsonl")[-1]["details"]["outcome"].startswith("refused")
    if out.suffix in (".jsonl", ".head"):  # the refusal is in the log
        assert out.read_bytes().startswith(before) or file.endswith("head")
        done("audit", "verify", programme / "audit.jsonl")
    else:
        assert out.read_bytes() == before


def test_an_answer_does_not_replace_the_list_that_it_was_asked_with(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    both = listed(
        tmp_path / "both.csv",
        [",".join(row) for row in zip(pseudonyms(key, PEOPLE), PEOPLE, strict=True)],
        "pseudonym,nhs_number",
    )
    before = both.read_bytes()
    refused = run(
        *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--requester", "B82002"),
        *("--pseudonyms", both, "--list", both, "--out", both),
        passphrase=PASSPHRASE,
    )
    assert (refused.returncode, "is a file of the programme, or is read" in refused.stderr) == (2, True)
    assert both.read_bytes() == before


def test_a_provider_is_told_about_people_in_its_own_extract(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    done(
        *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--requester", "RH8"),
        *("--pseudonyms", listed(tmp_path / "asked.csv", pseudonyms(key, PEOPLE), "pseudonym")),
        *("--list", listed(tmp_path / "list.csv", PEOPLE), "--out", tmp_path / "answer.csv"),
        passphrase=PASSPHRASE,
    )
    answer = rows(tmp_path / "answer.csv")
    assert [row["nhs_number"] for row in answer] == PEOPLE[::2]


def test_a_destroyed_key_re_identifies_nobody(programme: Path, keyring: Path, key: lc.Key, tmp_path: Path) -> None:
    for action in (("retire", "partner-2026"), ("destroy", "partner-2026", "--version", 1)):
        done("keys", *action, "--keyring", keyring, passphrase=PASSPHRASE)
    refused = run(
        *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--requester", "B82002"),
        *("--pseudonyms", listed(tmp_path / "asked.csv", pseudonyms(key, PEOPLE), "pseudonym")),
        *("--list", listed(tmp_path / "list.csv", PEOPLE), "--out", tmp_path / "answer.csv"),
        passphrase=PASSPHRASE,
    )
    assert (refused.returncode, "'partner-2026' was not given, or was destroyed" in refused.stderr) == (4, True)
    last = lines(programme / "audit.jsonl")[-1]
    assert (last["action"], last["details"]) == (
        "reidentification",
        {"requester": "B82002", "outcome": "refused, key"},
    )


def test_nobody_asks_whom_the_programme_file_does_not_name(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    arguments = (
        *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO),
        *("--pseudonyms", listed(tmp_path / "asked.csv", pseudonyms(key, PEOPLE), "pseudonym")),
        *("--list", listed(tmp_path / "list.csv", PEOPLE), "--out", tmp_path / "answer.csv"),
    )
    refused = run(*arguments, "--requester", "C83003", passphrase=PASSPHRASE)
    assert (refused.returncode, "state [requesters.C83003] in the programme file" in refused.stderr) == (4, True)
    assert lines(programme / "audit.jsonl")[-1]["details"] == {
        "requester": "C83003",
        "outcome": "refused, unknown requester",
    }
    # A text that may be an identifier is not recorded, but the request is.
    refused = run(*arguments, "--requester", number(900), passphrase=PASSPHRASE)
    assert (refused.returncode, "an ODS code has 3 to 10" in refused.stderr) == (2, True)
    assert lines(programme / "audit.jsonl")[-1]["details"] == {"outcome": "refused, wrong usage"}
    assert number(900) not in (programme / "audit.jsonl").read_text()
    # A request says nothing about whose patients it may ask about.
    assert run(*arguments, "--requester", "B82002", "--source", "gp", passphrase=PASSPHRASE).returncode == 2
    assert not (tmp_path / "answer.csv").exists()


AT_ITS_FIRST_NAME = """
import os, signal, sys
def interfere(event, arguments):
    if event in ("os.link", "os.rename") and "answer.csv" in str(arguments):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(interfere)
from linkcore.cli import main
main(sys.argv[1:])
"""


def test_a_killed_re_identification_leaves_no_part_of_its_answer(programme: Path, key: lc.Key, tmp_path: Path) -> None:
    key.write(tmp_path / "key.json")
    arguments = (
        *("reidentify", programme, "--recipient", "Partner", "--key-file", tmp_path / "key.json", *WHO),
        *("--requester", "B82002", "--pseudonyms", listed(tmp_path / "p.csv", pseudonyms(key, PEOPLE), "pseudonym")),
        *("--list", listed(tmp_path / "list.csv", PEOPLE), "--out", tmp_path / "out" / "answer.csv"),
    )
    command = [sys.executable, "-c", AT_ITS_FIRST_NAME, *map(str, arguments)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert lines(programme / "audit.jsonl")[-1]["details"]["outcome"] == "answered"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_scores_go_to_the_practices_and_providers_whose_patients_were_scored(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    scores = tmp_path / "scores.csv"
    sent = [f"{one},{at / 100},x\n" for at, one in enumerate([*pseudonyms(key, PEOPLE), NOBODY])]
    scores.write_text("".join(["id,RISK,OTHER\n", *sent]))
    for code in (*PRACTICES, "RH8"):
        listed(tmp_path / "lists" / f"{code}.csv", PEOPLE)
    said = done(
        *("return", programme, "--recipient", "Partner", "--keyring", keyring, *WHO),
        *("--scores", scores, "--pseudonym-column", "id", "--score", "RISK", "--lists", tmp_path / "lists"),
        *("--out", tmp_path / "returned"),
        passphrase=PASSPHRASE,
    )
    for code, people in {**PRACTICES, "RH8": PEOPLE[::2]}.items():
        answer = rows(tmp_path / "returned" / f"{code}.csv")
        assert {row["nhs_number"]: float(row["RISK"]) for row in answer} == {
            one: PEOPLE.index(one) / 100 for one in people
        }
        assert set(answer[0]) == {"nhs_number", "RISK", "superseded_why", "superseded_on"}
    assert "1 of 21 pseudonyms stand for nobody on the lists" in said
    assert actions(programme / "audit.jsonl")[-3:] == ["score_return"] * 3


def test_scores_for_an_unknown_organisation_are_refused(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    scores = listed(tmp_path / "scores.csv", [f"{one},1" for one in pseudonyms(key, PEOPLE)], "pseudonym,RISK")
    for code in ("A81001", "RH9"):
        listed(tmp_path / "lists" / f"{code}.csv", PEOPLE)
    refused = run(
        *("return", programme, "--recipient", "Partner", "--keyring", keyring, *WHO),
        *("--scores", scores, "--score", "RISK", "--lists", tmp_path / "lists", "--out", tmp_path / "returned"),
        passphrase=PASSPHRASE,
    )
    assert (refused.returncode, "RH9 is no known requester" in refused.stderr) == (4, True)
    (line,) = [line for line in lines(programme / "audit.jsonl") if line["action"] == "score_return"]
    assert (line["details"]["requester"], line["details"]["outcome"]) == ("RH9", "refused, unknown requester")
    assert not (tmp_path / "returned").exists()


def test_subject_access_takes_the_number_from_stdin_and_looks_into_releases(
    programme: Path, keyring: Path, tmp_path: Path
) -> None:
    person = PEOPLE[4]
    arguments = ("subject-access", programme, *WHO, "--release", programme / "release", "--keyring", keyring, "--out")
    said = done(*arguments, tmp_path / "all.json", passphrase=PASSPHRASE, stdin=f"{person[:3]} {person[3:]}\n")
    answer = json.loads((tmp_path / "all.json").read_text())
    assert [row["row"]["SURNAME"] for row in answer["records"]["gp"]] == ["Surname4"]
    assert [one["rows"] for one in answer["releases"][0]["files"]] == [1, 1]
    assert person not in said
    assert "subject_access" in actions(programme / "audit.jsonl")
    assert person not in (programme / "audit.jsonl").read_text()
    refused = run(*arguments, tmp_path / "none.json", passphrase=PASSPHRASE, stdin="not a number\n")
    assert (refused.returncode, "this is not an NHS Number" in refused.stderr) == (2, True)
    assert not (tmp_path / "none.json").exists()
    assert lines(programme / "audit.jsonl")[-1]["details"] == {"releases": 1, "outcome": "refused, wrong usage"}


def test_what_subject_access_says_does_not_tell_whether_anything_is_held(programme: Path, tmp_path: Path) -> None:
    log = programme / "audit.jsonl"
    said, recorded = [], []
    for person in (PEOPLE[4], number(900)):
        arguments = ("subject-access", programme, *WHO, "--out", tmp_path / "all.json")
        said.append(done(*arguments, stdin=f"{person}\n"))
        line = lines(log)[-1]
        recorded.append((line["action"], line["reason"], line["details"].keys(), line["details"]["outcome"]))
        answer = json.loads((tmp_path / "all.json").read_text())
        assert [len(rows) for rows in answer["records"].values()] == ([1, 1] if person in PEOPLE else [0, 0])
        assert person not in log.read_text()
    assert said[0] == said[1]
    assert recorded[0] == recorded[1]


@pytest.mark.parametrize("command", ["reidentify", "return"])
def test_after_its_end_a_programme_tells_nobody_anything(
    programme: Path, key: lc.Key, tmp_path: Path, command: str
) -> None:
    state(programme, "ends = 2199-12-31", "ends = 2026-04-15")
    key.write(tmp_path / "key.json")
    of = {
        "reidentify": ("--requester", "B82002", "--pseudonyms", "p.csv", "--list", "l.csv"),
        "return": ("--scores", "s.csv", "--score", "RISK", "--lists", "lists"),
    }
    refused = run(
        *(command, programme, "--recipient", "Partner", "--key-file", tmp_path / "key.json", *WHO),
        *of[command],
        *("--out", tmp_path / "out"),
    )
    assert (refused.returncode, "ended on 2026-04-15" in refused.stderr) == (4, True)
    last = lines(programme / "audit.jsonl")[-1]
    assert (last["action"], last["details"]["outcome"]) == (
        {"reidentify": "reidentification", "return": "score_return"}[command],
        "refused",
    )


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (["opt-outs", "export"], "opt_outs_export"),
        (["explain", "--identifiable", "--source", "gp", "--record-id", "0"], "explanation"),
        (["clerical-review", "--identifiable"], "clerical_review"),
        (["withdrawals", "--release", "release", "--key-file", "key.json"], "withdrawals"),
    ],
)
def test_other_exits_need_a_reason_and_record_what_they_refuse_too(
    programme: Path, command: list[str], action: str
) -> None:
    split = 2 if command[0] == "opt-outs" else 1
    unsaid = ("--actor", "team", "--reason", " ", "--out", "never.dat")
    refused = run(*command[:split], programme, *command[split:], *unsaid)
    assert (refused.returncode, "--reason: say why" in refused.stderr) == (4, True)
    assert lines(programme / "audit.jsonl")[-1]["details"] == {"outcome": "refused, no reason"}
    state(programme, "ends = 2199-12-31", "ends = 2026-04-15")
    refused = run(*command[:split], programme, *command[split:], *WHO, "--out", "never.dat")
    assert (refused.returncode, "ended on 2026-04-15" in refused.stderr) == (4, True)
    last = lines(programme / "audit.jsonl")[-1]
    assert (last["action"], last["details"]) == (action, {"outcome": "refused"})


@pytest.mark.parametrize(
    "command",
    [
        ["reidentify", "--requester", "B82002", "--pseudonyms", "asked.csv", "--list", "lists/B82002.csv"],
        ["return", "--scores", "asked.csv", "--score", "RISK", "--lists", "lists"],
        ["subject-access"],
        ["opt-outs export"],
        ["withdrawals", "--release", "release"],
        ["explain", "--identifiable", "--source", "gp", "--record-id", "0"],
        ["release"],
        ["run"],
    ],
    ids=lambda command: command[0],
)
def test_nothing_leaves_that_cannot_be_recorded(
    programme: Path, key: lc.Key, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(programme)
    key.write(Path("key.json"))
    Path("asked.csv").write_text("pseudonym,RISK\n" + "".join(f"{one},1\n" for one in pseudonyms(key, PEOPLE)))
    listed(Path("lists", "B82002.csv"), PEOPLE)
    name = command[0]
    more = [*command[1:], "--actor", "team", "--out", "left.dat"]
    more += [] if name in {"release", "run"} else ["--reason", "case 7"]
    more += ["--recipient", "Partner"] if name in {"reidentify", "return", "release"} else []
    more += [] if name in {"opt-outs export", "explain"} else ["--key-file", "key.json"]
    more += ["--on", DAY] if name in {"withdrawals", "explain", "release", "run"} else []
    with Path("audit.jsonl").open("ab") as log:
        log.write(b"not of this log\n")
    refused = run(*name.split(), programme, *more, stdin=PEOPLE[4])
    assert (refused.returncode, "the audit log" in refused.stderr) == (4, True)
    assert not list(programme.glob("*left.dat*"))
    # This was the only reason for the refusal.
    whole = Path("audit.jsonl").read_bytes().removesuffix(b"not of this log\n")
    Path("audit.jsonl").write_bytes(whole)
    assert run(*name.split(), programme, *more, stdin=PEOPLE[4]).returncode == 0
    assert Path("left.dat").exists()


def test_a_provider_gets_a_file_of_its_own_records_that_it_can_mend(programme: Path, tmp_path: Path) -> None:
    with (programme / "emergency.csv").open("a", encoding="utf-8") as file:
        file.write("12345,2026-03-30\n")
    arguments = ("feedback", programme, *WHO, "--out", tmp_path / "mend.csv", "--provider")
    refused = run(*arguments, "gp")
    assert (refused.returncode, "records of several providers" in refused.stderr) == (4, True)
    assert lines(programme / "audit.jsonl")[-1]["details"]["outcome"] == "refused, records of several providers"
    # A text that may be an identifier is not recorded, but the request is.
    assert run(*arguments, number(900)).returncode == 2
    assert number(900) not in (programme / "audit.jsonl").read_text()
    assert not (tmp_path / "mend.csv").exists()
    said = done(*arguments, "RH8")
    assert rows(tmp_path / "mend.csv") == [
        {"source": "emergency", "record_id": "10", "identifier": "nhs_number", "fault": "malformed"}
    ]
    assert "for RH8 only" in said
    last = lines(programme / "audit.jsonl")[-1]
    assert (last["action"], last["details"]["records"], last["details"]["outcome"]) == ("feedback", 1, "answered")
