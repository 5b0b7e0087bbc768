"""How open records differ from what was learned: against a loop over the pairs, and on pairs drawn with known m."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.learning.departures import departures
from linkcore.linkage.model.model import Comparison, Level, Model

Table = Mapping[str, Sequence[float]]  # by comparison, the shares of its levels, the best level first
LEARNED: Table = {"name": (0.85, 0.1, 0.05), "born": (0.95, 0.03, 0.02), "gender": (0.97, 0.03)}
ANOTHER: Table = {"name": (0.7, 0.2, 0.1), "born": (0.9, 0.06, 0.04), "gender": (0.9, 0.1)}
U: Table = {"name": (0.002, 0.02, 0.978), "born": (0.001, 0.02, 0.979), "gender": (0.5, 0.5)}
SCHEMA = {"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64, "relative": pl.Float64}
GAMMAS = {f"gamma_{name}": pl.Int32 for name in U}
PRIOR = 0.1


def model(m: Table) -> Model:
    made = []
    for name, shares in m.items():
        null = Level(f"{name} missing", "Missing", is_null=True)
        levels = (
            Level(f"{name} {at}", f"{name} level {at}", m=share, u=U[name][at]) for at, share in enumerate(shares)
        )
        made.append(Comparison(name, (null, *levels)))
    return Model(tuple(made), prior=0.001)


def weight(gammas: Sequence[int], m: Table) -> float:
    """The weight of a pair, by the numbers of its levels: the last level is 0."""
    return sum(
        math.log2(m[name][len(m[name]) - 1 - gamma] / U[name][len(m[name]) - 1 - gamma])
        for name, gamma in zip(U, gammas, strict=True)
        if gamma >= 0
    )


def frame(
    pairs: Sequence[tuple[int, Sequence[int]]], models: Mapping[int, Table], sources: Sequence[int]
) -> pl.DataFrame:
    rows = [
        (record, at, weight(gammas, models[sources[record]]), -math.inf, *gammas)
        for at, (record, gammas) in enumerate(pairs)
    ]
    return pl.DataFrame(rows, schema=SCHEMA | GAMMAS, orient="row")


def at_even_prior(weights: pl.Series) -> pl.Series:
    odds = [PRIOR / (1 - PRIOR) * 2**bits for bits in weights]
    return pl.Series([each / (1 + each) for each in odds], dtype=pl.Float64)


def estimated(
    pairs: Sequence[tuple[int, Sequence[int]]],
    models: Mapping[int, Table],
    sources: Sequence[int],
    probabilities: Callable[[pl.Series], pl.Series] = at_even_prior,
) -> dict[str, dict[str, tuple[float, float]]]:
    found = departures(
        frame(pairs, models, sources),
        pl.Series(sources, dtype=pl.Int32),
        {source: model(m) for source, m in models.items()},
        probabilities,
    )
    tables: dict[str, dict[str, tuple[float, float]]] = {}
    for name, label, learned, opened in found.iter_rows():
        tables.setdefault(name, {})[label] = learned, opened
    return tables


def slow(
    pairs: Sequence[tuple[int, Sequence[int]]], models: Mapping[int, Table], sources: Sequence[int]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Expectation maximisation with factors of m, a pair at a time."""
    factors = {name: [1.0] * len(levels) for name, levels in U.items()}
    tables: dict[str, dict[str, tuple[float, float]]] = {}
    for _ in range(25):
        probabilities = []
        for record, gammas in pairs:
            odds = PRIOR / (1 - PRIOR) * 2 ** weight(gammas, models[sources[record]])
            for name, gamma in zip(U, gammas, strict=True):
                odds *= factors[name][gamma] if gamma >= 0 else 1.0
            probabilities.append(odds / (1 + odds))
        furthest = 0.0
        for at, name in enumerate(U):
            levels = len(U[name])
            seen, expected = [0.0] * levels, [0.0] * levels
            for (record, gammas), p in zip(pairs, probabilities, strict=True):
                if gammas[at] >= 0:
                    seen[gammas[at]] += p
                    for number in range(levels):
                        expected[number] += p * models[sources[record]][name][levels - 1 - number]
            if not sum(seen):
                continue
            whole = sum(seen)
            # Levels above the highest that any pair stands on are not shown.
            shown = max(gammas[at] for _, gammas in pairs) + 1
            tables[name] = {
                f"{name} level {levels - 1 - number}": (expected[number] / whole, seen[number] / whole)
                for number in range(shown)
            }
            for number in range(levels):
                factor = seen[number] / expected[number] if seen[number] else 1.0
                furthest = max(furthest, abs(expected[number] / whole * (factor - factors[name][number])))
                factors[name][number] = factor
        if furthest < 1e-4:
            break
    return tables


GAMMA = st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.integers(-1, 1))


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 1), min_size=4, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), GAMMA), min_size=1, max_size=12),
)
def test_it_is_what_a_loop_over_the_pairs_gives(
    sources: list[int], pairs: list[tuple[int, tuple[int, int, int]]]
) -> None:
    models = {0: LEARNED, 1: ANOTHER}
    found, expected = estimated(pairs, models, sources), slow(pairs, models, sources)
    assert found.keys() == expected.keys()
    for name, levels in expected.items():
        assert found[name].keys() == levels.keys()
        for label, both in levels.items():
            assert found[name][label] == pytest.approx(both, rel=1e-4, abs=1e-6)


def drawn(m: Mapping[int, Table], sources: Sequence[int], strangers: int) -> list[tuple[int, list[int]]]:
    """The levels of each record beside its own person and some strangers."""
    generator = np.random.default_rng(11)
    pairs = []
    for record, source in enumerate(sources):
        for table in (m[source], *[U] * strangers):
            gammas = [len(p) - 1 - int(generator.choice(len(p), p=p)) for p in table.values()]
            pairs.append((record, gammas))
    return pairs


OPEN: Table = {"name": (0.55, 0.3, 0.15), "born": LEARNED["born"], "gender": LEARNED["gender"]}
SOURCES = [0] * 700


def test_where_open_records_differ_it_finds_by_how_much() -> None:
    found = estimated(drawn({0: OPEN}, SOURCES, 9), {0: LEARNED}, SOURCES)
    for name, levels in OPEN.items():
        for at, (learned, opened) in enumerate(found[name].values()):
            assert learned == pytest.approx(LEARNED[name][at], abs=1e-6)
            assert opened == pytest.approx(levels[at], abs=0.045)
    learned, opened = found["name"]["name level 0"]
    assert learned - opened > 0.2


def test_where_they_do_not_differ_it_finds_next_to_no_difference() -> None:
    models = {0: LEARNED, 1: ANOTHER}
    sources = [0, 0, 1] * 300
    found = estimated(drawn(models, sources, 9), models, sources)
    for name, levels in found.items():
        for at, (learned, opened) in enumerate(levels.values()):
            # Two records in three are of the one source.
            assert learned == pytest.approx((2 * LEARNED[name][at] + ANOTHER[name][at]) / 3, abs=0.01)
            assert opened == pytest.approx(learned, abs=0.04)


def test_a_comparison_without_values_is_not_there() -> None:
    pairs = [(0, (2, -1, 1)), (1, (2, -1, 0))]
    assert set(estimated(pairs, {0: LEARNED}, [0, 0])) == {"name", "gender"}


def test_pairs_that_are_of_nobody_say_nothing() -> None:
    found = estimated([(0, (2, 2, 1))], {0: LEARNED}, [0], lambda weights: pl.repeat(0.0, weights.len(), eager=True))
    assert found == {}


def test_without_candidates_there_is_nothing_to_hold_side_by_side() -> None:
    empty = departures(frame([], {0: LEARNED}, []), pl.Series([], dtype=pl.Int32), {0: model(LEARNED)}, at_even_prior)
    assert empty.is_empty()
    assert empty.columns == ["comparison", "level", "m_learned", "m_open"]
