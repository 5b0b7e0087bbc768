"""The README: its session runs as it stands, and its two commands are the ones that CI calls."""

import doctest
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from linkcore.cli import main
from tests.readme import PASSPHRASE, README, section
from tests.report.pages import read_page, tables


def test_the_session_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKCORE_PASSPHRASE", PASSPHRASE)
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


def test_in_a_notebook_it_shows_no_small_count_and_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    import nbformat
    from nbclient import NotebookClient

    session = [example.source for example in section("A session") if example.exc_msg is None]
    shown = ["linkage", "linkage.quality", "linkage.quality.fallback", 'lc.release(linkage, agreement, key, "release")']
    examples = [example.source.strip() for example in section("In a pipeline, a notebook, SQL and pandas")]
    assert {"linkage", "linkage.quality", shown[-1]} <= set(examples)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in [*session, *shown]])
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    kept = [cell.outputs[0]["data"] for cell in notebook.cells[len(session) :]]
    assert [data["text/plain"] for data in kept] == [
        "Linkage(gp, emergency)",
        "Quality(gp, emergency)",
        "FallbackQuality(1 sources)",
        "Release(emergency to 'partner' for 'winter planning', under key 'partner-2026')",
    ]
    # A quality is plain values; the linkage is what shows itself.
    assert "text/html" not in kept[1] | kept[2] | kept[3]
    rows = tables(read_page(kept[0]["text/html"]))["Records by source and method"][1:]
    # Of two sources with two and four records, there is nothing that a count of could be told.
    assert [row[0] for row in rows] == ["gp", "emergency", "all sources"]
    assert {cell for row in rows for cell in row[1:]} <= {"0", "*"}
    whole = json.dumps(kept).upper()
    assert not [word for word in ("ANNA", "SMITH", "OKAFOR", "1980", "9990000018") if word in whole]
