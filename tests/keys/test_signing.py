"""OpenSSL verifies the signatures, an altered text does not verify, and the private key is never shown."""

import pickle
import stat
import subprocess
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from linkcore.errors import KeyMaterialError, RefusedError
from linkcore.keys.signing import SigningKey, VerifyKey

# RFC 8032, section 7.1, test 2: the seed, the public key, the message and the signature.
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
MESSAGE = "72"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
# PKCS #8 (RFC 8410, section 7): a fixed head, then the seed.
PKCS8 = bytes.fromhex("302e020100300506032b657004220420" + SEED)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    import base64

    file = tmp_path / "rfc.pem"
    file.touch(mode=0o600)
    body = base64.b64encode(PKCS8).decode()
    file.write_text(f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    return file


def test_a_published_key_gives_the_published_signature(published: Path) -> None:
    key = SigningKey.read(published)
    assert key.verify_key.raw.hex() == PUBLIC
    assert key.sign(bytes.fromhex(MESSAGE)).hex() == SIGNATURE


@pytest.mark.parametrize("seed", [bytes(32), b"correct horse battery staple 123", bytes(range(32))])
def test_a_key_of_a_weak_seed_is_refused(tmp_path: Path, seed: bytes) -> None:
    file = tmp_path / "team.pem"
    file.touch(mode=0o600)
    weak = Ed25519PrivateKey.from_private_bytes(seed)
    file.write_bytes(weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyMaterialError, match=r"team\.pem: its material .*: make a new key"):
        SigningKey.read(file)


def test_a_key_that_is_written_is_read_back_and_its_file_is_private(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.write(tmp_path / "team.pem")
    key.verify_key.write(tmp_path / "team.pub.pem")
    assert stat.S_IMODE((tmp_path / "team.pem").stat().st_mode) == 0o600
    again = SigningKey.read(tmp_path / "team.pem")
    assert again.sign(b"text") == key.sign(b"text")
    assert VerifyKey.read(tmp_path / "team.pub.pem") == key.verify_key == again.verify_key
    with pytest.raises(KeyMaterialError, match="never overwritten"):
        key.write(tmp_path / "team.pem")


def test_openssl_verifies_a_signature(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.verify_key.write(tmp_path / "pub.pem")
    (tmp_path / "text").write_bytes(b"text")
    (tmp_path / "sig").write_bytes(key.sign(b"text"))
    # OpenSSL has -rawin since 3.0; with an older version, the published vector above is enough.
    try:
        done = subprocess.run(
            [
                "openssl",
                "pkeyutl",
                "-verify",
                "-pubin",
                "-inkey",
                "pub.pem",
                "-rawin",
                "-in",
                "text",
                "-sigfile",
                "sig",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no openssl here")
    assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully"), done.stderr


def test_an_altered_text_or_signature_does_not_verify() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    text, signature = b"a manifest", key.sign(b"a manifest")
    key.verify_key.verify(text, signature)
    for position in range(len(text)):
        altered = bytearray(text)
        altered[position] ^= 1
        with pytest.raises(RefusedError):
            key.verify_key.verify(bytes(altered), signature)
    for wrong in (b"", signature[:-1], signature[::-1], other.sign(text)):
        with pytest.raises(RefusedError):
            key.verify_key.verify(text, wrong)
    with pytest.raises(RefusedError, match=other.id):
        other.verify_key.verify(text, signature)


def test_a_file_that_is_open_to_others_or_holds_no_key_is_refused(tmp_path: Path, published: Path) -> None:
    published.chmod(0o640)
    with pytest.raises(KeyMaterialError, match="open to others"):
        SigningKey.read(published)
    published.chmod(0o600)
    published.write_text("-----BEGIN PRIVATE KEY-----\nMATERIALNOBODYSHALLSEE\n-----END PRIVATE KEY-----\n")
    with pytest.raises(KeyMaterialError) as raised:
        SigningKey.read(published)
    assert "NOBODY" not in "".join(traceback.format_exception(raised.value))
    with pytest.raises(KeyMaterialError):
        VerifyKey.read(published)
    with pytest.raises(KeyMaterialError):
        VerifyKey.read(tmp_path / "nowhere.pem")


def test_the_private_key_is_never_shown(published: Path) -> None:
    key = SigningKey.read(published)
    assert repr(key) == f"SigningKey({key.verify_key.id!r})"
    assert SEED not in repr(key) + repr(vars(type(key))) + str([repr(getattr(key, name)) for name in key.__slots__])
    with pytest.raises(KeyMaterialError):
        pickle.dumps(key)
    with pytest.raises(AttributeError):
        key.id = "another"
