"""Re-weighting, compared with a program that goes through the rows one by one, and by the resulting shares."""

import random
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.self_test.reweighting import rake

FEWEST = 10  # rows that a value needs to be weighted by itself
MOST = 10.0  # times what a row stood for before


def slow_rake(
    sample: list[list[int]], weights: list[float], target: list[list[int]], kept: list[bool] | None
) -> list[float]:
    """Rake one column and one row at a time; ``sample`` and ``target`` are lists of columns."""
    columns: list[tuple[list[int], dict[int, float]]] = []
    for of_sample, of_target in zip(sample, target, strict=True):
        common = {value for value, count in Counter(of_sample).items() if count >= FEWEST}
        coded = [value if value in common else -99 for value in of_sample]
        wanted = Counter(value if value in common else -99 for value in of_target)
        there = {value: wanted[value] for value in set(coded)}
        total = sum(there.values())
        columns.append((coded, {value: count / total if total else 0.0 for value, count in there.items()}))
    if kept is not None:
        whole = sum(weights)
        shares = {part: sum(w for w, k in zip(weights, kept, strict=True) if k == part) / whole for part in (0, 1)}
        columns.append(([int(part) for part in kept], shares))
    whole, raked = sum(weights), list(weights)
    kinds = list(zip(*(coded for coded, _ in columns), weights, strict=True))
    for _ in range(100):
        before = list(raked)
        for coded, shares in columns:
            now: dict[int, float] = dict.fromkeys(shares, 0.0)
            for value, weight in zip(coded, raked, strict=True):
                now[value] += weight
            for row, value in enumerate(coded):
                if shares[value] > 0 and now[value] > 0:
                    raked[row] *= shares[value] * whole / now[value]
                raked[row] = min(max(raked[row], weights[row] / MOST), weights[row] * MOST)
            scale = whole / sum(raked)
            raked = [weight * scale for weight in raked]
        # Equal rows change together: it ends when all rows of a kind together change by less than a millionth.
        changes: dict[object, float] = dict.fromkeys(kinds, 0.0)
        for kind, old, new in zip(kinds, before, raked, strict=True):
            changes[kind] += abs(new - old)
        if max(changes.values()) < 1e-6 * whole:
            break
    return raked


def drawn(chance: random.Random, rows: int, leaning: float) -> list[list[int]]:
    """Three columns: two of two values, and one of several values, some of them rare."""
    return [
        [int(chance.random() < leaning) for _ in range(rows)],
        [int(chance.random() < 1 - leaning / 2) for _ in range(rows)],
        [chance.choices([-2, 0, 3, 8], [60, 30, 1 + 8 * leaning, 1])[0] for _ in range(rows)],
    ]


def framed(columns: list[list[int]]) -> pl.DataFrame:
    return pl.DataFrame({f"c{at}": column for at, column in enumerate(columns)})


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.booleans())
def test_weights_equal_those_of_going_through_the_rows(seed: int, with_kept: bool) -> None:
    chance = random.Random(seed)
    sample, target = drawn(chance, 120, 0.2), drawn(chance, 60, 0.7)
    weights = [chance.choice([0.5, 1.0, 2.0]) for _ in range(120)]
    kept = [chance.random() < 0.8 for _ in range(120)] if with_kept else None
    found = rake(framed(sample), np.array(weights), framed(target), None if kept is None else pl.Series(kept))
    assert found.tolist() == pytest.approx(slow_rake(sample, weights, target, kept), rel=1e-9)
    assert found.sum() == pytest.approx(sum(weights))


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.booleans())
def test_strata_together_get_the_weights_of_strata_one_by_one(seed: int, with_kept: bool) -> None:
    chance = random.Random(seed)
    of_sample = pl.Series([*range(3), *(chance.randrange(3) for _ in range(200))])
    of_target = pl.Series([chance.randrange(chance.choice([2, 3])) for _ in range(100)])
    sample, target = framed(drawn(chance, 203, 0.2)), framed(drawn(chance, 100, 0.7))
    weights = np.array([chance.choice([0.5, 1.0, 2.0]) for _ in range(203)])
    kept = pl.Series([chance.random() < 0.8 for _ in range(203)]) if with_kept else None
    found = rake(sample, weights, target, kept, (of_sample, of_target))
    for stratum in range(3):
        there = (of_sample == stratum).to_numpy()
        alone = rake(
            sample.filter(there),
            weights[there],
            target.filter(of_target == stratum),
            None if kept is None else kept.filter(there),
        )
        assert found[there].tolist() == alone.tolist()


def share(column: pl.Series, weights: np.ndarray[tuple[int], np.dtype[np.float64]], value: int) -> float:
    return float(weights[(column == value).to_numpy()].sum() / weights.sum())


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.floats(0.3, 0.7))
def test_columns_become_distributed_as_in_the_target(seed: int, leaning: float) -> None:
    chance = random.Random(seed)
    sample, target = framed(drawn(chance, 600, 0.4)[:2]), framed(drawn(chance, 500, leaning)[:2])
    kept = pl.Series([chance.random() < 0.8 for _ in range(600)])
    weights = np.array([chance.choice([1.0, 2.0]) for _ in range(600)])
    found = rake(sample, weights, target, kept)
    for name in sample.columns:
        for value in (0, 1):
            assert share(sample[name], found, value) == pytest.approx((target[name] == value).mean(), abs=1e-3)
    # Of the kept column the target knows nothing: its shares are those it had.
    assert share(kept.cast(pl.Int64), found, 1) == pytest.approx(share(kept.cast(pl.Int64), weights, 1), abs=1e-3)


def test_no_weight_grows_more_than_tenfold() -> None:
    sample = pl.DataFrame({"named": [True] * 980 + [False] * 20})
    target = pl.DataFrame({"named": [True] * 10 + [False] * 90})
    found = rake(sample, np.ones(1000), target)
    assert found.sum() == pytest.approx(1000)
    # Nine tenths of a thousand would be 45 for each of the 20.
    ratio = found[-1] / found[0]
    assert found.max() < 45
    assert 10 < ratio <= MOST * MOST


def test_rare_values_are_weighted_together() -> None:
    common, rare = [0] * 90, [1] * 5 + [2] * 5
    sample = pl.DataFrame({"level": common + rare})
    target = pl.DataFrame({"level": [0] * 50 + [1] * 50})
    found = rake(sample, np.ones(100), target)
    # Fives are rare, though the target has one of the two only; ten are not.
    assert found[90:] == pytest.approx(np.full(10, 5.0))
    enough = rake(pl.DataFrame({"level": common + [1] * 10 + [2] * 10}), np.ones(110), target)
    assert enough[90] == pytest.approx(5.5, rel=0.02)
    # What is to have nothing keeps a trace: a tenth of what it stood for.
    assert enough[100] == pytest.approx(0.1, rel=0.02)


def test_a_value_that_the_sample_lacks_changes_no_weight() -> None:
    sample = pl.DataFrame({"level": [0] * 50 + [1] * 50})
    target = pl.DataFrame({"level": [0] * 30 + [1] * 10 + [7] * 60})
    found = rake(sample, np.ones(100), target)
    assert found[[0, 99]] == pytest.approx([1.5, 0.5])


def test_equal_rows_keep_their_proportions() -> None:
    sample = pl.DataFrame({"named": [True, True, False] * 20})
    weights = np.array([1.0, 3.0, 2.0] * 20)
    found = rake(sample, weights, pl.DataFrame({"named": [True, False]}))
    assert found[1] == pytest.approx(3 * found[0])
    assert found[0] + found[1] == pytest.approx(found[2])


def test_without_a_sample_or_a_target_nothing_changes() -> None:
    sample, weights = pl.DataFrame({"named": [True, False]}), np.array([1.0, 2.0])
    assert rake(sample, weights, sample.clear()).tolist() == [1.0, 2.0]
    assert rake(sample.clear(), weights[:0], sample).tolist() == []
