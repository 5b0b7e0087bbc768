"""Commands that show identifiers must be asked for, and are recorded before they write anything."""

from pathlib import Path

import polars as pl

from tests.cli.commands import DAY, PEOPLE, WHO, actions, done, lines, rows, run, state


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


def test_decide_adds_answers_that_the_next_linkage_heeds(programme: Path, tmp_path: Path) -> None:
    review = tmp_path / "review.csv"
    review.write_text("source,record_id,person_source,person_record_id,answer\nemergency,ID1,gp,ID1,no\n")
    refused = run("decide", programme, review, *WHO)
    assert (refused.returncode, "state [linkage] decisions" in refused.stderr) == (2, True)
    state(programme, "[linkage]", '[linkage]\ndecisions = "decisions.csv"')
    refused = run("link", programme, "--on", DAY, "--out", tmp_path / "work")
    assert (refused.returncode, "linkage.decisions: there is no file" in refused.stderr) == (2, True)
    refused = run("decide", programme, review, *WHO)
    assert (refused.returncode, "by their row number" in refused.stderr) == (2, True)
    for name in ("gp", "emergency"):
        text = (programme / f"{name}.csv").read_text().splitlines()
        (programme / f"{name}.csv").write_text(
            "".join(f"{f'ID{at}' if at else 'ID'},{line}\n" for at, line in enumerate(text))
        )
        state(programme, f'data = "{name}.csv"', f'data = "{name}.csv"\nrecord_id = "ID"')
    assert "1 decisions added" in done("decide", programme, review, *WHO)
    assert lines(programme / "audit.jsonl")[-1]["action"] == "decisions"
    assert (programme / "decisions.csv").stat().st_mode & 0o777 == 0o600
    said = done("link", programme, "--on", DAY, "--out", tmp_path / "work")
    assert "decisions, stands: 1" in said
    links = pl.read_parquet(tmp_path / "work" / "links.parquet")
    emergency = links.filter(source="emergency", record_id="ID1").row(0, named=True)
    assert (emergency["method"], emergency["conflict"]) == ("unlinked", True)
    assert pl.read_parquet(tmp_path / "work" / "decisions.parquet")["state"][0] == "stands"
    done("decide", programme, review, *WHO, "--undo")
    assert "decisions, taken back: 1" in done("link", programme, "--on", DAY, "--out", tmp_path / "work", "--anew")
    assert "decisions of clerks, which outrank the linkage: decisions.csv" in done("check", programme, "--on", DAY)
