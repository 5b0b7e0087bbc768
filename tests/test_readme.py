"""The README and docs/: CI runs their commands, what they point to exists, and a notebook shows no small count."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from linkcore.cli import main
from linkcore.linkage.comparisons.comparable import COMPARABLE
from tests.readme import DOCS, PIPELINES, README, examples, section
from tests.report.pages import read_page, tables


@pytest.mark.parametrize("last_word", [".venv/bin/pytest -n auto --dist loadfile", "demo"])
def test_ci_finds_each_command_on_one_line(last_word: str) -> None:
    text = README.read_text("utf-8")
    assert len(re.findall(rf"^python3 -m venv \.venv && .* {re.escape(last_word)}$", text, re.MULTILINE)) == 1


def pages() -> list[Path]:
    return [README, *sorted(DOCS.rglob("*.md"))]


def test_links_are_found() -> None:
    assert len([link for page in pages() for link in links_of(page)]) > 100


def links_of(page: Path) -> list[str]:
    """The links of a page that lead to this repository."""
    return re.findall(r"\]\((?!https:)([^)]+)\)", page.read_text("utf-8"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links_of(page):
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        text = target.read_text("utf-8") if target.suffix == ".md" else ""
        if "<!-- generated:" in text:
            continue  # only the site has these headings, and its build checks them
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in headings}
        assert not heading or heading in anchors, link


def test_the_code_that_keeps_each_guarantee_exists() -> None:
    rows = re.findall(r"^\| .* \| (`.*) \|$", (DOCS / "GUARANTEES.md").read_text("utf-8"), re.MULTILINE)
    paths = re.findall(r"`([^`]+)`", " ".join(rows))
    assert len(paths) > 20
    assert [path for path in paths if not (README.parent / "linkcore" / path).exists()] == []


def test_the_tree_names_every_room() -> None:
    """Each line of the tree names a file or folder, and no folder of linkcore is left out."""
    page = (DOCS / "CONTRIBUTING.md").read_text("utf-8")
    (tree,) = re.findall(r"^```\n(linkcore/\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    folders, named = [README.parent], set()
    for spaces, name in re.findall(r"^( *)(\S+)", tree, re.MULTILINE):
        folders = [*folders[: len(spaces) // 2 + 1], folders[len(spaces) // 2] / name]
        assert folders[-1].exists(), name
        named.add(folders[-1])
    root = README.parent / "linkcore"
    rooms = {path.parent for pattern in ("*/__init__.py", "*/*/__init__.py") for path in root.glob(pattern)}
    assert rooms - named == {root / "report" / "page"}


def test_the_command_runs_a_programme_and_the_table_names_all_five(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (DOCS / "how_to" / "programme.md").read_text("utf-8")
    programmes = README.parent / "fixtures" / "programmes"
    names = {folder.name for folder in programmes.iterdir() if folder.is_dir()}
    assert set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)) >= names
    (command,) = re.findall(r"^linkcore (run .*)$", text, re.MULTILINE)
    shutil.copytree(programmes, tmp_path / "fixtures" / "programmes", ignore=shutil.ignore_patterns("audit.jsonl*"))
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    assert "released to Devon ICB analysts" in capsys.readouterr().out
    assert (tmp_path / "devon-run" / "report.html").exists()


def test_a_notebook_shows_no_small_count_and_no_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    import nbformat
    from nbclient import NotebookClient

    session = [example.source for example in section("A session") if example.exc_msg is None]
    shown = ["linkage", "linkage.quality", "linkage.quality.fallback", 'lc.release(linkage, agreement, key, "release")']
    assert {"linkage", "linkage.quality", shown[-1]} <= {example.source.strip() for example in examples(PIPELINES)}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in [*session, *shown]])
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    kept = [cell.outputs[0]["data"] for cell in notebook.cells[len(session) :]]
    assert [data["text/plain"] for data in kept] == [
        "Linkage(gp, emergency)",
        "Quality(gp, emergency)",
        "FallbackQuality(1 sources)",
        "Release(emergency to 'partner' for 'winter planning', under key 'partner-2026')",
    ]
    assert not [data for data in kept[1:] if "text/html" in data]
    rows = tables(read_page(kept[0]["text/html"]))["Records by source and method"][1:]
    # The two sources have two and four records, so every count is suppressed.
    assert [row[0] for row in rows] == ["gp", "emergency", "all sources"]
    assert {cell for row in rows for cell in row[1:]} <= {"0", "*"}
    whole = json.dumps(kept).upper()
    assert not [word for word in ("ANNA", "SMITH", "OKAFOR", "1980", "9990000018") if word in whole]


def test_the_table_of_columns_names_all_that_a_model_can_compare() -> None:
    page = (DOCS / "MODELS.md").read_text("utf-8")
    table = page.split("## What a model can compare")[1].split("## ")[0]
    columns = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for column in columns for name in re.findall(r"`(\w+)`", column)}
    assert named - {"further_x", "x"} == set(COMPARABLE)
