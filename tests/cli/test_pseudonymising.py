"""The command that replaces the NHS Numbers of a file by pseudonyms or by stage-1 codes."""

from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.cli.opening import now
from linkcore.keys.key_versions import HeldKey, KeyVersion
from linkcore.keys.secret import Secret
from tests.cli.commands import PASSPHRASE, PEOPLE, done, lines, run


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    lc.Key.generate("mine").write(tmp_path / "key.json")
    return tmp_path / "key.json"


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    file = tmp_path / "in.csv"
    file.write_text("NHS,NAME,WARD\n401 023 2137,SECRET,A\n4010232138,SECRET,B\n")
    return file


def test_pseudonymise_writes_pseudonyms_and_only_the_kept_columns(
    extract: Path, key_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    said = done("pseudonymise", extract, "--column", "NHS", "--keep", "WARD", "--key-file", key_file, "--out", out)
    assert "2 rows, 1 of them without a usable number" in said
    key = lc.Key.read(key_file)
    expected = pl.DataFrame({"n": ["4010232137", None]}).select(lc.pseudonymise("n", key).alias("pseudonym"))
    assert pl.read_parquet(out).equals(expected.with_columns(WARD=pl.Series(["A", "B"])))


def test_the_use_of_a_key_is_recorded_if_an_audit_log_is_given(extract: Path, key_file: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "audit.jsonl", tmp_path / "out.parquet"
    arguments = ("pseudonymise", extract, "--column", "NHS", "--key-file", key_file, "--out", out, "--audit", log)
    nobody = run(*arguments)
    assert (nobody.returncode, "--audit needs --actor" in nobody.stderr) == (2, True)
    assert not out.exists()
    done(*arguments, "--actor", "a supplier")
    (line,) = lines(log)
    assert (line["action"], line["actor"], line["key"]) == ("pseudonymisation", "a supplier", "mine")


def test_nothing_is_pseudonymised_under_a_weak_key_that_an_old_keyring_holds(extract: Path, tmp_path: Path) -> None:
    keyring = lc.Keyring.create(tmp_path / "team.keys", PASSPHRASE, cost=14)
    weak = lc.Key._build("old", Secret(bytes(range(32))))
    keyring._save([HeldKey(KeyVersion("old", 1, "", "", now(), "active", now()), weak)])
    out = tmp_path / "out.parquet"
    command = ("pseudonymise", extract, "--column", "NHS", "--out", out, "--keyring", keyring.path, "--key", "old")
    refused = run(*command, passphrase=PASSPHRASE)
    assert (refused.returncode, "key 'old': its material counts" in refused.stderr) == (4, True)
    assert not out.exists()


def test_pseudonymise_with_a_version_of_a_key_in_a_keyring(extract: Path, key_file: Path, tmp_path: Path) -> None:
    keyring = lc.Keyring.create(tmp_path / "team.keys", PASSPHRASE, cost=14)
    keyring.new("optum-2026", at=now())
    keyring.rotate("optum-2026", at=now())
    out = tmp_path / "out.parquet"
    command = ("pseudonymise", extract, "--column", "NHS", "--out", out, "--keyring", keyring.path)
    for further, version in (((), 2), (("--key-version", 1), 1)):
        done(*command, "--key", "optum-2026", *further, passphrase=PASSPHRASE)
        expected = lc.pseudonymise(pl.Series("pseudonym", ["4010232137", None]), keyring.key("optum-2026", version))
        assert pl.read_parquet(out).equals(expected.to_frame())
    assert run(*command, passphrase=PASSPHRASE).returncode == 2
    assert run(*command, "--key-file", key_file, passphrase=PASSPHRASE).returncode == 2


def test_the_input_file_is_never_overwritten(extract: Path, key_file: Path) -> None:
    before = extract.read_text()
    assert run("pseudonymise", extract, "--column", "NHS", "--key-file", key_file, "--out", extract).returncode == 2
    assert extract.read_text() == before


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--key-file", "k", "--key", "a"], "one key only"),
        (["--key-file", "k", "--key-version", "2"], "one version"),
        (["--key-file", "k", "--code-bits", "256"], "--code-bits is for stage-1 codes; add --stage 1"),
        (["--key-file", "k", "--stage", "1", "--code-bits", "100"], "a multiple of 8 from 128 to 256"),
    ],
)
def test_options_without_effect_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key_file: Path, more: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    key_file.rename("k")
    refused = run("pseudonymise", "f", "--column", "N", "--out", "o", *more)
    assert (refused.returncode, says in refused.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_sources_with_stage_1_codes_are_linked_by_them(tmp_path: Path) -> None:
    """The suppliers hold the stage-1 key; the trusted team links the codes and never has the key."""
    lc.Key.generate("suppliers").write(tmp_path / "suppliers.json")
    (tmp_path / "gp.csv").write_text("NHS,CARE\n" + "".join(f"{one},x\n" for one in PEOPLE))
    (tmp_path / "seen.csv").write_text(
        "NHS,CARE\n" + "".join(f"{one[:3]} {one[3:6]} {one[6:]},y\n" for one in PEOPLE[:5])
    )
    for name in ("gp", "seen"):
        done(
            *("pseudonymise", tmp_path / f"{name}.csv", "--column", "NHS", "--keep", "CARE", "--test-numbers"),
            *("--key-file", tmp_path / "suppliers.json", "--out", tmp_path / f"{name}.parquet"),
            *("--stage", 1, "--code-encoding", "base64", "--code-bits", 256, "--code-text", "spaced"),
        )
    coded = pl.read_parquet(tmp_path / "gp.parquet")
    assert coded.columns == ["NHS", "CARE"]
    assert set(coded["NHS"].str.len_bytes()) == {44}
    programme = tmp_path / "programme"
    programme.mkdir()
    table = '[[source]]\nname = "{0}"\ndata = "../{0}.parquet"\n{1}[source.columns]\nnhs_number = "NHS"\n'
    (programme / "programme.toml").write_text(
        '[programme]\nname = "X"\nsynthetic = true\n[linkage]\nprobabilistic = false\n'
        '[two_stage]\nencoding = "base64"\nbits = 256\ntext = "spaced"\n'
        + table.format("gp", "spine = true\n")
        + table.format("seen", "")
    )
    done("link", programme, "--out", tmp_path / "work")
    links = pl.read_parquet(tmp_path / "work" / "links.parquet")
    persons = {name: links.filter(pl.col("source") == name)["person_id"].to_list() for name in ("gp", "seen")}
    by_record = dict(zip(PEOPLE, persons["gp"], strict=True))
    assert persons["seen"] == [by_record[one] for one in PEOPLE[:5]]
