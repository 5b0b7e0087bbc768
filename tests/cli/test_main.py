"""The command line as a whole: exit codes, messages, and the options that commands require."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkcore import cli
from tests.cli.commands import PEOPLE, process, run


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["demo", "--people", "none"], 2, "give a whole number above 0"),
        (["demo", "--people", "0"], 2, "give a whole number above 0"),
        (["check", ".", "--on", "1 April"], 2, "give a date such as 2026-04-01"),
        (["nonsense"], 2, "invalid choice"),
        ([], 2, "required"),
        (["check", "nowhere.toml"], 2, "no such programme file"),
        (["pseudonymise", "none.csv", "--column", "N", "--key-file", "none.json", "--out", "x"], 4, "none.json"),
    ],
)
def test_an_error_is_one_line_and_has_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run(*arguments)
    assert refused.returncode == code
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_module_runs_and_returns_the_exit_code(tmp_path: Path) -> None:
    refused = process("check", "nowhere.toml", cwd=tmp_path)
    assert refused.returncode == 2
    assert (
        refused.stderr == "linkcore check: nowhere.toml: no such programme file, or it cannot be read; check the path\n"
    )


def test_an_unexpected_error_shows_where_it_happened_and_not_its_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(_: object) -> None:
        raise ValueError(f"could not parse {PEOPLE[0]}")

    monkeypatch.setattr("linkcore.cli.linking.live_programme", fails)
    refused = run("check", tmp_path)
    assert refused.returncode == 1
    assert "unexpected ValueError" in refused.stderr
    assert "in fails" in refused.stderr
    assert PEOPLE[0] not in refused.stderr


def test_the_command_line_starts_without_heavy_libraries() -> None:
    heavy = {"pydantic", "numpy", "numba", "duckdb", "splink", "rich", "jinja2", "cryptography"}
    probe = f"import sys, linkcore.cli as c; c._parser(); sys.exit(sorted({heavy!r} & set(sys.modules)) != [])"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


# --- Options ---------------------------------------------------------------------------------------------------------

# Commands that write identifiers, or that can identify somebody.
EXITS = {
    "opt-outs export",
    "withdrawals",
    "reidentify",
    "return",
    "subject-access",
    "feedback",
    "explain",
    "clerical-review",
    "double-persons",
    "decide",
    "destroy",
}
# And one that vouches for the log of all of them.
EXITS |= {"audit start-key"}


def commands() -> dict[str, argparse.ArgumentParser]:
    return dict(below(cli._parser(), ""))


def below(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name.strip(), parser
    for group in groups:
        for each, sub in group.choices.items():
            yield from below(sub, f"{name} {each}")


def required(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions if action.required for option in action.option_strings}


def test_every_exit_requires_actor_and_reason_and_every_release_an_actor() -> None:
    found = commands()
    assert set(found) > EXITS
    asked = {name for name, parser in found.items() if {"--actor", "--reason"} <= required(parser)}
    assert asked == EXITS
    assert {name for name, parser in found.items() if "--actor" in required(parser)} == EXITS | {
        "run",
        "release",
        "attest",
    }


def test_no_option_takes_a_passphrase_or_an_nhs_number() -> None:
    options = {option for parser in commands().values() for each in parser._actions for option in each.option_strings}
    assert "--passphrase-fd" in options
    assert not options & {"--passphrase", "--password", "--nhs-number", "--number"}


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help(name: str) -> None:
    helped = run(*name.split(), "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert f"usage: linkcore {name}" in helped.stdout
