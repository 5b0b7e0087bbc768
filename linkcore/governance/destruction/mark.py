"""The mark of a destroyed programme: a file that records what is to be destroyed before anything is, and the progress.

An interrupted destruction starts from its mark when it is run again, so it ends the same. Only the mark knows which
files were removed already.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from linkcore.errors import RefusedError
from linkcore.files import new_file

__all__ = ["MARK", "Attestation", "File", "KeyName", "Kind", "Mark", "Place", "read_mark", "refuse_if_destroyed"]

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
class Attestation:
    """A recipient's statement about what it did with its copies: ``by`` names the person who signed it."""

    recipient: str
    by: str
    received: str
    statement: str


@dataclass(frozen=True)
class Mark:
    """What is known about a destruction.

    ``named`` holds the places that were named, ``files`` what was found there, ``known_copies`` other copies in words,
    ``other_names`` the files that a link still leads to, and ``remains`` what is left in the programme's folder.
    ``finished`` is None until linkcore has checked that nothing named is left.
    """

    programme: str
    begun: str
    actor: str
    reason: str
    named: tuple[Place, ...] = ()
    files: tuple[File, ...] = ()
    keys: tuple[KeyName, ...] = ()
    recipients: tuple[str, ...] = ()
    known_copies: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    remains: tuple[str, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    finished: str | None = None

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers whose data were named."""
        return tuple(sorted({place.provider for place in self.named if place.provider}))

    def write(self, folder: Path) -> None:
        """Write the mark to the programme's folder, whole or not at all."""
        with new_file(folder / MARK) as file:
            file.write_text(json.dumps({"format": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n", "utf-8")


_PARTS: Final[dict[str, Any]] = {"named": Place, "files": File, "keys": KeyName, "attestations": Attestation}


def read_mark(folder: Path) -> Mark | None:
    """Read the mark of a programme, or return None if there is no mark."""
    file = folder / MARK
    if not file.exists():
        return None
    try:
        stated = json.loads(file.read_text("utf-8"))
        del stated["format"]
        for name, part in _PARTS.items():
            stated[name] = [part(**values) for values in stated[name]]
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()
        }
        return Mark(**fields)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    raise RefusedError(
        f"{file} cannot be read: the programme is destroyed, or its destruction has begun; restore this file"
    )


def refuse_if_destroyed(folder: str | Path) -> None:
    """Refuse a programme that was destroyed, or whose destruction has begun.

    Parameters
    ----------
    folder : path
        The programme's folder.

    Raises
    ------
    RefusedError
        If the programme was destroyed, or its destruction has begun.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     refuse_if_destroyed(folder)
    ...     Mark("Example", begun="2026-09-30T12:00:00+00:00", actor="team", reason="its end").write(Path(folder))
    ...     refuse_if_destroyed(folder)
    Traceback (most recent call last):
    linkcore.errors.RefusedError: the destruction of programme 'Example' began on 2026-09-30 and is not finished: ...
    """
    mark = read_mark(Path(folder))
    if mark is None:
        return
    if mark.finished is None:
        raise RefusedError(
            f"the destruction of programme {mark.programme!r} began on {mark.begun[:10]} and is not finished: run it "
            "again until it is; the programme can no longer be used"
        )
    raise RefusedError(f"programme {mark.programme!r} was destroyed on {mark.finished[:10]}, and can no longer be used")
