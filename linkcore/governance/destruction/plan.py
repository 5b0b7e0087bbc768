"""What is to be destroyed: from the places that were named to the files, folders and keys that are there."""

import glob
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from linkcore.errors import ProgrammeError
from linkcore.governance.destruction.mark import File, KeyName, Kind, Mark, Named
from linkcore.keys.keyring import Keyring

__all__ = ["all_of", "keys_of", "named_places", "remains_in", "with_what_is_there"]

_T = TypeVar("_T")


def named_places(kind: Kind, paths: Mapping[str, Sequence[str | Path]]) -> Iterator[Named]:
    """Give each place that was named, with whose it is."""
    for provider, patterns in paths.items():
        if isinstance(patterns, str | Path):
            raise ProgrammeError(f"give the paths of {provider or kind} as a list")
        for pattern in patterns:
            yield Named(kind, provider, os.fspath(pattern))


def all_of(known: tuple[_T, ...], more: Iterable[_T]) -> tuple[_T, ...]:
    """Add what is new, in the order in which it came."""
    return tuple(dict.fromkeys((*known, *more)))


def with_what_is_there(mark: Mark, folder: Path, kept: Sequence[Path]) -> Mark:
    """Add what lies at the named places now to what lay there when the destruction began."""
    files = {(file.provider, file.path): file for file in mark.files}
    known = {file.path for file in mark.files}
    other_names = list(mark.other_names)
    stays = {path.resolve() for path in kept}
    for named in mark.named:
        for path in _at(folder, named.pattern):
            place = path.parent.resolve() / path.name  # of a link: its own
            if stays & {place, *place.parents} or place == folder or place in folder.parents:
                raise ProgrammeError(f"{named.pattern!r} is to be destroyed, and {path} must stay: name what is to go")
            name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
            # Two providers' data may lie in one file; what is data is not counted as work, too.
            if (named.provider, name) in files or (named.kind != "data" and name in known):
                continue
            known.add(name)
            status = path.lstat()
            is_folder = path.is_dir() and not path.is_symlink()
            files[named.provider, name] = File(
                named.kind, named.provider, name, is_folder, 0 if is_folder else status.st_size
            )
            if path.is_symlink():
                other_names.append(
                    f"{name} was a link to {path.resolve()}: what is there was removed only if it is named"
                )
            elif not is_folder and status.st_nlink > 1:
                other_names.append(f"{name} has {status.st_nlink - 1} more names (hard links), under which it stays")
    return replace(mark, files=tuple(sorted(files.values())), other_names=all_of((), other_names))


def _at(folder: Path, pattern: str) -> Iterator[Path]:
    """Give all that lies at a path or pattern, folders with what is in them, and what an interrupted writer left."""
    place = os.path.normpath(folder / pattern)
    matching = [place] if os.path.lexists(place) else glob.glob(place, recursive=True, include_hidden=True)
    for path in sorted(map(Path, matching)):
        left = [path.with_name(f".{path.name}.{state}") for state in ("partial", "previous")]
        for each in (path, *(one for one in left if os.path.lexists(one))):
            yield each
            if each.is_dir() and not each.is_symlink():
                for below, folders, names in os.walk(each):
                    yield from (Path(below, name) for name in sorted([*folders, *names]))


def keys_of(keyrings: Sequence[Keyring], key_ids: Collection[str] | None) -> list[KeyName]:
    """Name every version of these keys."""
    known = {about.id for keyring in keyrings for about in keyring.versions}
    if key_ids is not None and not set(key_ids) <= known:
        raise ProgrammeError(f"no keyring given has the key {min(set(key_ids) - known)!r}; they have {sorted(known)}")
    return [
        KeyName(str(keyring.path.resolve()), about.id, about.version)
        for keyring in keyrings
        for about in keyring.versions
        if key_ids is None or about.id in key_ids
    ]


def remains_in(folder: Path, kept: Sequence[Path]) -> Iterator[str]:
    """Give what is in the programme's folder yet, but for what must stay."""
    stays = {path.resolve() for path in kept}
    for below, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if Path(below, each).resolve() not in stays)
        for name in sorted(names):
            if Path(below, name).resolve() not in stays:
                yield str(Path(below, name).relative_to(folder))
