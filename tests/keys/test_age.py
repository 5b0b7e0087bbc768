"""Files in the age format: others open them, nobody else does, and no secret shows."""

import base64
import hashlib
import hmac
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyrage import x25519

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError, RefusedError
from linkcore.keys.age import AgeIdentity, checked_public_key, encrypting, fingerprint
from linkcore.keys.secret import Secret
from tests.pseudonyms.traces import report

PAIR = x25519.Identity.generate()
SECRET, PUBLIC = str(PAIR), str(PAIR.to_public())
PASSPHRASE = "correct horse battery"
PLAIN = b"pseudonym,seen\n" + bytes(range(256)) * 800  # four chunks of 64 KiB


@pytest.fixture
def identity(tmp_path: Path) -> AgeIdentity:
    return AgeIdentity.read(written(tmp_path))


def written(folder: Path, text: str | None = None) -> Path:
    """A file as `age-keygen` writes it."""
    file = folder / "key.txt"
    file.write_text(text if text is not None else f"# created: 2026\n# public key: {PUBLIC}\n{SECRET}\n")
    file.chmod(0o600)
    return file


def encrypted(folder: Path, content: bytes = PLAIN, readers: tuple[str, ...] = (PUBLIC,)) -> Path:
    file = folder / "gp.csv.age"
    with encrypting(file, readers) as writing:
        writing.target.write(content)
    assert writing.sha256() == hashlib.sha256(content).hexdigest()
    return file


def five_bits(text: str) -> bytes:
    values = [("qpzry9x8gf2tvdw0" + "s3jn54khce6mua7l").index(letter) for letter in text.lower()]
    number = sum(value << 5 * place for place, value in enumerate(reversed(values)))
    return (number >> (5 * len(values) - 256)).to_bytes(32, "big")


def opened_by_the_specification(content: bytes) -> bytes:
    """Open a file for one X25519 key, step by step as https://c2sp.org/age states, without the library."""

    def derived(material: bytes, salt: bytes, info: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(material)

    def decoded(text: bytes) -> bytes:
        return base64.b64decode(text + b"=" * (-len(text) % 4))

    head, _, rest = content.partition(b"\n--- ")
    mac, _, payload = rest.partition(b"\n")
    version, *stanzas = head.split(b"\n")
    assert version == b"age-encryption.org/v1"
    # Beside the reader's stanza there may be a random one, which every program must skip.
    [place] = [place for place, line in enumerate(stanzas) if line.startswith(b"-> X25519 ")]
    share, body = stanzas[place].split(b" ")[2], stanzas[place + 1]
    secret = X25519PrivateKey.from_private_bytes(five_bits(SECRET.removeprefix("AGE-SECRET-KEY-1")[:-6]))
    shared = secret.exchange(X25519PublicKey.from_public_bytes(decoded(share)))
    salt = decoded(share) + secret.public_key().public_bytes_raw()
    wrapping = derived(shared, salt, b"age-encryption.org/v1/X25519")
    file_key = ChaCha20Poly1305(wrapping).decrypt(bytes(12), decoded(body), None)
    assert hmac.digest(derived(file_key, b"", b"header"), head + b"\n---", "sha256") == decoded(mac)
    nonce, chunks = payload[:16], payload[16:]
    stream, size = ChaCha20Poly1305(derived(file_key, nonce, b"payload")), (1 << 16) + 16
    parts = [chunks[start : start + size] for start in range(0, len(chunks), size)]
    return b"".join(
        stream.decrypt(number.to_bytes(11, "big") + bytes([number == len(parts) - 1]), part, None)
        for number, part in enumerate(parts)
    )


@pytest.mark.parametrize("content", [b"", b"x", PLAIN, bytes(1 << 16), bytes((1 << 17) + 1)])
def test_a_file_is_what_the_specification_says_and_opens_to_the_same(tmp_path: Path, content: bytes) -> None:
    file = encrypted(tmp_path, content)
    assert opened_by_the_specification(file.read_bytes()) == content
    assert AgeIdentity.read(written(tmp_path)).sha256_inside(file) == hashlib.sha256(content).hexdigest()


def test_each_of_several_readers_opens_it_and_nobody_else(tmp_path: Path, identity: AgeIdentity) -> None:
    team = AgeIdentity.generate()
    file = encrypted(tmp_path, readers=(PUBLIC, team.public_key))
    assert identity.sha256_inside(file) == team.sha256_inside(file) == hashlib.sha256(PLAIN).hexdigest()
    with pytest.raises(KeyMaterialError, match=r"was not encrypted for age1.*give the identity whose public key"):
        AgeIdentity.generate().sha256_inside(file)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) - 16 - len(PLAIN) % (1 << 16)],  # at the end of a chunk
        lambda content: content[:100],
        lambda _: b"",
        lambda content: content + b"x",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(b"X25519", b"X25518"),
        lambda _: PLAIN,
    ],
)
def test_what_is_cut_short_or_altered_does_not_open(
    tmp_path: Path, identity: AgeIdentity, spoilt: Callable[[bytes], bytes]
) -> None:
    file = encrypted(tmp_path)
    file.write_bytes(spoilt(file.read_bytes()))
    with pytest.raises(RefusedError, match=r"gp\.csv\.age"):
        identity.sha256_inside(file)


def test_no_file_of_that_name_is_written_over_and_the_writer_does_not_wait(tmp_path: Path) -> None:
    before = encrypted(tmp_path).read_bytes()
    with pytest.raises(FileExistsError):
        encrypted(tmp_path, PLAIN * 100)  # more than the pipe holds
    assert (tmp_path / "gp.csv.age").read_bytes() == before


def test_an_error_of_the_writer_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), encrypting(tmp_path / "gp.csv.age", [PUBLIC]):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        PUBLIC[:-1],
        PUBLIC + "q",
        PUBLIC.upper(),
        f" {PUBLIC}",
        "ssh-ed25519 AAAA",
        "age1yubikey1" + "q" * 50,
    ],
    ids=["empty", "too short", "cut off", "too long", "capitals", "a space before", "of SSH", "of a plugin"],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ProgrammeError, match="this is no age public key"):
        checked_public_key(text)


def test_every_mistyped_character_of_a_public_key_is_found() -> None:
    assert checked_public_key(PUBLIC) == PUBLIC
    for place in range(4, len(PUBLIC)):
        with pytest.raises(ProgrammeError, match="this is no age public key"):
            checked_public_key(PUBLIC[:place] + ("q" if PUBLIC[place] != "q" else "p") + PUBLIC[place + 1 :])


def test_a_secret_key_in_place_of_a_public_one_is_refused_and_not_quoted() -> None:
    for text in (SECRET, SECRET.lower(), f" {SECRET}"):
        with pytest.raises(ProgrammeError, match="only its owner may have") as caught:
            checked_public_key(text)
        assert SECRET[16:].lower() not in str(caught.value).lower()


def test_an_identity_shows_nothing_of_its_secret(tmp_path: Path, identity: AgeIdentity) -> None:
    shown = [repr(identity), str(identity), f"{identity}", repr([identity])]
    assert not any(SECRET[:20] in text for text in shown)
    with pytest.raises(KeyMaterialError, match="does not leave its process"):
        pickle.dumps(identity)
    with pytest.raises(AttributeError, match="cannot be changed"):
        identity.public_key = "age1"
    with pytest.raises(LinkcoreError) as caught:
        identity.sha256_inside(encrypted(tmp_path, readers=(AgeIdentity.generate().public_key,)))
    assert SECRET[16:] not in report(caught.value)
    with pytest.raises(ProgrammeError, match=r"AgeIdentity\.read"):
        AgeIdentity()


@pytest.mark.parametrize(
    "text",
    ["", "hello", SECRET[:-1] + ("Q" if SECRET[-1] != "Q" else "P"), f"{SECRET}\n{SECRET}\n", PUBLIC],
    ids=["empty", "no key", "altered", "two", "a public key"],
)
def test_a_file_without_one_identity_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(KeyMaterialError, match="does not hold one secret key of age") as caught:
        AgeIdentity.read(written(tmp_path, text))
    assert SECRET[16:40] not in report(caught.value)


def test_an_identity_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.chmod(0o644)
    with pytest.raises(KeyMaterialError, match="open to others"):
        AgeIdentity.read(file)


def test_an_identity_under_a_passphrase_opens_with_it_alone(tmp_path: Path, identity: AgeIdentity) -> None:
    file = tmp_path / "identity.age"
    file.write_bytes(identity.sealed(Secret(PASSPHRASE)))
    assert b"-> scrypt " in file.read_bytes()
    assert SECRET.encode() not in file.read_bytes()
    assert AgeIdentity.read(file, PASSPHRASE).public_key == PUBLIC
    with pytest.raises(KeyMaterialError, match="is encrypted: give its passphrase"):
        AgeIdentity.read(file)
    with pytest.raises(KeyMaterialError, match="the passphrase is wrong") as caught:
        AgeIdentity.read(file, "another passphrase")
    assert "another passphrase" not in report(caught.value)


def test_a_fingerprint_is_the_first_half_of_the_hash_of_the_text() -> None:
    assert fingerprint(PUBLIC) == hashlib.sha256(PUBLIC.encode()).hexdigest()[:32]


def test_without_the_library_an_error_says_what_to_install() -> None:
    probe = (
        "import sys; sys.modules['pyrage'] = None\n"
        "import linkcore as lc\n"
        "try: lc.Encryption(['age1'])\n"
        "except lc.ProgrammeError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert 'install "linkcore[encrypted]"' in done.stderr
