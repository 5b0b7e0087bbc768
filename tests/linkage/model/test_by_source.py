"""Models of single sources: m against counting by hand, weights against summing a source's own model level by level."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.learning.levels import COUNTS
from linkcore.linkage.model.by_source import level_shifts, shifted, source_models
from linkcore.linkage.model.model import Comparison, Level, Model

M = {"name": (0.85, 0.1, 0.05), "gender": (0.97, 0.03)}
U = {"name": (0.001, 0.01, 0.989), "gender": (0.5, 0.5)}


def model() -> Model:
    """A model of names, with missing values in the second place of four, and of gender, with missing values first."""
    made = []
    for name, of_levels in M.items():
        levels = [
            Level(f"{name} {at}", str(at), m=m, u=u) for at, (m, u) in enumerate(zip(of_levels, U[name], strict=True))
        ]
        levels.insert(1 if name == "name" else 0, Level(f"{name} missing", "Missing", is_null=True))
        made.append(Comparison(name, tuple(levels)))
    return Model(tuple(made), prior=0.001)


POSITIONS = {"name": (0, 2, 3), "gender": (1, 2)}


def counts(pairs_of: Mapping[str, Mapping[int, Sequence[int]]]) -> pl.DataFrame:
    """By comparison and source, how many pairs stand on each of its levels."""
    rows = [
        (name, source, position, pairs)
        for name, by_source in pairs_of.items()
        for source, numbers in by_source.items()
        for position, pairs in zip(POSITIONS[name], numbers, strict=True)
        if pairs
    ]
    return pl.DataFrame(rows, schema=COUNTS, orient="row")


def m_of(made: Model, name: str) -> list[float]:
    (comparison,) = (each for each in made.comparisons if each.name == name)
    return list(comparison.m_by_position.values())


def slow_strength(by_source: Sequence[Sequence[int]], pooled: Sequence[float]) -> float:
    """Which of 1, 2, 4 ... 2^24 makes the Dirichlet-multinomial likeliest; the largest, of equals."""
    best, highest = 0.0, -math.inf
    for power in range(25):
        k, likelihood = 2.0**power, 0.0
        for numbers in by_source:
            likelihood += math.lgamma(k) - math.lgamma(k + sum(numbers))
            for n, m in zip(numbers, pooled, strict=True):
                likelihood += math.lgamma(k * m + n) - math.lgamma(k * m)
        if likelihood >= highest:
            best, highest = k, likelihood
    return best


def slow_m(numbers: Sequence[int], pooled: Sequence[float], strength: float) -> list[float]:
    pairs = sum(numbers)
    if not pairs:
        return list(pooled)
    leaning = [(n + strength * m) / (pairs + strength) for n, m in zip(numbers, pooled, strict=True)]
    return [max(share, min(m, 0.5 / pairs)) for share, m in zip(leaning, pooled, strict=True)]


NUMBERS = st.tuples(st.integers(0, 3000), st.integers(0, 300), st.integers(0, 300))


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_m_of_a_source_is_that_of_all_and_its_own_counts_weighed_by_the_likeliest_strength(
    of_sources: list[tuple[int, int, int]],
) -> None:
    sources = dict(enumerate(of_sources))
    made = source_models(model(), counts({"name": sources}), [*sources, 9])
    # Sources without a pair say nothing of how much sources differ.
    strength = slow_strength([numbers for numbers in of_sources if sum(numbers)], M["name"])
    for source, numbers in sources.items():
        assert m_of(made[source], "name") == pytest.approx(slow_m(numbers, M["name"], strength), rel=1e-5)
        assert m_of(made[source], "gender") == pytest.approx(M["gender"])
    assert made[9] == model()


def test_a_source_with_very_many_pairs_has_its_own_shares_and_one_with_none_those_of_all() -> None:
    pairs = {"name": {0: (990_000, 5_000, 5_000), 1: (600_000, 300_000, 100_000)}, "gender": {0: (900, 100)}}
    made = source_models(model(), counts(pairs), [0, 1, 2])
    assert m_of(made[0], "name") == pytest.approx([0.99, 0.005, 0.005], rel=1e-3)
    assert m_of(made[1], "name") == pytest.approx([0.6, 0.3, 0.1], rel=1e-3)
    assert m_of(made[2], "name") == list(M["name"])
    assert m_of(made[1], "gender") == list(M["gender"])


def test_sources_that_do_not_differ_all_have_the_shares_of_all() -> None:
    pairs = {"name": dict.fromkeys(range(4), (850, 100, 50))}
    made = source_models(model(), counts(pairs), range(4))
    for source in range(4):
        assert m_of(made[source], "name") == pytest.approx(M["name"], rel=1e-4)


def test_a_level_that_was_not_seen_is_worth_half_a_pair() -> None:
    pairs = {"name": {0: (100_000, 0, 0), 1: (10_000, 50_000, 40_000)}}
    made = source_models(model(), counts(pairs), [0, 1])
    for m in m_of(made[0], "name")[1:]:
        assert m >= 0.5 / 100_000


def test_u_and_what_else_a_model_says_stay() -> None:
    made = source_models(model(), counts({"name": {0: (1, 2, 3)}}), [0])[0]
    assert made.prior == 0.001
    for own, pooled in zip(made.comparisons, model().comparisons, strict=True):
        for level, before in zip(own.levels, pooled.levels, strict=True):
            assert replace(level, m=before.m) == before


def weight(model: Model, gammas: Mapping[str, int]) -> float:
    """The weight of a pair: log2 of m over u of the level it stands on, summed."""
    total = 0.0
    for comparison in model.comparisons:
        judging = [level for level in comparison.levels if not level.is_null]
        number = gammas[comparison.name]
        if number >= 0:
            level = judging[len(judging) - 1 - number]
            assert level.m is not None
            assert level.u is not None
            total += math.log2(level.m / level.u)
    return total


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2), st.integers(-1, 1)), max_size=20)


@settings(max_examples=40)
@given(PAIRS, st.lists(NUMBERS, min_size=3, max_size=3))
def test_a_shifted_weight_is_the_weight_by_the_source_s_own_model(
    drawn: list[tuple[int, int, int]], of_sources: list[tuple[int, int, int]]
) -> None:
    pooled = model()
    learned = counts({"name": dict(enumerate(of_sources)), "gender": {1: (of_sources[0][0], of_sources[0][1])}})
    made = source_models(pooled, learned, [0, 1, 2])
    pairs = pl.DataFrame(
        drawn, schema={"source": pl.Int32, "gamma_name": pl.Int32, "gamma_gender": pl.Int32}, orient="row"
    )
    added = shifted(pairs, level_shifts(made, pooled))
    assert added.dtype == pl.Float64
    for (source, name, gender), bits in zip(drawn, added, strict=True):
        gammas = {"name": name, "gender": gender}
        # A source without a model uses the model of all sources.
        own = weight(made.get(source, pooled), gammas)
        assert weight(pooled, gammas) + bits == pytest.approx(own, abs=1e-9)


def test_a_comparison_that_no_source_differs_in_is_not_shifted() -> None:
    pooled = model()
    made = source_models(pooled, counts({"name": {0: (10, 500, 10)}}), [0, 1])
    assert set(level_shifts(made, pooled)) == {"name"}
    assert level_shifts({0: pooled, 1: pooled}, pooled) == {}
    assert shifted(pl.DataFrame({"source": [0, 1]}), {}).to_list() == [0.0, 0.0]
