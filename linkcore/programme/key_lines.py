"""The line of a TOML file in which each of its keys is stated, since the TOML reader does not tell."""

import tomllib
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

__all__ = ["Location", "key_in_words", "key_lines", "line_of"]

Location: TypeAlias = tuple[str | int, ...]
"""The keys that lead to a value; the first table of a list of tables has the number 0."""

# A list or text over several lines can only end in a line with one of these.
_ENDS: Final = ("]", "}", '"""', "'''")


def key_lines(text: str) -> dict[Location, int]:
    r"""Return the line of each key and each table of a TOML text, which must be one that can be read.

    Examples
    --------
    >>> key_lines('[[source]]\nname = "gp"\n[source.columns]\nnhs_number = "NHS"')[("source", 0, "columns")]
    3
    """
    lines: dict[Location, int] = {}
    tables: dict[Location, int] = {}
    within: Location = ()
    for number, statement in _statements(text):
        if statement.lstrip().startswith("["):
            within = _table(_only(tomllib.loads(statement)), tables)
            lines.setdefault(within, number)
        else:
            for keys in _keys(tomllib.loads(statement)):
                lines.setdefault(within + keys, number)
    return lines


def line_of(location: Location, lines: dict[Location, int]) -> int | None:
    """Return the line of a key, or of the nearest table around it; None if not even that is stated."""
    around = (location[:length] for length in range(len(location), 0, -1))
    return next((lines[each] for each in around if each in lines), None)


def key_in_words(location: Location) -> str:
    """Write a key with its place; the first ``[[source]]`` is ``source[1]``.

    Examples
    --------
    >>> key_in_words(("source", 0, "columns", "postcode"))
    'source[1].columns.postcode'
    """
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with its first line: the fewest lines that are TOML by themselves."""
    lines = text.replace("\r\n", "\n").split("\n")
    begin = 0
    while begin < len(lines):
        end = begin + 1
        while not _is_whole(lines, begin, end) and end < len(lines):
            end += 1
        statement = "\n".join(lines[begin:end])
        if statement.strip() and not statement.lstrip().startswith("#"):
            yield begin + 1, statement
        begin = end


def _is_whole(lines: list[str], begin: int, end: int) -> bool:
    if end > begin + 1 and not any(each in lines[end - 1] for each in _ENDS):
        return False
    try:
        tomllib.loads("\n".join(lines[begin:end]))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _only(header: Any) -> Location:
    """Return the keys of a header; a list at the end marks one of a list of tables."""
    keys: list[str | int] = []
    while header:
        if isinstance(header, list):
            return (*keys, 0)
        ((key, header),) = header.items()
        keys.append(key)
    return tuple(keys)


def _table(header: Location, tables: dict[Location, int]) -> Location:
    """Return the place of a table: in each list of tables on the way, it belongs to the last one."""
    place: Location = ()
    is_new = header[-1] == 0
    keys = header[:-1] if is_new else header
    for number, key in enumerate(keys, start=1):
        place = (*place, key)
        if is_new and number == len(keys):
            tables[place] = tables.get(place, -1) + 1
        if place in tables:
            place = (*place, tables[place])
    return place


def _keys(stated: dict[str, Any]) -> Iterator[Location]:
    """Yield each key, and the keys of the tables in it."""
    for key, value in stated.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *each) for each in _keys(value))
