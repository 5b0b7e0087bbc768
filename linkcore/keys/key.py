"""Keys: the secrets under which pseudonyms are made.

Only the secrecy of its key protects a pseudonym: all valid NHS Numbers can be hashed in about a minute. So a `Secret`
holds the key material. It shows nothing in a ``repr``, a traceback, a pickle or a debugger's list of attributes, and
code that reads it must call ``reveal()``, which is easy to search for. This protects against accidents, not attacks:
code in the same process can always read a key, and Python cannot reliably erase memory.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Self, final

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError
from linkcore.files import new_file
from linkcore.keys import sha256
from linkcore.keys.secret import Hidden, Secret, read_private
from linkcore.keys.weak_material import weakness

__all__ = ["Key", "checked_id", "midstates"]

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SHORTEST: Final = 32  # bytes; a key is at least as strong as the hash (NIST SP 800-107)
_BLOCK: Final = 64  # bytes in a block of SHA-256


def checked_id(id: str) -> str:  # noqa: A002 -- named like the attribute
    """Return the id of a key, or refuse it; files and folders are named after it.

    Examples
    --------
    >>> checked_id("optum-2026")
    'optum-2026'
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ProgrammeError("a key's id is 1 to 64 letters, digits and . _ @ -, beginning with a letter or digit")
    return id


@final
class Key(Hidden):
    """The secret key of one recipient or of one stage, under which pseudonyms are made.

    Make a key with `generate`, `from_bytes`, `read` or `read_raw`, or take it from a `Keyring`. A key never shows its
    material, and two keys are equal only if they are the same object. A key cannot be pickled: a task in another
    process reads the key file itself.

    Attributes
    ----------
    id : str
        Name of the key in manifests and messages: 1 to 64 letters, digits and ``. _ @ -``, beginning with a letter or
        a digit. It is not secret.
    version : int
        Version of the key, from 1 up; each rotation adds one. The versions of a key share only their id: each has
        random material of its own.

    Examples
    --------
    >>> Key.generate("optum-2026")
    Key('optum-2026')
    """

    __slots__ = ("_material", "_midstates", "id", "version")

    id: str
    version: int
    _material: Secret[bytes]
    _midstates: Secret[tuple[int, ...]]

    def __init__(self) -> None:
        raise ProgrammeError("make a key with Key.generate, Key.from_bytes, Key.read, Key.read_raw or a Keyring")

    def __repr__(self) -> str:
        return f"Key({self.id!r})" if self.version == 1 else f"Key({self.id!r}, version={self.version})"

    @classmethod
    def generate(cls, id: str, *, version: int = 1) -> Self:  # noqa: A002 -- named like the attribute
        """Make a new key of 256 random bits.

        Parameters
        ----------
        id : str
            Name of the key.
        version : int
            Version of the key, from 1 up.

        Returns
        -------
        Key
            The new key. It exists only in memory until it is written to a file or added to a keyring.

        Raises
        ------
        ProgrammeError
            The id is not 1 to 64 letters, digits and ``. _ @ -``, or the version is not a whole number above 0.

        Examples
        --------
        >>> Key.generate("optum-2026").id
        'optum-2026'
        """
        return cls._build(id, Secret(secrets.token_bytes(_SHORTEST)), version)

    @classmethod
    def from_bytes(
        cls,
        id: str,  # noqa: A002
        material: bytes | bytearray | memoryview,
        *,
        version: int = 1,
    ) -> Self:
        """Make a key from material that already exists.

        Parameters
        ----------
        id : str
            Name of the key.
        material : bytes
            At least 32 random bytes. Text, such as a passphrase, is not random.
        version : int
            Version of the key, from 1 up.

        Returns
        -------
        Key
            The key with this material.

        Raises
        ------
        ProgrammeError
            The id is not 1 to 64 letters, digits and ``. _ @ -``, the version is not a whole number above 0, or the
            material is not bytes.
        KeyMaterialError
            The material is shorter than 32 bytes, or surely not random: text, padded, repeated or counting.

        Examples
        --------
        >>> Key.from_bytes("supplier", secrets.token_bytes(32))
        Key('supplier')
        >>> Key.from_bytes("supplier", b"a passphrase of more than 32 letters")
        Traceback (most recent call last):
        linkcore.errors.KeyMaterialError: key 'supplier': its material is text: make a random key, as Key.generate ...
        """
        kind = type(material).__name__
        try:
            hidden = Secret(memoryview(material).tobytes())
        except TypeError:
            hidden = None
        del material  # a traceback may show what a frame holds
        if hidden is None:
            raise ProgrammeError(f"key {id!r}: the material must be bytes, not {kind}")
        key = cls._build(id, hidden, version)
        key.refuse_if_weak()
        return key

    @classmethod
    def _build(cls, id: str, material: Secret[bytes], version: int = 1) -> Self:  # noqa: A002
        checked_id(id)
        if type(version) is not int or version < 1:
            raise ProgrammeError(f"key {id!r}: its version must be a whole number from 1 up")
        if len(material.reveal()) < _SHORTEST:
            raise KeyMaterialError(
                f"key {id!r}: its material must have at least {_SHORTEST} bytes; Key.generate makes such a key"
            )
        key = cls.__new__(cls)
        object.__setattr__(key, "id", id)
        object.__setattr__(key, "version", version)
        object.__setattr__(key, "_material", material)
        object.__setattr__(key, "_midstates", midstates(material))
        return key

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key from a file that `write` wrote.

        Parameters
        ----------
        path : path
            The key file. Only its owner may have access to it (mode 0600 or narrower).

        Returns
        -------
        Key
            The key, with the id and the version that it was written with.

        Raises
        ------
        KeyMaterialError
            There is no such file, other users may read or write it, it is truncated or altered, or its material is
            surely not random.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Key.generate("optum-2026").write(Path(folder, "optum-2026.json"))
        ...     Key.read(Path(folder, "optum-2026.json"))
        Key('optum-2026')
        """
        key = cls._parse(read_private(path, "key file"))
        if key is None:
            raise KeyMaterialError(f"the key file {os.fspath(path)} is truncated or altered: restore it from a copy")
        key.refuse_if_weak()
        return key

    @classmethod
    def _parse(cls, text: Secret[bytes]) -> Self | None:
        """Return the key that a file holds, or None: an error could quote the file."""
        try:
            content = Secret(json.loads(text.reveal()))
            if set(content.reveal()) - {"id", "version", "material", "check"}:
                return None
            material = Secret(bytes.fromhex(content.reveal()["material"]))
            key = cls._build(content.reveal()["id"], material, content.reveal().get("version", 1))
            whole = hmac.compare_digest(content.reveal()["check"], key._check())
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError, LinkcoreError):
            return None
        return key if whole else None

    @classmethod
    def read_raw(
        cls,
        id: str,  # noqa: A002
        path: str | os.PathLike[str],
        *,
        encoding: Literal["hex", "base64", "binary"],
        version: int = 1,
    ) -> Self:
        """Read a key that another program made, from a file that holds only its material.

        Parameters
        ----------
        id : str
            Name to give the key.
        path : path
            The file. Only its owner may have access to it (mode 0600 or narrower).
        encoding : {"hex", "base64", "binary"}
            How the material is written. Spaces and line ends in hex and base64 are ignored. Base64 may use the alphabet
            for URLs (RFC 4648, section 5).
        version : int
            Version of the key, from 1 up.

        Returns
        -------
        Key
            The key with this material.

        Raises
        ------
        ProgrammeError
            The id, the version or the encoding is not one of those that are allowed.
        KeyMaterialError
            There is no such file, other users may read or write it, it is not in this encoding, it holds fewer than 32
            bytes of material, or the material is surely not random.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "supplier.hex")
        ...     file.touch(mode=0o600)
        ...     _ = file.write_text(secrets.token_hex(32))
        ...     Key.read_raw("supplier", file, encoding="hex")
        Key('supplier')
        """
        if encoding not in _DECODERS:
            raise ProgrammeError(f"the encoding of a raw key is one of {', '.join(_DECODERS)}, not {encoding!r}")
        material = _decoded(read_private(path, "key file"), encoding)
        if material is None:
            raise KeyMaterialError(f"the key file {os.fspath(path)} is not {encoding}: give the encoding that it is in")
        key = cls._build(id, material, version)
        key.refuse_if_weak()
        return key

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the key, unencrypted, to a new file that only its owner may read (mode 0600).

        The file is read back before it appears, and it appears whole or not at all. A `Keyring` keeps keys encrypted.

        Parameters
        ----------
        path : path
            The key file. It must not exist: whoever overwrites a key loses everything that was pseudonymised under it.

        Raises
        ------
        KeyMaterialError
            The file exists, or it cannot be written.
        ProgrammeError
            There cannot be a file at this path.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Key.generate("optum-2026").write(Path(folder, "optum-2026.json"))
        ...     oct(Path(folder, "optum-2026.json").stat().st_mode & 0o777)
        '0o600'
        """
        target = Path(path)
        if target.exists():
            raise KeyMaterialError(f"{target} exists: a key file is never overwritten; choose another name")
        try:
            with new_file(target) as file:
                file.write_bytes(self._content())
                Key.read(file)
        except OSError as error:
            raise KeyMaterialError(f"the key file {target} cannot be written: {error.strerror}") from None

    @property
    def fingerprint(self) -> str:
        """32 hex digits that two keys share only if they make the same pseudonyms, whatever their ids.

        It is a pseudonym under the key, of a text that is nobody's, so it tells no more about the key than any other
        pseudonym does. Who has it can only try whole keys one by one, and there are 2 to the power of 256.
        """
        return hmac.digest(self._material.reveal(), b"linkcore:fingerprint", "sha256")[:16].hex()

    def refuse_if_weak(self) -> None:
        """Refuse a key whose material is surely not random; keyrings that earlier versions wrote may hold one.

        Raises
        ------
        KeyMaterialError
            The material is text, padded, repeated or counting.

        Examples
        --------
        >>> Key.generate("optum-2026").refuse_if_weak()
        """
        weak = weakness(self._material)
        if weak is not None:
            raise KeyMaterialError(
                f"key {self.id!r}: its material {weak}: make a random key, as Key.generate and `keys new` do"
            )

    def derived(self, purpose: str, salt: bytes) -> Secret[bytes]:
        """Derive 32 bytes for one purpose and salt (HKDF with SHA-256, RFC 5869): they tell nothing about the key.

        Examples
        --------
        >>> Key.generate("store-2026").derived("tables", b"salt")
        <Secret>
        """
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        derivation = HKDF(algorithm=SHA256(), length=32, salt=salt, info=f"linkcore:{purpose}".encode())
        return Secret(derivation.derive(self._material.reveal()))

    def _content(self) -> bytes:
        return json.dumps(
            {
                "id": self.id,
                "version": self.version,
                "material": self._material.reveal().hex(),
                "check": self._check(),
            },
            indent=2,
        ).encode()

    def _check(self) -> str:
        """Return a checksum of id, version and material: without it, an altered file would break joins unnoticed."""
        name = self.id if self.version == 1 else f"{self.id}:{self.version}"
        return hmac.digest(self._material.reveal(), b"linkcore:key:" + name.encode(), "sha256")[:8].hex()


def _decode_base64(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split()).translate(bytes.maketrans(b"-_", b"+/")), validate=True)


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "hex": lambda text: bytes.fromhex(text.decode("ascii")),
    "base64": _decode_base64,
    "binary": bytes,
}


def _decoded(text: Secret[bytes], encoding: str) -> Secret[bytes] | None:
    """Return the material, or None if the text is not in this encoding or is clearly in another."""
    # By chance, the bytes of a key are all printable 4 times in 10^14, and its base64 is all hex digits once in 10^19.
    # So such a file is in another encoding, and reading it would make a key that nobody else has.
    mistaken = {"binary": rb"[\t\n\r -~]*", "base64": rb"[0-9A-Fa-f\s]*", "hex": rb"(?!)"}[encoding]
    if re.fullmatch(mistaken, text.reveal()):
        return None
    try:
        return Secret(_DECODERS[encoding](text.reveal()))
    except ValueError:  # includes binascii.Error and UnicodeDecodeError
        return None


def midstates(material: Secret[bytes]) -> Secret[tuple[int, ...]]:
    """Return the states of SHA-256 after the two blocks that HMAC makes of a key (RFC 2104): inner, then outer.

    Examples
    --------
    >>> len(midstates(Secret(b"Jefe")).reveal())
    16
    """
    if len(material.reveal()) > _BLOCK:
        material = Secret(hashlib.sha256(material.reveal()).digest())
    padded = Secret(material.reveal().ljust(_BLOCK, b"\0"))
    inner, outer = (
        Secret(sha256.compress(sha256.INITIAL_STATE, bytes(byte ^ pad for byte in padded.reveal())))
        for pad in (0x36, 0x5C)
    )
    return Secret(inner.reveal() + outer.reveal())
