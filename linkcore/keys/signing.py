"""Signatures: who has the public key can tell that a manifest or a certificate is what the trusted team wrote.

Ed25519 (RFC 8032). Key files are PEM, the private one PKCS #8 and the public one SubjectPublicKeyInfo, and a signature
is its 64 bytes, so that a recipient who has only OpenSSL verifies too::

    openssl pkeyutl -verify -pubin -inkey team.pub.pem -rawin -in manifest.json -sigfile manifest.json.sig

A signature says who wrote a text, not that the text is the last one: an older release, with its signature, verifies
still.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.files import new_file
from linkcore.keys.secret import Hidden, Secret, read_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["SigningKey", "VerifyKey"]

_ID_DIGITS: Final = 16  # of the SHA-256 of the public key: names it, and is no check of it


@final
class SigningKey(Hidden):
    """The private key by which the trusted team signs; it is no key of pseudonyms.

    Made by `generate` or `read`. It shows nothing of itself, and is never pickled.

    Attributes
    ----------
    id : str
        Names the key, the same as its public key's: 16 hex digits.

    Examples
    --------
    >>> key = SigningKey.generate()
    >>> key.verify_key.verify(b"text", key.sign(b"text"))
    >>> key.verify_key.verify(b"another text", key.sign(b"text"))
    Traceback (most recent call last):
    linkcore.errors.RefusedError: what is here is not what was signed, or another key than ... signed it: ...
    """

    __slots__ = ("_private", "id", "verify_key")

    id: str
    verify_key: "VerifyKey"
    _private: "Secret[Ed25519PrivateKey]"

    def __init__(self) -> None:
        raise ProgrammeError("a signing key is made by SigningKey.generate, or read by SigningKey.read")

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"

    @classmethod
    def _of(cls, private: "Secret[Ed25519PrivateKey]") -> Self:
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
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls._of(Secret(Ed25519PrivateKey.generate()))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key that `write` wrote, or another Ed25519 key in PEM without a passphrase.

        Parameters
        ----------
        path : path
            The file. Only its owner may have access to it (mode 0600 or narrower).

        Returns
        -------
        SigningKey

        Raises
        ------
        KeyMaterialError
            There is no such file, others may read or write it, or it holds something else.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        text = read_private(path, "signing key")
        with suppress(ValueError, TypeError, UnsupportedAlgorithm):
            private = load_pem_private_key(text.reveal(), password=None)
            if isinstance(private, Ed25519PrivateKey):
                return cls._of(Secret(private))
        raise KeyMaterialError(
            f"the signing key {os.fspath(path)} is no Ed25519 key in PEM, or is under a passphrase: restore it, or "
            "make a new one and tell the recipients"
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the key, in clear, to a new file that only its owner may read (mode 0600).

        Parameters
        ----------
        path : path
            It must not exist.

        Raises
        ------
        KeyMaterialError
            The file exists.
        ProgrammeError
            There cannot be a file at the place.

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
            All of it. It says itself what it is (a manifest, a certificate), so that none is taken for another.

        Returns
        -------
        bytes
            64 bytes; the same each time.
        """
        return self._private.reveal().sign(content)


@final
@dataclass(frozen=True)
class VerifyKey:
    """The public key of a `SigningKey`: give it to the recipients by another way than the releases.

    Parameters
    ----------
    raw : bytes
        32 bytes; `parse` and `read` take the file that `write` wrote.

    Examples
    --------
    >>> key = SigningKey.generate().verify_key
    >>> VerifyKey.parse(key.text) == key
    True
    """

    raw: bytes

    @property
    def id(self) -> str:
        """Names the key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
        return hashlib.sha256(self.raw).hexdigest()[:_ID_DIGITS]

    @property
    def text(self) -> str:
        """The key as PEM."""
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
            What ``text`` gave.

        Returns
        -------
        VerifyKey

        Raises
        ------
        KeyMaterialError
            It is something else.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        with suppress(ValueError, UnsupportedAlgorithm):
            public = load_pem_public_key(text.encode())
            if isinstance(public, Ed25519PublicKey):
                return cls(public.public_bytes_raw())
        raise KeyMaterialError("this is no public Ed25519 key in PEM: give the file that VerifyKey.write wrote")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key from its file.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        VerifyKey

        Raises
        ------
        KeyMaterialError
            There is no such file, or it holds something else.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise KeyMaterialError(f"the public key {os.fspath(path)} cannot be read; check the path") from None
        return cls.parse(text)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the key to a file, which may be shown to anybody.

        Parameters
        ----------
        path : path
            What was there is replaced.

        Raises
        ------
        ProgrammeError
            There cannot be a file at the place.
        """
        with new_file(Path(path)) as file:
            file.write_text(self.text, "utf-8")

    def verify(self, content: bytes, signature: bytes) -> None:
        """Refuse a text that is not what was signed.

        Parameters
        ----------
        content : bytes
            All of it.
        signature : bytes
            Of `SigningKey.sign`.

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
            f"what is here is not what was signed, or another key than {self.id} signed it: do not use it, and ask the "
            "trusted team"
        )
