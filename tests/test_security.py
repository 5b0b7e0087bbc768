"""docs/SECURITY.md names code and tests that exist, and docs/DEPENDENCIES.md the packages that are installed."""

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(r"^\| .+ \| `(.+)` \| `(.+)::(.+)` \|$", (ROOT / "docs/SECURITY.md").read_text("utf-8"), re.MULTILINE)
LOCKED = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
LISTED = re.findall(
    r"^\| ([a-z0-9-]+) \| ([0-9]\S*) \| (.+) \|$", (ROOT / "docs/DEPENDENCIES.md").read_text("utf-8"), re.MULTILINE
)
LICENCES = {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "LLVM-exception", "MIT", "MIT-0"}
LICENCES |= {"PSF-2.0", "Zlib"}


@pytest.mark.parametrize(("code", "test", "name"), ROWS)
def test_the_code_and_the_test_of_each_row_exist(code: str, test: str, name: str) -> None:
    assert (ROOT / "linkcore" / code).is_file()
    nodes = ast.walk(ast.parse((ROOT / "tests" / test).read_text("utf-8")))
    assert name in {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_there_are_rows_for_every_part() -> None:
    assert len(ROWS) > 35
    assert {code.split("/")[0] for code, _, _ in ROWS} >= {"governance", "keys", "files.py", "disclosure"}


def test_the_list_of_dependencies_is_that_of_the_lock_file() -> None:
    assert sorted((name, version) for name, version, _ in LISTED) == sorted(LOCKED)


@pytest.mark.parametrize(("name", "licence"), sorted({(name, licence) for name, _, licence in LISTED}))
def test_every_licence_allows_the_use_and_is_what_the_package_states(name: str, licence: str) -> None:
    parts = set(re.split(r" (?:AND|OR|WITH) ", licence))
    assert parts <= LICENCES
    metadata = importlib.metadata.metadata(name)
    stated = [*metadata.get_all("License-Expression", []), *metadata.get_all("License", [])]
    stated += [each for each in metadata.get_all("Classifier", []) if each.startswith("License")]
    if not stated:  # then the first line of the licence itself says it
        files = [each for each in importlib.metadata.files(name) or () if each.name.startswith("LICEN")]
        stated = [each.read_text("utf-8").partition("\n")[0] for each in files]
    assert all(part.split("-")[0] in " ".join(stated) for part in parts)
