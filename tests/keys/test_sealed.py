"""A sealed file opens only with its passphrase, and only if it was not altered."""

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.keys.sealed import Lock, checked_passphrase, seal, unseal
from linkcore.keys.secret import Secret
from tests.pseudonyms.traces import report

PASSPHRASE = Secret("correct horse battery staple")
LOCK = Lock(PASSPHRASE, cost=14)
CONTENT = Secret(b"CONTENT-NOBODY-SHALL-SEE")
SEALED = seal(CONTENT, LOCK)


def opened(text: bytes, passphrase: Secret[str] = PASSPHRASE) -> bytes:
    return unseal(text, Lock.from_sealed(text, passphrase, "the file"), "the file").reveal()


def with_digest(whole: dict[str, object]) -> bytes:
    """Write the file as an attacker would who knows its format."""
    whole = {name: value for name, value in whole.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return json.dumps({**whole, "sha256": digest}).encode()


@settings(max_examples=20)
@given(st.binary(max_size=200))
def test_sealed_content_is_unsealed(content: bytes) -> None:
    assert unseal(seal(Secret(content), LOCK), LOCK, "the file").reveal() == content


def test_scrypt_derives_the_key_and_aes_256_gcm_encrypts() -> None:
    """Open the file in the obvious way, with another implementation of scrypt."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    whole = json.loads(SEALED)
    key = hashlib.scrypt(
        PASSPHRASE.reveal().encode(), salt=bytes.fromhex(whole["salt"]), n=2**14, r=8, p=1, maxmem=2**26, dklen=32
    )
    header = {name: whole[name] for name in ("format", "cost", "salt", "nonce")}
    clear = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    sealed = base64.b64decode(whole["sealed"])
    assert AESGCM(key).decrypt(bytes.fromhex(whole["nonce"]), sealed, clear) == CONTENT.reveal()


def test_every_sealing_has_a_new_nonce_and_every_lock_a_new_salt() -> None:
    texts = {seal(CONTENT, LOCK) for _ in range(20)}
    assert len({json.loads(text)["nonce"] for text in texts}) == 20
    assert Lock(PASSPHRASE, cost=14).salt != LOCK.salt


def test_another_passphrase_does_not_open_the_file() -> None:
    for wrong in ("correct horse battery stapl", "Correct horse battery staple", ""):
        with pytest.raises(KeyMaterialError, match="the passphrase is wrong") as caught:
            opened(SEALED, Secret(wrong))
        assert "horse" not in report(caught.value)


def test_the_unicode_normal_form_of_the_passphrase_makes_no_difference() -> None:
    composed, apart = Secret("caf\u00e9 caf\u00e9 caf\u00e9"), Secret("cafe\u0301 cafe\u0301 cafe\u0301")
    assert opened(seal(CONTENT, Lock(composed, cost=14)), apart) == CONTENT.reveal()


def test_a_truncated_text_is_refused_wherever_it_ends() -> None:
    for size in range(len(SEALED) - 2):
        with pytest.raises(KeyMaterialError, match="truncated or altered"):
            opened(SEALED[:size])


def test_an_altered_character_is_refused_wherever_it_is() -> None:
    for place in (place for place, byte in enumerate(SEALED) if not chr(byte).isspace()):
        altered = bytearray(SEALED)
        altered[place] ^= 1
        with pytest.raises(KeyMaterialError, match=r"truncated or altered|another format"):
            opened(bytes(altered))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("salt", "00" * 16),
        ("nonce", "00" * 12),
        ("nonce", "00"),
        ("nonce", 7),
        ("cost", 15),
        ("sealed", base64.b64encode(bytes(60)).decode()),
        ("sealed", ""),
        ("further", "unexpected"),
    ],
)
def test_a_file_altered_with_a_matching_digest_does_not_open(name: str, value: object) -> None:
    assert opened(with_digest(json.loads(SEALED))) == CONTENT.reveal()
    with pytest.raises(KeyMaterialError, match="somebody altered the file"):
        opened(with_digest({**json.loads(SEALED), name: value}))


@pytest.mark.parametrize(
    ("name", "value"), [("cost", 13), ("cost", 40), ("cost", "14"), ("cost", None), ("salt", "zz"), ("salt", 7)]
)
def test_a_wrong_cost_or_salt_is_refused_before_any_work(name: str, value: object) -> None:
    with pytest.raises(KeyMaterialError, match="truncated or altered"):
        opened(with_digest({**json.loads(SEALED), name: value}))


def test_a_file_of_nested_lists_is_refused() -> None:
    with pytest.raises(KeyMaterialError, match="truncated or altered"):
        opened(b"[" * 100_000)


def test_another_format_is_reported() -> None:
    with pytest.raises(KeyMaterialError, match="another format"):
        opened(with_digest({**json.loads(SEALED), "format": "linkcore sealed 2"}))


@pytest.mark.parametrize("cost", [13, 21, -1, "17", None])
def test_a_wrong_cost_is_refused(cost: int) -> None:
    with pytest.raises(ProgrammeError, match="14 to 20"):
        Lock(PASSPHRASE, cost=cost)


def test_a_short_passphrase_is_refused_and_not_shown() -> None:
    assert checked_passphrase(Secret("abcde" * 3)).reveal() == "abcde" * 3
    for uniform in ("x" * 15, " " * 40, "ab cd " * 9):
        with pytest.raises(KeyMaterialError, match="the same few characters"):
            checked_passphrase(Secret(uniform))
    with pytest.raises(KeyMaterialError, match="15 characters") as caught:
        checked_passphrase(Secret("hunter2hunter2"))
    assert "hunter2" not in report(caught.value)
