"""The mark of a destroyed programme: what is to be destroyed, written down before anything is, and how far it came.

An interrupted destruction is run again from it, and ends the same: what was removed already is known from here only.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from linkcore.errors import RefusedError
from linkcore.files import new_file

__all__ = ["MARK", "Attestation", "File", "KeyName", "Kind", "Mark", "Named", "read_mark", "refuse_if_destroyed"]

MARK: Final = "destroyed.json"
"""Its name, in the programme's folder."""

Kind: TypeAlias = Literal["data", "work", "key"]
"""A provider's extract; what was made of the extracts; a file with a key in clear."""


@dataclass(frozen=True, order=True)
class Named:
    """A path or pattern that was named for destruction: whose it is (empty where it is the programme's own)."""

    kind: Kind
    provider: str
    pattern: str


@dataclass(frozen=True, order=True)
class File:
    """A file, or a folder, that is to be removed; its path is relative where it lies in the programme's folder."""

    kind: Kind
    provider: str
    path: str
    is_folder: bool
    size: int


@dataclass(frozen=True, order=True)
class KeyName:
    """A version of a key, and the keyring that holds it."""

    keyring: str
    id: str
    version: int


@dataclass(frozen=True)
class Attestation:
    """What a recipient says it has done with its copies.

    Parameters
    ----------
    recipient : str
        Who.
    by : str
        Which person signed it.
    received : str
        When it came in.
    statement : str
        What it says.
    """

    recipient: str
    by: str
    received: str
    statement: str


@dataclass(frozen=True)
class Mark:
    """What is known of a destruction.

    Parameters
    ----------
    programme : str
        Its name.
    begun, finished : str
        When; ``finished`` is None until the check found that nothing is left.
    actor, reason : str
        By whom, and why.
    named, files, keys
        What was named, what was found there, and which keys.
    recipients : tuple of str
        Who has copies, and is to say what it did with them.
    known_copies : tuple of str
        What else is known to exist, in words.
    other_names : tuple of str
        Files that have another name still, through a link.
    remains : tuple of str
        What is in the programme's folder yet, and was not named.
    attestations : tuple of Attestation
        As they came in.
    """

    programme: str
    begun: str
    actor: str
    reason: str
    named: tuple[Named, ...] = ()
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
        """Whose data were named."""
        return tuple(sorted({each.provider for each in self.named if each.provider}))

    def write(self, folder: Path) -> None:
        """Put the mark into the programme's folder, whole or not at all."""
        with new_file(folder / MARK) as file:
            file.write_text(json.dumps({"format": 1, **asdict(self)}, indent=2, ensure_ascii=False) + "\n", "utf-8")


_PARTS: Final[dict[str, Any]] = {"named": Named, "files": File, "keys": KeyName, "attestations": Attestation}


def read_mark(folder: Path) -> Mark | None:
    """Read the mark of a programme, or None where there is none."""
    file = folder / MARK
    if not file.exists():
        return None
    try:
        stated = json.loads(file.read_text("utf-8"))
        del stated["format"]
        for name, made in _PARTS.items():
            stated[name] = [made(**one) for one in stated[name]]
        fields: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in stated.items()}
        return Mark(**fields)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    raise RefusedError(
        f"{file} cannot be read: the programme is destroyed, or its destruction began; restore that file"
    )


def refuse_if_destroyed(folder: str | Path) -> None:
    """Refuse to run a programme that was destroyed, or whose destruction has begun.

    Parameters
    ----------
    folder : path
        The programme's.

    Raises
    ------
    RefusedError
        It was, or it has.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     refuse_if_destroyed(folder)
    ...     Mark("Example", begun="2026-09-30T12:00:00+00:00", actor="team", reason="its end").write(Path(folder))
    ...     refuse_if_destroyed(folder)
    Traceback (most recent call last):
    linkcore.errors.RefusedError: the destruction of programme 'Example' began 2026-09-30 and is not finished: ...
    """
    mark = read_mark(Path(folder))
    if mark is None:
        return
    if mark.finished is None:
        raise RefusedError(
            f"the destruction of programme {mark.programme!r} began {mark.begun[:10]} and is not finished: run it "
            "again until it is; the programme runs no more"
        )
    raise RefusedError(f"programme {mark.programme!r} was destroyed {mark.finished[:10]}, and runs no more")
