"""The house: imports go downwards, heavy libraries load late, and the public names are what they are."""

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

import linkcore

ROOT = Path(linkcore.__file__).parent

# From the ground up: a module imports from its own storey and from those below it.
STOREYS = [
    [
        *("errors", "plain_text", "schema", "files", "progress", "parallel", "compiled", "private_database"),
        *(
            "private_folders",
            "private_memory",
            "sampling",
            "spreadsheets",
            "text_table",
            "toml_schema",
            "xxhash_kernel",
        ),
    ],
    ["identifiers", "synthetic"],
    ["keys"],
    ["pseudonyms"],
    ["sources"],
    ["profile"],
    ["first_hour"],
    ["linkage"],
    ["review"],
    ["quality"],
    ["disclosure"],
    ["report"],
    ["store"],
    ["link"],
    ["governance"],
    ["programme"],
    ["cli", "__main__"],
]

# Inside the storey of linkage, from the ground up: a room imports from itself and from the rows below it.
ROOMS_OF_LINKAGE = [
    ["model", "enough_identifiers", "superseded"],
    ["blocking", "comparisons", "decisions", "settings"],
    ["placement", "run"],
    ["exact", "learning", "stable_persons"],
    ["codes"],
    ["decided", "engine", "self_test"],
    ["fallback"],
    ["result"],
    ["link_records", "possibly_same"],
    ["probable_names"],
]


@cache
def modules() -> dict[str, Path]:
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports_of(path: Path) -> Iterator[str]:
    """Everything that a file imports, wherever in it: also late, and for types only."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & modules().keys()
            yield from inner or {node.module}


@cache
def graph() -> dict[str, set[str]]:
    """Which modules of ours each module imports."""
    known = modules()
    return {name: {each for each in imports_of(path) if each in known} - {name} for name, path in known.items()}


def storey(module: str) -> int:
    of = {name: number for number, names in enumerate(STOREYS) for name in names}
    return of[module.split(".")[1]]


def circles(imports: Mapping[str, set[str]]) -> set[str]:
    """The modules that import themselves by way of others: what is left once all that import nothing left are gone."""
    left = {name: set(each) for name, each in imports.items()}
    while ends := {name for name, each in left.items() if not each}:
        left = {name: each - ends for name, each in left.items() if name not in ends}
    # And those that nothing left imports only lead to a circle.
    while starts := left.keys() - {each for imported in left.values() for each in imported}:
        left = {name: each for name, each in left.items() if name not in starts}
    return set(left)


@pytest.mark.parametrize("module", sorted(modules().keys() - {"linkcore"}))
def test_imports_go_downwards(module: str) -> None:
    assert {name for name in graph()[module] if name == "linkcore" or storey(name) > storey(module)} == set()


def rooms_of_linkage() -> dict[str, int]:
    return {name: number for number, names in enumerate(ROOMS_OF_LINKAGE) for name in names}


@pytest.mark.parametrize("module", sorted(name for name in modules() if name.startswith("linkcore.linkage.")))
def test_imports_inside_linkage_go_downwards(module: str) -> None:
    rooms, own = rooms_of_linkage(), module.split(".")[2]
    imported = {name.split(".")[2] for name in graph()[module] if name.startswith("linkcore.linkage.")} - {own}
    assert {name for name in imported if rooms[name] >= rooms[own]} == set()


def test_every_room_of_linkage_has_its_row() -> None:
    assert {name.split(".")[2] for name in modules() if name.startswith("linkcore.linkage.")} == set(rooms_of_linkage())


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(graph()) == set()


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == {"b", "c"}


def test_rooms_form_no_circle() -> None:
    """Also folder by folder: two rooms never import from each other."""

    folders = {path.parent for path in modules().values()}

    def room(name: str) -> str:
        """The folder of a module, or the module itself where folders lie beside it."""
        path = modules()[name]
        has_folders = any(folder.parent == path.parent for folder in folders)
        return name if has_folders or path.name == "__init__.py" else name.rpartition(".")[0]

    rooms: dict[str, set[str]] = {}
    for name, imported in graph().items():
        if name != "linkcore":
            rooms.setdefault(room(name), set()).update({room(each) for each in imported} - {room(name)})
    assert circles(rooms) == set()


def test_there_are_modules_to_look_at() -> None:
    assert len(modules()) > 20
    assert "linkcore.linkage.exact.link_exactly" in modules()


@pytest.mark.parametrize("module", modules())
def test_no_module_is_a_drawer_for_everything(module: str) -> None:
    assert module.rpartition(".")[2] not in {"utils", "misc", "helpers", "core", "common"}


def test_splink_is_imported_in_one_module_only() -> None:
    importers = {name for name, path in modules().items() if any(i.split(".")[0] == "splink" for i in imports_of(path))}
    assert importers <= {"linkcore.linkage.engine.splink"}


@pytest.mark.parametrize(
    "heavy",
    [
        "numpy",
        "numba",
        "llvmlite",
        "splink",
        "duckdb",
        "pyarrow",
        "pandas",
        "pydantic",
        "rich",
        "jinja2",
        "vl_convert",
        "pyrage",
    ],
)
def test_import_linkcore_does_not_load(heavy: str) -> None:
    """Nor does the use of any name but those of programmes, whose files Pydantic reads."""
    used = [name for name, module in linkcore._PLACES.items() if not module.startswith("linkcore.programme.")]
    probe = f"import sys\nfrom linkcore import {', '.join(used)}\nsys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["reidentify", "--help"]])
def test_the_command_line_explains_itself_without_loading_libraries(arguments: list[str]) -> None:
    """It loads nothing but its own options and the standard library, so that it answers at once."""
    probe = (
        "import sys, linkcore.cli\ntry:\n linkcore.cli.main(sys.argv[1:])\nexcept SystemExit:\n pass\n"
        "print('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe, *arguments], check=True, capture_output=True, text=True)
    loaded = done.stdout.rpartition("LOADED ")[2].split()
    ours = {name for name in loaded if name.partition(".")[0] == "linkcore"}
    light = {"linkcore", *(f"linkcore.{name}" for name in ("errors", "plain_text", "private_memory", "progress"))}
    assert {name for name in ours if not name.startswith("linkcore.cli")} <= light
    strangers = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"linkcore", "__main__"}
    assert not strangers & {"polars", "numpy", "numba", "pydantic", "rich", "pyarrow", "cryptography", "xxhash"}
    assert len(loaded) < 300  # some 15 are of what measures coverage


def test_the_public_names_are_the_same_for_python_and_for_type_checkers() -> None:
    """What mypy and editors read as imports is what is loaded when it is used."""
    (typed,) = (node for node in ast.parse((ROOT / "__init__.py").read_text()).body if isinstance(node, ast.If))
    imported = {
        each.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom) for each in node.names
    }
    assert imported == linkcore._PLACES
    assert sorted({*imported, "__version__"}) == sorted(linkcore.__all__)


def test_the_function_link_is_not_hidden_by_its_module() -> None:
    for first in ("import linkcore.link", "from linkcore.link import Linkage", "import linkcore; linkcore.link"):
        probe = f"{first}\nimport linkcore, types\nassert isinstance(linkcore.link, types.FunctionType)"
        subprocess.run([sys.executable, "-c", probe], check=True)


def test_every_public_name_exists_and_is_documented() -> None:
    assert len(set(linkcore.__all__)) == len(linkcore.__all__)
    for name in linkcore.__all__:
        assert getattr(linkcore, name).__doc__


def test_dir_lists_the_public_names_and_nothing_else() -> None:
    assert dir(linkcore) == sorted(linkcore.__all__)


def test_the_installed_package_has_the_version_of_the_code() -> None:
    assert importlib.metadata.version("linkcore") == linkcore.__version__


def test_every_json_file_is_ascii() -> None:
    """What a supplier named must have no power over the terminal on which somebody reads the file.

    Only texts that are signed keep the form in which earlier versions signed them: they are not shown.
    """
    signed = {"governance/audit/chain.py", "governance/destruction/mark.py"}
    found = [
        str(file.relative_to(ROOT))
        for file in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "ensure_ascii"
    ]
    assert found == sorted(signed)
