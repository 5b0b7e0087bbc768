"""The house: imports go downwards, heavy libraries load late, and the public names are what they are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import linkcore

ROOT = Path(linkcore.__file__).parent

# From the ground up: a module may import from its own storey and from those below it.
STOREYS = [
    ["linkcore.errors", "linkcore.schema", "linkcore.files", "linkcore.progress", "linkcore.parallel"],
    ["linkcore.identifiers", "linkcore.pseudonyms"],
    ["linkcore.quality"],
    ["linkcore.linkage"],
    ["linkcore.governance", "linkcore.synthetic"],
    ["linkcore"],
    ["linkcore.cli.demo"],
    ["linkcore.cli"],
    ["linkcore.__main__"],
]


def modules() -> dict[str, Path]:
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def storey(module: str) -> int:
    of = {name: number for number, names in enumerate(STOREYS) for name in names}
    while module not in of:
        module = module.rpartition(".")[0]
    return of[module]


@pytest.mark.parametrize("module", modules())
def test_imports_go_downwards(module: str) -> None:
    # The package's own face (its version) is there for everybody above the ground.
    inner = {name for name in imports_of(modules()[module]) if name.startswith("linkcore.")}
    assert {name for name in inner if storey(name) > storey(module)} == set()


def test_there_are_modules_to_look_at() -> None:
    assert len(modules()) > 20
    assert "linkcore.linkage.exact.link_exactly" in modules()


@pytest.mark.parametrize("module", modules())
def test_no_module_is_a_drawer_for_everything(module: str) -> None:
    assert module.rpartition(".")[2] not in {"utils", "misc", "helpers", "core", "common"}


def test_splink_is_imported_in_one_module_only() -> None:
    importers = {name for name, path in modules().items() if any(i.split(".")[0] == "splink" for i in imports_of(path))}
    assert importers <= {"linkcore.linkage.engine.native"}


@pytest.mark.parametrize(
    "heavy",
    ["numpy", "numba", "llvmlite", "splink", "duckdb", "pyarrow", "pandas", "pydantic", "rich", "jinja2", "vl_convert"],
)
def test_import_linkcore_does_not_load(heavy: str) -> None:
    probe = f"import sys, linkcore; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_every_public_name_is_there_and_documented() -> None:
    assert len(set(linkcore.__all__)) == len(linkcore.__all__)
    for name in linkcore.__all__:
        assert getattr(linkcore, name).__doc__
