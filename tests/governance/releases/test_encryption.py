"""Encrypted releases: their recipient opens them, nobody else does, and no plain file is on disk on the way."""

import ctypes
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import get_args

import duckdb
import pyrage
import pytest

import linkcore as lc
from linkcore.governance.manifest import IDENTITY, MANIFEST, SIGNATURE, is_of_a_release, verify_release
from linkcore.governance.releases.formats import Format
from linkcore.keys.age import fingerprint
from tests.cli.commands import done, run
from tests.governance.extracts import DAY, KEY, SIGNING, linked, signed_and_audited
from tests.governance.releases.test_supersessions import months
from tests.governance.releases.test_supersessions import table as superseded_rows
from tests.pseudonyms.traces import report

PAIR = pyrage.x25519.Identity.generate()
PUBLIC = str(PAIR.to_public())
FOR_PARTNER = lc.Encryption([PUBLIC])
PASSPHRASE = "correct horse battery"
COLUMNS = {"hospital": ["COST"], "gp": ["SMOKER"]}


def agreement(
    form: Format = "parquet", encryption: lc.Encryption | None = FOR_PARTNER, **columns: list[str]
) -> lc.Agreement:
    return lc.Agreement("partner", KEY.id, columns or COLUMNS, format=form, encryption=encryption)


@cache
def identity_text() -> str:
    return f"# public key: {PUBLIC}\n{PAIR}\n"


@pytest.fixture
def identity(tmp_path: Path) -> lc.AgeIdentity:
    file = tmp_path / "key.txt"
    file.write_text(identity_text())
    file.chmod(0o600)
    return lc.AgeIdentity.read(file)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("released") / "out"
    return lc.release(linked(), agreement("csv"), KEY, place, signing_key=SIGNING).folder


@pytest.fixture
def out(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "out"))


def open_beside(out: Path, *, keep: bool = True) -> list[Path]:
    """Open each file as `age -d` does."""
    opened = []
    for file in out.glob("*.age"):
        opened.append(file.with_suffix(""))
        pyrage.decrypt_file(str(file), str(opened[-1]), [PAIR])
        if not keep:
            file.unlink()
    return opened


def restate(out: Path, name: str, **changed: object) -> None:
    """Alter what the manifest states of a file, as somebody without the signing key can."""
    stated = json.loads((out / MANIFEST).read_text())
    for each in stated["files"]:
        if each["file"] == name:
            each.update(sha256=hashlib.sha256((out / name).read_bytes()).hexdigest(), **changed)
    (out / MANIFEST).write_text(json.dumps(stated))


@contextmanager
def names_made_in(folder: Path) -> Iterator[list[str]]:
    """Let the kernel (inotify) list every name that is made in a folder."""
    libc, made, in_create_or_move = ctypes.CDLL(None, use_errno=True), list[str](), 0x100 | 0x80
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, bytes(folder), in_create_or_move) >= 0
    try:
        yield made
        events = os.read(watch, 1 << 16)
        while events:
            *_, length = struct.unpack("iIII", events[:16])
            made.append(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
    finally:
        os.close(watch)


@pytest.mark.parametrize("form", get_args(Format))
def test_its_recipient_opens_a_release_to_what_a_plain_one_holds(
    tmp_path: Path, identity: lc.AgeIdentity, form: Format
) -> None:
    plain = lc.release(linked(), agreement(form, None), KEY, tmp_path / "plain").folder
    out = lc.release(linked(), agreement(form), KEY, tmp_path / "out").folder
    assert {file.name for file in out.iterdir()} == {
        file.name if file.name == MANIFEST else f"{file.name}.age" for file in plain.iterdir()
    }
    assert {file.stat().st_mode & 0o777 for file in out.iterdir()} == {0o600}
    stated = verify_release(out, identity=identity)
    assert stated["encryption"] == {"format": "age-encryption.org/v1", "readers": [fingerprint(PUBLIC)]}
    for opened in open_beside(out):
        if form == "duckdb":
            for source in COLUMNS:
                assert rows_of(opened, source) == rows_of(plain / opened.name, source)
        else:
            assert opened.read_bytes() == (plain / opened.name).read_bytes()
    assert verify_release(out) == stated


def rows_of(database: Path, source: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(f"FROM {source}").fetchall()


def test_the_same_inputs_give_the_same_plain_digests_and_other_encrypted_bytes(out: Path, tmp_path: Path) -> None:
    again = lc.release(linked(), agreement("csv"), KEY, tmp_path / "again").folder
    first, second = (json.loads((folder / MANIFEST).read_text())["files"] for folder in (out, again))
    assert [each["plain"] for each in first] == [each["plain"] for each in second]
    assert not {each["sha256"] for each in first} & {each["sha256"] for each in second}


def test_the_manifest_of_a_plain_release_says_nothing_of_encryption(tmp_path: Path) -> None:
    stated = lc.release(linked(), agreement(encryption=None), KEY, tmp_path / "out").manifest
    assert "encryption" not in stated
    assert not any("plain" in each for each in stated["files"])


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="only Linux has inotify")  # noqa: PTH110
@pytest.mark.parametrize("form", get_args(Format))
def test_no_plain_file_has_a_name_in_the_folder_of_the_release(tmp_path: Path, form: Format) -> None:
    unfinished = tmp_path / ".out.partial"
    unfinished.mkdir(mode=0o700)
    with names_made_in(unfinished) as made:
        lc.release(linked(), agreement(form), KEY, tmp_path / "out")
    encrypted = {"release.duckdb.age"} if form == "duckdb" else {f"{source}.{form}.age" for source in COLUMNS}
    # A database cannot be streamed: it is written in a private folder of the unfinished release, which is gone.
    assert set(made) == encrypted | {MANIFEST} | ({"plain.work"} if form == "duckdb" else set())
    assert {file.name for file in (tmp_path / "out").iterdir()} == encrypted | {MANIFEST}


def test_superseded_pseudonyms_are_encrypted_too(tmp_path: Path, identity: lc.AgeIdentity) -> None:
    *_, march = months()
    told = agreement(gp=["PRACTICE"], hospital=["PRACTICE"])
    lc.release(march, agreement(encryption=None, **told.columns), KEY, tmp_path / "plain")  # type: ignore[arg-type]
    out = lc.release(march, told, KEY, tmp_path / "out").folder
    assert (out / "superseded.parquet.age").is_file()
    assert not list(out.glob("*.parquet"))
    verify_release(out, identity=identity)
    open_beside(out, keep=False)
    assert superseded_rows(out) == superseded_rows(tmp_path / "plain")
    verify_release(out)
    lc.release(march, told, KEY, out)  # which replaces it


def test_an_audited_release_is_recorded_with_the_digest_of_its_manifest(tmp_path: Path) -> None:
    audited = signed_and_audited(tmp_path)
    out = lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY, **audited).folder
    (line,) = (json.loads(text) for text in (tmp_path / "audit.jsonl").read_text().splitlines())
    assert line["details"]["manifest"] == hashlib.sha256((out / MANIFEST).read_bytes()).hexdigest()


# --- Damage ----------------------------------------------------------------------------------------------------------


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def swapped(file: Path) -> None:
    other, ours = file.with_name("hospital.csv.age"), file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(ours)


def for_others(file: Path) -> None:
    """Put a file in its place that the public key of another opens."""
    file.write_bytes(pyrage.encrypt(b"pseudonym\n", [pyrage.x25519.Identity.generate().to_public()]))


def forged(file: Path) -> None:
    """Put a file in its place that opens: everybody can encrypt for a public key."""
    file.write_bytes(pyrage.encrypt(b"pseudonym\n", [PAIR.to_public()]))


@pytest.mark.parametrize(
    ("tamper", "says_inside"),
    [
        (cut, "does not open: it was altered or cut short"),
        (flipped, "does not open: it was altered or cut short"),
        (swapped, r"what is in gp\.csv\.age is not what was released"),
        (for_others, "was not encrypted for age1"),
        (forged, r"what is in gp\.csv\.age is not what was released"),
    ],
)
def test_damage_is_found_without_the_key_by_the_digest_and_with_it_inside(
    out: Path, identity: lc.AgeIdentity, tamper: Callable[[Path], None], says_inside: str
) -> None:
    verify_release(out, SIGNING.verify_key, identity=identity)
    tamper(out / "gp.csv.age")
    for given in (None, identity):
        with pytest.raises(lc.RefusedError, match=r"gp\.csv\.age is not as it was written"):
            verify_release(out, SIGNING.verify_key, identity=given)
    # And if what is stated of the encrypted file is altered to fit it, what is inside tells.
    for name in ("gp.csv.age", "hospital.csv.age"):
        restate(out, name)
    with pytest.raises(lc.RefusedError, match="signature"):
        verify_release(out, SIGNING.verify_key)
    with pytest.raises(lc.RefusedError, match=says_inside):
        verify_release(out, identity=identity)


def test_another_identity_does_not_open_it_and_the_error_shows_no_secret(out: Path) -> None:
    with pytest.raises(lc.KeyMaterialError, match="give the identity whose public key the sender has") as caught:
        verify_release(out, identity=lc.AgeIdentity.generate())
    assert "AGE-SECRET-KEY" not in report(caught.value)


def test_files_that_were_opened_beside_are_checked_too(out: Path, tmp_path: Path) -> None:
    opened = open_beside(out)
    verify_release(out, SIGNING.verify_key)
    flipped(opened[0])
    with pytest.raises(lc.RefusedError, match=rf"{opened[0].name} is not as it was written"):
        verify_release(out)
    with pytest.raises(lc.ProgrammeError, match=rf"holds {opened[0].name}"):
        lc.release(linked(), agreement("csv"), KEY, tmp_path / "out")


def test_files_may_be_there_opened_only_but_not_missing(out: Path) -> None:
    opened = open_beside(out, keep=False)
    verify_release(out, SIGNING.verify_key)
    opened[0].unlink()
    with pytest.raises(lc.RefusedError, match=rf"{opened[0].name}\.age is missing"):
        verify_release(out)


@pytest.mark.parametrize(
    "stated",
    [
        {"plain": {"file": "../gp.csv", "sha256": "0" * 64}, "file": "../gp.csv.age"},
        {"plain": {"file": "hospital.csv", "sha256": "0" * 64}},
        {"plain": {"file": "gp.csv", "sha256": "0"}},
        {"plain": "gp.csv"},
        {"plain": None},
    ],
)
def test_a_manifest_that_states_something_else_is_refused(out: Path, stated: dict[str, object]) -> None:
    restate(out, "gp.csv.age", **stated)
    with pytest.raises(lc.SourceError, match="no manifest of a release"):
        verify_release(out)


@pytest.mark.parametrize("stated", [[], "age", {"identity": 1}, {"identity": {"file": "../x", "sha256": "0" * 64}}])
def test_a_manifest_with_an_odd_encryption_is_refused(out: Path, stated: object) -> None:
    manifest = json.loads((out / MANIFEST).read_text()) | {"encryption": stated}
    (out / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(lc.SourceError, match="no manifest of a release"):
        verify_release(out)


# --- With a passphrase -----------------------------------------------------------------------------------------------


def test_a_passphrase_opens_the_identity_that_opens_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTNER_PASSPHRASE", PASSPHRASE)
    stated = agreement("csv", lc.Encryption(passphrase_variable="PARTNER_PASSPHRASE"))
    out = lc.release(linked(), stated, KEY, tmp_path / "out", signing_key=SIGNING).folder
    assert {file.name for file in out.iterdir()} == {*("gp.csv.age", "hospital.csv.age", IDENTITY), MANIFEST, SIGNATURE}
    found = lc.AgeIdentity.read(out / IDENTITY, PASSPHRASE)
    manifest = verify_release(out, SIGNING.verify_key, identity=found)
    assert manifest["encryption"]["readers"] == [fingerprint(found.public_key)]
    assert not [file for file in out.iterdir() if PASSPHRASE.encode() in file.read_bytes()]
    assert PASSPHRASE not in repr(stated)
    verify = ("verify", out, "--identity", out / IDENTITY)
    assert "gp.csv.age, gp: encrypted; opens to what was released" in done(*verify, passphrase=PASSPHRASE)
    refused = run(*verify, passphrase="another passphrase")
    assert (refused.returncode, "the passphrase is wrong" in refused.stderr) == (4, True)
    assert all(map(is_of_a_release, out.iterdir()))  # so that another release may replace it
    flipped(out / IDENTITY)
    with pytest.raises(lc.RefusedError, match=r"identity\.age is not as it was written"):
        verify_release(out)
    (out / IDENTITY).unlink()
    with pytest.raises(lc.RefusedError, match=r"identity\.age is missing"):
        verify_release(out)


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"", 0o600, "has no passphrase"),
        (b"\n", 0o600, "has no passphrase"),
        (b"short\n", 0o600, "the passphrase is too short"),
        (b"\xff" * 30, 0o600, "is not UTF-8"),
        (PASSPHRASE.encode(), 0o640, "is open to others"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_passphrase_that_cannot_be_used_is_refused_before_anything_is_written(
    tmp_path: Path, content: bytes | None, mode: int, says: str
) -> None:
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    stated = agreement(encryption=lc.Encryption(passphrase_file=file))
    for act in (stated.refuse_without_passphrase, lambda: lc.release(linked(), stated, KEY, tmp_path / "out")):
        with pytest.raises(lc.KeyMaterialError, match=says) as caught:
            act()
        assert PASSPHRASE not in report(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_variable_without_a_passphrase_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARTNER_PASSPHRASE", raising=False)
    with pytest.raises(lc.KeyMaterialError, match="the environment variable PARTNER_PASSPHRASE has no passphrase"):
        lc.Encryption(passphrase_variable="PARTNER_PASSPHRASE").passphrase()


def test_a_file_with_a_passphrase_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n")
    file.chmod(0o600)
    found = lc.Encryption(passphrase_file=file).passphrase()
    assert found is not None
    assert found.reveal() == PASSPHRASE


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({}, "state one of these"),
        ({"keys": [PUBLIC], "passphrase_variable": "X"}, "state one of these"),
        ({"keys": PUBLIC}, "must be a list"),
        ({"keys": [PUBLIC, PUBLIC]}, "twice"),
        ({"keys": ["age1"]}, "no age public key"),
        ({"passphrase_variable": "correct horse battery"}, "the name of an environment variable, not a passphrase"),
        ({"passphrase_variable": "LINKCORE_PASSPHRASE"}, "the trusted team's own passphrase"),
    ],
)
def test_what_is_stated_wrongly_is_refused_and_a_passphrase_is_not_quoted(stated: dict[str, object], says: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=says) as caught:
        lc.Encryption(**stated)  # type: ignore[arg-type]
    assert "horse" not in str(caught.value)
