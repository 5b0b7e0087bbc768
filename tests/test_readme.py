"""The README: its session runs as it stands, and its two commands are the ones that CI calls."""

import doctest
import re
import shlex
import shutil
from pathlib import Path

import pytest

from linkcore.cli import main

README = Path(__file__).parent.parent / "README.md"


def test_the_session_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(
        str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert results.attempted > 10
    assert results.failed == 0


@pytest.mark.parametrize("last_word", [".venv/bin/pytest -n auto --dist loadfile", "demo"])
def test_each_promise_is_one_command_line_that_ci_can_find(last_word: str) -> None:
    text = README.read_text("utf-8")
    assert len(re.findall(rf"^python3 -m venv \.venv && .* {re.escape(last_word)}$", text, re.MULTILINE)) == 1


def test_its_programme_runs_by_the_one_command_and_all_five_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = README.read_text("utf-8")
    programmes = README.parent / "fixtures" / "programmes"
    there = {folder.name for folder in programmes.iterdir() if folder.is_dir()}
    assert set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)) >= there
    (command,) = re.findall(r"^linkcore (run .*)$", text, re.MULTILINE)
    shutil.copytree(programmes, tmp_path / "fixtures" / "programmes", ignore=shutil.ignore_patterns("audit.jsonl*"))
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    assert "released to Devon ICB analysts" in capsys.readouterr().out
    assert (tmp_path / "devon-run" / "report.html").exists()
