"""Keyrings: the keys of one role, with all their versions, in one file under a passphrase."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.files import anything, locked, new_file
from linkcore.keys.key import Key
from linkcore.keys.key_versions import HeldKey, KeyVersion, as_bytes, from_bytes
from linkcore.keys.sealed import COST, Lock, checked_passphrase, seal, unseal
from linkcore.keys.secret import Hidden, Secret, read_private

__all__ = ["Keyring"]


@final
class Keyring(Hidden):
    """The keys of one role, in one encrypted file. Make a keyring with `create`, open one with `open`.

    Each role has a keyring and a passphrase of its own: the suppliers for the first stage, the trusted team for the
    second, and so on. Whoever has one keyring cannot compute the pseudonyms of another.

    A key has versions. At most one of them is active (as in Google's Tink), and ``keyring[id]`` returns it. Iterating
    over a keyring gives the ids of its keys.

    The file is encrypted (`linkcore.keys.sealed`) and only its owner may read it (mode 0600). Each change is written to
    a new file, which is read back and then replaces the old one. A destroyed key is gone from the file, but not from
    copies of the file or from backups. Those are still encrypted: destroy them too, or forget the passphrase.

    Attributes
    ----------
    path : pathlib.Path
        The file.

    Examples
    --------
    >>> from datetime import UTC
    >>> from tempfile import TemporaryDirectory
    >>> now = datetime(2026, 4, 1, tzinfo=UTC)
    >>> with TemporaryDirectory() as folder:
    ...     keyring = Keyring.create(Path(folder, "keys.json"), "correct horse battery", cost=14)
    ...     _ = keyring.new("optum-2026", at=now, purpose="winter planning", recipient="Optum")
    ...     Keyring.open(Path(folder, "keys.json"), passphrase="correct horse battery")["optum-2026"]
    Key('optum-2026')
    """

    __slots__ = ("_digest", "_held", "_lock", "path")

    path: Path
    _lock: Lock
    _held: tuple[HeldKey, ...]
    _digest: bytes | None  # of the file when it was last read or written; None before it exists

    def __init__(self) -> None:
        raise ProgrammeError("make a keyring with Keyring.create, or open one with Keyring.open")

    def __repr__(self) -> str:
        return f"Keyring({os.fspath(self.path)!r})"

    @classmethod
    def _build(cls, path: Path, lock: Lock, held: Sequence[HeldKey], digest: bytes | None) -> Self:
        keyring = cls.__new__(cls)
        object.__setattr__(keyring, "path", path)
        object.__setattr__(keyring, "_lock", lock)
        keyring._hold(held, digest)
        return keyring

    def _hold(self, held: Sequence[HeldKey], digest: bytes | None) -> None:
        ordered = sorted(held, key=lambda one: (one.about.id, one.about.version))
        object.__setattr__(self, "_held", tuple(ordered))
        object.__setattr__(self, "_digest", digest)

    # --- The file ----------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | os.PathLike[str], passphrase: str, *, cost: int = COST) -> Self:
        """Make an empty keyring.

        Parameters
        ----------
        path : path
            The new file. It must not exist.
        passphrase : str
            At least 15 characters. Without it the keys are lost.
        cost : int
            Cost of one guess at the passphrase: the binary logarithm of scrypt's N, 14 to 20. Each step doubles the
            time and the memory; 17 takes 128 MiB and about a third of a second.

        Returns
        -------
        Keyring
            The keyring, without keys. The file is written.

        Raises
        ------
        ProgrammeError
            The passphrase is not a str, or the cost is not from 14 to 20.
        KeyMaterialError
            The file exists or cannot be written, or the passphrase is too short.
        """
        hidden = _hidden(passphrase)
        del passphrase  # a traceback may show what a frame holds
        keyring = cls._build(Path(path), Lock(checked_passphrase(hidden), cost=cost), (), None)
        keyring._save(())
        return keyring

    @classmethod
    def open(cls, path: str | os.PathLike[str], passphrase: str) -> Self:
        """Open a keyring.

        Parameters
        ----------
        path : path
            The file. Only its owner may have access to it (mode 0600 or narrower).
        passphrase : str
            The passphrase that the keyring was created with.

        Returns
        -------
        Keyring
            The keyring, with all its keys.

        Raises
        ------
        ProgrammeError
            The passphrase is not a str.
        KeyMaterialError
            There is no such file, other users may read or write it, it is truncated or altered, or the passphrase is
            wrong.
        """
        hidden = _hidden(passphrase)
        del passphrase
        path = Path(path)
        text = read_private(path, "keyring").reveal()
        lock = Lock.from_sealed(text, hidden, f"the keyring {path}")
        held = from_bytes(unseal(text, lock, f"the keyring {path}"))
        if held is None:
            raise KeyMaterialError(f"the keyring {path} was written by another version of linkcore: use that version")
        return cls._build(path, lock, held, hashlib.sha256(text).digest())

    def _save(self, held: Sequence[HeldKey]) -> None:
        """Write the new content; if that fails, the keyring and its file stay as they were."""
        content = as_bytes(held)
        text = seal(content, self._lock)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.parent, optional=True):
                self._refuse_if_changed()
                with new_file(self.path, ours=anything) as file:
                    file.write_bytes(text)
                    self._verify(file, content)
        except OSError as error:
            raise KeyMaterialError(f"the keyring {self.path} cannot be written: {error.strerror}") from None
        self._hold(held, hashlib.sha256(text).digest())

    def _verify(self, file: Path, content: Secret[bytes]) -> None:
        """Check that the new file opens, before it replaces the old one."""
        text = read_private(file, "keyring").reveal()
        again = unseal(text, self._lock, f"the keyring {self.path}, as it was written,")
        if again.reveal() != content.reveal() or from_bytes(again) is None:
            raise KeyMaterialError(f"the keyring {self.path} cannot be read back as it was written: check the disk")

    def _refuse_if_changed(self) -> None:
        """Refuse to overwrite another keyring, or the changes of another process."""
        if self._digest is None:
            if self.path.exists():
                raise KeyMaterialError(
                    f"{self.path} exists: a keyring is never overwritten; open it, or choose another name"
                )
        elif hashlib.sha256(read_private(self.path, "keyring").reveal()).digest() != self._digest:
            raise KeyMaterialError(f"the keyring {self.path} was changed since it was opened: open it again")

    # --- Its keys ----------------------------------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[KeyVersion, ...]:
        """The facts about every version of every key, even destroyed ones, in order of id and version.

        ``polars.DataFrame(keyring.versions)`` makes a table of them.
        """
        return tuple(held.about for held in self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(about.id for about in self.versions))

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return any(about.id == id for about in self.versions)

    def __getitem__(self, id: str) -> Key:  # noqa: A002
        """Return the active version of a key.

        Parameters
        ----------
        id : str
            Name of the key.

        Returns
        -------
        Key
            The version that makes new pseudonyms.

        Raises
        ------
        KeyMaterialError
            There is no such key, or no version of it is active.
        """
        for about, key in self._versions_of(id):
            if about.status == "active" and key is not None:
                return key
        if self._is_destroyed(id):
            raise KeyMaterialError(f"key {id!r} of {self.path}: no version of it is active, and all were destroyed")
        raise KeyMaterialError(f"key {id!r} of {self.path}: no version of it is active; rotate it to make a new one")

    def key(self, id: str, version: int) -> Key:  # noqa: A002
        """Return one version of a key, active or retired.

        Parameters
        ----------
        id : str
            Name of the key.
        version : int
            Number of the version.

        Returns
        -------
        Key
            This version.

        Raises
        ------
        KeyMaterialError
            There is no such version, or it was destroyed.
        """
        about, key = self._find(id, version)
        if key is None:
            raise KeyMaterialError(
                f"key {id!r} version {version} of {self.path} was destroyed {about.changed:%Y-%m-%d}: nothing can be "
                "pseudonymised or re-identified under it any more"
            )
        return key

    def _versions_of(self, id: str) -> list[HeldKey]:  # noqa: A002
        found = [held for held in self._held if held.about.id == id]
        if not found:
            raise KeyMaterialError(f"the keyring {self.path} has no key {id!r}; it has {', '.join(self) or 'none'}")
        return found

    def _is_destroyed(self, id: str) -> bool:  # noqa: A002
        return all(held.key is None for held in self._versions_of(id))

    def _find(self, id: str, version: int) -> HeldKey:  # noqa: A002
        versions = {held.about.version: held for held in self._versions_of(id)}
        if version not in versions:
            raise KeyMaterialError(f"key {id!r} of {self.path} has no version {version!r}; it has {list(versions)}")
        return versions[version]

    # --- Changes -----------------------------------------------------------------------------------------------------

    def new(self, id: str, *, at: datetime, purpose: str = "", recipient: str = "") -> Key:  # noqa: A002
        """Make a new random key.

        Parameters
        ----------
        id : str
            Name of the key. The keyring must never have had a key of this name.
        at : datetime.datetime
            The current time, with its time zone.
        purpose : str
            Purpose of the key; one line.
        recipient : str
            Recipient of the data that will be pseudonymised under it; one line.

        Returns
        -------
        Key
            The new key, version 1. The file is written.

        Raises
        ------
        ProgrammeError
            The id cannot name a key, the time has no time zone, or a text is longer than one line.
        KeyMaterialError
            The keyring has such a key, or the file cannot be written.
        """
        return self.add(Key.generate(id), at=at, purpose=purpose, recipient=recipient)

    def add(
        self,
        key: Key,
        *,
        at: datetime,
        purpose: str = "",
        recipient: str = "",
        apart_from: Sequence["Keyring"] = (),
    ) -> Key:
        """Add a key that already exists, from `Key.read` or `Key.read_raw`.

        Pseudonyms under the same material can be joined, whatever the keys are called. So material that the keyring has
        is refused.

        Parameters
        ----------
        key : Key
            The key. The keyring must never have had a key of this id.
        at : datetime.datetime
            The current time, with its time zone.
        purpose : str
            Purpose of the key; one line.
        recipient : str
            Recipient of the data that are pseudonymised under it; one line.
        apart_from : sequence of Keyring
            Other keyrings that must not have the material either.

        Returns
        -------
        Key
            The same key. The file is written.

        Raises
        ------
        ProgrammeError
            The time has no time zone, or a text is longer than one line.
        KeyMaterialError
            The keyring has such a key, one of the keyrings has its material, the material is surely not random, or the
            file cannot be written.
        """
        if key.id in self:
            raise KeyMaterialError(f"the keyring {self.path} has a key {key.id!r}: rotate it, or choose another id")
        key.refuse_if_weak()
        for keyring in (self, *apart_from):
            keyring._refuse_same_material(key)
        about = KeyVersion(key.id, key.version, purpose, recipient, at, "active", at)
        self._save([*self._held, HeldKey(about, key)])
        return key

    def _refuse_same_material(self, key: Key) -> None:
        for about, other in self._held:
            if other is not None and other.fingerprint == key.fingerprint:
                raise KeyMaterialError(
                    f"key {key.id!r} has the same material as key {about.id!r} version {about.version} of {self.path}, "
                    "and pseudonyms under the two could be joined: use that key if its recipient is the same, or else "
                    "make another"
                )

    def rotate(self, id: str, *, at: datetime) -> Key:  # noqa: A002
        """Make the next version of a key, and retire the active one.

        Parameters
        ----------
        id : str
            Name of the key.
        at : datetime.datetime
            The current time, with its time zone.

        Returns
        -------
        Key
            The new version, with new random material and the same purpose and recipient. The file is written.

        Raises
        ------
        ProgrammeError
            The time has no time zone.
        KeyMaterialError
            There is no such key, all its versions were destroyed, or the file cannot be written.
        """
        last = self._versions_of(id)[-1].about
        if self._is_destroyed(id):
            raise KeyMaterialError(
                f"key {id!r} of {self.path}: all its versions were destroyed: choose another id, so that what was "
                "destroyed stays so"
            )
        key = Key.generate(id, version=last.version + 1)
        about = replace(last, version=key.version, created=at, status="active", changed=at)
        before = [_retired(held, at) if held.about.id == id else held for held in self._held]
        self._save([*before, HeldKey(about, key)])
        return key

    def retire(self, id: str, *, at: datetime) -> None:  # noqa: A002
        """Retire the active version of a key without making a new one.

        Parameters
        ----------
        id : str
            Name of the key.
        at : datetime.datetime
            The current time, with its time zone.

        Raises
        ------
        ProgrammeError
            The time has no time zone.
        KeyMaterialError
            There is no such key, no version of it is active, or the file cannot be written.
        """
        active = self[id]
        self._save([_retired(held, at) if held.key is active else held for held in self._held])

    def destroy(self, id: str, version: int, *, at: datetime) -> None:  # noqa: A002
        """Delete the material of a version from the keyring, for good. The facts about it are kept.

        After that, data released under it can be neither re-identified nor extended.

        Parameters
        ----------
        id : str
            Name of the key.
        version : int
            Number of the version. It must be retired.
        at : datetime.datetime
            The current time, with its time zone.

        Raises
        ------
        ProgrammeError
            The time has no time zone.
        KeyMaterialError
            There is no such version, it is active or already destroyed, or the file cannot be written.
        """
        self.key(id, version)
        found = self._find(id, version)
        if found.about.status == "active":
            raise KeyMaterialError(
                f"key {id!r} version {version} of {self.path} is active: retire it first, and destroy it when "
                "nothing that was released under it is needed any more"
            )
        destroyed = HeldKey(replace(found.about, status="destroyed", changed=at), None)
        self._save([destroyed if held is found else held for held in self._held])


def _hidden(passphrase: str) -> Secret[str]:
    hidden, kind = Secret(passphrase), type(passphrase).__name__
    del passphrase
    if kind != "str":
        raise ProgrammeError(f"the passphrase must be a str, not {kind}")
    return hidden


def _retired(held: HeldKey, at: datetime) -> HeldKey:
    if held.about.status != "active":
        return held
    return held._replace(about=replace(held.about, status="retired", changed=at))
