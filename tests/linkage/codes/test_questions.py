"""Conditions as graphs of questions."""

import random

import pytest

from linkcore.errors import LinkcoreError
from linkcore.linkage.codes.questions import Question, graph_of
from linkcore.linkage.comparisons.comparisons import known_conditions
from linkcore.linkage.model.model import OTHERWISE


def level(conditions: list[str], answers: dict[Question, bool]) -> int:
    """Walk a ladder to the position of the level, with answers to all its questions."""
    graph, (node,) = graph_of([(conditions, range(len(conditions)))])
    while node >= 0:
        node = graph.yes[node] if answers[graph.questions[node]] else graph.no[node]
    return -2 - node


def test_a_ladder_is_walked_as_its_words_say() -> None:
    """A small ladder with every word, for all answers."""
    conditions = ["NOT (a_l IS NULL OR a_r IS NULL) AND (a_l = a_r OR b_l = b_r)", "a_l = b_r OR b_l = b_r", OTHERWISE]
    missing, *equal = (Question("missing", "a", "a"), *(Question("equal", *sides) for sides in ("aa", "bb", "ab")))
    for number in range(16):
        no_a, a, b, ab = (bool(number >> bit & 1) for bit in range(4))
        if no_a and a:
            continue  # a missing value equals none
        answers = {missing: no_a, **dict(zip(equal, (a, b, ab), strict=True))}
        wanted = 0 if not no_a and (a or b) else 1 if ab or b else 2
        assert level(conditions, answers) == wanted


def test_every_condition_of_linkcore_is_a_question_or_made_of_some() -> None:
    known = sorted(known_conditions({"w": "exact", "n": "text", "h": "number", "s": "date"}) - {OTHERWISE})
    random.Random(1).shuffle(known)
    for condition in known:
        graph, (start,) = graph_of([([condition, OTHERWISE], [1, 0])])
        assert start == 0
        assert len(graph.questions) >= 1


def test_a_condition_of_somebody_else_is_refused_in_words() -> None:
    for condition in ("soundex(name_l) = soundex(name_r)", "NOT a_l = a_r"):
        with pytest.raises(LinkcoreError, match="does not know the condition"):
            graph_of([([condition, OTHERWISE], [1, 0])])


def test_of_a_ladder_without_an_end_nothing_is_known_of_the_others() -> None:
    graph, (start,) = graph_of([(["a_l = a_r"], [1])])
    assert (start, graph.yes, graph.no) == (0, [-3], [-1])
