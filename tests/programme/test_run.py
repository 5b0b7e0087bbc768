"""A run replaces what an earlier run wrote, and nothing else, whatever its ``run.json`` and manifests claim."""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linkcore.errors import ProgrammeError
from linkcore.programme.programme import Programme
from linkcore.programme.run import run_programme, synthetic_keys

DAY = dt.date(2026, 4, 1)
STATED = """
programme = { name = "Example", synthetic = true }
numbers = { usable = ["test"] }
linkage = { probabilistic = false }
source = [{ name = "gp", data = "gp.csv", spine = true }]
recipient = [{ name = "partner", key = "partner-2026", columns = { gp = ["seen"] } }]
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "gp.csv").write_text("nhs_number,seen\n9990000018,3\n9990000026,5\n")
    (folder / "programme.toml").write_text(STATED)
    run(folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "programme", symlinks=True))


def run(folder: Path) -> None:
    programme = Programme.load(folder / "programme.toml")
    run_programme(programme, folder / "out", keys=synthetic_keys(programme), on=DAY)


def test_a_run_replaces_an_earlier_one(folder: Path) -> None:
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    run(folder)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


def state(out: Path, change: Callable[[dict[str, Any]], object], file: str = "run.json") -> None:
    contents = json.loads((out / file).read_text())
    change(contents)
    (out / file).write_text(json.dumps(contents))


def claim(name: str, text: str = "mine") -> Callable[[Path], None]:
    """Put a file into the folder of the run, and claim it in every form that run.json has had."""

    def done(out: Path) -> None:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        state(out, lambda contents: contents.update(files=_with(contents["files"], name, digest)))

    return done


def _with(files: Any, name: str, digest: str) -> Any:
    return [*files, name] if isinstance(files, list) else files | {name: digest}


def claim_in_release(name: str) -> Callable[[Path], None]:
    """Put a file into the folder of a release, and claim it in the manifest as one who can compute digests does."""

    def done(out: Path) -> None:
        release = out / "releases" / "partner-2026"
        (release / name).write_text("mine")
        digest = hashlib.sha256(b"mine").hexdigest()
        entry = {"file": name, "source": "gp", "rows": 1, "columns": {}, "bytes": 4, "sha256": digest}
        state(release, lambda manifest: manifest["files"].append(entry), "manifest.json")

    return done


def edit(name: str) -> Callable[[Path], None]:
    return lambda out: (out / name).write_text("a note of mine")  # type: ignore[return-value]


def link(name: str) -> Callable[[Path], None]:
    """Put a link to the same content where a file or folder of the run was."""

    def done(out: Path) -> None:
        (out / name).rename(out.parent / "moved")
        (out / name).symlink_to(out.parent / "moved")

    return done


def a_folder(name: str) -> Callable[[Path], None]:
    """Put a folder, with a file of mine, where a file of the run was."""

    def done(out: Path) -> None:
        (out / name).unlink()
        (out / name).mkdir()
        (out / name / "mine.txt").write_text("mine")

    return done


def rename_release(out: Path) -> None:
    (out / "releases" / "partner-2026").rename(out / "releases" / "..mine")
    state(out, lambda contents: contents.update(releases={"partner": "..mine"}))


def only_empty_contents(out: Path) -> None:
    """Leave a ``run.json`` as another program may write it."""
    shutil.rmtree(out)
    out.mkdir()
    (out / "run.json").write_text('{"files": {}}')


@pytest.mark.parametrize(
    "change",
    [
        claim("thesis.doc"),
        claim("thesis"),
        claim("mine/thesis.doc"),
        claim(".bashrc"),
        edit("summary.txt"),
        edit("report.html"),
        edit("releases/partner-2026/gp.parquet"),
        edit("releases/mine.txt"),
        link("summary.txt"),
        link("run.json"),
        link("releases"),
        link("releases/partner-2026"),
        link("releases/partner-2026/gp.parquet"),
        link("releases/partner-2026/manifest.json"),
        a_folder("summary.txt"),
        a_folder("quality.json"),
        claim_in_release("thesis.doc"),
        claim_in_release("mine.parquet"),
        claim_in_release(".parquet"),
        rename_release,
        lambda out: state(out, lambda contents: contents.update(files=["summary.txt", "report.html", "quality.json"])),
        lambda out: (out / "run.json").write_text("[" * 100_000),
        only_empty_contents,
        lambda out: (out / "run.json").write_text('{"files": 1, "releases": []}'),
    ],
)
def test_what_is_not_a_runs_is_never_replaced(folder: Path, change: Callable[[Path], object]) -> None:
    change(folder / "out")
    before = {path: path.lstat().st_ino for path in folder.rglob("*")}
    with pytest.raises(ProgrammeError, match="which is no output of this command"):
        run(folder)
    assert {path: path.lstat().st_ino for path in folder.rglob("*")} == before


@pytest.mark.parametrize("name", ["/etc/passwd", "../mine.txt", "..", ".", "", "a/b", "run.json/../../x", "\0"])
def test_a_path_is_no_name_of_a_file(folder: Path, name: str) -> None:
    (folder / "mine.txt").write_text("mine")
    state(folder / "out", lambda contents: contents.update(files=_with(contents["files"], name, "0" * 64)))
    with pytest.raises(ProgrammeError, match="which is no output of this command"):
        run(folder)
    assert (folder / "mine.txt").read_text() == "mine"
