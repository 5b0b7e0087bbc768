"""Signatures: with the public key, anyone can check that the trusted team wrote a manifest or a certificate.

A signature is the 64 bytes of Ed25519 (RFC 8032). Key files are PEM: PKCS #8 for the private key, SubjectPublicKeyInfo
for the public key. So a recipient can also verify with OpenSSL alone::

    openssl pkeyutl -verify -pubin -inkey team.pub.pem -rawin -in manifest.json -sigfile manifest.json.sig

A signature shows who wrote a text. It does not show that the text is the latest: an older release still verifies.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.files import begins_like, new_file
from linkcore.keys.secret import Hidden, Secret, read_private
from linkcore.keys.weak_material import weakness

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["SigningKey", "VerifyKey"]

_PUBLIC_KEY: Final = b"-----BEGIN PUBLIC KEY-----"
_ID_DIGITS: Final = 16  # of the SHA-256 of the public key; they name the key and prove nothing


@final
class SigningKey(Hidden):
    """The private key with which the trusted team signs. It makes no pseudonyms.

    Make one with `generate`, or read one with `read`. It never shows its material and cannot be pickled.

    Attributes
    ----------
    id : str
        Name of the key: 16 hex digits, the same as the id of its public key.
    verify_key : VerifyKey
        Its public key.

    Examples
    --------
    >>> key = SigningKey.generate()
    >>> key.verify_key.verify(b"text", key.sign(b"text"))
    >>> key.verify_key.verify(b"another text", key.sign(b"text"))
    Traceback (most recent call last):
    linkcore.errors.RefusedError: the signature does not verify: the text or the signature was altered, or another ...
    """

    __slots__ = ("_private", "id", "verify_key")

    id: str
    verify_key: "VerifyKey"
    _private: "Secret[Ed25519PrivateKey]"

    def __init__(self) -> None:
        raise ProgrammeError("make a signing key with SigningKey.generate, or read one with SigningKey.read")

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"

    @classmethod
    def _build(cls, private: "Secret[Ed25519PrivateKey]") -> Self:
        key = cls.__new__(cls)
        object.__setattr__(key, "_private", private)
        object.__setattr__(key, "verify_key", VerifyKey(private.reveal().public_key().public_bytes_raw()))
        object.__setattr__(key, "id", key.verify_key.id)
        return key

    @classmethod
    def generate(cls) -> Self:
        """Make a new random key.

        Returns
        -------
        SigningKey
            The new key. It exists only in memory until `write` writes it.

        Examples
        --------
        >>> len(SigningKey.generate().id)
        16
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls._build(Secret(Ed25519PrivateKey.generate()))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key that `write` wrote, or any other Ed25519 key in PEM without a passphrase.

        Parameters
        ----------
        path : path
            The key file. Only its owner may have access to it (mode 0600 or narrower).

        Returns
        -------
        SigningKey
            The key in the file.

        Raises
        ------
        KeyMaterialError
            There is no such file, other users may read or write it, it holds no such key, or its key is not random.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        text = read_private(path, "signing key")
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            private = load_pem_private_key(text.reveal(), password=None)
            if isinstance(private, Ed25519PrivateKey):
                weak = weakness(Secret(private.private_bytes_raw()))
                if weak is None:
                    return cls._build(Secret(private))
                raise KeyMaterialError(
                    f"the signing key {os.fspath(path)}: its material {weak}: make a new key, and send its public key "
                    "to the recipients"
                )
        raise KeyMaterialError(
            f"the signing key {os.fspath(path)} is not an Ed25519 key in PEM, or has a passphrase: restore it from a "
            "copy, or make a new key and send its public key to the recipients"
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the key, unencrypted, to a new file that only its owner may read (mode 0600).

        Parameters
        ----------
        path : path
            The key file. It must not exist.

        Raises
        ------
        KeyMaterialError
            The file exists.
        ProgrammeError
            There cannot be a file at this path.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     key = SigningKey.generate()
        ...     key.write(Path(folder, "team.pem"))
        ...     SigningKey.read(Path(folder, "team.pem")).id == key.id
        True
        """
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        if Path(path).exists():
            raise KeyMaterialError(f"{os.fspath(path)} exists: a key file is never overwritten; choose another name")
        private = self._private
        with new_file(Path(path)) as file:
            file.write_bytes(private.reveal().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def sign(self, content: bytes) -> bytes:
        """Sign a text.

        Parameters
        ----------
        content : bytes
            The whole text. It should state what it is (a manifest, a certificate), so that nobody can pass one off as
            another.

        Returns
        -------
        bytes
            The signature: 64 bytes, always the same for the same text.

        Examples
        --------
        >>> len(SigningKey.generate().sign(b"text"))
        64
        """
        return self._private.reveal().sign(content)


@final
@dataclass(frozen=True)
class VerifyKey:
    """The public key of a `SigningKey`, with which recipients verify.

    Send it to the recipients separately from the releases. `read` reads it from a file, `parse` from text.

    Parameters
    ----------
    raw : bytes
        The 32 bytes of the key.

    Examples
    --------
    >>> key = SigningKey.generate().verify_key
    >>> VerifyKey.parse(key.text) == key
    True
    """

    raw: bytes

    @property
    def id(self) -> str:
        """Name of the key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
        return hashlib.sha256(self.raw).hexdigest()[:_ID_DIGITS]

    @property
    def text(self) -> str:
        """The key in PEM."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = Ed25519PublicKey.from_public_bytes(self.raw)
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key from PEM.

        Parameters
        ----------
        text : str
            The key in PEM, as in ``text``.

        Returns
        -------
        VerifyKey
            The key.

        Raises
        ------
        KeyMaterialError
            The text is not a public Ed25519 key in PEM.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        with suppress(ValueError, UnsupportedAlgorithm):
            public = load_pem_public_key(text.encode())
            if isinstance(public, Ed25519PublicKey):
                return cls(public.public_bytes_raw())
        raise KeyMaterialError(
            "this is not a public Ed25519 key in PEM: give the text of a file that VerifyKey.write wrote"
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key from its file.

        Parameters
        ----------
        path : path
            The file that `write` wrote.

        Returns
        -------
        VerifyKey
            The key in the file.

        Raises
        ------
        KeyMaterialError
            There is no such file, or it holds no public Ed25519 key in PEM.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise KeyMaterialError(f"the public key {os.fspath(path)} cannot be read; check the path") from None
        return cls.parse(text)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the key to a file. It is not secret and may be sent to anyone.

        Parameters
        ----------
        path : path
            The file. An existing file is replaced if it holds a public key.

        Raises
        ------
        ProgrammeError
            There cannot be a file at this path.
        """
        with new_file(Path(path), ours=begins_like(_PUBLIC_KEY)) as file:
            file.write_text(self.text, "utf-8")

    def verify(self, content: bytes, signature: bytes) -> None:
        """Check that this key signed a text, and that nobody altered it since; return nothing if so.

        Parameters
        ----------
        content : bytes
            The whole text.
        signature : bytes
            The 64 bytes that `SigningKey.sign` returned.

        Raises
        ------
        RefusedError
            The text or the signature was altered, or another key signed it.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        with suppress(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
            return
        raise RefusedError(
            f"the signature does not verify: the text or the signature was altered, or another key than {self.id} "
            "signed it; do not use the text, and ask the trusted team"
        )
