"""The commands on the audit log."""

from pathlib import Path

from tests.cli.commands import done, run


def test_every_changed_line_is_listed(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    for name in ("one", "two", "three"):
        done("keys", "new", name, "--out", tmp_path / f"{name}.json", "--audit", log, "--actor", "team")
    noted = done("audit", "head", log).strip()
    assert "3 lines, all as they were written" in done("audit", "verify", log, "--noted", noted)
    whole = log.read_text()
    log.write_text(whole.replace('"two"', '"owt"'))
    touched = run("audit", "verify", log)
    assert touched.returncode == 4
    assert "line 2 was altered" in touched.stdout
    assert run("audit", "head", log).returncode in {0, 4}
    log.write_text("".join(whole.splitlines(keepends=True)[:2]))
    assert "line 3 cut off at the end" in run("audit", "verify", log).stdout


def test_an_earlier_copy_of_log_and_head_is_found_by_the_noted_head(tmp_path: Path) -> None:
    log, head = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.head"
    done("keys", "new", "one", "--out", tmp_path / "one.json", "--audit", log, "--actor", "team")
    before = {file: file.read_bytes() for file in (log, head)}
    done("keys", "new", "two", "--out", tmp_path / "two.json", "--audit", log, "--actor", "team")
    noted = done("audit", "head", log).strip()
    for file, content in before.items():
        file.write_bytes(content)
    assert run("audit", "verify", log).returncode == 0
    found = run("audit", "verify", log, "--noted", noted)
    assert (found.returncode, "an earlier copy was put back" in found.stdout) == (4, True)


def test_a_missing_log_and_a_wrong_head_are_refused(tmp_path: Path) -> None:
    assert run("audit", "verify", tmp_path / "none.jsonl").returncode == 4
    assert run("audit", "head", tmp_path / "none.jsonl").returncode == 4
    assert list(tmp_path.iterdir()) == []
    wrong = run("audit", "verify", tmp_path / "none.jsonl", "--noted", "three")
    assert (wrong.returncode, "LINES:DIGEST" in wrong.stderr) == (2, True)
