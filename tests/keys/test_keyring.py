"""Keyrings hold versions of keys, encrypted and private; destroyed keys are gone from the file."""

import hashlib
import json
import multiprocessing
import pickle
import resource
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.keys.sealed import Lock, unseal
from linkcore.keys.secret import Secret
from linkcore.pseudonyms.pseudonymise import pseudonymise
from tests.pseudonyms.traces import report, shows

PASSPHRASE = "correct horse battery staple"
MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    made = Keyring.create(tmp_path / "keys.json", PASSPHRASE, cost=14)
    made.add(Key.from_bytes("optum-2026", MATERIAL), at=NOW, purpose="winter planning", recipient="Optum")
    return made


def reopened(keyring: Keyring) -> Keyring:
    return Keyring.open(keyring.path, passphrase=PASSPHRASE)


def material(key: Key) -> bytes:
    return key._material.reveal()


def in_file(keyring: Keyring) -> str:
    """The decrypted content of the file."""
    text = keyring.path.read_bytes()
    return unseal(text, Lock.from_sealed(text, Secret(PASSPHRASE), "it"), "it").reveal().decode()


# --- The file --------------------------------------------------------------------------------------------------------


def test_an_opened_keyring_has_the_keys_that_were_added(keyring: Keyring) -> None:
    again = reopened(keyring)
    assert material(again["optum-2026"]) == MATERIAL
    assert again.versions == keyring.versions
    assert list(again) == ["optum-2026"]
    assert "optum-2026" in again
    assert "other" not in again


def test_the_file_is_private_and_shows_no_key(keyring: Keyring) -> None:
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
    assert list(keyring.path.parent.iterdir()) == [keyring.path]
    text = keyring.path.read_bytes()
    assert not shows(text, MATERIAL)
    assert b"Optum" not in text
    assert MATERIAL.hex() in in_file(keyring)  # the search finds the material if it is there


def test_a_keyring_shows_only_its_path(keyring: Keyring) -> None:
    assert repr(keyring) == f"Keyring({str(keyring.path)!r})"
    values = [
        getattr(keyring, name) for name in dir(keyring) if name not in {"__getstate__", "__reduce__", "__reduce_ex__"}
    ]
    assert not any(shows(repr(value), MATERIAL) or PASSPHRASE in repr(value) for value in values)
    with pytest.raises(KeyMaterialError, match="does not leave its process"):
        pickle.dumps(keyring)
    with pytest.raises(ProgrammeError, match=r"Keyring\.create"):
        Keyring()


def test_a_wrong_passphrase_is_refused_and_not_shown(keyring: Keyring) -> None:
    with pytest.raises(KeyMaterialError, match=r"keys\.json does not open: the passphrase is wrong") as caught:
        Keyring.open(keyring.path, MATERIAL.hex())
    assert not shows(report(caught.value), MATERIAL)


def test_the_passphrase_of_one_keyring_does_not_open_another(keyring: Keyring, tmp_path: Path) -> None:
    other = Keyring.create(tmp_path / "supplier.json", "a passphrase of somebody else", cost=14)
    other.new("stage-1", at=NOW)
    with pytest.raises(KeyMaterialError, match="passphrase is wrong"):
        Keyring.open(other.path, PASSPHRASE)
    assert not set(keyring) & set(other)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o700])
def test_a_wider_mode_is_refused(keyring: Keyring, mode: int) -> None:
    keyring.path.chmod(mode)
    with pytest.raises(KeyMaterialError, match=f"mode 0{mode:o}.*chmod 600"):
        reopened(keyring)


def test_a_truncated_or_altered_file_is_refused(keyring: Keyring) -> None:
    whole = keyring.path.read_bytes()
    for altered in (b"", whole[:100], whole[:-4], whole.replace(b"0", b"1", 1), b"[]", b"null"):
        keyring.path.write_bytes(altered)
        with pytest.raises(KeyMaterialError, match="truncated or altered: restore it"):
            reopened(keyring)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="cannot be read"):
        Keyring.open(tmp_path / "missing.json", PASSPHRASE)


def test_a_keyring_is_never_overwritten_by_a_new_one(keyring: Keyring) -> None:
    before = keyring.path.read_bytes()
    with pytest.raises(KeyMaterialError, match="never overwritten"):
        Keyring.create(keyring.path, PASSPHRASE, cost=14)
    assert keyring.path.read_bytes() == before


def test_a_short_passphrase_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="15 characters") as caught:
        Keyring.create(tmp_path / "keys.json", "hunter2hunter2", cost=14)
    assert "hunter2" not in report(caught.value)
    with pytest.raises(ProgrammeError, match="not bytes"):
        Keyring.open(tmp_path / "keys.json", PASSPHRASE.encode())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_if_writing_fails_the_file_and_the_keyring_stay_as_they_were(keyring: Keyring) -> None:
    before, versions = keyring.path.read_bytes(), keyring.versions
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))  # as if the disk were full
    try:
        with pytest.raises(KeyMaterialError, match="cannot be written") as caught:
            keyring.rotate("optum-2026", at=LATER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not shows(report(caught.value), MATERIAL)
    assert (keyring.path.read_bytes(), keyring.versions) == (before, versions)
    assert list(keyring.path.parent.iterdir()) == [keyring.path]
    assert keyring.rotate("optum-2026", at=LATER).version == 2


def test_the_changes_of_another_process_are_not_overwritten(keyring: Keyring) -> None:
    reopened(keyring).new("other", at=NOW)
    with pytest.raises(KeyMaterialError, match="was changed since it was opened: open it again"):
        keyring.new("mine", at=NOW)
    assert list(reopened(keyring)) == ["optum-2026", "other"]


def _add(path: Path, name: str) -> bool:
    try:
        Keyring.open(path, PASSPHRASE).new(name, at=NOW)
    except KeyMaterialError as error:
        if "was changed" in str(error):
            return False
        raise
    return True


def test_many_processes_at_once_lose_no_key(keyring: Keyring) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        done = pool.starmap(_add, [(keyring.path, f"key-{number}") for number in range(12)])
    assert any(done)
    kept = {f"key-{number}" for number, was_kept in enumerate(done) if was_kept}
    assert set(reopened(keyring)) == {"optum-2026", *kept}


# --- Versions --------------------------------------------------------------------------------------------------------


def test_versions_hold_all_facts_but_the_material(keyring: Keyring) -> None:
    (version,) = keyring.versions
    assert (version.id, version.version, version.status) == ("optum-2026", 1, "active")
    assert (version.purpose, version.recipient) == ("winter planning", "Optum")
    assert version.created == version.changed == NOW
    assert not shows(repr(keyring.versions), MATERIAL)
    table = pl.DataFrame(keyring.versions)
    assert table.columns == ["id", "version", "purpose", "recipient", "created", "status", "changed"]


def test_rotating_makes_the_next_version_and_retires_the_one_before(keyring: Keyring) -> None:
    old = keyring["optum-2026"]
    new = keyring.rotate("optum-2026", at=LATER)
    for ring in (keyring, reopened(keyring)):
        assert material(ring["optum-2026"]) == material(new) != MATERIAL
        assert ring["optum-2026"].version == 2
        assert material(ring.key("optum-2026", 1)) == material(old) == MATERIAL
        assert [(one.version, one.status) for one in ring.versions] == [(1, "retired"), (2, "active")]
        assert [one.created for one in ring.versions] == [NOW, LATER]
        assert {one.changed for one in ring.versions} == {LATER}
        assert {one.recipient for one in ring.versions} == {"Optum"}


def test_a_retired_key_makes_the_same_pseudonyms_but_is_not_active(keyring: Keyring) -> None:
    before = pseudonymise(pl.Series(["9434765919"]), keyring["optum-2026"])
    keyring.retire("optum-2026", at=LATER)
    for ring in (keyring, reopened(keyring)):
        with pytest.raises(KeyMaterialError, match="no version of it is active; rotate"):
            ring["optum-2026"]
        assert pseudonymise(pl.Series(["9434765919"]), ring.key("optum-2026", 1)).equals(before)
    with pytest.raises(KeyMaterialError, match="no version of it is active"):
        keyring.retire("optum-2026", at=LATER)
    assert keyring.rotate("optum-2026", at=LATER).version == 2


def test_a_destroyed_key_is_gone_from_the_file_but_the_facts_are_kept(keyring: Keyring) -> None:
    keyring.rotate("optum-2026", at=LATER)
    keyring.destroy("optum-2026", 1, at=LATER)
    for ring in (keyring, reopened(keyring)):
        with pytest.raises(KeyMaterialError, match=r"version 1 of .* was destroyed 2026-05-01"):
            ring.key("optum-2026", 1)
        first = ring.versions[0]
        assert (first.status, first.created, first.changed) == ("destroyed", NOW, LATER)
    assert not shows(in_file(keyring), MATERIAL)
    assert json.loads(in_file(keyring))[0]["material"] is None
    with pytest.raises(KeyMaterialError, match="was destroyed"):
        keyring.destroy("optum-2026", 1, at=LATER)
    with pytest.raises(KeyMaterialError, match="has a key 'optum-2026'"):
        keyring.new("optum-2026", at=LATER)


def test_an_active_key_cannot_be_destroyed(keyring: Keyring) -> None:
    with pytest.raises(KeyMaterialError, match="retire it first"):
        keyring.destroy("optum-2026", 1, at=LATER)
    keyring.retire("optum-2026", at=LATER)
    keyring.destroy("optum-2026", 1, at=LATER)
    with pytest.raises(KeyMaterialError, match="no version of it is active"):
        keyring["optum-2026"]


def test_a_key_whose_versions_were_all_destroyed_is_not_made_again(keyring: Keyring) -> None:
    keyring.retire("optum-2026", at=LATER)
    keyring.destroy("optum-2026", 1, at=LATER)
    for ring in (keyring, reopened(keyring)):
        with pytest.raises(KeyMaterialError, match="all its versions were destroyed: choose another id"):
            ring.rotate("optum-2026", at=LATER)
    assert [one.status for one in keyring.versions] == ["destroyed"]


def test_an_unknown_key_or_version_is_refused_with_the_ones_that_exist(keyring: Keyring) -> None:
    with pytest.raises(KeyMaterialError, match="no key 'other'; it has optum-2026"):
        keyring["other"]
    with pytest.raises(KeyMaterialError, match=r"no version 2; it has \[1\]"):
        keyring.key("optum-2026", 2)
    for change in (keyring.rotate, keyring.retire):
        with pytest.raises(KeyMaterialError, match="no key 'other'"):
            change("other", at=NOW)


def test_keys_are_in_order_of_id_and_version(keyring: Keyring) -> None:
    for name in ("z", "a"):
        keyring.new(name, at=NOW)
    keyring.rotate("a", at=NOW)
    order = [(one.id, one.version) for one in keyring.versions]
    assert order == [("a", 1), ("a", 2), ("optum-2026", 1), ("z", 1)]
    assert reopened(keyring).versions == keyring.versions


def test_times_are_kept_in_utc_and_one_without_a_zone_is_refused(keyring: Keyring) -> None:
    keyring.new("summer", at=datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=1))))
    assert reopened(keyring).versions[1].created == datetime(2026, 7, 1, 11, tzinfo=UTC)
    with pytest.raises(ProgrammeError, match="time zone"):
        keyring.new("naive", at=datetime(2026, 7, 1))
    with pytest.raises(ProgrammeError, match="one line"):
        keyring.new("two-lines", at=NOW, purpose="a\nb")
    assert list(reopened(keyring)) == ["optum-2026", "summer"]


# --- One material, one key -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("disguise", [b"", b"\0", bytes(7)], ids=["the same", "a zero more", "seven zeros more"])
def test_material_that_the_keyring_has_is_refused_under_any_name(keyring: Keyring, disguise: bytes) -> None:
    """HMAC fills a key up with zeros, so zeros at its end change nothing."""
    before = keyring.path.read_bytes()
    for status in ("active", "retired"):
        with pytest.raises(KeyMaterialError, match="has the same material as key 'optum-2026' version 1 of") as caught:
            keyring.add(same_material("another-2026", disguise), at=NOW, recipient="Another")
        assert not shows(report(caught.value), MATERIAL)
        if status == "active":
            assert keyring.path.read_bytes() == before
            keyring.rotate("optum-2026", at=LATER)


def test_a_digest_that_hmac_makes_of_a_long_key_is_the_same_material(keyring: Keyring) -> None:
    long = hashlib.shake_256(b"long").digest(65)
    keyring.add(Key.from_bytes("long", long), at=NOW)
    with pytest.raises(KeyMaterialError, match="has the same material as key 'long' version 1"):
        keyring.add(Key.from_bytes("short", hashlib.sha256(long).digest()), at=NOW)


def test_material_of_another_keyring_that_is_shown_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    other = Keyring.create(tmp_path / "other.json", PASSPHRASE, cost=14)
    with pytest.raises(KeyMaterialError, match=r"has the same material as key 'optum-2026' version 1 of .*keys\.json"):
        other.add(same_material("another-2026"), at=NOW, apart_from=[keyring])
    assert list(other) == []
    other.add(Key.generate("another-2026"), at=NOW, apart_from=[keyring])


def same_material(id: str, disguise: bytes = b"") -> Key:  # noqa: A002
    return Key._build(id, Secret(MATERIAL + disguise))
