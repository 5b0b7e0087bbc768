"""How commands report: one JSON document, nothing, or each step; the log file; and what a signal leaves behind."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import DAY, PASSPHRASE, PEOPLE, done, lines, run, state
from tests.cli.test_main import commands


def document(*arguments: object, passphrase: str | None = None) -> dict[str, object]:
    said = run(*arguments, "--json", passphrase=passphrase).stdout
    assert len(said.splitlines()) == 1
    return dict(json.loads(said))


def test_json_is_one_document_with_the_verdict(programme: Path) -> None:
    told = document("check", programme, "--on", DAY)
    assert (told["command"], told["exit_code"], told["errors"]) == ("check", 0, [])
    assert told["said"] == done("check", programme, "--on", DAY).splitlines()
    assert told["result"] == {
        "on": DAY,
        "linkable": True,
        "linking_faults": [],
        "releasable": {"Partner": {"yes": True, "because": []}},
        "not_looked_at": ["the recipients' keys"],
    }
    (programme / "gp.csv").unlink()
    told = document("check", programme, "--on", DAY)
    assert told["exit_code"] == 3
    assert "no file matches" in str(told["errors"])
    assert told["result"]["linkable"] is False  # type: ignore[index]


def test_json_of_a_run_names_releases_and_refusals(programme: Path, keyring: Path, tmp_path: Path) -> None:
    arguments = ("run", programme, "--on", DAY, "--keyring", keyring, "--actor", "team", "--out", tmp_path / "run")
    told = document(*arguments, passphrase=PASSPHRASE)
    release = tmp_path / "run" / "releases" / "partner-2026"
    assert told["result"] == {"folder": str(tmp_path / "run"), "releases": {"Partner": str(release)}, "refused": {}}
    assert document("verify", release)["result"]["recipient"] == "Partner"  # type: ignore[index]
    assert document("audit", "head", programme / "audit.jsonl")["command"] == "audit head"


def test_json_of_wrong_usage_and_of_a_command_without_a_result(tmp_path: Path) -> None:
    told = document("check", tmp_path / "nowhere.toml")
    assert (told["exit_code"], told["result"]) == (2, None)
    assert "no such programme file" in str(told["errors"])


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_can_report_in_each_way(name: str) -> None:
    options = {option for each in commands()[name]._actions for option in each.option_strings}
    assert options >= {"--json", "-q", "--quiet", "-v", "--verbose", "--log-file"}


def test_quiet_prints_nothing_but_errors(programme: Path) -> None:
    assert done("check", programme, "--on", DAY, "-q") == ""
    refused = run("check", programme, "--on", "2027-01-01", "-q")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "ended on" in refused.stderr


def test_verbose_and_the_log_file_tell_each_step(programme: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    ran = run("link", programme, "--on", DAY, "--out", tmp_path / "work", "-v", "--log-file", log)
    assert ran.returncode == 0
    assert " of " in ran.stderr
    first, *steps, last = lines(log)
    assert (first["event"], first["command"]) == ("begin", "linkcore link")
    assert {each["event"] for each in steps} == {"step"}
    assert len(steps) == len(ran.stderr.splitlines())
    assert (last["event"], last["exit_code"], last["errors"]) == ("end", 0, [])
    assert last["seconds"] > 0
    assert oct(log.stat().st_mode)[-3:] == "600"
    assert not [one for one in PEOPLE if one in log.read_text()]
    before = len(lines(log))
    run("check", tmp_path / "nowhere.toml", "--log-file", log)
    assert [each.get("exit_code") for each in lines(log)[before:]] == [None, 2]


def test_a_log_file_that_is_something_else_is_refused_and_untouched(programme: Path) -> None:
    for name in ("gp.csv", "audit.jsonl"):
        before = (programme / name).read_bytes()
        refused = run("check", programme, "--on", DAY, "--log-file", programme / name)
        assert (refused.returncode, "is not a log file of linkcore" in refused.stderr) == (2, True)
        assert (programme / name).read_bytes() == before
    refused = run("check", programme, "--on", DAY, "--log-file", programme / "nowhere" / "log")
    assert (refused.returncode, "cannot be written" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["chek", "x"], "did you mean check?"),
        (["audit", "verfy", "x"], "did you mean verify?"),
        (["keys", "sining", "new"], "did you mean signing?"),
        (["check", "x", "--keyrng", "y"], "did you mean --keyring?"),
        (["check", "x", "--log_file=y"], "did you mean --log-file?"),
    ],
)
def test_a_mistyped_command_or_option_is_answered(arguments: list[str], meant: str) -> None:
    refused = run(*arguments)
    assert (refused.returncode, meant in refused.stderr) == (2, True)
    assert "did you mean" not in run("nonsense").stderr


def test_the_counts_of_a_second_purpose_are_withheld_in_a_line(programme: Path, tmp_path: Path) -> None:
    other = (programme / "programme.toml").read_text().partition("[[recipient]]")[2].partition("[destruction]")[0]
    other = other.replace("Partner", "Other").replace("partner-2026", "other").replace('"Planning"', '"Research"')
    state(programme, "[destruction]\n", f"[[recipient]]{other}[destruction]\n")
    said = done("run", programme, "--synthetic", "--on", DAY, "--actor", "team", "--out", tmp_path / "run")
    assert said == f"{(tmp_path / 'run' / 'summary.txt').read_text('utf-8')}all of it: {tmp_path / 'run'}\n"
    research = said.partition("withheld for 'Research':")[2]
    assert research.partition("released to Partner")[0].count("counts are not shown: ") == 1
    assert "*" not in research.partition("released to Partner")[0]
    assert "  gp, emergency: counts are not shown, as above\n" in said.partition("released to Other")[2]
    assert "counts are not shown" not in said.partition("withheld for 'Research'")[0]


@pytest.mark.parametrize(
    ("sent", "code", "says"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "told to end")]
)
def test_a_signal_ends_a_command_in_a_line_and_leaves_nothing(
    tmp_path: Path, sent: signal.Signals, code: int, says: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "linkcore",
        "synthesise",
        "--people",
        "20000",
        "-v",
        "--out",
        str(tmp_path / "ics"),
    ]
    # A shell may have started the tests with SIGINT ignored, which processes inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    started = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    assert started.stderr is not None
    assert "(1 of " in started.stderr.readline()  # it has written its first file
    assert [path for path in tmp_path.iterdir() if path.name != "ics"]
    started.send_signal(sent)
    said, errors = started.communicate(timeout=60)
    assert (started.returncode, said) == (code, "")
    own = [line for line in errors.splitlines() if line.startswith("linkcore")]
    assert own == [f"linkcore synthesise: {says}; nothing half written is left"]
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_json_of_keys_and_of_pseudonymisation(programme: Path, keyring: Path, tmp_path: Path) -> None:
    (listed,) = document("keys", "list", "--keyring", keyring, passphrase=PASSPHRASE)["result"]  # type: ignore[misc]
    assert listed["id"] == "partner-2026"
    column = (programme / "gp.csv", "--column", "NHS", "--test-numbers", "--keyring", keyring, "--key", "partner-2026")
    told = document("pseudonymise", *column, "--out", tmp_path / "p.parquet", passphrase=PASSPHRASE)
    rows = {"file": str(tmp_path / "p.parquet"), "rows": len(PEOPLE), "without_pseudonym": 0}
    assert told["result"] == rows, told["errors"]


def test_no_argument_has_the_name_of_what_main_keeps_beside_the_arguments() -> None:
    kept = {"run", "run_log", "result", "parser", "prog"}
    for name, parser in commands().items():
        assert kept.isdisjoint(action.dest for action in parser._actions), name
