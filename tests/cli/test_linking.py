"""The commands that synthesise data, check a programme, link it and report."""

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from linkcore.report.quality_file import read_quality
from tests.cli.commands import DAY, PEOPLE, done, process, run, state


def test_synthesise_writes_months_or_a_single_ics(tmp_path: Path) -> None:
    for months, programmes in ((2, ["month-01/programme.toml", "month-02/programme.toml"]), (1, ["programme.toml"])):
        said = done("synthesise", "--people", 60, "--months", months, "--out", tmp_path / "ics")
        assert sorted(str(path.relative_to(tmp_path / "ics")) for path in tmp_path.rglob("*.toml")) == programmes
        assert all(f"programme: {tmp_path / 'ics' / programme}" in said for programme in programmes)


def test_demo_runs_all_steps_and_accounts_for_every_record(tmp_path: Path) -> None:
    ran = process("demo", "--people", 1000, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    truth = pl.read_parquet(tmp_path / "linkcore-demo" / "ics" / "truth.parquet")
    assert f"{truth.height:,} records in" in ran.stdout
    manifests = list(tmp_path.glob("linkcore-demo/release/*/manifest.json"))
    manifest = json.loads(manifests[0].read_text())
    assert manifest["records_linked"] == pytest.approx(truth.height, abs=5)
    for file in manifest["files"]:
        of = truth.filter(pl.col("source") == file["source"])
        assert pl.read_parquet(manifests[0].with_name(file["file"])).height == of.height
    for word in ("precision", "recall", "peak memory", "linkcore-demo/release", "linkcore-demo/report", "ambulance"):
        assert word in ran.stdout
    report = (tmp_path / "linkcore-demo" / "report" / "report.html").read_text("utf-8")
    assert "The truth is known here" in report


def test_check_describes_the_programme_and_reads_no_data(programme: Path) -> None:
    (programme / "gp.csv").write_text("NHS,SURNAME,PRACTICE,CONDITIONS\n1,2\n")
    said = done("check", programme, "--on", DAY)
    for text in (
        "source gp (spine)",
        "national: every source, as of 2026-04-10",
        "recipient Partner (key partner-2026): Planning",
        f"on {DAY}: in force",
        "audit log: audit.jsonl",
        "are all right",
    ):
        assert text in said


def test_check_exits_with_4_if_a_release_on_that_day_would_be_refused(programme: Path) -> None:
    stale = run("check", programme, "--on", "2026-05-15")
    assert (stale.returncode, "at most 7 are allowed" in stale.stderr) == (4, True)
    assert "recipient Partner" in stale.stdout
    ended = run("check", programme, "--on", "2027-01-01")
    assert (ended.returncode, "ended on 2026-12-31" in ended.stderr) == (4, True)


@pytest.fixture(scope="module")
def linked(ics: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("linked") / "work"
    return folder, done("link", ics / "programme.toml", "--out", folder)


def test_link_writes_private_files_of_links_quality_and_model(ics: Path, linked: tuple[Path, str]) -> None:
    folder, said = linked
    assert {oct(file.stat().st_mode)[-3:] for file in folder.iterdir()} == {"600"}
    assert {"links.parquet", "quality.json", "model.json"} <= {file.name for file in folder.iterdir()}
    assert pl.read_parquet(folder / "links.parquet").height == pl.read_parquet(ics / "truth.parquet").height
    assert not read_quality(folder / "quality.json").disclosed
    assert re.search(r"^all +", said, re.MULTILINE)


def test_link_leaves_out_rows_with_a_type_1_opt_out_and_counts_them(programme: Path, tmp_path: Path) -> None:
    said = done("link", programme, "--on", DAY, "--out", tmp_path / "work")
    assert "gp, practice A81001: 1 rows left out, Type 1 (report this back)" in said
    links = pl.read_parquet(tmp_path / "work" / "links.parquet")
    assert links.filter(pl.col("source") == "gp").height == len(PEOPLE) - 1


def test_report_reads_a_saved_linkage_and_does_not_link_again(linked: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = linked
    said = done("report", folder, "--out", tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["quality.json", "report.html"]
    shown, true = read_quality(tmp_path / "report" / "quality.json"), read_quality(folder / "quality.json")
    assert shown.disclosed
    assert shown.run == true.run  # the same run, with its times
    assert "belong to about" in said
    again = done("report", folder, "--out", tmp_path / "trusted", "--trusted", "--previous", folder / "quality.json")
    assert "keep it within the trusted team" in again
    assert read_quality(tmp_path / "trusted" / "quality.json").records.equals(true.records)
    assert "Trusted team only" in (tmp_path / "trusted" / "report.html").read_text("utf-8")


def test_report_links_a_programme(programme: Path, tmp_path: Path) -> None:
    said = done("report", programme, "--on", DAY, "--out", tmp_path / "report")
    assert "belong to about" in said
    assert 'withheld from releases for the purpose "Planning"' in said
    told = read_quality(tmp_path / "report" / "quality.json")
    assert told.withheld["purpose"].unique().to_list() == ["Planning"]
    assert told.not_read.height


def test_if_opt_outs_are_too_old_the_report_has_everything_else(programme: Path, tmp_path: Path) -> None:
    state(programme, "[opt_outs.national]\nas_of = 2026-04-10", "[opt_outs.national]\nas_of = 2026-04-01")
    said = done("report", programme, "--on", DAY, "--out", tmp_path / "report")
    assert "withheld records are not in the report: " in said
    assert read_quality(tmp_path / "report" / "quality.json").withheld.is_empty()


def test_report_never_overwrites_the_quality_file_that_it_reads(linked: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = linked
    before = (folder / "quality.json").read_bytes()
    for arguments in ((folder, "--out", folder), (folder, "--out", tmp_path, "--previous", tmp_path / "quality.json")):
        refused = run("report", *arguments)
        assert (refused.returncode, "would be replaced" in refused.stderr) == (2, True)
    assert (folder / "quality.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_only_an_earlier_output_is_overwritten(programme: Path) -> None:
    before = sorted(path.name for path in programme.iterdir())
    assert run("link", programme, "--on", DAY, "--out", programme).returncode == 2
    assert sorted(path.name for path in programme.iterdir()) == before


def test_unusable_input_data_exit_with_3(tmp_path: Path) -> None:
    (tmp_path / "programme.toml").write_text(
        '[programme]\nname = "X"\nsynthetic = true\n[[source]]\nname = "gp"\ndata = "gp.csv"\n'
    )
    assert run("check", tmp_path).returncode == 3
    (tmp_path / "gp.csv").write_text("nhs_number\n1,2\n")
    refused = run("link", tmp_path, "--out", tmp_path / "work")
    assert (refused.returncode, "gp.csv: row 1" in refused.stderr) == (3, True)
    assert not (tmp_path / "work").exists()


def test_a_programme_that_has_ended_is_not_linked(programme: Path, tmp_path: Path) -> None:
    state(programme, "ends = 2026-12-31", "ends = 2026-01-01")
    refused = run("link", programme, "--on", DAY, "--out", tmp_path / "work")
    assert (refused.returncode, "ended on 2026-01-01" in refused.stderr) == (4, True)


def test_a_tiny_programme_is_linked_without_loading_the_compiler(tmp_path: Path) -> None:
    somerset = Path(__file__).parents[2] / "fixtures" / "programmes" / "somerset"
    command = ["link", str(somerset), "--on", "2026-04-01", "--out", str(tmp_path / "work")]
    code = "import sys; from linkcore.cli import main; assert main(sys.argv[1:]) == 0; print('numba' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1] == "False"
