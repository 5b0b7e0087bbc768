"""Sealed files: only the passphrase opens them, and any alteration is noticed.

Scrypt (RFC 7914) derives a key from the passphrase. AES-256-GCM (NIST SP 800-38D) encrypts the content under this key
and authenticates the unencrypted header. A plain digest over the whole distinguishes a damaged file from a wrong
passphrase; it protects nothing.
"""

import base64
import hashlib
import json
import secrets
import unicodedata
from typing import Any, Final, Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.keys.secret import Hidden, Secret

__all__ = ["COST", "SHORTEST_PASSPHRASE", "Lock", "checked_passphrase", "seal", "unseal"]

COST: Final = 17
"""Binary logarithm of scrypt's N: one guess takes 128 MiB and about a third of a second (OWASP Password Storage)."""

_FEWEST_CHARACTERS: Final = 5  # different ones, without spaces
SHORTEST_PASSPHRASE: Final = 15
"""Fewest characters of a passphrase that alone protects a file (NIST SP 800-63B-4, 3.1.1.2)."""

_COSTS: Final = range(14, 21)
_FORMAT: Final = "linkcore sealed 1"
_DAMAGED: Final = "is truncated or altered: restore it from a copy"


@final
class Lock(Hidden):
    """The key that scrypt derives from a passphrase.

    Parameters
    ----------
    passphrase : Secret of str
        The passphrase, in any Unicode normal form: how a keyboard composes letters makes no difference (NIST SP
        800-63B-4).
    salt : bytes, optional
        Salt of scrypt; by default new and random.
    cost : int
        Binary logarithm of scrypt's N, 14 to 20.

    Raises
    ------
    ProgrammeError
        The cost is not from 14 to 20.

    Examples
    --------
    >>> Lock(Secret("correct horse battery"), cost=14)
    <Lock>
    """

    __slots__ = ("cost", "key", "salt")

    cost: int
    salt: bytes
    key: Secret[bytes]

    def __init__(self, passphrase: Secret[str], *, salt: bytes | None = None, cost: int = COST) -> None:
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

        if cost not in _COSTS:
            raise ProgrammeError(f"cost must be from {_COSTS[0]} to {_COSTS[-1]}, not {cost!r}")
        salt = salt or secrets.token_bytes(16)
        scrypt = Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1)
        object.__setattr__(self, "cost", cost)
        object.__setattr__(self, "salt", salt)
        object.__setattr__(
            self, "key", Secret(scrypt.derive(unicodedata.normalize("NFKC", passphrase.reveal()).encode()))
        )

    def __repr__(self) -> str:
        return "<Lock>"

    @classmethod
    def from_sealed(cls, text: bytes, passphrase: Secret[str], what: str) -> Self:
        """Derive the key of a sealed text from its passphrase, with the salt and the cost that the text states."""
        header, _ = _parsed(text, what)
        try:
            return cls(passphrase, salt=bytes.fromhex(header["salt"]), cost=header["cost"])
        except (ProgrammeError, LookupError, ValueError, TypeError):
            pass
        raise KeyMaterialError(f"{what} {_DAMAGED}")


def checked_passphrase(passphrase: Secret[str]) -> Secret[str]:
    """Refuse a passphrase that is too short, or too uniform, to protect a file.

    Examples
    --------
    >>> checked_passphrase(Secret("correct horse battery"))
    <Secret>
    """
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise KeyMaterialError(
            f"the passphrase is too short: it alone protects the keys, so give at least {SHORTEST_PASSPHRASE} "
            "characters, such as several words"
        )
    if len(set("".join(passphrase.reveal().split()))) < _FEWEST_CHARACTERS:
        raise KeyMaterialError(
            "the passphrase is the same few characters again and again: it alone protects the keys, so give several "
            "words"
        )
    return passphrase


def seal(content: Secret[bytes], lock: Lock) -> bytes:
    """Encrypt content."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(12)
    header = {"format": _FORMAT, "cost": lock.cost, "salt": lock.salt.hex(), "nonce": nonce.hex()}
    sealed = AESGCM(lock.key.reveal()).encrypt(nonce, content.reveal(), _bytes_of(header))
    whole = {**header, "sealed": base64.b64encode(sealed).decode()}
    return json.dumps({**whole, "sha256": hashlib.sha256(_bytes_of(whole)).hexdigest()}, indent=2).encode() + b"\n"


def unseal(text: bytes, lock: Lock, what: str) -> Secret[bytes]:
    """Decrypt sealed content; ``what`` names the file in errors.

    Examples
    --------
    >>> passphrase = Secret("correct horse battery")
    >>> text = seal(Secret(b"content"), Lock(passphrase, cost=14))
    >>> unseal(text, Lock.from_sealed(text, passphrase, "the file"), "the file").reveal()
    b'content'
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    header, sealed = _parsed(text, what)
    try:
        nonce = bytes.fromhex(header["nonce"])
        return Secret(AESGCM(lock.key.reveal()).decrypt(nonce, sealed, _bytes_of(header)))
    except (InvalidTag, LookupError, ValueError, TypeError):
        pass
    raise KeyMaterialError(
        f"{what} does not open: the passphrase is wrong (try again; each role's keyring has its own), or somebody "
        "altered the file (restore it from a copy)"
    )


def _parsed(text: bytes, what: str) -> tuple[dict[str, Any], bytes]:
    """Return the header and the encrypted content; refuse a file that is damaged or has another format."""
    try:
        whole = json.loads(text)
        digest = whole.pop("sha256")
        if whole["format"] != _FORMAT:
            raise KeyMaterialError(
                f"{what} has another format, which this version of linkcore cannot read; use the version that wrote it"
            )
        if digest == hashlib.sha256(_bytes_of(whole)).hexdigest():
            return whole, base64.b64decode(whole.pop("sealed"), validate=True)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        pass
    raise KeyMaterialError(f"{what} {_DAMAGED}")


def _bytes_of(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
