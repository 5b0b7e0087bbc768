"""`init`, `profile` and `check --data`."""

import io
import json
import sys
from pathlib import Path

import pytest

from linkcore.cli.first_hour import ask
from tests.cli.commands import done, run
from tests.profile.test_faults import people


@pytest.fixture
def files(tmp_path: Path) -> Path:
    people().drop("rounded", "ward", "whole", "comma", "born_us").write_csv(tmp_path / "gp.csv")
    people().drop("rounded", "ward", "whole", "comma", "born_us").write_csv(tmp_path / "clinic.csv")
    return tmp_path


def test_init_writes_a_programme_that_links_at_once(files: Path) -> None:
    place = files / "programme.toml"
    said = done("init", files / "gp.csv", files / "clinic.csv", "--out", place)
    assert "gp (spine): nhs_number = nhs, birth_date = born" in said
    assert "please check: programme, synthetic" in said
    assert "all right" in done("check", place)
    assert "linkage: " in done("link", place, "--on", "2026-04-15")


def test_init_replaces_no_file(files: Path) -> None:
    place = files / "programme.toml"
    place.write_text("mine")
    assert run("init", files / "gp.csv", "--out", place).returncode == 2
    assert place.read_text() == "mine"


def test_a_person_is_asked_until_the_answer_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = io.StringIO()
    monkeypatch.setattr(sys, "stderr", asked)
    for typed, answer in (("what\nno\n", "no"), ("\n", "yes"), ("", "yes"), ("maybe", "yes")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        assert ask("sure?", ["yes", "no"], "yes") == answer
    assert asked.getvalue().startswith("sure? [yes / no; Enter: yes] sure? ")


def test_profile_says_what_cannot_be_right(files: Path) -> None:
    place = files / "programme.toml"
    done("init", files / "gp.csv", files / "clinic.csv", "--out", place)
    assert "nothing is wrong that can be seen" in done("profile", place)
    assert json.loads(done("profile", place, "--json"))["result"]["linkable"] is True
    head, clinic, tail = place.read_text().partition('name = "clinic"')
    place.write_text(head + clinic + tail.replace('birth_date = "born"', 'birth_date = "seen"', 1))
    for command in (["profile", place], ["check", place, "--data"]):
        ran = run(*command)
        assert ran.returncode == 3
        assert "ERROR: clinic, birth_date: " in ran.stdout
        assert "birth_date of clinic" in ran.stderr
    for _ in range(2):  # the second replaces the first
        ran = run("profile", place, "--json", "--out", files / "profile.html")
    assert "cannot be linked as they are mapped" in (files / "profile.html").read_text("utf-8")
    assert (ran.returncode, json.loads(ran.stdout)["result"]["linkable"]) == (3, False)
    ran = run("link", place, "--on", "2026-04-15", "--out", files / "linkage")
    assert ran.returncode == 3
    assert "nothing was linked" in ran.stderr
    assert not (files / "linkage").exists()
