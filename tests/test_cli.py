"""The command line, run as a user would: real processes, real files, exit codes."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.quality.quality_file import read_quality
from tests.pseudonyms.traces import shows


def run(*arguments: object, cwd: Path | None = None, passphrase: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "LINKCORE_PASSPHRASE"}
    return subprocess.run(
        [sys.executable, "-m", "linkcore", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**environment, **({"LINKCORE_PASSPHRASE": passphrase} if passphrase is not None else {})},
        stdin=subprocess.DEVNULL,
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
    for word in ("precision", "recall", "peak memory", "linkcore-demo/release", "linkcore-demo/report", "ambulance"):
        assert word in done.stdout
    report = (tmp_path / "linkcore-demo" / "report" / "report.html").read_text("utf-8")
    assert "The truth is known here" in report


def test_check_says_what_is_there_and_links_nothing(ics: Path) -> None:
    done = run("check", ics)
    assert done.returncode == 0
    assert "source gp (spine)" in done.stdout
    assert "nothing is wrong" in done.stdout


@pytest.fixture(scope="module")
def linked(ics: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("linked") / "work"
    done = run("link", ics / "programme.toml", "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


def test_link_writes_private_links_and_their_quality(ics: Path, linked: tuple[Path, str]) -> None:
    folder, said = linked
    assert {oct(file.stat().st_mode)[-3:] for file in folder.iterdir()} == {"600"}
    assert pl.read_parquet(folder / "links.parquet").height == pl.read_parquet(ics / "truth.parquet").height
    assert not read_quality(folder / "quality.json").disclosed
    assert re.search(r"^all +", said, re.MULTILINE)


def test_report_is_of_what_was_linked_and_does_not_link_again(linked: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = linked
    done = run("report", folder, "--out", tmp_path / "report")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["quality.json", "report.html"]
    shown, true = read_quality(tmp_path / "report" / "quality.json"), read_quality(folder / "quality.json")
    assert shown.disclosed
    assert shown.run == true.run  # the very run, times and all
    assert "are of about" in done.stdout
    again = run(
        *("report", folder, "--out", tmp_path / "trusted", "--trusted", "--previous", folder / "quality.json"),
    )
    assert again.returncode == 0
    assert "keep it within the trusted team" in again.stdout
    assert read_quality(tmp_path / "trusted" / "quality.json").records.equals(true.records)
    assert "Trusted team only" in (tmp_path / "trusted" / "report.html").read_text("utf-8")


def test_report_never_replaces_the_measures_that_it_reads(linked: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = linked
    before = (folder / "quality.json").read_bytes()
    for arguments in ((folder, "--out", folder), (folder, "--out", tmp_path, "--previous", tmp_path / "quality.json")):
        done = run("report", *arguments)
        assert done.returncode == 2
        assert "would be replaced" in done.stderr
    assert (folder / "quality.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == []


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


# --- Keyrings --------------------------------------------------------------------------------------------------------

PASSPHRASE = "correct horse battery staple"
MATERIAL = b"MATERIAL-NOBODY-SHALL-SEE-0123456789"


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """A keyring with one key, brought along by its recipient."""
    raw = tmp_path / "raw.key"
    raw.touch(mode=0o600)
    raw.write_bytes(base64.b64encode(MATERIAL))
    place = tmp_path / "keys" / "keys.json"
    done = run(
        *("keys", "import", "optum-2026", "--file", raw, "--encoding", "base64", "--keyring", place),
        *("--recipient", "Optum", "--purpose", "winter planning"),
        passphrase=PASSPHRASE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "remove it" in done.stdout
    raw.unlink()
    return place


def keys(action: str, *arguments: object, keyring: Path) -> str:
    done = run("keys", action, *arguments, "--keyring", keyring, passphrase=PASSPHRASE)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_life_of_a_key(keyring: Path) -> None:
    assert lc.Keyring.open(keyring, PASSPHRASE)["optum-2026"]._material.reveal() == MATERIAL
    said = keys("new", "university-2026", keyring=keyring)
    said += keys("rotate", "optum-2026", keyring=keyring)
    said += keys("destroy", "optum-2026", "--version", 1, keyring=keyring)
    said += keys("retire", "university-2026", keyring=keyring)
    listed = keys("list", keyring=keyring)
    statuses = [(one.id, one.version, one.status) for one in lc.Keyring.open(keyring, PASSPHRASE).versions]
    assert statuses == [
        ("optum-2026", 1, "destroyed"),
        ("optum-2026", 2, "active"),
        ("university-2026", 1, "retired"),
    ]
    for text in ("optum-2026", "winter planning", "Optum", "destroyed", "active", "retired"):
        assert text in listed
    assert keyring.stat().st_mode & 0o777 == 0o600
    assert not shows(said + listed, MATERIAL)
    assert not shows(keyring.read_bytes(), MATERIAL)


def test_a_passphrase_comes_from_a_file_descriptor_and_is_never_an_argument(keyring: Path) -> None:
    command = [sys.executable, "-m", "linkcore", "keys", "list", "--keyring", str(keyring), "--passphrase-fd", "0"]
    done = subprocess.run(command, input=PASSPHRASE + "\n", capture_output=True, text=True, check=False)
    assert (done.returncode, "optum-2026" in done.stdout) == (0, True)
    for option in ("--passphrase", "--passphrase-fd"):
        done = run("keys", "list", "--keyring", keyring, option, PASSPHRASE)
        assert done.returncode == 2
        assert "never a passphrase" in done.stderr
        assert "horse" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["keys", "new", "a", "--out", "k", "--purpose", "p"], "--keyring, not --out"),
        (["pseudonymise", "f", "--column", "N", "--key-file", "k", "--key", "a", "--out", "o"], "one key only"),
        (["pseudonymise", "f", "--column", "N", "--key-file", "k", "--key-version", "2", "--out", "o"], "one version"),
    ],
)
def test_options_of_keyrings_are_not_ignored_where_there_is_none(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, says in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "passphrase", "code", "says"),
    [
        (["list"], "another passphrase", 4, "the passphrase is wrong"),
        (["list"], None, 2, "nobody to ask"),
        (["destroy", "optum-2026", "--version", "1"], PASSPHRASE, 4, "retire it first"),
        (["destroy", "optum-2026"], PASSPHRASE, 2, "--version"),
        (["rotate", "other"], PASSPHRASE, 4, "no key 'other'; it has optum-2026"),
        (["new", "optum-2026"], PASSPHRASE, 4, "rotate it, or choose another id"),
    ],
)
def test_what_a_keyring_refuses_is_said_in_one_line_and_changes_nothing(
    keyring: Path, arguments: list[str], passphrase: str | None, code: int, says: str
) -> None:
    before = keyring.read_bytes()
    done = run("keys", *arguments, "--keyring", keyring, passphrase=passphrase)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert keyring.read_bytes() == before


def test_a_keyring_that_is_not_there_is_made_by_new_and_by_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "keys.json"
    assert run("keys", "rotate", "a", "--keyring", place, passphrase=PASSPHRASE).returncode == 4
    assert run("keys", "new", "a", "--keyring", place, passphrase="short").returncode == 4
    assert list(tmp_path.iterdir()) == []
    assert run("keys", "new", "a", passphrase=PASSPHRASE).returncode == 2
    assert run("keys", "new", "a", "--keyring", place, passphrase=PASSPHRASE).returncode == 0
    assert list(lc.Keyring.open(place, PASSPHRASE)) == ["a"]


def test_pseudonymise_under_a_version_of_a_keyring_s_key(keyring: Path, tmp_path: Path) -> None:
    keys("rotate", "optum-2026", keyring=keyring)
    (tmp_path / "in.csv").write_text("NHS\n4010232137\n")
    command = (
        "pseudonymise",
        tmp_path / "in.csv",
        "--column",
        "NHS",
        "--out",
        tmp_path / "out.parquet",
        "--keyring",
        keyring,
    )
    opened = lc.Keyring.open(keyring, PASSPHRASE)
    for further, version in (((), 2), (("--key-version", 1), 1)):
        assert run(*command, "--key", "optum-2026", *further, passphrase=PASSPHRASE).returncode == 0
        expected = lc.pseudonymise(pl.Series("pseudonym", ["4010232137"]), opened.key("optum-2026", version))
        assert pl.read_parquet(tmp_path / "out.parquet").equals(expected.to_frame())
    assert run(*command, passphrase=PASSPHRASE).returncode == 2
    assert run(*command, "--key-file", keyring, passphrase=PASSPHRASE).returncode == 2


def test_no_output_of_a_run_holds_the_key_or_its_midstates(ics: Path, tmp_path: Path) -> None:
    recipient = lc_programme(ics)["recipient"][0]
    keyring = lc.Keyring.create(tmp_path / "keys.json", PASSPHRASE, cost=14)
    key = lc.Key.from_bytes(recipient["key"], MATERIAL)
    keyring.add(key, at=datetime(2026, 4, 1, tzinfo=UTC))
    out = tmp_path / "out"
    done = run(
        *("release", ics, "--recipient", recipient["name"], "--keyring", keyring.path, "--out", out),
        passphrase=PASSPHRASE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    key.write(tmp_path / "key.json")
    again = tmp_path / "again"
    plain = ("release", ics, "--recipient", recipient["name"], "--key-file", tmp_path / "key.json", "--out", again)
    assert run(*plain).returncode == 0
    assert digests(out) == digests(again)  # the same key, from both places
    files = [keyring.path, *out.iterdir()]
    assert len(files) > 2
    assert not [file for file in files if shows(file.read_bytes(), MATERIAL)]
    tables = [file for file in files if file.suffix == ".parquet"]  # which are compressed
    assert not [table for table in tables if shows(pl.read_parquet(table).write_csv(), MATERIAL)]
    assert not [table for table in tables if shows(str(pl.read_parquet_metadata(table)), MATERIAL)]
    assert not shows(done.stdout, MATERIAL)
    assert shows((tmp_path / "key.json").read_bytes(), MATERIAL)  # the plain file of the key itself


def test_nothing_is_overwritten_that_is_not_an_earlier_output(ics: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in ics.iterdir())
    assert run("link", ics, "--out", ics).returncode == 2
    assert sorted(path.name for path in ics.iterdir()) == before
    (tmp_path / "in.csv").write_text("NHS\n4010232137\n")
    assert run("keys", "new", "k", "--out", tmp_path / "k.json").returncode == 0
    arguments = ("pseudonymise", tmp_path / "in.csv", "--column", "NHS", "--key-file", tmp_path / "k.json", "--out")
    assert run(*arguments, tmp_path / "in.csv").returncode == 2
    assert (tmp_path / "in.csv").read_text() == "NHS\n4010232137\n"


def test_a_programme_that_is_not_synthetic_is_not_released(ics: Path, tmp_path: Path) -> None:
    stated = (ics / "programme.toml").read_text().replace("synthetic = true", "synthetic = false")
    (ics / "real.toml").write_text(stated)
    recipient = lc_programme(ics)["recipient"][0]
    arguments = ("--recipient", recipient["name"], "--key-file", tmp_path / "k.json", "--out", tmp_path / "out")
    done = run("release", ics / "real.toml", *arguments)
    (ics / "real.toml").unlink()
    assert done.returncode == 4
    assert "synthetic" in done.stderr
