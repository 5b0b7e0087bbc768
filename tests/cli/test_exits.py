"""Exits with identifiers: each answers only those who may know, and is recorded first."""

import json
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
    said = done(*arguments, "--limit", 21, passphrase=PASSPHRASE)
    answer = rows(tmp_path / "answer.csv")
    assert [row["nhs_number"] for row in answer] == PRACTICES["B82002"]
    assert (tmp_path / "answer.csv").stat().st_mode & 0o777 == 0o600
    assert not [one for one in PEOPLE if one in said]
    last = lines(programme / "audit.jsonl")[-1]
    assert last["details"]["outcome"] == "answered"
    refused = run(*arguments[:-1], tmp_path / "more.csv", "--limit", 20, passphrase=PASSPHRASE)
    assert (refused.returncode, "at most 20 are allowed" in refused.stderr) == (4, True)
    assert lines(programme / "audit.jsonl")[-1]["details"]["outcome"] == "refused, above the limit"
    assert not (tmp_path / "more.csv").exists()


def test_a_provider_is_told_about_people_in_its_own_extract(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    done(
        *("reidentify", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--requester", "RH8"),
        *("--pseudonyms", listed(tmp_path / "asked.csv", pseudonyms(key, PEOPLE), "pseudonym")),
        *("--source", "emergency", "--list", listed(tmp_path / "list.csv", PEOPLE), "--limit", 20),
        *("--out", tmp_path / "answer.csv"),
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
        *("--list", listed(tmp_path / "list.csv", PEOPLE), "--limit", 20, "--out", tmp_path / "answer.csv"),
        passphrase=PASSPHRASE,
    )
    assert (refused.returncode, "'partner-2026' was not given, or was destroyed" in refused.stderr) == (4, True)


def test_scores_go_to_the_practices_and_providers_whose_patients_were_scored(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    scores = tmp_path / "scores.csv"
    sent = [f"{one},{at / 100},x\n" for at, one in enumerate([*pseudonyms(key, PEOPLE), NOBODY])]
    scores.write_text("".join(["id,RISK,OTHER\n", *sent]))
    for code in (*PRACTICES, "RH8"):
        listed(tmp_path / "lists" / f"{code}.csv", PEOPLE)
    said = done(
        *("return", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--limit", 100),
        *("--scores", scores, "--pseudonym-column", "id", "--score", "RISK", "--lists", tmp_path / "lists"),
        *("--provider", "RH8=emergency", "--out", tmp_path / "returned"),
        passphrase=PASSPHRASE,
    )
    for code, people in {**PRACTICES, "RH8": PEOPLE[::2]}.items():
        answer = rows(tmp_path / "returned" / f"{code}.csv")
        assert {row["nhs_number"]: float(row["RISK"]) for row in answer} == {
            one: PEOPLE.index(one) / 100 for one in people
        }
        assert set(answer[0]) == {"nhs_number", "RISK"}
    assert "1 of 21 pseudonyms stand for nobody on the lists" in said
    assert actions(programme / "audit.jsonl")[-3:] == ["score_return"] * 3


def test_a_provider_without_a_list_is_refused(programme: Path, keyring: Path, key: lc.Key, tmp_path: Path) -> None:
    scores = listed(tmp_path / "scores.csv", [f"{one},1" for one in pseudonyms(key, PEOPLE)], "pseudonym,RISK")
    listed(tmp_path / "lists" / "A81001.csv", PEOPLE)
    refused = run(
        *("return", programme, "--recipient", "Partner", "--keyring", keyring, *WHO, "--limit", 100),
        *("--scores", scores, "--score", "RISK", "--lists", tmp_path / "lists", "--provider", "RH8=emergency"),
        *("--out", tmp_path / "returned"),
        passphrase=PASSPHRASE,
    )
    assert (refused.returncode, "--provider: there is no list of RH8" in refused.stderr) == (2, True)
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
    assert "gp: 1 records" in said
    assert person not in said
    assert "subject_access" in actions(programme / "audit.jsonl")
    assert person not in (programme / "audit.jsonl").read_text()
    refused = run(*arguments, tmp_path / "none.json", passphrase=PASSPHRASE, stdin="not a number\n")
    assert (refused.returncode, "this is not an NHS Number" in refused.stderr) == (2, True)
    assert not (tmp_path / "none.json").exists()


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
        *(command, programme, "--recipient", "Partner", "--key-file", tmp_path / "key.json", *WHO, "--limit", 5),
        *of[command],
        *("--out", tmp_path / "out"),
    )
    assert (refused.returncode, "ended on 2026-04-15" in refused.stderr) == (4, True)


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
    more += ["--limit", "50"] if name in {"reidentify", "return"} else []
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
