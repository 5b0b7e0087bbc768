"""Keyrings: the keys of one role, each in versions, in one file that a passphrase opens."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self, final

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.files import locked, new_file
from linkcore.keys.key import Key
from linkcore.keys.key_versions import HeldKey, KeyVersion, as_bytes, from_bytes
from linkcore.keys.sealed import COST, Lock, new_passphrase, seal, unseal
from linkcore.keys.secret import Hidden, Secret, read_private

__all__ = ["Keyring"]


@final
class Keyring(Hidden):
    """The keys of one role: made by `create`, opened by `open`.

    Each role has a keyring and a passphrase of its own (the suppliers' first stage, the trusted team's second, each
    recipient's): who has one cannot compute the pseudonyms of another. A key has versions, one active at most, as in
    Google's Tink; ``keyring[id]`` is the active one.

    The file is encrypted (`linkcore.keys.sealed`), for its owner only (mode 0600), and after each change written
    whole and read back before it takes the old one's place. What is destroyed is gone from the file. It is not gone
    from copies of it, nor from what a disk or a backup keeps of older ones: those are sealed still, so destroy them
    too, or the passphrase.

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
    _digest: bytes | None  # of the file as it was read or written last; None before it is there

    def __init__(self) -> None:
        raise ProgrammeError("a keyring is made by Keyring.create, or opened by Keyring.open")

    def __repr__(self) -> str:
        return f"Keyring({os.fspath(self.path)!r})"

    @classmethod
    def _of(cls, path: Path, lock: Lock, held: Sequence[HeldKey], digest: bytes | None) -> Self:
        keyring = cls.__new__(cls)
        object.__setattr__(keyring, "path", path)
        object.__setattr__(keyring, "_lock", lock)
        keyring._become(held, digest)
        return keyring

    def _become(self, held: Sequence[HeldKey], digest: bytes | None) -> None:
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
            Its file. It must not exist.
        passphrase : str
            At least 15 characters. Whoever forgets it has lost the keys.
        cost : int
            What one guess of the passphrase costs: scrypt's N as a power of two, 14 to 20. Each step doubles the time
            and memory, to 128 MiB at 17.

        Returns
        -------
        Keyring

        Raises
        ------
        KeyMaterialError
            The file exists or cannot be written, or the passphrase is too short.
        """
        hidden = _hidden(passphrase)
        del passphrase  # a traceback may show what a frame holds
        keyring = cls._of(Path(path), Lock(new_passphrase(hidden), cost=cost), (), None)
        keyring._save(())
        return keyring

    @classmethod
    def open(cls, path: str | os.PathLike[str], passphrase: str) -> Self:
        """Open a keyring.

        Parameters
        ----------
        path : path
            Its file. Only its owner may have access to it (mode 0600 or narrower).
        passphrase : str
            The one that it was created with.

        Returns
        -------
        Keyring

        Raises
        ------
        KeyMaterialError
            There is no such file, others may read or write it, it is truncated or altered, or the passphrase is wrong.
        """
        hidden = _hidden(passphrase)
        del passphrase
        path = Path(path)
        text = read_private(path, "keyring").reveal()
        lock = Lock.of(text, hidden, f"the keyring {path}")
        held = from_bytes(unseal(text, lock, f"the keyring {path}"))
        if held is None:
            raise KeyMaterialError(f"the keyring {path} was written by another version of linkcore: use that one")
        return cls._of(path, lock, held, hashlib.sha256(text).digest())

    def _save(self, held: Sequence[HeldKey]) -> None:
        """Write what the keyring holds from now on; if that fails, it holds what it held."""
        content = as_bytes(held)
        text = seal(content, self._lock)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.parent, optional=True):
                self._refuse_if_changed()
                with new_file(self.path) as file:
                    file.write_bytes(text)
                    self._verify(file, content)
        except OSError as error:
            raise KeyMaterialError(f"the keyring {self.path} cannot be written: {error.strerror}") from None
        self._become(held, hashlib.sha256(text).digest())

    def _verify(self, file: Path, content: Secret[bytes]) -> None:
        """Open what was just written, before it takes the old one's place."""
        text = read_private(file, "keyring").reveal()
        again = unseal(text, self._lock, f"the keyring {self.path}, as it was written,")
        if again.reveal() != content.reveal() or from_bytes(again) is None:
            raise KeyMaterialError(f"the keyring {self.path} does not read as it was written: look at the disk")

    def _refuse_if_changed(self) -> None:
        """Refuse to write over a keyring that is there already, or over another process's changes."""
        if self._digest is None:
            if self.path.exists():
                raise KeyMaterialError(
                    f"{self.path} exists: a keyring is never overwritten; open it, or choose another name"
                )
        elif hashlib.sha256(read_private(self.path, "keyring").reveal()).digest() != self._digest:
            raise KeyMaterialError(f"the keyring {self.path} was changed since it was opened: open it again")

    # --- What it holds -----------------------------------------------------------------------------------------------

    @property
    def versions(self) -> tuple[KeyVersion, ...]:
        """What is known of every version of every key, destroyed ones too, in the order of ids and versions.

        ``polars.DataFrame(keyring.versions)`` makes a table of it.
        """
        return tuple(held.about for held in self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(about.id for about in self.versions))

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return any(about.id == id for about in self.versions)

    def __getitem__(self, id: str) -> Key:  # noqa: A002
        """Give the active version of a key.

        Raises
        ------
        KeyMaterialError
            There is no such key, or no version of it is active.
        """
        for about, key in self._versions_of(id):
            if about.status == "active" and key is not None:
                return key
        raise KeyMaterialError(f"key {id!r} of {self.path}: no version of it is active; rotate it to make a new one")

    def key(self, id: str, version: int) -> Key:  # noqa: A002
        """Give one version of a key, active or retired.

        Parameters
        ----------
        id : str
            Names the key.
        version : int
            Which one.

        Returns
        -------
        Key

        Raises
        ------
        KeyMaterialError
            There is no such version, or it is destroyed.
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
            Names it. No key of the keyring may have the name, nor have had it.
        at : datetime.datetime
            The time, with its time zone.
        purpose : str
            What it is for.
        recipient : str
            Who receives what is pseudonymised under it.

        Returns
        -------
        Key

        Raises
        ------
        KeyMaterialError
            There is such a key, or the file cannot be written.
        """
        return self.add(Key.generate(id), at=at, purpose=purpose, recipient=recipient)

    def add(self, key: Key, *, at: datetime, purpose: str = "", recipient: str = "") -> Key:
        """Take in a key that exists already (`Key.read_raw`, `Key.read`).

        Parameters
        ----------
        key : Key
            No key of the keyring may have its id, nor have had it.
        at : datetime.datetime
            The time, with its time zone.
        purpose : str
            What it is for.
        recipient : str
            Who receives what is pseudonymised under it.

        Returns
        -------
        Key
            The same.

        Raises
        ------
        KeyMaterialError
            There is such a key, or the file cannot be written.
        """
        if key.id in self:
            raise KeyMaterialError(f"the keyring {self.path} has a key {key.id!r}: rotate it, or choose another id")
        about = KeyVersion(key.id, key.version, purpose, recipient, at, "active", at)
        self._save([*self._held, HeldKey(about, key)])
        return key

    def rotate(self, id: str, *, at: datetime) -> Key:  # noqa: A002
        """Make the next version of a key; the one that was active is retired.

        Parameters
        ----------
        id : str
            Names the key.
        at : datetime.datetime
            The time, with its time zone.

        Returns
        -------
        Key
            The new version, with the purpose and the recipient of the last one.

        Raises
        ------
        KeyMaterialError
            There is no such key, or the file cannot be written.
        """
        last = self._versions_of(id)[-1].about
        key = Key.generate(id, version=last.version + 1)
        about = replace(last, version=key.version, created=at, status="active", changed=at)
        before = [_retired(held, at) if held.about.id == id else held for held in self._held]
        self._save([*before, HeldKey(about, key)])
        return key

    def retire(self, id: str, *, at: datetime) -> None:  # noqa: A002
        """Retire the active version of a key, with none to follow it.

        Parameters
        ----------
        id : str
            Names the key.
        at : datetime.datetime
            The time, with its time zone.

        Raises
        ------
        KeyMaterialError
            There is no such key, no version of it is active, or the file cannot be written.
        """
        active = self[id]
        self._save([_retired(held, at) if held.key is active else held for held in self._held])

    def destroy(self, id: str, version: int, *, at: datetime) -> None:  # noqa: A002
        """Take the material of a version out of the keyring, for good; what is known of it is kept.

        What was released under it can then be neither re-identified nor added to.

        Parameters
        ----------
        id : str
            Names the key.
        version : int
            Which one; it must be retired.
        at : datetime.datetime
            The time, with its time zone.

        Raises
        ------
        KeyMaterialError
            There is no such version, it is active or destroyed already, or the file cannot be written.
        """
        self.key(id, version)
        found = self._find(id, version)
        if found.about.status == "active":
            raise KeyMaterialError(
                f"key {id!r} version {version} of {self.path} is active: retire it first, and destroy it when nothing "
                "that was released under it is needed"
            )
        gone = HeldKey(replace(found.about, status="destroyed", changed=at), None)
        self._save([gone if held is found else held for held in self._held])


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
