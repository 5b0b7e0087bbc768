"""Secrets: values that only `Secret.reveal` shows, and files that only their owner may open."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, Never, Self, TypeVar, final

from linkcore.errors import KeyMaterialError

__all__ = ["Hidden", "Secret", "read_private"]

_T = TypeVar("_T")
_REFUSED: Final = "a key does not leave its process: read the key file again in the other process"


class Hidden:
    """Base of objects that cannot be changed or pickled; a copy of such an object is the object itself."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> Never:
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"a {type(self).__name__} cannot be changed")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> Never:
        raise KeyMaterialError(_REFUSED)

    def __reduce__(self) -> Never:
        raise KeyMaterialError(_REFUSED)

    def __reduce_ex__(self, _protocol: object) -> Never:
        raise KeyMaterialError(_REFUSED)


@final
class Secret(Hidden, Generic[_T]):
    """A value that only ``reveal()`` shows.

    Examples
    --------
    >>> password = Secret("correct horse")
    >>> password
    <Secret>
    >>> password.reveal()
    'correct horse'
    """

    # The value is in a closure and not an attribute, so a list of the attributes shows only a function.
    __slots__ = ("reveal",)

    reveal: Callable[[], _T]

    def __init__(self, value: _T) -> None:
        object.__setattr__(self, "reveal", lambda: value)

    def __repr__(self) -> str:
        return "<Secret>"


def read_private(path: str | os.PathLike[str], what: str) -> Secret[bytes]:
    """Read a file; refuse it if another user owns it or has access to it (mode wider than 0600).

    Windows has no such owners and modes.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     read_private(file.name, "key file")
    <Secret>
    """
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            is_theirs = os.name == "posix" and found.st_uid not in {0, os.geteuid()}
            is_wide = os.name == "posix" and bool(found.st_mode & 0o177)
            content = None if is_theirs or is_wide else Secret(file.read())
    except OSError as error:
        raise KeyMaterialError(f"the {what} {os.fspath(path)} cannot be read: {error.strerror}") from None
    if is_theirs:
        raise KeyMaterialError(
            f"the {what} {os.fspath(path)} belongs to another user, who can read and change it: if it is what you "
            "expect, `chown` it to the user who runs linkcore; otherwise make a new key"
        )
    if content is None:
        raise KeyMaterialError(
            f"the {what} {os.fspath(path)} is open to others (mode {found.st_mode & 0o777:04o}): if you are sure that "
            "nobody has read it, `chmod 600` it; otherwise make a new key"
        )
    return content
