"""Releases encrypted for their recipient: for whom, and how the files are written so that no plain one is on disk."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from linkcore.errors import KeyMaterialError, ProgrammeError
from linkcore.governance.manifest import IDENTITY, digest_of
from linkcore.keys.age import SUFFIX, AgeIdentity, checked_public_key, encrypting, fingerprint
from linkcore.keys.passphrase import VARIABLE
from linkcore.keys.sealed import checked_passphrase
from linkcore.keys.secret import Secret, read_private

__all__ = ["Encryption", "ReleaseFiles"]

_VARIABLE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_FORMAT: Final = "age-encryption.org/v1"
_WORK: Final = "plain.work"  # no source has a name with a dot


@dataclass(frozen=True)
class Encryption:
    """For whom the files of a release are encrypted, in the age format.

    State public keys, or where a shared passphrase is; never the passphrase itself. With a passphrase, each release
    has a random key of its own in ``identity.age``, which the passphrase opens. With public keys, one of them can be
    the trusted team's own, so that it can look into the release later.

    Parameters
    ----------
    keys : sequence of str
        The age public keys (``age1...``) that open the files.
    passphrase_variable : str
        The environment variable with the shared passphrase.
    passphrase_file : path, optional
        The file with the shared passphrase and nothing else (mode 0600).

    Raises
    ------
    ProgrammeError
        If not exactly one of the three is stated, or a key is no public key.

    Examples
    --------
    >>> Encryption(passphrase_variable="PARTNER_PASSPHRASE").described()
    'with a passphrase'
    """

    keys: Sequence[str] = ()
    passphrase_variable: str = ""
    passphrase_file: str | Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.keys, str):
            raise ProgrammeError("keys of the encryption must be a list")
        if [bool(self.keys), bool(self.passphrase_variable), self.passphrase_file is not None].count(True) != 1:
            raise ProgrammeError(
                "encryption is for public keys (keys), or with a passphrase (passphrase_variable or passphrase_file): "
                "state one of these"
            )
        object.__setattr__(self, "keys", tuple(map(checked_public_key, self.keys)))
        if len(set(self.keys)) < len(self.keys):
            raise ProgrammeError("keys of the encryption has a public key twice; state each once")
        if self.passphrase_variable and not _VARIABLE.fullmatch(self.passphrase_variable):
            raise ProgrammeError("passphrase_variable is the name of an environment variable, not a passphrase")
        if self.passphrase_variable == VARIABLE:
            raise ProgrammeError(f"{VARIABLE} is the trusted team's own passphrase; choose another passphrase_variable")

    def passphrase(self) -> Secret[str] | None:
        """Read the passphrase, or return None if there are public keys.

        Returns
        -------
        Secret of str or None

        Raises
        ------
        KeyMaterialError
            If there is none, it is weak, or other users may read its file.
        """
        if self.keys:
            return None
        if self.passphrase_file is None:
            text = Secret(os.environb.get(self.passphrase_variable.encode(), b""))
            where = f"the environment variable {self.passphrase_variable}"
        else:
            text, where = read_private(self.passphrase_file, "passphrase file"), f"{self.passphrase_file}"
        if not text.reveal().strip():
            raise KeyMaterialError(f"{where} has no passphrase, with which the release is to be encrypted; set it")
        return checked_passphrase(_decoded(text, where))

    def described(self) -> str:
        """Say in words who opens the files.

        Returns
        -------
        str
        """
        return f"for {', '.join(self.keys)}" if self.keys else "with a passphrase"


def _decoded(text: Secret[bytes], where: str) -> Secret[str]:
    try:
        return Secret(text.reveal().rstrip(b"\r\n").decode())
    except UnicodeDecodeError:
        pass  # the error below is raised outside: this one holds the passphrase
    raise KeyMaterialError(f"the passphrase of {where} is not UTF-8")


@dataclass(frozen=True, eq=False)
class ReleaseFiles:
    """The files of one release as they are written: plain, or encrypted for these readers.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the release.
    readers : tuple of str
        Age public keys; without any, files are plain.
    plain : dict of str to str
        The SHA-256 of the plain bytes of each encrypted file, by the name that it has when it is opened.
    """

    folder: Path
    readers: tuple[str, ...] = ()
    plain: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, encryption: Encryption | None, passphrase: Secret[str] | None) -> "ReleaseFiles":
        """Begin the files of a release; with a passphrase, write the random identity that it opens."""
        if encryption is None or passphrase is None:
            return cls(folder, () if encryption is None else tuple(encryption.keys))
        identity = AgeIdentity.generate()
        (folder / IDENTITY).write_bytes(identity.sealed(passphrase))
        return cls(folder, (identity.public_key,))

    @contextmanager
    def opened(self, name: str) -> Iterator[Path | IO[bytes]]:
        """Open the file of this name to write a table to: its path or, if it is encrypted, the stream that is."""
        if not self.readers:
            yield self.folder / name
            return
        with encrypting(self.folder / (name + SUFFIX), self.readers) as encrypted:
            yield encrypted.target
        self.plain[name] = encrypted.sha256()

    def database_folder(self) -> Path:
        """Return the folder for a file that can only be written plain; if it is to be encrypted, `finish` does it.

        It lies in the private folder of the unfinished release. A run that is killed leaves it there, hidden and for
        its owner only, until the next run.
        """
        if not self.readers:
            return self.folder
        work = self.folder / _WORK
        work.mkdir(mode=0o700, exist_ok=True)
        return work

    def finish(self) -> None:
        """Encrypt what could only be written plain, and remove the plain files."""
        work = self.folder / _WORK
        if not work.exists():
            return
        for file in sorted(work.iterdir()):
            with encrypting(self.folder / (file.name + SUFFIX), self.readers) as encrypted, file.open("rb") as source:
                shutil.copyfileobj(source, encrypted.target)
            self.plain[file.name] = encrypted.sha256()
        shutil.rmtree(work)

    def described(self, name: str) -> dict[str, Any]:
        """Return what a manifest says of a file: its name and digest, and those of what is inside."""
        if not self.readers:
            return {"file": name, "sha256": digest_of(self.folder / name)}
        file = name + SUFFIX
        return {
            "file": file,
            "sha256": digest_of(self.folder / file),
            "plain": {"file": name, "sha256": self.plain[name]},
        }

    def encryption(self) -> Mapping[str, Any]:
        """Return what a manifest says of the encryption: its format, and the fingerprints of the keys that open it."""
        if not self.readers:
            return {}
        stated: dict[str, Any] = {"format": _FORMAT, "readers": [fingerprint(reader) for reader in self.readers]}
        identity = self.folder / IDENTITY
        if identity.exists():
            stated["identity"] = {"file": IDENTITY, "sha256": digest_of(identity)}
        return {"encryption": stated}
