"""The pipeline tasks of docs/: killed at any moment and run again, they leave the output of one whole run."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from tests.readme import PASSPHRASE, PIPELINES, examples

DAY = "2026-04-15"
PROGRAMME = """
programme = { name = "Example", synthetic = true }
numbers = { usable = ["test"] }
linkage = { probabilistic = false }
audit = { file = "audit.jsonl" }
source = [{ name = "emergency", data = "attended.parquet" }]
recipient = [{ name = "partner", key = "partner-2026", columns = { emergency = ["arrived"] } }]
"""
TASKS = "import linkcore as lc\n" + "".join(
    example.source for example in examples(PIPELINES) if example.source.startswith(("def ", "import ", "from "))
)
# Python reports each file that it opens or renames to an audit hook, before it does so.
KILLED = """
import os, signal, sys
from tasks import link_task, release_task
event, ending, task, *arguments = sys.argv[1:]
def interfere(what, about):
    if what == event and str(about[0]).endswith(ending):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(interfere)
globals()[task](*arguments)
"""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The functions of the page, in a folder with a programme and a keyring."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKCORE_PASSPHRASE", PASSPHRASE)
    numbers = [9990000018, 9990000026, 9990000018, None]
    pl.DataFrame({"nhs_number": numbers, "arrived": ["a", "b", "c", "d"]}).write_parquet("attended.parquet")
    Path("programme.toml").write_text(PROGRAMME)
    Path("tasks.py").write_text(TASKS)
    keyring = lc.Keyring.create("team.keys", PASSPHRASE, cost=14)
    keyring.add(lc.Key.generate("partner-2026"), at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    made: dict[str, Any] = {}
    exec(TASKS, made)
    return made


def killed(event: str, ending: str, task: str, *arguments: str) -> None:
    """Run a task in a process of its own, which SIGKILL ends just before it opens or renames a file."""
    command = [sys.executable, "-c", KILLED, event, ending, task, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([".", str(Path(lc.__file__).parent.parent)])}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def content(folder: str) -> dict[str, object]:
    """The content of each file, without times, the page that shows some of them, and the digests of such files."""
    found: dict[str, object] = {}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = path.read_bytes() if path.is_file() and path.name != "report.html" else None
        if path.name in {"quality.json", "trusted_team_only.json", "manifest.json"}:
            found[name] = stated = json.loads(path.read_bytes())
            if path.name == "manifest.json":
                assert dt.datetime.fromisoformat(stated.pop("written"))
            else:
                assert stated.get("quality", stated)["run"].pop("seconds")
        if path.name == "store.json":
            found[name] = stated = json.loads(path.read_bytes())
            assert stated["files"].pop("quality.json")
            assert stated.pop("check")
        if path.name == "run.json":
            found[name] = stated = json.loads(path.read_bytes())
            assert all(stated["files"].pop(each) for each in ("quality.json", "report.html", "trusted_team_only.json"))
    return found


def hidden() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name.startswith("."))


def test_a_link_task_that_was_killed_is_run_again(tasks: dict[str, Any]) -> None:
    killed("open", "quality.json", "link_task", "programme.toml", "work", DAY)
    assert hidden() == [".work.partial"]
    assert pl.read_parquet(".work.partial/links.parquet").height == 4
    assert not Path("work").exists()
    for folder in ("work", "undisturbed"):
        assert tasks["link_task"]("programme.toml", folder, DAY) == folder
    assert hidden() == []
    assert pl.read_parquet("work/links.parquet")["person_id"].to_list() == [0, 1, 0, 2]
    assert content("work") == content("undisturbed")


def test_a_release_task_that_was_killed_is_run_again(tasks: dict[str, Any]) -> None:
    def run(folder: str) -> dict[str, object]:
        (release,) = tasks["release_task"]("programme.toml", "work", folder, DAY, "team.keys")
        assert lc.verify_release(release)["recipient"] == "partner"
        assert pl.read_parquet(Path(release, "emergency.parquet")).height == 4
        return content(folder)

    tasks["link_task"]("programme.toml", "work", DAY)
    given = ("release_task", "programme.toml", "work", "run", DAY, "team.keys")
    undisturbed = run("undisturbed")
    killed("open", "/manifest.json", *given)  # the rows are there, but without a manifest they do not count
    assert hidden() == [".run.partial"]
    assert list(Path(".run.partial").rglob("emergency.parquet"))
    assert not Path("run").exists()
    assert run("run") == undisturbed
    killed("os.rename", "/.run.partial", *given)  # the earlier folder is set aside, and the new one is not there yet
    assert hidden() == [".run.partial", ".run.previous"]
    assert content(".run.previous") == content(".run.partial") == undisturbed
    assert run("run") == undisturbed
    assert hidden() == []
    # The first task that was killed did not reach a release.
    checked = lc.verify_audit("audit.jsonl")
    assert (checked.lines, checked.faults) == (5 + 4, ())
