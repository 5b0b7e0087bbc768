"""The commands on keys: the life of a key, what the audit log records, and that no key is ever shown."""

import base64
import hashlib
import os
import stat
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.cli.opening import now
from tests.cli.commands import DAY, PASSPHRASE, done, lines, process, run
from tests.pseudonyms.traces import shows

MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """A keyring with one key, which its recipient made."""
    place = tmp_path / "keys" / "team.keys"
    place.parent.mkdir()
    keyring = lc.Keyring.create(place, PASSPHRASE, cost=14)
    keyring.add(lc.Key.from_bytes("optum-2026", MATERIAL), at=now(), purpose="winter planning", recipient="Optum")
    return place


def keys(action: str, *arguments: object, keyring: Path) -> str:
    return done("keys", action, *arguments, "--keyring", keyring, passphrase=PASSPHRASE)


def test_a_key_that_somebody_else_made_is_imported(tmp_path: Path) -> None:
    raw, place = tmp_path / "raw.key", tmp_path / "keys" / "team.keys"
    raw.touch(mode=0o600)
    raw.write_bytes(base64.b64encode(MATERIAL))
    said = keys("import", "optum-2026", "--file", raw, "--encoding", "base64", "--recipient", "Optum", keyring=place)
    assert "remove the file" in said
    assert lc.Keyring.open(place, PASSPHRASE)["optum-2026"]._material.reveal() == MATERIAL
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_key_that_this_or_another_keyring_has_is_not_imported_again(keyring: Path, tmp_path: Path) -> None:
    raw, other = tmp_path / "raw.key", tmp_path / "keys" / "other.keys"
    raw.touch(mode=0o600)
    raw.write_text(MATERIAL.hex())
    command = ("keys", "import", "another-2026", "--file", raw, "--encoding", "hex", "--keyring")
    again = run(*command, keyring, passphrase=PASSPHRASE)
    assert again.returncode == 4
    assert "has the same material as key 'optum-2026' version 1" in again.stderr
    lc.Keyring.create(other, "a passphrase of its own", cost=14)
    reading, writing = os.pipe()
    os.write(writing, f"a passphrase of its own\n{PASSPHRASE}\n".encode())
    os.close(writing)
    apart = run(*command, other, "--apart-from", keyring, "--passphrase-fd", reading)
    os.close(reading)
    assert apart.returncode == 4
    assert f"has the same material as key 'optum-2026' version 1 of {keyring}" in apart.stderr
    assert not list(lc.Keyring.open(other, "a passphrase of its own"))
    assert not shows(again.stderr + apart.stderr, MATERIAL)


def test_a_key_is_made_rotated_retired_and_destroyed(keyring: Path, tmp_path: Path) -> None:
    log = ("--audit", tmp_path / "audit.jsonl", "--actor", "team", "--reason", "yearly")
    said = keys("new", "university-2026", *log, keyring=keyring)
    said += keys("rotate", "optum-2026", *log, keyring=keyring)
    said += keys("destroy", "optum-2026", "--version", 1, *log, keyring=keyring)
    said += keys("retire", "university-2026", *log, keyring=keyring)
    listed = keys("list", keyring=keyring)
    statuses = [(one.id, one.version, one.status) for one in lc.Keyring.open(keyring, PASSPHRASE).versions]
    assert statuses == [
        ("optum-2026", 1, "destroyed"),
        ("optum-2026", 2, "active"),
        ("university-2026", 1, "retired"),
    ]
    for text in ("optum-2026", "winter planning", "Optum", "destroyed", "active", "retired"):
        assert text in listed
    written = [(line["action"], line["key"], line["key_version"]) for line in lines(tmp_path / "audit.jsonl")]
    assert written == [
        ("key_creation", "university-2026", 1),
        ("key_rotation", "optum-2026", 1),
        ("key_destruction", "optum-2026", 1),
        ("key_retirement", "university-2026", 1),
    ]
    assert not shows(said + listed + (tmp_path / "audit.jsonl").read_text(), MATERIAL)
    assert not shows(keyring.read_bytes(), MATERIAL)


def test_a_key_is_not_changed_if_that_cannot_be_recorded(keyring: Path, tmp_path: Path) -> None:
    before = keyring.read_bytes()
    (tmp_path / "audit.jsonl").write_text("no log\n")
    log = ("--audit", tmp_path / "audit.jsonl", "--actor", "team")
    for action in (("rotate", "optum-2026"), ("retire", "optum-2026"), ("new", "another")):
        assert run("keys", *action, *log, "--keyring", keyring, passphrase=PASSPHRASE).returncode == 4
    assert run("keys", "new", "a", *log, "--out", tmp_path / "a.json").returncode == 4
    assert run("keys", "signing", "new", *log, "--out", tmp_path / "a.pem").returncode == 4
    assert keyring.read_bytes() == before
    assert not list(tmp_path.glob("a.*"))


def test_a_passphrase_comes_from_a_file_descriptor_and_is_never_an_argument(keyring: Path) -> None:
    listed = process("keys", "list", "--keyring", keyring, "--passphrase-fd", 0, stdin=PASSPHRASE + "\n")
    assert (listed.returncode, "optum-2026" in listed.stdout) == (0, True)
    for option in ("--passphrase", "--passphrase-fd"):
        refused = run("keys", "list", "--keyring", keyring, option, PASSPHRASE)
        assert refused.returncode == 2
        assert "never a passphrase" in refused.stderr
        assert "horse" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "passphrase", "code", "says"),
    [
        (["list"], "another passphrase", 4, "the passphrase is wrong"),
        (["list"], None, 2, "no terminal to ask"),
        (["destroy", "optum-2026", "--version", "1"], PASSPHRASE, 4, "retire it first"),
        (["destroy", "optum-2026"], PASSPHRASE, 2, "--version"),
        (["rotate", "other"], PASSPHRASE, 4, "no key 'other'; it has optum-2026"),
        (["new", "optum-2026"], PASSPHRASE, 4, "rotate it, or choose another id"),
    ],
)
def test_an_error_of_a_keyring_is_one_line_and_changes_nothing(
    keyring: Path, arguments: list[str], passphrase: str | None, code: int, says: str
) -> None:
    before = keyring.read_bytes()
    refused = run("keys", *arguments, "--keyring", keyring, passphrase=passphrase)
    assert refused.returncode == code
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert keyring.read_bytes() == before


def test_only_new_makes_a_missing_keyring(tmp_path: Path) -> None:
    place = tmp_path / "team.keys"
    assert run("keys", "rotate", "a", "--keyring", place, passphrase=PASSPHRASE).returncode == 4
    assert run("keys", "new", "a", "--keyring", place, passphrase="short").returncode == 4
    assert list(tmp_path.iterdir()) == []
    assert run("keys", "new", "a", passphrase=PASSPHRASE).returncode == 2
    assert run("keys", "new", "a", "--keyring", place, passphrase=PASSPHRASE).returncode == 0
    assert list(lc.Keyring.open(place, PASSPHRASE)) == ["a"]


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "key.json"
    wrong = run("keys", "new", "a", "--out", out, "--purpose", "p")
    assert (wrong.returncode, "--keyring, not --out" in wrong.stderr, out.exists()) == (2, True, False)
    done("keys", "new", "a", "--out", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    assert run("keys", "new", "a", "--out", out).returncode == 4
    assert out.read_bytes() == before


def test_a_signing_key_is_private_and_its_public_key_verifies(tmp_path: Path) -> None:
    out = tmp_path / "team.pem"
    done("keys", "signing", "new", "--out", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    public = done("keys", "signing", "public", out)
    lc.VerifyKey.parse(public).verify(b"text", lc.SigningKey.read(out).sign(b"text"))
    assert out.read_text() not in public
    assert run("keys", "signing", "new", "--out", out).returncode == 4


def test_no_output_of_a_release_holds_the_key_or_its_midstates(programme: Path, tmp_path: Path) -> None:
    key = lc.Key.from_bytes("partner-2026", MATERIAL)
    other = lc.Keyring.create(tmp_path / "other.keys", PASSPHRASE, cost=14)
    other.add(key, at=now())
    key.write(tmp_path / "key.json")
    out, again = tmp_path / "out", tmp_path / "again"
    arguments = ("release", programme, "--recipient", "Partner", "--on", DAY, "--actor", "team")
    said = done(*arguments, "--keyring", other.path, "--out", out, passphrase=PASSPHRASE)
    done(*arguments, "--key-file", tmp_path / "key.json", "--out", again)
    for file in out.iterdir():  # the same key, from both places
        if file.suffix != ".json":  # a manifest has the second in which it was written
            assert file.read_bytes() == (again / file.name).read_bytes()
    files = [other.path, programme / "audit.jsonl", *out.iterdir()]
    assert len(files) == 5
    assert not [file for file in files if shows(file.read_bytes(), MATERIAL)]
    tables = [file for file in files if file.suffix == ".parquet"]  # which are compressed
    assert not [table for table in tables if shows(pl.read_parquet(table).write_csv(), MATERIAL)]
    assert not [table for table in tables if shows(str(pl.read_parquet_metadata(table)), MATERIAL)]
    assert not shows(said, MATERIAL)
    assert shows((tmp_path / "key.json").read_bytes(), MATERIAL)  # the plain file of the key itself
