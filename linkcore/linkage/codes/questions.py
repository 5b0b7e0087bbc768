"""From the SQL conditions of levels to questions about codes: a graph that is walked for each pair.

The conditions stay the one definition of the levels. Each is made of a few kinds of questions, such as whether two
codes are equal. A graph says which question comes next after each answer, so that a pair answers none twice.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from linkcore.errors import LinkcoreError
from linkcore.linkage.model.model import OTHERWISE

__all__ = ["KINDS", "Graph", "Question", "graph_of", "inward", "part_of_date"]

KINDS: Final = (
    "missing",  # either value is missing
    "equal",  # two codes are equal
    "similar",  # the Jaro-Winkler similarity of two texts is above a number
    "one edit",  # the Damerau-Levenshtein distance of two texts is at most 1
    "shortened",  # either text starts with the other one
    "part",  # either text starts or ends with the other one, as a word
    "share",  # two lists share an element
    "listed",  # a list of the left one has the value of the right one
    "near",  # two numbers differ by at most a number
    "within",  # two numbers differ by at most a share of the larger one
)
"""The kinds of questions; their positions are the numbers by which the compiled loop knows them."""

_TEXT: Final = r"\((\w+)_l, (\w+)_r\)"
_SAME: Final = r"\((\w+)_l, \1_r\)"


def inward(column: str) -> str:
    """Name the column of the last three characters of another one."""
    return f"last three of {column}"


def part_of_date(part: str, column: str) -> str:
    """Name the column of the year, month or day of a column of dates."""
    return f"{part} of {column}"


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a pair: false where a value is missing, but for the kind that asks just that.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    left, right : str
        The columns of the two records.
    number : float
        What is compared with, where the kind needs it.
    """

    kind: str
    left: str
    right: str
    number: float = 0.0


_Make = Callable[[re.Match[str]], Question]


def _one(kind: str, number: float = 0.0) -> _Make:
    return lambda found: Question(kind, found[1], found[1], number)


# How comparisons write each question; what is written here first is looked for first.
_WRITTEN: Final[Sequence[tuple[str, _Make]]] = (
    (r"\((\w+)_l IS NULL OR \1_r IS NULL\)", _one("missing")),
    (rf"jaro_winkler_similarity{_SAME} IS NULL", _one("missing")),
    (r"(\w+)_l = (\w+)_r", lambda found: Question("equal", found[1], found[2])),
    (
        r"right\((\w+)_l, 3\) = right\(\1_r, 3\)",
        lambda found: Question("equal", inward(found[1]), inward(found[1])),
    ),
    (
        r"(year|month|day)\((\w+)_l\) = \1\(\2_r\)",
        lambda found: Question("equal", part_of_date(found[1], found[2]), part_of_date(found[1], found[2])),
    ),
    (
        rf"jaro_winkler_similarity{_TEXT} > ([\d.]+)",
        lambda found: Question("similar", found[1], found[2], float(found[3])),
    ),
    (rf"damerau_levenshtein{_SAME} <= 1", _one("one edit")),
    (rf"\(starts_with{_SAME} OR starts_with\(\1_r, \1_l\)\)", _one("shortened")),
    (
        r"\(ends_with\((\w+)_l, ' ' \|\| \1_r\) OR ends_with\(\1_r, ' ' \|\| \1_l\) "
        r"OR starts_with\(\1_l, \1_r \|\| ' '\) OR starts_with\(\1_r, \1_l \|\| ' '\)\)",
        _one("part"),
    ),
    (rf"list_has_any{_SAME}", _one("share")),
    (rf"list_contains{_TEXT}", lambda found: Question("listed", found[1], found[2])),
    (
        r"abs\((\w+)_l(?:::INTEGER)? - \1_r(?:::INTEGER)?\) <= (\d+)",
        lambda found: Question("near", found[1], found[1], float(found[2])),
    ),
    (
        r"abs\(date_diff\('day', (\w+)_l, \1_r\)\) <= (\d+)",
        lambda found: Question("near", found[1], found[1], float(found[2])),
    ),
    (
        r"abs\((\w+)_l - \1_r\) <= ([\d.]+) \* greatest\(abs\(\1_l\), abs\(\1_r\)\)",
        lambda found: Question("within", found[1], found[1], float(found[2])),
    ),
)
_PATTERNS: Final = tuple((re.compile(pattern), make) for pattern, make in _WRITTEN)

# A condition: a question, an answer, or a word and what it joins. Tuples, because they are keys of a dictionary.
_Joined = tuple[str, tuple["_Condition", ...]]
_Condition = Question | bool | _Joined
_Ladder = tuple[tuple[_Condition, int], ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """Questions of which each answer leads to the next one, or to a level.

    Parameters
    ----------
    questions : list of Question
        The question of each node.
    yes, no : list of int
        The node that follows each answer; below zero, the level: :meth:`leaf`.
    """

    questions: list[Question] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)

    @staticmethod
    def leaf(number: int) -> int:
        """Write a level, -1 or above, as a node."""
        return -2 - number

    def add(self, conditions: Sequence[str], numbers: Sequence[int]) -> int:
        """Add a ladder of conditions, with the number of each level, and return the node at which it starts."""
        ladder: _Ladder = tuple(
            (condition == OTHERWISE or _parse(condition), number)
            for condition, number in zip(conditions, numbers, strict=True)
        )
        return self._add(ladder, {})

    def _add(self, ladder: _Ladder, known: dict[_Ladder, int]) -> int:
        if not ladder:  # in a ladder without an end, nothing is known of such a pair
            return self.leaf(-1)
        first, number = ladder[0]
        if first is True:
            return self.leaf(number)
        if ladder not in known:
            question = _first(first)
            node = len(self.questions)
            self.questions.append(question)
            self.yes.append(0)
            self.no.append(0)
            for answer, following in ((True, self.yes), (False, self.no)):
                following[node] = self._add(_answered(ladder, _implied(question, answer)), known)
            known[ladder] = node
        return known[ladder]


def graph_of(ladders: Sequence[tuple[Sequence[str], Sequence[int]]]) -> tuple[Graph, list[int]]:
    """Make one graph of several ladders; returns it and the node at which each starts.

    Examples
    --------
    >>> conditions = ["(age_l IS NULL OR age_r IS NULL)", "age_l = age_r", "ELSE"]
    >>> graph, (start,) = graph_of([(conditions, [-1, 1, 0])])
    >>> [question.kind for question in graph.questions], graph.yes, graph.no
    (['missing', 'equal'], [-1, -3], [1, -2])
    """
    graph = Graph()
    return graph, [graph.add(conditions, numbers) for conditions, numbers in ladders]


def _parse(condition: str) -> _Condition:
    """Take a condition apart."""
    for pattern, make in _PATTERNS:
        if found := pattern.fullmatch(condition):
            return make(found)
    for word in ("OR", "AND"):
        parts = _split(condition, f" {word} ")
        if len(parts) > 1:
            return word, tuple(map(_parse, parts))
    if condition.startswith("NOT "):
        asked = _parse(condition.removeprefix("NOT "))
        # In SQL, what is not known is not false either. Only whether a value is missing is always known.
        if isinstance(asked, Question) and asked.kind == "missing":
            return "NOT", (asked,)
    if condition.startswith("(") and condition.endswith(")"):
        return _parse(condition[1:-1])
    raise LinkcoreError(f"linkcore's engine does not know the condition {condition!r}; link with engine 'splink'")


def _split(condition: str, separator: str) -> list[str]:
    """Split at a separator that no parenthesis encloses."""
    parts: list[str] = []
    for part in condition.split(separator):
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += separator + part
        else:
            parts.append(part)
    return parts


def _first(condition: _Condition) -> Question:
    """Return the first question of a condition."""
    while not isinstance(condition, Question):
        assert not isinstance(condition, bool)
        condition = condition[1][0]
    return condition


def _implied(question: Question, answer: bool) -> Mapping[Question, bool]:
    """Return what is known with an answer."""
    known = {question: answer}
    kind, left, right = question.kind, question.left, question.right
    if kind == "missing" and answer:
        known |= {Question("equal", left, right): False}
    if kind == "equal" and answer:
        known |= {Question("missing", left, right): False} if left == right else {}
    return known


def _answered(ladder: _Ladder, known: Mapping[Question, bool]) -> _Ladder:
    """Put answers into a ladder, and leave out the levels that cannot be reached any more."""
    found: list[tuple[_Condition, int]] = []
    for condition, number in ladder:
        simple = _simplified(condition, known)
        if simple is not False:
            found.append((simple, number))
        if simple is True:
            break
    return tuple(found)


def _simplified(condition: _Condition, known: Mapping[Question, bool]) -> _Condition:
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Question):
        return known.get(condition, condition)
    word, parts = condition
    simple = [_simplified(part, known) for part in parts]
    if word == "NOT":
        return not simple[0] if isinstance(simple[0], bool) else (word, tuple(simple))
    ends = word == "OR"  # what settles it
    if ends in simple:
        return ends
    left = tuple(part for part in simple if part is not (not ends))
    if len(left) < 2:
        return left[0] if left else not ends
    return word, left
