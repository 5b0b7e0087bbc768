"""The command line, run as a user would: real processes, real files, exit codes."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "linkcore", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.fixture(scope="module")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "ics"
    made = run("synthesise", "--people", 1000, "--seed", 3, "--out", folder)
    assert (made.returncode, made.stderr) == (0, "")
    return folder


def test_demo_does_the_whole_job_and_accounts_for_every_record(tmp_path: Path) -> None:
    done = run("demo", "--people", 1000, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    truth = pl.read_parquet(tmp_path / "linkcore-demo" / "ics" / "truth.parquet")
    assert f"{truth.height:,} records in" in done.stdout
    manifests = list(tmp_path.glob("linkcore-demo/release/*/manifest.json"))
    manifest = json.loads(manifests[0].read_text())
    assert manifest["records_linked"] == truth.height
    for file in manifest["files"]:
        of = truth.filter(pl.col("source") == file["source"])
        assert file["rows"] == of.height
    for word in ("precision", "recall", "peak memory", "linkcore-demo/release", "ambulance"):
        assert word in done.stdout


def test_check_says_what_is_there_and_links_nothing(ics: Path) -> None:
    done = run("check", ics)
    assert done.returncode == 0
    assert "source gp (spine)" in done.stdout
    assert "nothing is wrong" in done.stdout


def test_link_writes_private_links(ics: Path, tmp_path: Path) -> None:
    done = run("link", ics / "programme.toml", "--out", tmp_path / "work")
    assert done.returncode == 0
    file = tmp_path / "work" / "links.parquet"
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert pl.read_parquet(file).height == pl.read_parquet(ics / "truth.parquet").height
    assert re.search(r"^all +", done.stdout, re.MULTILINE)


def test_release_writes_what_the_recipient_may_have(ics: Path, tmp_path: Path) -> None:
    recipient = lc_programme(ics)["recipient"][0]
    assert run("keys", "new", recipient["key"], "--out", tmp_path / "key.json").returncode == 0
    assert run("keys", "new", recipient["key"], "--out", tmp_path / "key.json").returncode == 4
    arguments = ("release", ics, "--recipient", recipient["name"], "--key-file", tmp_path / "key.json", "--out")
    assert run(*arguments, tmp_path / "one").returncode == 0
    assert run(*arguments, tmp_path / "two").returncode == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert oct((tmp_path / "key.json").stat().st_mode)[-3:] == "600"
    assert {f"{name}.parquet" for name in recipient["columns"]} | {"manifest.json"} == set(digests(tmp_path / "one"))


def lc_programme(ics: Path) -> dict[str, list[dict[str, str]]]:
    import tomllib

    return tomllib.loads((ics / "programme.toml").read_text())


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_pseudonymise_gives_pseudonyms_and_only_what_is_kept(tmp_path: Path) -> None:
    key = lc.Key.generate("mine")
    key.write(tmp_path / "key.json")
    (tmp_path / "in.csv").write_text("NHS,NAME,WARD\n401 023 2137,SECRET,A\n4010232138,SECRET,B\n")
    done = run(
        *("pseudonymise", tmp_path / "in.csv", "--column", "NHS", "--keep", "WARD"),
        *("--key-file", tmp_path / "key.json", "--out", tmp_path / "out.parquet"),
    )
    assert done.returncode == 0
    assert "2 rows, 1 of them with no usable number" in done.stdout
    expected = pl.DataFrame({"n": ["4010232137", None]}).select(lc.pseudonymise("n", key).alias("pseudonym"))
    assert pl.read_parquet(tmp_path / "out.parquet").equals(expected.with_columns(WARD=pl.Series(["A", "B"])))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["demo", "--people", "none"], 2, "give a whole number above 0"),
        (["demo", "--people", "0"], 2, "give a whole number above 0"),
        (["nonsense"], 2, "invalid choice"),
        ([], 2, "required"),
        (["check", "nowhere.toml"], 2, "no such programme file"),
        (
            ["pseudonymise", "none.csv", "--column", "N", "--key-file", "none.json", "--out", "x.parquet"],
            4,
            "none.json",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_exit_code(
    tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_input_data_that_cannot_be_used_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "programme.toml").write_text('[programme]\nname = "X"\n[[source]]\nname = "gp"\ndata = "gp.csv"\n')
    assert run("check", tmp_path).returncode == 3
    (tmp_path / "gp.csv").write_text("nhs_number\n1,2\n")
    done = run("link", tmp_path, "--out", tmp_path / "work")
    assert done.returncode == 3
    assert "gp.csv: row 1" in done.stderr
    assert not (tmp_path / "work").exists()


def test_an_unknown_recipient_is_wrong_usage(ics: Path, tmp_path: Path) -> None:
    done = run("release", ics, "--recipient", "nobody", "--key-file", tmp_path / "k", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no recipient 'nobody'" in done.stderr
