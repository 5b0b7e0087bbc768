"""Text that a supplier wrote reaches terminals, summaries, the audit log and headers without power over them."""

import ast
import json
import shutil
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest

import linkcore as lc
from linkcore import cli
from tests.cli.commands import DAY, NATIONAL, PASSPHRASE, TYPE_ONE, done, lines, process, run, state

# Clears the screen, sets the title (C0 and C1), reverses what follows, joins invisibly, and forges a line.
EVIL = "A8\x1b[2J\x1b]0;x\x07\x9b2J\u202e\u2066\u200b\rX\nreleased to Nobody: 0 rows"


def is_plain(text: str) -> bool:
    return all(unicodedata.category(each) not in {"Cc", "Cf", "Zl", "Zp"} for each in text.replace("\n", ""))


def rename(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8", newline="")


@pytest.fixture
def odd_practice(programme: Path) -> Path:
    rename(programme / "gp.csv", "Surname1,A81001", f'Surname1,"{EVIL}"')
    return programme


def test_a_practice_code_draws_nothing_on_the_terminal_and_in_the_summary(
    odd_practice: Path, keyring: Path, tmp_path: Path
) -> None:
    said = done("link", odd_practice, "--on", DAY, "--out", tmp_path / "linked")
    said += done(
        *("run", odd_practice, "--on", DAY, "--keyring", keyring, "--actor", "team", "--out", tmp_path / "run"),
        passphrase=PASSPHRASE,
    )
    summary = (tmp_path / "run" / "summary.txt").read_text("utf-8")
    for text in (said, summary):
        assert is_plain(text)
        assert r"practice A8\x1b[2J" in text
        assert not [line for line in text.splitlines() if line.startswith("released to Nobody")]
    assert {TYPE_ONE, NATIONAL}.isdisjoint(said.split())


def test_a_column_name_draws_nothing_in_an_error(programme: Path) -> None:
    name, _, _ = EVIL.partition("\r")
    rename(programme / "emergency.csv", "NHS,ARRIVED", f"NHS,{name}")
    state(programme, 'data = "emergency.csv"', 'data = "emergency.csv"\nrecord_id = "NOT"')
    refused = run("check", programme)
    assert refused.returncode == 3
    assert r"its columns are NHS, A8\x1b[2J" in refused.stderr
    assert is_plain(refused.stderr)


def test_an_error_in_a_notebook_draws_nothing_either() -> None:
    with pytest.raises(lc.ProgrammeError) as raised:
        raise lc.ProgrammeError(f"no column {EVIL}")
    assert str(raised.value) == (
        r"no column A8\x1b[2J\x1b]0;x\x07\x9b2J\u202e\u2066\u200b\rX\nreleased to Nobody: 0 rows"
    )


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028", "\x85"])
def test_a_line_end_in_a_column_name_is_refused(programme: Path, end: str) -> None:
    rename(programme / "emergency.csv", "NHS,ARRIVED", f'NHS,"ARR{end}IVED"')
    state(programme, 'emergency = ["ARRIVED"]', "emergency = []")
    refused = run("check", programme)
    assert (refused.returncode, "column 2 has a line end in its name" in refused.stderr) == (3, True)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "Partner"', r'name = "Part\nner"', "recipient has a line end"),
        ('purpose = "Planning"', r'purpose = "Plan\u2028ning"', "purpose has a line end"),
        ('key = "partner-2026"', r'key = "partner\r2026"', "1 to 64 letters"),
        ('name = "Example"', r'name = "Exa\nmple"', "programme.name: it has a line end"),
    ],
)
def test_a_line_end_in_a_name_of_the_programme_is_refused(programme: Path, old: str, new: str, says: str) -> None:
    state(programme, old, new)
    refused = run("check", programme)
    assert (refused.returncode, says in refused.stderr) == (2, True)


def test_a_manifest_cannot_forge_what_verify_says(programme: Path) -> None:
    manifest = programme / "release" / "manifest.json"
    stated = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps(stated | {"recipient": f"Partner: whole; signed by key team{EVIL}"}), "utf-8")
    said = run("verify", programme / "release").stdout
    assert is_plain(said)
    assert len(said.splitlines()) == len(stated["files"]) + 1


def test_the_audit_log_shows_control_characters_and_refuses_line_ends(programme: Path, tmp_path: Path) -> None:
    # Under the key of an earlier recipient, nothing would be released to another.
    for part in programme.glob("audit.jsonl*"):
        part.unlink() if part.is_file() else shutil.rmtree(part)
    state(programme, 'name = "Partner"', r'name = "Part\u001b[2J\u202ener"')
    refused = run(
        *("release", programme, "--recipient", "Part\x1b[2J\u202ener", "--on", DAY, "--actor", "team"),
        *("--keyring", programme.parent / "team.keys", "--out", tmp_path / "out"),
        passphrase=PASSPHRASE,
    )
    assert (refused.returncode, refused.stderr) == (0, "")
    assert is_plain(refused.stdout)
    assert lines(programme / "audit.jsonl")[-1]["details"]["recipient"] == r"Part\x1b[2J\u202ener"
    occasion = lc.Occasion("team", datetime(2026, 4, 1, tzinfo=UTC), lc.Audit(programme / "audit.jsonl"))
    with pytest.raises(lc.ProgrammeError, match="recipient: the audit log takes"):
        occasion.record("release", recipient="Part\nner")


def test_the_real_standard_output_is_plain_too(odd_practice: Path, tmp_path: Path) -> None:
    said = process("link", odd_practice, "--on", DAY, "--out", tmp_path / "linked")
    assert (said.returncode, is_plain(said.stdout)) == (0, True)


def test_commands_print_by_one_function_only() -> None:
    for file in Path(cli.__file__).parent.glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
        printed = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        assert len(printed) == (1 if file.name == "saying.py" else 0), file.name
