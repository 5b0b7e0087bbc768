"""The pages of docs/: their examples and commands work, and what they take from the code is complete."""

import datetime as dt
import doctest
import re
import shlex
import tomllib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from generated import pages
from generated.commands import commands as described_commands
from generated.programme_file import programme_keys, programme_tables
from generated.tables import AUDIT_FIELDS, audit_fields, quality_json, tables

import linkcore as lc
from linkcore.cli import _parser, main
from linkcore.governance.audit.audit import FIELDS
from linkcore.identifiers import birth_date
from linkcore.programme import tables as file_tables
from tests.readme import DOCS, PASSPHRASE, README, examples, section

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PAGES = sorted(DOCS.rglob("*.md"))
WITH_EXAMPLES = [page for page in PAGES if examples(page)]
TUTORIAL = DOCS / "tutorial" / "own_files.md"


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def failures(of: list[doctest.Example], names: dict[str, Any], title: str) -> int:
    """Run examples in a namespace, which they add to, and count those that fail; what failed is printed."""
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    test = doctest.DocTest(of, names, title, None, None, None)  # it works on a copy of the names
    results = runner.run(test, clear_globs=False)
    names |= test.globs
    return results.failed


@pytest.fixture(scope="module")
def after_the_session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder in which the session of the README has run, and its names."""
    folder, names = tmp_path_factory.mktemp("session"), dict[str, Any]()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        of = section("A session")
        assert len(of) > 10
        assert failures(of, names, "README.md") == 0
    return folder, names


def test_all_examples_of_the_readme_are_those_of_the_session() -> None:
    assert len(examples(README)) == len(section("A session"))


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_all_examples_run_in_order(
    page: Path, after_the_session: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = after_the_session
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LINKCORE_PASSPHRASE", PASSPHRASE)
    begins_with_it = "README.md#a-session)" in page.read_text("utf-8")
    assert failures(examples(page), dict(names) if begins_with_it else {}, page.name) == 0


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{spaces}", "", text, flags=re.MULTILINE) for spaces, text in found]


def test_every_block_of_python_is_run() -> None:
    assert [name_of(page) for page in PAGES for text in blocks(page, "python") if not text.startswith(">>> ")] == []


def commands(page: Path) -> list[list[str]]:
    lines = [line for text in blocks(page, "sh") for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("linkcore ")]


COMMANDS = [pytest.param(each, id=f"{page.stem}: {' '.join(each[:2])}") for page in PAGES for each in commands(page)]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_takes_every_command(command: list[str]) -> None:
    shows_help = command[-1] == "--help"
    with pytest.raises(SystemExit, match=r"^0$") if shows_help else nullcontext():
        assert _parser().parse_args(command).run


PROGRAMME: dict[str, Any] = {
    "programme": {"name": "Example"},
    "audit": {"file": "audit.jsonl"},
    "source": [
        {"name": "gp", "data": "gp.csv", "spine": True, "practice": "PRACTICE"},
        {"name": "inpatient", "data": "inpatient.csv"},
    ],
}
TOML = [pytest.param(text, id=f"{page.stem}: {text[:20]}") for page in PAGES for text in blocks(page, "toml")]


@pytest.mark.parametrize("text", TOML)
def test_every_block_of_toml_is_part_of_a_programme(text: str) -> None:
    assert lc.Programme.model_validate(PROGRAMME | tomllib.loads(text)).source


def test_the_tutorial_leads_to_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (programme,) = blocks(TUTORIAL, "toml")
    Path("programme.toml").write_text(programme)
    for command in commands(TUTORIAL):
        assert main(command) == 0, capsys.readouterr().err
    assert "release to Analysts: whole" in capsys.readouterr().out
    released = pl.read_parquet("run/releases/analysts-2026/inpatient.parquet")
    assert released.columns == ["pseudonym", "link_method", "link_band", "ADMITTED", "LENGTH_OF_STAY", "SPECIALTY"]
    assert "NHS Number" in Path("why.txt").read_text("utf-8")


def test_every_key_of_the_programme_file_has_a_meaning() -> None:
    described = programme_tables()
    assert [(name, key.name) for name, keys in described.items() for key in keys if not key.meaning] == []


def test_every_table_of_the_programme_file_is_described() -> None:
    """Each key of each table of the file, also of tables in tables."""
    described = {key.name for keys in programme_tables().values() for key in keys}
    of_the_file = [
        each for each in vars(file_tables).values() if isinstance(each, type) and issubclass(each, file_tables.Table)
    ]
    assert len(of_the_file) > 15
    assert {name for table in of_the_file for name in table.model_fields} <= described
    page = programme_keys()
    assert [name for name in lc.Programme.model_fields if name != "folder" and f"[{name}" not in page] == []


def test_every_detail_of_the_audit_log_has_a_meaning() -> None:
    assert set(tomllib.loads(AUDIT_FIELDS.read_text("utf-8"))) == FIELDS


@pytest.mark.parametrize("part", [described_commands, tables, quality_json, programme_keys, audit_fields])
def test_no_meaning_is_empty(part: Callable[[], str]) -> None:
    rows = re.findall(r"^\| (`.*) \|$", part(), re.MULTILINE)
    assert len(rows) > 20
    assert [row for row in rows if not row.split(" | ")[-1].strip()] == []


def test_every_command_and_every_public_name_is_described() -> None:
    page = described_commands()
    described = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert {"run", "keys signing new", "audit verify"} <= set(described)
    names = re.findall(r"^## (.*)$", pages.public_names(), re.MULTILINE)
    assert set(names) == set(lc.__all__) - {"__version__"}


def test_the_manifest_page_names_every_member(after_the_session: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = after_the_session
    page = (DOCS / "reference" / "manifest.md").read_text("utf-8")
    described = {
        name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    members = set(lc.verify_release(folder / "release"))
    assert members | {"superseded"} == described


def test_the_tables_of_quality_json_that_pages_name_are_there() -> None:
    described = set(re.findall(r"^## (.*)$", quality_json(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`((?:fallback\.)?tables\.\w+)`", page.read_text("utf-8"))}
    assert len(named) > 10
    assert named <= described


@pytest.mark.parametrize(("page", "written"), [("CITATION.cff", "version: {}\n"), ("CITATION.md", "version {}, ")])
def test_the_version_to_cite_is_this_one(page: str, written: str) -> None:
    assert written.format(lc.__version__) in (DOCS / page).read_text("utf-8")


def test_values_that_excel_changes_are_read_as_the_page_says() -> None:
    page = (DOCS / "how_to" / "csv_and_excel.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (`.*`[^|]*) \| (.*) \|$", page, re.MULTILINE))
    numbers = [
        (text, read) for texts, read in rows.items() for text in re.findall(r"`([^`]+)`", texts) if read.isdigit()
    ]
    assert len(numbers) == 6
    column = pl.DataFrame({"no": [text for text, _ in numbers]})
    assert column.select(lc.nhs_number("no", usable=["test"])).to_series().to_list() == [read for _, read in numbers]
    dates = pl.DataFrame({"date": ["29254", "1900-01-01", "31/02/1980", "N/A", "Not stated"]})
    assert all(f"`{date}`" in page for date in dates["date"])
    found = dates.select(birth_date.standardise(pl.col("date"), dtype=pl.String()).alias("read")).unnest("read")
    assert found["value"].to_list() == [dt.date(1980, 2, 3), None, None, None, None]
    assert found["status"].to_list() == ["valid", "default", "impossible", "missing", "missing"]
