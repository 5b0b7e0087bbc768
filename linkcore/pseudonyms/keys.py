"""Keys: the secret that pseudonyms are made under, and how it is kept out of sight.

The secrecy of its key is all that protects a pseudonym: every valid NHS Number can be hashed in about a minute. So key
material sits in a `Secret`, which shows nothing of it in a ``repr``, a traceback, a pickle or a debugger's list of
attributes, and whoever reads it says ``reveal()``, which can be searched for. That guards against accidents: code in
the same process can always read a key, and Python cannot reliably wipe memory.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, Never, Self, TypeVar, final

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError
from linkcore.files import new_file
from linkcore.pseudonyms import sha256

__all__ = ["Key", "Secret", "midstates"]

_T = TypeVar("_T")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SHORTEST: Final = 32  # bytes: a key at least as strong as the hash (NIST SP 800-107)
_BLOCK: Final = 64  # bytes of a block of SHA-256
_REFUSED: Final = "a key does not leave its process: read its file again where it is needed"


class _Hidden:
    """What shows nothing of itself: it cannot be changed, pickled, or copied but as itself."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> Never:
        raise KeyMaterialError(_REFUSED)

    def __reduce__(self) -> Never:
        raise KeyMaterialError(_REFUSED)

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise KeyMaterialError(_REFUSED)


@final
class Secret(_Hidden, Generic[_T]):
    """A value that only ``reveal()`` shows.

    Examples
    --------
    >>> password = Secret("correct horse")
    >>> password
    <Secret>
    >>> password.reveal()
    'correct horse'
    """

    # A closure and not an attribute, so that a list of the attributes shows a function.
    __slots__ = ("reveal",)

    reveal: Callable[[], _T]

    def __init__(self, value: _T) -> None:
        object.__setattr__(self, "reveal", lambda: value)

    def __repr__(self) -> str:
        return "<Secret>"


@final
class Key(_Hidden):
    """The key of one recipient, or of one stage: made by `generate`, `from_bytes` or `read`.

    Two keys are equal only if they are the same object. A key cannot be pickled, so a task in another process reads
    the key's file itself.

    Attributes
    ----------
    id : str
        Names the key in manifests and messages: 1 to 64 letters, digits and ``. _ @ -``, a letter or digit first.
        Not secret.

    Examples
    --------
    >>> Key.generate("optum-2026")
    Key('optum-2026')
    """

    __slots__ = ("_material", "_midstates", "id")

    id: str
    _material: Secret[bytes]
    _midstates: Secret[tuple[int, ...]]

    def __init__(self) -> None:
        raise ProgrammeError("a key is made by Key.generate, Key.from_bytes or Key.read")

    def __repr__(self) -> str:
        return f"Key({self.id!r})"

    @classmethod
    def generate(cls, id: str) -> Self:  # noqa: A002 -- it is what the attribute is called
        """Make a new key of 256 random bits.

        Parameters
        ----------
        id : str
            Names the key.

        Returns
        -------
        Key

        Raises
        ------
        ProgrammeError
            The id is not 1 to 64 letters, digits and ``. _ @ -``.

        Examples
        --------
        >>> Key.generate("optum-2026").id
        'optum-2026'
        """
        return cls._of(id, Secret(secrets.token_bytes(_SHORTEST)))

    @classmethod
    def from_bytes(cls, id: str, material: bytes | bytearray | memoryview) -> Self:  # noqa: A002
        """Make a key of material that exists already.

        Parameters
        ----------
        id : str
            Names the key.
        material : bytes
            At least 32 bytes, random: a passphrase is no key.

        Returns
        -------
        Key

        Raises
        ------
        ProgrammeError
            The id is not 1 to 64 letters, digits and ``. _ @ -``, or the material is not bytes.
        KeyMaterialError
            The material is shorter than 32 bytes.

        Examples
        --------
        >>> Key.from_bytes("supplier", bytes(range(32)))
        Key('supplier')
        """
        kind = type(material).__name__
        try:
            hidden = Secret(memoryview(material).tobytes())
        except TypeError:
            hidden = None
        del material  # a traceback may show what a frame holds
        if hidden is None:
            raise ProgrammeError(f"key {id!r}: the material must be bytes, not {kind}")
        return cls._of(id, hidden)

    @classmethod
    def _of(cls, id: str, material: Secret[bytes]) -> Self:  # noqa: A002
        if not isinstance(id, str) or not _ID.fullmatch(id):
            raise ProgrammeError("a key's id is 1 to 64 letters, digits and . _ @ -, a letter or digit first")
        if len(material.reveal()) < _SHORTEST:
            raise KeyMaterialError(f"key {id!r}: at least {_SHORTEST} bytes are needed; Key.generate makes such a key")
        key = cls.__new__(cls)
        object.__setattr__(key, "id", id)
        object.__setattr__(key, "_material", material)
        object.__setattr__(key, "_midstates", midstates(material))
        return key

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a key that `write` wrote.

        Parameters
        ----------
        path : path
            The key file. Only its owner may have access to it (mode 0600 or narrower).

        Returns
        -------
        Key

        Raises
        ------
        KeyMaterialError
            There is no such file, others may read or write it, or it is truncated or altered.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Key.generate("optum-2026").write(Path(folder, "optum-2026.json"))
        ...     Key.read(Path(folder, "optum-2026.json"))
        Key('optum-2026')
        """
        try:
            with Path(path).open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                key = None if _is_wide(mode) else cls._parse(Secret(file.read()))
        except OSError as error:
            raise KeyMaterialError(f"the key file {os.fspath(path)} cannot be read: {error.strerror}") from None
        if _is_wide(mode):
            raise KeyMaterialError(
                f"the key file {os.fspath(path)} is open to others (mode {mode & 0o777:04o}): if nobody has read it, "
                "`chmod 600` it, otherwise make a new key"
            )
        if key is None:
            raise KeyMaterialError(f"the key file {os.fspath(path)} is truncated or altered: restore it from its copy")
        return key

    @classmethod
    def _parse(cls, text: Secret[bytes]) -> Self | None:
        """Return the key that a file holds, or None: no error, since one could quote the file."""
        try:
            content = Secret(json.loads(text.reveal()))
            key = cls._of(content.reveal()["id"], Secret(bytes.fromhex(content.reveal()["material"])))
            whole = hmac.compare_digest(content.reveal()["check"], key._check())
        except (ValueError, TypeError, LookupError, LinkcoreError):
            return None
        return key if whole else None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the key, in clear, to a new file that only its owner may read (mode 0600).

        The file appears whole or not at all, and was read back before it appeared.

        Parameters
        ----------
        path : path
            The key file. It must not exist: what was pseudonymised under a key that is overwritten is lost.

        Raises
        ------
        KeyMaterialError
            The file exists, or cannot be written.

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

    def _content(self) -> bytes:
        return json.dumps(
            {"id": self.id, "material": self._material.reveal().hex(), "check": self._check()}, indent=2
        ).encode()

    def _check(self) -> str:
        """Return what only this id and this material give: an altered file would break every join without a sign."""
        return hmac.digest(self._material.reveal(), b"linkcore:key:" + self.id.encode(), "sha256")[:8].hex()


def midstates(material: Secret[bytes]) -> Secret[tuple[int, ...]]:
    """Hash the two blocks that HMAC-SHA-256 makes of a key (RFC 2104).

    Parameters
    ----------
    material : Secret of bytes
        The key, of any length.

    Returns
    -------
    Secret of tuple of int
        The eight words of the state after the inner block, then those after the outer: as secret as the key.

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


def _is_wide(mode: int) -> bool:
    """Whether anybody but the owner has access; Windows has no such modes."""
    return os.name == "posix" and bool(mode & 0o177)
