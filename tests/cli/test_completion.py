"""The completion scripts, in the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import done

BASH = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_linkcore
echo "${COMPREPLY[*]}"
"""
CASES = [
    (["ch"], "check"),
    (["keys", "sig"], "signing"),
    (["keys", "signing", ""], "new public"),
    (["check", "--js"], "--json"),
    (["check", "programme.toml", "--keyr"], "--keyring"),
    (["audit", "verify", "--no"], "--noted"),
    (["verify", "--no"], ""),
    (["verify", "--id"], "--identity"),
    (["check", ""], ""),  # files are completed there
]


@pytest.mark.parametrize(("words", "completed"), CASES)
def test_bash_completes_commands_and_options(tmp_path: Path, words: list[str], completed: str) -> None:
    script = tmp_path / "linkcore.bash"
    script.write_text(done("completion", "bash"))
    command = ["bash", "-c", BASH, "bash", str(script), "linkcore", *words]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == completed


def test_zsh_completes_by_the_same_script() -> None:
    assert done("completion", "zsh").endswith(done("completion", "bash"))


def test_fish_has_a_line_for_each_command_and_option() -> None:
    script = done("completion", "fish")
    assert "complete -c linkcore -f -n '__linkcore_at keys signing' -a new -d 'make a random signing key" in script
    assert "complete -c linkcore -n '__linkcore_at check' -l json -d 'print one JSON document" in script


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(("words", "completed"), [each for each in CASES if each[1]])
def test_fish_completes_commands_and_options(tmp_path: Path, words: list[str], completed: str) -> None:
    script = tmp_path / "linkcore.fish"
    script.write_text(done("completion", "fish"))
    complete = f'source {script}; complete -C "linkcore {" ".join(words)}" | string split -f1 \\t'
    command = ["fish", "--no-config", "-c", complete]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == completed.split()
