"""Parts of a linkage that are read from its store when they are first used."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar, cast

__all__ = ["read_when_used"]

_T = TypeVar("_T")


def read_when_used(of: type[_T], known: Mapping[str, Any], later: Mapping[str, Callable[[], Any]]) -> _T:
    """Make a frozen dataclass from the fields that are known and, for the others, how each is read at its first use.

    Examples
    --------
    >>> from dataclasses import dataclass, replace
    >>> @dataclass(frozen=True)
    ... class Read:
    ...     name: str
    ...     lines: list[str]
    >>> read = read_when_used(Read, {"name": "gp"}, {"lines": lambda: print("reading") or ["4010232137"]})
    >>> read.name
    'gp'
    >>> read.lines, read.lines
    reading
    (['4010232137'], ['4010232137'])
    >>> replace(read, name="seen").lines
    ['4010232137']
    """

    def part(read: Callable[[], Any]) -> cached_property[Any]:
        return cached_property(lambda _: read())

    # A value that __init__ sets is found before these, so `replace` works as ever.
    body = {"__module__": of.__module__, "__qualname__": of.__qualname__, "__doc__": of.__doc__}
    made: Any = object.__new__(type(of.__name__, (of,), body | {name: part(read) for name, read in later.items()}))
    vars(made).update(known)
    return cast("_T", made)
