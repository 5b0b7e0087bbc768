"""Material that is surely not random makes no key, wherever it comes from; random material always does."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkcore.errors import KeyMaterialError
from linkcore.keys.key import Key
from linkcore.keys.key_versions import HeldKey, KeyVersion
from linkcore.keys.keyring import Keyring
from linkcore.keys.secret import Secret
from tests.pseudonyms.traces import report, shows

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
RANDOM = hashlib.sha256(b"material that nobody shall see").digest()
PASSPHRASE = "correct horse battery staple"

WEAK = {
    "zeros": bytes(32),
    "one byte": b"\xa7" * 40,
    "ASCII": b"correct horse battery staple, and more",
    "padded ASCII": b"correct horse battery staple".ljust(32, b"\0"),
    "UTF-8": "un mot de passe qui paraît sûr, mais non".encode(),
    "hex text": RANDOM.hex().encode(),
    "base64 text": base64.b64encode(RANDOM) + b"\n",
    "UTF-16 text": b"\xff\xfe" + "correct horse battery".encode("utf-16-le"),
    "UTF-16 text without a mark": "The quick brown fox, 7 jumps".encode("utf-16-le"),
    "UTF-16 text, big end first": "Portez ce vieux whisky à Zoé".encode("utf-16-be"),
    "UTF-16 text of another script": "очень надёжный пароль и ещё слово".encode("utf-16-le"),
    "UTF-32 text": "The quick brown fox, 7 jumps".encode("utf-32-le"),
    "Windows-1252 text": "Voyez le brick géant, où fûme 1 whisky; dix juges".encode("cp1252"),
    "text and a few bytes": b"the quick brown fox jumps ov\x00\x01\x80\xff",
    "bytes and text": RANDOM[:4] + b"the quick brown fox jumps ov",
    "repeated": RANDOM[:8] * 4,
    "repeated 20": (RANDOM[:20] * 2)[:32],
    "repeated 24": RANDOM[:24] + RANDOM[:8],
    "counting": bytes(range(32)),
    "counting down by 3": bytes(-3 * place % 256 for place in range(48)),
    "16-bit counter": b"".join((1000 + number).to_bytes(2, "big") for number in range(18)),
    "32-bit counter": b"".join(number.to_bytes(4, "little") for number in range(8)),
    "interleaved": bytes(x for pair in zip(range(16), range(200, 216), strict=True) for x in pair),
    "128 bits and zeros": RANDOM[:16].ljust(32, b"\0"),
    "192 bits and zeros": RANDOM[:24].ljust(32, b"\0"),
    "zeros and 160 bits": RANDOM[:20].rjust(32, b"\0"),
    "digits as bytes": bytes(byte % 10 for byte in RANDOM),
}


@pytest.mark.parametrize("kind", WEAK)
def test_weak_material_makes_no_key_and_is_not_shown(kind: str) -> None:
    with pytest.raises(KeyMaterialError, match=r"key 'a': its material .*: make a random key") as caught:
        Key.from_bytes("a", WEAK[kind])
    if kind != "zeros":  # nine zeros are in anything
        assert not shows(report(caught.value), WEAK[kind])


@pytest.mark.parametrize("kind", ["zeros", "ASCII", "counting"])
def test_a_file_with_weak_material_is_refused(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw.key"
    raw.touch(mode=0o600)
    raw.write_text(WEAK[kind].hex())
    with pytest.raises(KeyMaterialError, match="its material"):
        Key.read_raw("a", raw, encoding="hex")
    raw.write_bytes(held(WEAK[kind])._content())
    with pytest.raises(KeyMaterialError, match="its material"):
        Key.read(raw)


def test_a_keyring_takes_no_weak_key_but_one_that_it_has_can_still_be_rotated_and_destroyed(tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "keys.json", PASSPHRASE, cost=14)
    weak = held(WEAK["ASCII"])
    with pytest.raises(KeyMaterialError, match="its material"):
        keyring.add(weak, at=NOW)
    # As an earlier version left it.
    keyring._save([HeldKey(KeyVersion("a", 1, "", "", NOW, "active", NOW), weak)])
    again = Keyring.open(keyring.path, PASSPHRASE)
    assert again.key("a", 1)._material.reveal() == WEAK["ASCII"]
    again.rotate("a", at=NOW)
    again.destroy("a", 1, at=NOW)
    Keyring.open(keyring.path, PASSPHRASE)["a"].refuse_if_weak()


def test_random_material_of_any_length_makes_a_key() -> None:
    for number in range(50_000):
        material = hashlib.shake_256(number.to_bytes(4, "big")).digest(32 + number % 65)
        Key.from_bytes("a", material)


def test_the_chance_that_random_material_looks_like_text_is_as_small_as_stated() -> None:
    texts = [0, 0, 0, 0]  # code points that a text may hold, by their bytes in UTF-8
    for point in range(0x110000):
        character = chr(point)
        if character.isprintable() or character in "\t\n\r\0\ufeff":
            texts[len(character.encode()) - 1] += 1
    chance = [1.0]  # that so many random bytes are text
    for length in range(1, 33):
        ends = range(1, min(length, 4) + 1)
        chance.append(sum(texts[end - 1] / 256**end * chance[length - end] for end in ends))
    assert chance[32] < 1.6e-11


def held(material: bytes) -> Key:
    """A key that an earlier version made, which did not look at its material."""
    return Key._build("a", Secret(material))
