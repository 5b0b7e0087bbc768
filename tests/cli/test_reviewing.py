"""Commands that show identifiers must be asked for, and are recorded before they write anything."""

from pathlib import Path

from tests.cli.commands import DAY, PEOPLE, WHO, actions, done, lines, rows, run


def test_explain_gives_the_reason_and_is_recorded(programme: Path, tmp_path: Path) -> None:
    arguments = ("explain", programme, "--on", DAY, *WHO, "--source", "emergency", "--record-id", "3", "--out")
    before = actions(programme / "audit.jsonl")
    refused = run(*arguments, tmp_path / "why.txt")
    assert (refused.returncode, "add --identifiable" in refused.stderr) == (4, True)
    assert actions(programme / "audit.jsonl") == before
    said = done(*arguments, tmp_path / "why.txt", "--identifiable")
    assert (tmp_path / "why.txt").read_text().startswith(said.splitlines()[0])
    assert PEOPLE[6] not in said
    assert (tmp_path / "why.txt").stat().st_mode & 0o777 == 0o600
    assert lines(programme / "audit.jsonl")[-1]["action"] == "explanation"
    failed = run(*arguments[:-2], "none", "--out", tmp_path / "none.txt", "--identifiable")
    assert (failed.returncode, (tmp_path / "none.txt").exists()) == (2, False)


def test_clerical_review_writes_the_least_certain_records(ics: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    arguments = ("clerical-review", ics, *WHO, "--records", 5, "--out", tmp_path / "review.csv")
    assert run(*arguments, "--audit", log).returncode == 4
    unwritten = run(*arguments, "--identifiable")
    assert (unwritten.returncode, "there is no audit log" in unwritten.stderr) == (4, True)
    assert list(tmp_path.iterdir()) == []
    said = done(*arguments, "--identifiable", "--audit", log)
    asked = rows(tmp_path / "review.csv")
    assert 0 < len({row["review_id"] for row in asked}) <= 5
    assert "records to review" in said
    assert (tmp_path / "review.csv").stat().st_mode & 0o777 == 0o600
    assert actions(log) == ["clerical_review"]


def test_double_persons_are_written_for_the_trusted_team_only(ics: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "audit.jsonl", tmp_path / "doubles.csv"
    arguments = ("double-persons", ics, *WHO, "--out", out)
    assert run(*arguments, "--audit", log).returncode == 4
    unwritten = run(*arguments, "--identifiable")
    assert (unwritten.returncode, "there is no audit log" in unwritten.stderr) == (4, True)
    assert list(tmp_path.iterdir()) == []
    said = done(*arguments, "--identifiable", "--audit", log)
    assert "none of them joined" in said
    assert out.stat().st_mode & 0o777 == 0o600
    assert actions(log) == ["double_persons"]
