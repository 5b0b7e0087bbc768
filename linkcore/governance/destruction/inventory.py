"""The inventory of a programme: the places that are named for destruction, and the files and keys found there."""

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from linkcore.errors import ProgrammeError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.destruction.certificates import checked_provider
from linkcore.governance.destruction.mark import File, KeptKey, KeyName, Kind, Mark, Place
from linkcore.keys.keyring import Keyring

__all__ = ["Inventory", "confirmed_places", "kept_keys", "keys_of", "merged", "outside_of", "remains_in"]
__all__ += ["with_files_found"]

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
    keys : sequence of str
        Ids of the programme's keys. One that is not destroyed is named on the certificates.

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
    keys: Sequence[str] = ()

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
    at_places = {named: list(_found(folder, named.pattern)) for named in mark.named}
    for named, paths in at_places.items():
        for path in paths:
            place = _place(path)
            if must_stay & {place, *place.parents} or place == folder or place in folder.parents:
                raise ProgrammeError(
                    f"{named.pattern!r} is named for destruction, but {path} must stay: name only what can go"
                )
            # By its true place: a link on the way to it may be removed before it.
            name = str(place.relative_to(folder)) if place.is_relative_to(folder) else str(place)
            # One file may hold two providers' data; a file that holds data is not counted as work as well.
            if (named.provider, name) in files or (named.kind != "data" and name in known):
                continue
            known.add(name)
            status = path.lstat()
            is_folder = _is_folder(path)
            size = 0 if is_folder else status.st_size
            files[named.provider, name] = File(named.kind, named.provider, name, is_folder, size)
            if path.is_symlink():
                other_names.append(f"{name} was a link to {path.resolve()}: its target is removed only if it is named")
            elif not is_folder and status.st_nlink > 1:
                other_names.append(f"{name} has {status.st_nlink - 1} more names (hard links), under which it stays")
    _refuse_outside(mark, [folder / file.path for file in files.values()], folder)
    not_found = tuple(named for named in mark.not_found if all(map(_is_folder, at_places[named])))
    return replace(mark, files=tuple(sorted(files.values())), other_names=merged((), other_names), not_found=not_found)


def other_names_of(keyrings: Sequence[Keyring]) -> Iterator[str]:
    """Yield the keyrings that have more names: writing a keyring again leaves the keys under these."""
    for path in (keyring.path for keyring in keyrings):
        if names := path.stat().st_nlink - 1:
            yield f"the keyring {path} had {names} more names (hard links), under which its keys stay"


def _place(path: Path) -> Path:
    """Return where a path truly is: of a link, its own place and not its target's."""
    return path.parent.resolve() / path.name


def confirmed_places(outside: Iterable[str | Path], folder: Path) -> tuple[str, ...]:
    """Return the places outside a programme's folder that were confirmed, and refuse one that holds the folder."""
    places = [_place(Path(path).absolute()) for path in outside]
    for place in places:
        if folder.is_relative_to(place):
            raise ProgrammeError(f"outside: {place} holds the programme's own folder; name only what is to be removed")
    return tuple(map(str, places))


def _refuse_outside(mark: Mark, paths: Sequence[Path], folder: Path) -> None:
    """Refuse to remove what is outside the programme's folder and was not confirmed, also through a link."""
    allowed = {folder}
    for place in map(Path, mark.outside):
        allowed |= {place, *_leftovers(place)}
    strangers = sorted({place for place in map(_place, paths) if not allowed & {place, *place.parents}})
    if strangers:
        named = ", ".join(map(str, strangers[:5])) + " and more" * (len(strangers) > 5)
        raise ProgrammeError(
            f"outside the programme's folder: {named}; confirm each file or folder that is truly to be removed "
            "(--outside PATH, or the parameter outside), or take it out of the programme file; nothing was destroyed"
        )


def outside_of(inventory: Inventory, folder: Path) -> Iterator[str]:
    """Yield what an inventory names outside a folder: what is there now, or the pattern if there is nothing."""
    folder = folder.resolve()
    for named in dict.fromkeys(place.pattern for place in inventory.places()):
        places = [_place(path) for path in _tops(folder, named)] or [Path(os.path.normpath(folder / named))]
        yield from (str(place) for place in places if not place.is_relative_to(folder))


def _found(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield everything at a place: files, folders with their contents, and what an interrupted writer left."""
    tops = _tops(folder, pattern)
    # A first run that was killed leaves its unfinished work, and nothing at the place itself.
    left = [path for beside in _leftovers(Path(folder, pattern)) for path in _tops(folder, str(beside))]
    left += [path for top in tops for path in _leftovers(top) if os.path.lexists(path)]
    for top in dict.fromkeys((*tops, *left)):
        yield top
        if _is_folder(top):
            for below, folders, names in os.walk(top):
                yield from (Path(below, name) for name in sorted([*folders, *names]))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _tops(folder: Path, pattern: str) -> list[Path]:
    place = os.path.normpath(folder / pattern)
    matching = [place] if os.path.lexists(place) else glob.glob(place, recursive=True, include_hidden=True)
    return sorted(map(Path, matching))


def _leftovers(path: Path) -> list[Path]:
    """Return where an interrupted writer of a file or folder leaves its work."""
    path = Path(os.path.normpath(path))
    return [path.with_name(f".{path.name}.{state}") for state in ("partial", "previous") if path.name]


def keys_of(keyrings: Sequence[Keyring], key_ids: Collection[str] | None, log_key: str | None) -> list[KeyName]:
    """Return every version of these keys; None means all keys of the keyrings but the audit log's."""
    if key_ids is not None and log_key in key_ids:
        raise ProgrammeError(f"{log_key!r} is the key of the audit log, which stays: without it the log proves less")
    known = {about.id for keyring in keyrings for about in keyring.versions}
    if key_ids is not None and not set(key_ids) <= known:
        raise ProgrammeError(f"no keyring given has the key {min(set(key_ids) - known)!r}; they have {sorted(known)}")
    return [
        KeyName(str(keyring.path.resolve()), about.id, about.version)
        for keyring in keyrings
        for about in keyring.versions
        if (about.id != log_key if key_ids is None else about.id in key_ids)
    ]


def kept_keys(mark: Mark, inventory: Inventory, keyrings: Sequence[Keyring], audit: Audit) -> tuple[KeptKey, ...]:
    """Return the keys that are not destroyed: those of the keyrings, of the programme, and those that the log names."""
    kept = {(key.id, key.version): key for key in mark.kept_keys}
    destroyed = {(key.id, key.version) for key in mark.keys}
    seen = {key for key, _ in destroyed}
    for about in (about for keyring in keyrings for about in keyring.versions if about.status != "destroyed"):
        why = "it was not named for destruction"
        if about.id == audit.key_id:
            why = "it is the key of the audit log, and makes no pseudonyms"
        kept[about.id, about.version] = KeptKey(about.id, about.version, why)
        seen.add(about.id)
    for name in (name for name in inventory.keys if name not in seen):
        kept[name, None] = KeptKey(name, None, "it was in no keyring given: if it exists, it can still be used")
    held = {(about.id, about.version) for keyring in keyrings for about in keyring.versions}
    for name, version in sorted(_keys_in(audit) - held - destroyed):
        if (name, None) not in kept:
            kept[name, version] = KeptKey(name, version, "the audit log names it; it was in no keyring given")
    alive = (key for key in kept.values() if (key.id, key.version) not in destroyed)
    return tuple(sorted((key for key in alive if key.version or key.id not in seen), key=_by_name))


def _by_name(key: KeptKey) -> tuple[str, int]:
    return key.id, key.version or 0


def _keys_in(audit: Audit) -> set[tuple[str, int]]:
    """Return the keys that the lines of an audit log name, as id and version."""
    named = ((entry.get("key"), entry.get("key_version")) for entry in audit.lines())
    return {(name, version) for name, version in named if isinstance(name, str) and isinstance(version, int)}


def remains_in(folder: Path, stays: Sequence[Path]) -> Iterator[str]:
    """Yield what is still in the programme's folder, except what must stay."""
    must_stay = {path.resolve() for path in stays}
    for below, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(below, name).resolve() not in must_stay)
        for name in sorted(names):
            if Path(below, name).resolve() not in must_stay:
                yield str(Path(below, name).relative_to(folder))
