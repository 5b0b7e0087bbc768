"""Encrypted at rest: no identifier and no key in any file, altered bytes are refused, no two saves are alike."""

import datetime as dt
import pickle
import traceback
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.errors import KeyMaterialError, LinkcoreError, RefusedError, SourceError
from linkcore.store.encryption import StoreLock
from linkcore.store.folder import Store, write_store

FRAME = pl.DataFrame({"source": ["gp", "gp"], "family_name": ["Zwicky", None], "row": [0, 1], "other": [["a"], []]})


@pytest.fixture
def lock() -> StoreLock:
    return StoreLock(lc.Key.generate("linkage-2026"))


@pytest.fixture
def small(tmp_path: Path, key: lc.Key) -> Path:
    (tmp_path / "small").mkdir()
    write_store(tmp_path / "small", {"links": FRAME}, {"quality.json": '{"name": "Zwicky"}'}, StoreLock(key))
    return tmp_path / "small"


def read(place: Path, key: lc.Key | lc.Keyring | None) -> tuple[pl.DataFrame, dict[str, str]]:
    store = Store.open(place, key)
    return store.table("links"), store.texts()


def test_no_file_holds_an_identifier_or_the_key(linkage: lc.Linkage, saved: Path, key: lc.Key) -> None:
    names = linkage.persons["family_name"].drop_nulls().unique().to_list()
    files = {file.name: file.read_bytes() for file in saved.iterdir()}
    assert {"store.json", "links.parquet", "persons.parquet", "texts.parquet"} <= files.keys()
    assert not [file for file in files if file.endswith(".json") and file != "store.json"]
    derived = StoreLock(key, bytes(32))
    secrets = [key._material.reveal(), derived._tables.reveal(), derived._header.reveal()]
    for file, content in files.items():
        assert not [name for name in names if len(name) > 4 and name.encode() in content], file
        assert not [one for one in secrets if one in content or one.hex().encode() in content], file
        # Encrypted bytes are as long as a wide plaintext's would be: compressed text would show its column names.
        assert b"family_name" not in content, file
        assert file == "store.json" or content[:4] == content[-4:] == b"PARE", file


def test_every_altered_byte_is_refused(small: Path, key: lc.Key) -> None:
    kept = read(small, key)
    assert kept[0].equals(FRAME)
    for file in sorted(small.iterdir()):
        whole = file.read_bytes()
        step = 1 if file.name == "store.json" else 7
        for position in range(0, len(whole), step):
            file.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            with pytest.raises(LinkcoreError):
                read(small, key)
        for shorter in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\0"):
            file.write_bytes(shorter)
            with pytest.raises(LinkcoreError):
                read(small, key)
        file.unlink()
        with pytest.raises(LinkcoreError):
            read(small, key)
        file.write_bytes(whole)
    assert read(small, key)[0].equals(FRAME)


def test_the_tags_alone_refuse_altered_content(lock: StoreLock) -> None:
    """Also without the digests of the header, no altered byte changes what is read."""
    whole, refused = lock.encrypted("links", FRAME), 0
    for position in range(len(whole)):
        try:
            found = lock.decrypted("links", whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        except KeyMaterialError:
            refused += 1
        else:
            assert found.equals(FRAME)
    assert refused > 0.95 * len(whole)


def test_the_same_content_saved_twice_differs(lock: StoreLock, key: lc.Key) -> None:
    assert lock.encrypted("links", FRAME) != lock.encrypted("links", FRAME)
    one, other = StoreLock(key), StoreLock(key)
    assert one.salt != other.salt
    assert one._tables.reveal() != other._tables.reveal() != one._header.reveal()


def test_a_table_does_not_open_under_another_name_key_or_store(lock: StoreLock, key: lc.Key) -> None:
    content = lock.encrypted("links", FRAME)
    for other, name in ((lock, "persons"), (StoreLock(key), "links"), (StoreLock(key, lock.salt), "links")):
        with pytest.raises(KeyMaterialError, match="does not open"):
            other.decrypted(name, content)
    assert lock.decrypted("links", content).equals(FRAME)


def test_a_plain_table_is_not_taken_for_an_encrypted_one(lock: StoreLock, tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "links.parquet")
    with pytest.raises(KeyMaterialError, match="does not open"):
        lock.decrypted("links", (tmp_path / "links.parquet").read_bytes())


def test_keys_are_in_no_repr_pickle_or_traceback(lock: StoreLock, small: Path) -> None:
    assert repr(lock) == "<StoreLock>"
    with pytest.raises(KeyMaterialError):
        pickle.dumps(lock)
    wrong = lc.Key.generate("linkage-2026")
    with pytest.raises(KeyMaterialError) as of_store:
        read(small, wrong)
    derived = StoreLock(wrong, bytes(32))
    with pytest.raises(KeyMaterialError) as of_table:
        derived.decrypted("links", lock.encrypted("links", FRAME))
    shown = "".join(
        line
        for error in (of_store.value, of_table.value)
        for line in traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    assert "decrypted" in shown
    for secret in (wrong._material.reveal(), derived._tables.reveal(), derived._header.reveal()):
        assert secret.hex() not in shown
        assert repr(secret) not in shown


def test_a_store_says_which_key_it_needs(small: Path, key: lc.Key, tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match=r"encrypted under key 'linkage-2026', version 1; give that key"):
        read(small, None)
    with pytest.raises(KeyMaterialError, match="give that key"):
        read(small, lc.Key.generate("another"))
    with pytest.raises(KeyMaterialError, match="another key of this name"):
        read(small, lc.Key.generate("linkage-2026"))
    keyring = lc.Keyring.create(tmp_path / "team.keys", "correct horse battery", cost=14)
    with pytest.raises(KeyMaterialError, match="has no key 'linkage-2026'"):
        read(small, keyring)
    keyring.add(key, at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    keyring.rotate("linkage-2026", at=dt.datetime(2026, 5, 1, tzinfo=dt.UTC))
    assert read(small, keyring)[0].equals(FRAME)  # a retired version still opens what was saved under it


def test_real_data_are_neither_saved_nor_opened_without_a_key(tmp_path: Path, key: lc.Key) -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    real, synthetic = lc.link([gp], fallback=None), lc.link([gp], fallback=None, synthetic=True)
    with pytest.raises(RefusedError, match="kept encrypted only"):
        real.save(tmp_path / "real")
    assert not (tmp_path / "real").exists()
    synthetic.save(tmp_path / "plain")
    # Who can write to the folder cannot put a plain store in the place of an encrypted one.
    with pytest.raises(RefusedError, match="is not encrypted, though a key is given"):
        lc.Linkage.load(tmp_path / "plain", [gp], key=key)
    assert lc.Linkage.load(tmp_path / "plain", [gp]).persons.height == 1
    (tmp_path / "plain" / "links.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match=r"links\.parquet is missing or altered"):
        _ = lc.Linkage.load(tmp_path / "plain", [gp]).links
