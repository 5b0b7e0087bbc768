"""Files encrypted for a recipient in the age format, and opened again; the only module that imports pyrage.

The format is age-encryption.org/v1 (https://age-encryption.org/v1), as the programs ``age`` and ``rage`` write it: a
random key for each file, wrapped for each X25519 public key, and ChaCha20-Poly1305 over chunks of 64 KiB, so that files
of any size are encrypted in little memory, and a file that was cut short is found.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError, RefusedError
from linkcore.keys.secret import Hidden, Secret, read_private

__all__ = ["SUFFIX", "AgeIdentity", "checked_public_key", "encrypting", "fingerprint"]

SUFFIX: Final = ".age"
"""What the name of an encrypted file ends in."""

_PUBLIC: Final = re.compile("age1[02-9ac-hj-np-z]{58}")
_SECRET: Final = re.compile(rb"^AGE-SECRET-KEY-1[0-9A-Z]+\s*$", re.MULTILINE)
_HEADER: Final = b"age-encryption.org/v1"
_MOST_BYTES: Final = 1 << 20  # a file of identities is small


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError:
        raise ProgrammeError(
            'encryption for recipients needs the package pyrage: install "linkcore[encrypted]"'
        ) from None
    return pyrage


def checked_public_key(text: str) -> str:
    """Return an age public key (X25519), or refuse the text. It is not quoted: it may be the secret key.

    Examples
    --------
    >>> checked_public_key("age1abc")
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: this is no age public key: give the 62 characters that `age-keygen` prints, ...
    """
    if isinstance(text, str) and text.strip().upper().startswith("AGE-SECRET-KEY-"):
        raise ProgrammeError(
            "this is a secret key of age, which only its owner may have: let the owner make a new pair with "
            "`age-keygen`, and give its public key, which begins with age1"
        )
    pyrage = _pyrage()
    if isinstance(text, str) and _PUBLIC.fullmatch(text):
        try:
            return str(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError:  # a character is wrong: the key has a checksum
            pass
    raise ProgrammeError(
        "this is no age public key: give the 62 characters that `age-keygen` prints, which begin with age1; keys of "
        "plugins and of SSH are not read"
    )


def fingerprint(public_key: str) -> str:
    """Return 32 hex digits that name a public key: the first half of the SHA-256 of its text.

    Examples
    --------
    >>> fingerprint("age1") == hashlib.sha256(b"age1").hexdigest()[:32]
    True
    """
    return hashlib.sha256(public_key.encode()).hexdigest()[:32]


class _Reader:
    """The plain bytes on their way to be encrypted, and their SHA-256."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self._source.read(size)
        self._digest.update(found)
        return found

    def sha256(self) -> str:
        return self._digest.hexdigest()


class Encrypting:
    """A file that is being encrypted: write the plain bytes to ``target``."""

    def __init__(self, target: IO[bytes], plain: _Reader) -> None:
        self.target = target
        self._plain = plain

    def sha256(self) -> str:
        """Return the SHA-256 of the plain bytes, once all are written."""
        return self._plain.sha256()


@contextmanager
def encrypting(file: Path, readers: Sequence[str]) -> Iterator[Encrypting]:
    """Encrypt what is written, as it is written, to a new file that these public keys open.

    The plain bytes go through a pipe, and are on no disk.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> identity = AgeIdentity.generate()
    >>> with TemporaryDirectory() as folder:
    ...     with encrypting(Path(folder, "a.csv.age"), [identity.public_key]) as encrypted:
    ...         _ = encrypted.target.write(b"plain")
    ...     identity.sha256_inside(Path(folder, "a.csv.age")) == hashlib.sha256(b"plain").hexdigest()
    True
    """
    recipients = [_pyrage().x25519.Recipient.from_str(reader) for reader in readers]
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool, os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as target:
        plain = _Reader(source)
        encrypted = pool.submit(_encrypt, plain, source, file, recipients)
        try:
            with target:
                yield Encrypting(target, plain)
        finally:
            # Where encryption fails, so does writing: what is raised is why encryption failed.
            encrypted.result()


def _encrypt(plain: _Reader, source: BinaryIO, file: Path, recipients: Sequence[Any]) -> None:
    # When the source is closed, the writer fails too, and does not wait for ever.
    with source, file.open("xb") as target:
        _pyrage().encrypt_io(plain, target, recipients)


class _Hashing:
    """Takes plain bytes, and keeps nothing of them but their SHA-256."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return len(content)

    def flush(self) -> None:
        """Do nothing: nothing is kept."""


@final
class AgeIdentity(Hidden):
    """The secret key of age that opens what was encrypted for its public key. It never shows itself.

    Attributes
    ----------
    public_key : str
        The public key: ``age1`` and 58 characters. It is not secret.

    Examples
    --------
    >>> identity = AgeIdentity.generate()
    >>> identity.public_key.startswith("age1"), repr(identity) == f"AgeIdentity({identity.public_key!r})"
    (True, True)
    """

    __slots__ = ("_identity", "public_key")

    public_key: str
    _identity: Secret[Any]

    def __init__(self) -> None:
        raise ProgrammeError("read an identity with AgeIdentity.read, or make a new one with AgeIdentity.generate")

    def __repr__(self) -> str:
        return f"AgeIdentity({self.public_key!r})"

    @classmethod
    def _of(cls, identity: Secret[Any]) -> Self:
        made = cls.__new__(cls)
        object.__setattr__(made, "_identity", identity)
        object.__setattr__(made, "public_key", str(identity.reveal().to_public()))
        return made

    @classmethod
    def generate(cls) -> Self:
        """Make a new random identity.

        Returns
        -------
        AgeIdentity
        """
        return cls._of(Secret(_pyrage().x25519.Identity.generate()))

    @classmethod
    def read(cls, path: str | os.PathLike[str], passphrase: Secret[str] | str | None = None) -> Self:
        """Read a file that ``age-keygen`` wrote, or one that was encrypted with a passphrase since (``age -p``).

        Parameters
        ----------
        path : path
            The file. If it is not encrypted, only its owner may have access to it (mode 0600 or narrower).
        passphrase : str, optional
            The passphrase of an encrypted file.

        Returns
        -------
        AgeIdentity

        Raises
        ------
        KeyMaterialError
            There is no such file, other users may read or write it, it holds no identity or several, or the passphrase
            is missing or wrong.

        Examples
        --------
        >>> AgeIdentity.read("no-such-file")
        Traceback (most recent call last):
        linkcore.errors.KeyMaterialError: the identity file no-such-file cannot be read: No such file or directory
        """
        hidden = passphrase if isinstance(passphrase, Secret) else Secret(passphrase or "")
        del passphrase  # a traceback may show what a frame holds
        content = cls._opened(path, hidden) if cls.is_encrypted(path) else read_private(path, "identity file")
        found = Secret(_SECRET.findall(content.reveal()))
        identity = _identity(found) if len(found.reveal()) == 1 else None
        if identity is None:
            raise KeyMaterialError(
                f"the identity file {os.fspath(path)} does not hold one secret key of age, as `age-keygen` writes it: "
                "give the file with the key for this release"
            )
        return cls._of(identity)

    @staticmethod
    def is_encrypted(path: str | os.PathLike[str]) -> bool:
        """Whether a file is encrypted with age, so that a passphrase is needed to read the identity in it.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        bool
        """
        try:
            with Path(path).open("rb") as file:
                return file.read(len(_HEADER)) == _HEADER
        except OSError:
            return False

    @staticmethod
    def _opened(path: str | os.PathLike[str], passphrase: Secret[str]) -> Secret[bytes]:
        where = os.fspath(path)
        if not passphrase.reveal():
            raise KeyMaterialError(f"the identity file {where} is encrypted: give its passphrase")
        with Path(where).open("rb") as file:
            sealed = file.read(_MOST_BYTES)
        pyrage = _pyrage()
        try:
            return Secret(pyrage.passphrase.decrypt(sealed, passphrase.reveal()))
        except (pyrage.DecryptError, OSError, ValueError):
            pass
        raise KeyMaterialError(f"the identity file {where} does not open: the passphrase is wrong, or it was altered")

    def sealed(self, passphrase: Secret[str]) -> bytes:
        """Return the identity encrypted with a passphrase (scrypt), as a file that ``age -d -i`` opens.

        Parameters
        ----------
        passphrase : Secret of str
            The passphrase.

        Returns
        -------
        bytes
        """
        text = Secret(f"# public key: {self.public_key}\n{self._identity.reveal()}\n".encode())
        return bytes(_pyrage().passphrase.encrypt(text.reveal(), passphrase.reveal()))

    def sha256_inside(self, file: Path) -> str:
        """Open a file and return the SHA-256 of its plain bytes, which are kept nowhere.

        Parameters
        ----------
        file : pathlib.Path
            The encrypted file.

        Returns
        -------
        str

        Raises
        ------
        KeyMaterialError
            It was encrypted for others.
        RefusedError
            It was altered or cut short.
        """
        pyrage, inside = _pyrage(), _Hashing()
        for_others = False
        try:
            with file.open("rb") as source:
                pyrage.decrypt_io(source, inside, [self._identity.reveal()])
            return inside.digest.hexdigest()
        except pyrage.DecryptError as error:
            for_others = "No matching keys" in str(error)
        except OSError:
            pass
        if for_others:
            raise KeyMaterialError(
                f"{file} was not encrypted for {self.public_key}: give the identity whose public key the sender has"
            )
        raise RefusedError(f"{file} does not open: it was altered or cut short; do not use it, and ask for it again")


def _identity(found: Secret[list[bytes]]) -> Secret[Any] | None:
    pyrage = _pyrage()
    try:
        return Secret(pyrage.x25519.Identity.from_str(found.reveal()[0].decode().strip()))
    except pyrage.IdentityError:
        return None
