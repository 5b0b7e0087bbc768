"""The inventory of a programme: the places that are named for destruction, and the files and keys found there."""

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from linkcore.errors import ProgrammeError
from linkcore.governance.destruction.certificates import checked_provider
from linkcore.governance.destruction.mark import File, KeyName, Kind, Mark, Place
from linkcore.keys.keyring import Keyring

__all__ = ["Inventory", "keys_of", "merged", "remains_in", "with_files_found"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Inventory:
    """What is destroyed at the end of a programme, and who else has copies.

    A place is a file, a folder (with everything in it) or a pattern, relative to the programme's folder.

    Parameters
    ----------
    programme : str
        Name of the programme.
    data : mapping of str to sequence of path
        For each provider, the places of its extracts.
    work : sequence of path
        Places of what was made from the extracts: work files, releases, mapping files, saved PERSONS, models.
    key_files : sequence of path
        Files that hold a key in clear.
    recipients : sequence of str
        Recipients that have copies and must attest (`attest`) what they did with them.
    known_copies : sequence of str
        Other copies that are known to exist, in words: backups, keys that others hold.

    Examples
    --------
    >>> Inventory("Winter planning", {"RH8": ["rh8/*.csv"]}, work=["releases"]).recipients
    ()
    """

    programme: str
    data: Mapping[str, Sequence[str | Path]]
    work: Sequence[str | Path] = ()
    key_files: Sequence[str | Path] = ()
    recipients: Sequence[str] = ()
    known_copies: Sequence[str] = ()

    def places(self) -> Iterator[Place]:
        """Yield each place that is named, with its kind and its provider."""
        for provider, patterns in self.data.items():
            yield from _places("data", checked_provider(provider), patterns)
        yield from _places("work", "", self.work)
        yield from _places("key", "", self.key_files)


def _places(kind: Kind, provider: str, patterns: Sequence[str | Path]) -> Iterator[Place]:
    if isinstance(patterns, str | Path):
        raise ProgrammeError(f"give the paths of {provider or kind} as a list")
    for pattern in patterns:
        yield Place(kind, provider, os.fspath(pattern))


def merged(known: tuple[_T, ...], more: Iterable[_T]) -> tuple[_T, ...]:
    """Add what is new, in the order in which it came."""
    return tuple(dict.fromkeys((*known, *more)))


def with_files_found(mark: Mark, folder: Path, stays: Sequence[Path]) -> Mark:
    """Add the files that are now at the named places to those that were there when the destruction began."""
    files = {(file.provider, file.path): file for file in mark.files}
    known = {file.path for file in mark.files}
    other_names = list(mark.other_names)
    must_stay = {path.resolve() for path in stays}
    for named in mark.named:
        for path in _found(folder, named.pattern):
            place = path.parent.resolve() / path.name  # of a link, its own place and not its target's
            if must_stay & {place, *place.parents} or place == folder or place in folder.parents:
                raise ProgrammeError(
                    f"{named.pattern!r} is named for destruction, but {path} must stay: name only what can go"
                )
            name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
            # One file may hold two providers' data; a file that holds data is not counted as work as well.
            if (named.provider, name) in files or (named.kind != "data" and name in known):
                continue
            known.add(name)
            status = path.lstat()
            is_folder = path.is_dir() and not path.is_symlink()
            size = 0 if is_folder else status.st_size
            files[named.provider, name] = File(named.kind, named.provider, name, is_folder, size)
            if path.is_symlink():
                other_names.append(f"{name} was a link to {path.resolve()}: its target is removed only if it is named")
            elif not is_folder and status.st_nlink > 1:
                other_names.append(f"{name} has {status.st_nlink - 1} more names (hard links), under which it stays")
    return replace(mark, files=tuple(sorted(files.values())), other_names=merged((), other_names))


def _found(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield everything at a place: files, folders with their contents, and what an interrupted writer left."""
    place = os.path.normpath(folder / pattern)
    matching = [place] if os.path.lexists(place) else glob.glob(place, recursive=True, include_hidden=True)
    for path in sorted(map(Path, matching)):
        leftovers = [path.with_name(f".{path.name}.{state}") for state in ("partial", "previous")]
        for top in (path, *(leftover for leftover in leftovers if os.path.lexists(leftover))):
            yield top
            if top.is_dir() and not top.is_symlink():
                for below, folders, names in os.walk(top):
                    yield from (Path(below, name) for name in sorted([*folders, *names]))


def keys_of(keyrings: Sequence[Keyring], key_ids: Collection[str] | None) -> list[KeyName]:
    """Return every version of these keys; None means all keys of the keyrings."""
    known = {about.id for keyring in keyrings for about in keyring.versions}
    if key_ids is not None and not set(key_ids) <= known:
        raise ProgrammeError(f"no keyring given has the key {min(set(key_ids) - known)!r}; they have {sorted(known)}")
    return [
        KeyName(str(keyring.path.resolve()), about.id, about.version)
        for keyring in keyrings
        for about in keyring.versions
        if key_ids is None or about.id in key_ids
    ]


def remains_in(folder: Path, stays: Sequence[Path]) -> Iterator[str]:
    """Yield what is still in the programme's folder, except what must stay."""
    must_stay = {path.resolve() for path in stays}
    for below, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(below, name).resolve() not in must_stay)
        for name in sorted(names):
            if Path(below, name).resolve() not in must_stay:
                yield str(Path(below, name).relative_to(folder))
