"""Where a step comes to rest: beside the step alone, and with steps on which a jump leads astray."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from linkcore.linkage.learning.fixed_point import fixed_point

Point = NDArray[np.float64]
Step = Callable[[Point], tuple[Point, float]]

# Two genes of a blood group: A, B and 0 in unknown shares, of which only the groups A, B, AB and 0 are seen.
GROUPS = {"A": 186.0, "B": 38.0, "AB": 13.0, "0": 284.0}


def genes(point: Point) -> tuple[Point, float]:
    """One round of expectation maximisation for the shares of the genes (Smith 1957)."""
    a, b, o = np.exp(point) / np.exp(point).sum()
    pure_a, pure_b = a / (a + 2 * o) * GROUPS["A"], b / (b + 2 * o) * GROUPS["B"]
    counts = np.array([GROUPS["A"] + pure_a + GROUPS["AB"], GROUPS["B"] + pure_b + GROUPS["AB"], 0.0])
    counts[2] = 2 * sum(GROUPS.values()) - counts.sum()
    chances = {"A": a * a + 2 * a * o, "B": b * b + 2 * b * o, "AB": 2 * a * b, "0": o * o}
    return np.log(counts / counts.sum()), sum(n * float(np.log(chances[group])) for group, n in GROUPS.items())


def slow(point: Point) -> tuple[Point, float]:
    """Each number goes its own small part of the way to its end."""
    ends, parts = np.array([3.0, -2.0, 0.5]), np.array([0.001, 0.02, 0.3])
    return point + parts * (ends - point), -float(((point - ends) ** 2 * parts).sum())


@pytest.mark.parametrize(("step", "alone", "jumping"), [(genes, 100, 15), (slow, 25_000, 500)])
def test_it_comes_to_rest_where_the_step_alone_does(step: Step, alone: int, jumping: int) -> None:
    expected, taken = np.zeros(3), 0
    for _ in range(alone):
        expected, _ = step(expected)

    def counted(point: Point) -> tuple[Point, float]:
        nonlocal taken
        taken += 1
        return step(point)

    point, at_rest = fixed_point(counted, np.zeros(3), within=1e-9, rounds=1000)
    assert at_rest
    assert np.abs(point - expected).max() < 1e-8
    assert taken < jumping


def test_near_its_end_a_small_step_alone_is_no_rest() -> None:
    """A number that goes a thousandth of the way is a thousand times as far away as its last step was long."""
    point, at_rest = fixed_point(slow, np.array([3.01, -2.0, 0.5]), within=1e-3, rounds=300)
    assert at_rest
    assert abs(point[0] - 3.0) < 1e-3


def test_the_merit_never_falls_though_a_jump_would_make_it_worse() -> None:
    """Where this jumps to, from where its steps shrink slowly, is beyond the ridge it climbs."""
    seen: list[float] = []

    def step(point: Point) -> tuple[Point, float]:
        x = float(point[0])
        seen.append(-((x - 1) ** 2) if x <= 1 else -100 * (x - 1))
        return np.array([x + 0.1 * (1 - x) ** 2 if x <= 1 else 0.0]), seen[-1]

    point, _ = fixed_point(step, np.zeros(1), within=1e-6, rounds=3000)
    kept = seen[::3]
    assert all(later >= earlier - 1e-6 for earlier, later in itertools.pairwise(kept))
    assert 0.9 < point[0] <= 1 + 1e-6


def test_it_says_when_it_gave_up() -> None:
    point, at_rest = fixed_point(lambda point: (point + 1.0, float(point[0])), np.zeros(1), within=1e-6, rounds=30)
    assert not at_rest
    assert point[0] > 0


def test_a_jump_is_brought_to_where_points_may_be() -> None:
    point, at_rest = fixed_point(
        slow, np.zeros(3), within=1e-9, rounds=3000, allowed=lambda point: np.minimum(point, 3.0)
    )
    assert at_rest
    assert np.abs(point - [3.0, -2.0, 0.5]).max() < 1e-8
