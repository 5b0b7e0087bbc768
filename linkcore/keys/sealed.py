"""Sealed files: content that only a passphrase opens, and that cannot be altered without a sign.

The passphrase is stretched with scrypt (RFC 7914) into a key of AES-256-GCM (NIST SP 800-38D), which encrypts the
content and authenticates what stands in clear beside it. A plain digest over the whole tells a damaged file from a
wrong passphrase; it protects nothing.
"""

import base64
import hashlib
import json
import secrets
import unicodedata
from typing import Any, Final, Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.keys.secret import Hidden, Secret

__all__ = ["COST", "SHORTEST_PASSPHRASE", "Lock", "new_passphrase", "seal", "unseal"]

COST: Final = 17
"""scrypt's N as a power of two: 128 MiB and about a third of a second a guess (OWASP Password Storage)."""

SHORTEST_PASSPHRASE: Final = 15
"""Characters of a passphrase that is a file's only protection (NIST SP 800-63B-4, 3.1.1.2)."""

_COSTS: Final = range(14, 21)
_FORMAT: Final = "linkcore sealed 1"
_DAMAGED: Final = "is truncated or altered: restore it from its copy"


@final
class Lock(Hidden):
    """A passphrase stretched into a key.

    Parameters
    ----------
    passphrase : Secret of str
        In any Unicode normal form: a keyboard's choice of it does not matter (NIST SP 800-63B-4).
    salt : bytes, optional
        By default new and random.
    cost : int
        scrypt's N as a power of two, 14 to 20.

    Raises
    ------
    ProgrammeError
        The cost cannot be.

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
            raise ProgrammeError(f"the cost of a passphrase is from {_COSTS[0]} to {_COSTS[-1]}, not {cost!r}")
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
    def of(cls, text: bytes, passphrase: Secret[str], what: str) -> Self:
        """Stretch the passphrase as a sealed text says."""
        header, _ = _parsed(text, what)
        try:
            return cls(passphrase, salt=bytes.fromhex(header["salt"]), cost=header["cost"])
        except (ProgrammeError, LookupError, ValueError, TypeError):
            pass
        raise KeyMaterialError(f"{what} {_DAMAGED}")


def new_passphrase(passphrase: Secret[str]) -> Secret[str]:
    """Refuse a passphrase that is too short to protect a file.

    Examples
    --------
    >>> new_passphrase(Secret("correct horse battery"))
    <Secret>
    """
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise KeyMaterialError(
            f"the passphrase is too short: it is all that protects the keys, so at least {SHORTEST_PASSPHRASE} "
            "characters; several words do well"
        )
    return passphrase


def seal(content: Secret[bytes], lock: Lock) -> bytes:
    """Encrypt."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(12)
    header = {"format": _FORMAT, "cost": lock.cost, "salt": lock.salt.hex(), "nonce": nonce.hex()}
    sealed = AESGCM(lock.key.reveal()).encrypt(nonce, content.reveal(), _bytes_of(header))
    whole = {**header, "sealed": base64.b64encode(sealed).decode()}
    return json.dumps({**whole, "sha256": hashlib.sha256(_bytes_of(whole)).hexdigest()}, indent=2).encode() + b"\n"


def unseal(text: bytes, lock: Lock, what: str) -> Secret[bytes]:
    """Decrypt.

    Examples
    --------
    >>> passphrase = Secret("correct horse battery")
    >>> text = seal(Secret(b"content"), Lock(passphrase, cost=14))
    >>> unseal(text, Lock.of(text, passphrase, "the file"), "the file").reveal()
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
        f"{what} does not open: the passphrase is wrong (try it again; each role's keyring has its own), or somebody "
        "altered the file (restore it from its copy)"
    )


def _parsed(text: bytes, what: str) -> tuple[dict[str, Any], bytes]:
    """Return the header and the encrypted content of a file that is whole."""
    try:
        whole = json.loads(text)
        digest = whole.pop("sha256")
        if whole["format"] != _FORMAT:
            raise KeyMaterialError(
                f"{what} is not a file that this version of linkcore can read: it says another format"
            )
        if digest == hashlib.sha256(_bytes_of(whole)).hexdigest():
            return whole, base64.b64decode(whole.pop("sealed"), validate=True)
    except (ValueError, TypeError, AttributeError, LookupError):
        pass
    raise KeyMaterialError(f"{what} {_DAMAGED}")


def _bytes_of(header: dict[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
