"""Versions of keys are written and read back unchanged; any other text is refused."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from linkcore.errors import ProgrammeError
from linkcore.keys.key import Key
from linkcore.keys.key_versions import HeldKey, KeyVersion, as_bytes, from_bytes
from linkcore.keys.secret import Secret

NOW = datetime(2026, 4, 1, 12, 30, 15, 999, tzinfo=UTC)
ABOUT = KeyVersion("optum-2026", 2, "winter plänning", "Optum", NOW, "retired", NOW)
KEY = Key.from_bytes("optum-2026", hashlib.sha256(b"a key of the tests").digest(), version=2)


def test_versions_that_are_written_are_read_back() -> None:
    held = [HeldKey(ABOUT, KEY), HeldKey(KeyVersion("b", 1, "", "", NOW, "destroyed", NOW), None)]
    again = from_bytes(as_bytes(held))
    assert again is not None
    assert [one.about for one in again] == [one.about for one in held]
    assert again[0].key is not None
    assert again[0].key._material.reveal() == hashlib.sha256(b"a key of the tests").digest()
    assert (again[0].key.id, again[0].key.version, again[1].key) == ("optum-2026", 2, None)


def test_times_are_whole_seconds() -> None:
    assert ABOUT.created == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "lost"),
        ("created", "yesterday"),
        ("created", "2026-04-01T12:00:00"),
        ("material", "zz"),
        ("material", "00"),
        ("material", 7),
        ("version", 0),
        ("id", "a b"),
        ("purpose", None),
        ("further", "unexpected"),
    ],
)
def test_an_entry_with_a_wrong_value_reads_as_none(name: str, value: Any) -> None:
    (entry,) = json.loads(as_bytes([HeldKey(ABOUT, KEY)]).reveal())
    assert from_bytes(Secret(json.dumps([entry]).encode()))
    assert from_bytes(Secret(json.dumps([{**entry, name: value}]).encode())) is None


@pytest.mark.parametrize("content", [b"", b"{", b"7", b"[7]", b'[{"id": "a"}]', b"\xff"])
def test_a_text_that_is_no_keyring_reads_as_none(content: bytes) -> None:
    assert from_bytes(Secret(content)) is None


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ProgrammeError, match="status is one of active, retired, destroyed"):
        KeyVersion("a", 1, "", "", NOW, "lost", NOW)  # type: ignore[arg-type]
    with pytest.raises(ProgrammeError, match="time zone"):
        KeyVersion("a", 1, "", "", datetime(2026, 4, 1), "active", NOW)
    with pytest.raises(ProgrammeError, match="one line"):
        KeyVersion("a", 1, "two\nlines", "", NOW, "active", NOW)
