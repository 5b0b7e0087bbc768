"""The line on which a TOML file states each key."""

import tomllib
from pathlib import Path

import pytest

from linkcore.programme.key_lines import Location, key_lines, line_of

FIXTURES = sorted(Path(__file__).parents[2].glob("fixtures/programmes/*/programme.toml"))

ODD = '''# a comment
top = 1
"quoted.key" = 2
dotted.inner = 3
dotted.other = 4
text = """
[not.a.table]
text = 5
"""
list = [
  "]", # a bracket
  """
  x = 1""",
]
inline = {a = 1, b = {c = 2}}
[[many]]
name = 1
[many.below.deep]
x = 1
[[many.below.deep.er]]
y = 1
[[many.below.deep.er]]
y = 2
  [[many]]
  name = 2
  [ many . "below" ]
  z = 3
'''


def test_the_line_of_each_key_of_an_odd_file() -> None:
    lines = key_lines(ODD)
    expected: dict[Location, int] = {
        ("top",): 2,
        ("quoted.key",): 3,
        ("dotted", "inner"): 4,
        ("dotted", "other"): 5,
        ("text",): 6,
        ("list",): 10,
        ("inline", "b", "c"): 15,
        ("many", 0): 16,
        ("many", 0, "below", "deep", "x"): 19,
        ("many", 0, "below", "deep", "er", 0): 20,
        ("many", 0, "below", "deep", "er", 1, "y"): 23,
        ("many", 1): 24,
        ("many", 1, "below"): 26,
        ("many", 1, "below", "z"): 27,
    }
    assert {key: lines.get(key) for key in expected} == expected
    assert lines == key_lines(ODD.replace("\n", "\r\n"))


def test_what_is_not_stated_has_the_line_of_the_table_around_it() -> None:
    lines = key_lines(ODD)
    assert line_of(("many", 1, "below", "missing", "more"), lines) == 26
    assert line_of(("list", 1), lines) == 10
    assert line_of(("nowhere",), lines) is None


def places(stated: object, above: Location = ()) -> set[Location]:
    """Each key, and each table of a list."""
    found: set[Location] = set()
    if isinstance(stated, dict):
        for key, value in stated.items():
            found |= {(*above, key)} | places(value, (*above, key))
    elif isinstance(stated, list) and stated and isinstance(stated[0], dict):
        for number, each in enumerate(stated):
            found |= {(*above, number)} | places(each, (*above, number))
    return found


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.parent.name)
def test_each_key_of_a_programme_is_on_its_line(file: Path) -> None:
    text = file.read_text("utf-8")
    lines, stated = key_lines(text), places(tomllib.loads(text))
    assert set(lines) <= stated | {()}
    for location, number in lines.items():
        name = next((str(part) for part in reversed(location) if isinstance(part, str)), "")
        assert name in text.splitlines()[number - 1]
    # Tables above tables that have a header, and lists of tables, have no line of their own; all others have one.
    assert {each for each in stated - set(lines) if not any(other[: len(each)] == each for other in lines)} == set()
