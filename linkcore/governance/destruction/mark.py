"""The mark of a destroyed programme: a file that records what is to be destroyed before anything is, and the progress.

An interrupted destruction starts from its mark when it is run again, so it ends the same. Only the mark knows which
files were removed already. So what certificates say comes from the mark: it is signed, and a mark with another
signature is never continued. Any mark, signed or not, stops the programme.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from linkcore.errors import RefusedError
from linkcore.files import anything, new_file, write_json
from linkcore.governance.audit.audit import Audit
from linkcore.keys.signing import SigningKey, VerifyKey

__all__ = ["MARK", "Attestation", "File", "KeptKey", "KeyName", "Kind", "Mark", "Place", "read_mark"]
__all__ += ["refuse_if_destroyed"]

MARK: Final = "destroyed.json"
"""Name of the mark's file, in the programme's folder."""

Kind: TypeAlias = Literal["data", "work", "key"]
"""What a file holds: a provider's extract, something made from the extracts, or a key in clear."""


@dataclass(frozen=True, order=True)
class Place:
    """A path or pattern that was named for destruction, and its provider (empty for the programme's own files)."""

    kind: Kind
    provider: str
    pattern: str


@dataclass(frozen=True, order=True)
class File:
    """A file or folder to be removed; its path is relative if it is in the programme's folder."""

    kind: Kind
    provider: str
    path: str
    is_folder: bool
    size: int


@dataclass(frozen=True, order=True)
class KeyName:
    """One version of a key, and the keyring that holds it."""

    keyring: str
    id: str
    version: int


@dataclass(frozen=True)
class KeptKey:
    """A key that was not destroyed, and why not; its version is None where no keyring was given that holds it."""

    id: str
    version: int | None
    why: str


@dataclass(frozen=True)
class Attestation:
    """A recipient's statement about what it did with its copies: ``by`` names the person who signed it."""

    recipient: str
    by: str
    received: str
    statement: str


@dataclass(frozen=True)
class Mark:
    """What is known about a destruction.

    ``named`` holds the places that were named, ``not_found`` those of them where there was nothing, ``outside`` the
    places outside the programme's folder that were confirmed, ``files`` what was found there, ``keys`` the keys to be
    destroyed and ``kept_keys`` those that stay, ``known_copies`` other copies in words, ``other_names`` the files that
    a link still leads to, and ``remains`` what is left in the programme's folder. ``finished`` is None until linkcore
    has checked that nothing named is left.
    """

    programme: str
    begun: str
    actor: str
    reason: str
    named: tuple[Place, ...] = ()
    files: tuple[File, ...] = ()
    outside: tuple[str, ...] = ()
    keys: tuple[KeyName, ...] = ()
    kept_keys: tuple[KeptKey, ...] = ()
    recipients: tuple[str, ...] = ()
    known_copies: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    not_found: tuple[Place, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    finished: str | None = None

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers whose data were named."""
        return tuple(sorted({place.provider for place in self.named if place.provider}))

    def write(self, folder: Path, signing_key: SigningKey) -> None:
        """Write the mark to the programme's folder, signed, whole or not at all."""
        stated = asdict(self)
        signature = signing_key.sign(_signed_text(stated)).hex()
        content = {"format": 2, "mark": stated, "verify_key": signing_key.verify_key.id, "signature": signature}
        with new_file(folder / MARK, ours=anything) as file:
            write_json(file, content)


_PARTS: Final[dict[str, Any]] = {
    "named": Place,
    "not_found": Place,
    "files": File,
    "keys": KeyName,
    "kept_keys": KeptKey,
    "attestations": Attestation,
}


def read_mark(folder: Path, verify_key: VerifyKey | None = None) -> Mark | None:
    """Read the mark of a programme, or return None if there is no mark.

    With a key, refuse a mark that was not signed by it.
    """
    file = folder / MARK
    if not os.path.lexists(file):
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
        if verify_key is not None:
            _refuse_unless_signed(file, content, verify_key)
        stated = dict(content.get("mark", content))  # format 1 has no signature
        stated.pop("format", None)
        for name, part in _PARTS.items():
            stated[name] = [part(**values) for values in stated.get(name, ())]
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()
        }
        if not all(isinstance(fields[name], str) for name in ("programme", "begun")):
            raise TypeError
        if not isinstance(fields.get("finished"), str | None):
            raise TypeError
        return Mark(**fields)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise RefusedError(
        f"{file} cannot be read: the programme is destroyed, or its destruction has begun; restore this file"
    )


def _signed_text(stated: dict[str, Any]) -> bytes:
    """Return the text that is signed: it says what it is, so that no other text can be passed off as a mark."""
    return b"linkcore:destroyed:" + json.dumps(stated, ensure_ascii=False).encode()


def _refuse_unless_signed(file: Path, content: dict[str, Any], verify_key: VerifyKey) -> None:
    try:
        verify_key.verify(_signed_text(content["mark"]), bytes.fromhex(content["signature"]))
    except (LookupError, ValueError, TypeError, RefusedError):
        pass
    else:
        return
    raise RefusedError(
        f"{file} has no signature of key {verify_key.id}: it was forged or altered, or another key or an earlier "
        "version of linkcore wrote it; nothing was signed. Give that key, or restore the file; if nobody of the team "
        "wrote it, remove it, and destroy the programme again"
    )


def refuse_if_destroyed(folder: str | Path, *, programme: str | None = None, audit: Audit | None = None) -> None:
    """Refuse a programme that was destroyed, or whose destruction has begun.

    The mark in the folder says so. So does the audit log, if it is given with the name of the programme: a copy of the
    folder that was made before the destruction has no mark, but the team's log has the line.

    Parameters
    ----------
    folder : path
        The programme's folder.
    programme : str, optional
        Name of the programme.
    audit : Audit, optional
        An audit log.

    Raises
    ------
    RefusedError
        If the programme was destroyed, or its destruction has begun.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     refuse_if_destroyed(folder)
    ...     mark = Mark("Example", begun="2026-09-30T12:00:00+00:00", actor="team", reason="its end")
    ...     mark.write(Path(folder), SigningKey.generate())
    ...     refuse_if_destroyed(folder)
    Traceback (most recent call last):
    linkcore.errors.RefusedError: the destruction of programme 'Example' began on 2026-09-30 and is not finished: ...
    """
    mark = read_mark(Path(folder))
    if mark is None:
        if audit is not None and programme is not None:
            _refuse_if_logged(programme, audit)
        return
    if mark.finished is None:
        raise RefusedError(
            f"the destruction of programme {mark.programme!r} began on {mark.begun[:10]} and is not finished: run it "
            "again until it is; the programme can no longer be used"
        )
    raise RefusedError(f"programme {mark.programme!r} was destroyed on {mark.finished[:10]}, and can no longer be used")


def _refuse_if_logged(programme: str, audit: Audit) -> None:
    for entry in audit.lines():
        details = entry.get("details")
        if entry.get("action") == "destruction" and isinstance(details, dict) and details.get("programme") == programme:
            raise RefusedError(
                f"the destruction of programme {programme!r} is in the audit log {audit.path}, line "
                f"{entry['number']}: the programme can no longer be used, and this folder may be a copy of it; destroy "
                "the copy too, or give another programme another name"
            )
