"""Counting pairs by their levels and weights."""

import numpy as np
import polars as pl
import pytest

from linkcore.linkage.learning.patterns import Patterns
from linkcore.linkage.model.model import Comparison, Level

LEVELS = tuple(Level(f"x_l = {level}", "") for level in range(9))


def pairs_of(comparisons: int, size: int = 500) -> pl.DataFrame:
    generator = np.random.default_rng(3)
    gammas = {f"gamma_{at}": generator.integers(-1, 9, size=size) % 4 - 1 for at in range(comparisons)}
    return pl.DataFrame({"weight": generator.normal(size=size) * 20, **gammas}).cast({"^gamma_.*$": pl.Int8})


# With ten levels each, twenty are more than a whole number of 64 bits can count.
@pytest.mark.parametrize("comparisons", [1, 3, 20, 45])
def test_pairs_have_one_pattern_if_all_their_levels_are_the_same(comparisons: int) -> None:
    pairs = pairs_of(comparisons)
    names = [Comparison(str(at), LEVELS) for at in range(comparisons)]
    patterns = Patterns.of(pairs, names)
    gammas = [each.gamma for each in names]
    assert patterns.levels.height == pairs.select(gammas).unique().height
    assert patterns.levels[patterns.of_pair].equals(pairs.select(gammas))


def test_weights_are_counted_and_lose_less_than_a_millionth_of_a_bit_on_average() -> None:
    pairs = pairs_of(2, 20_000).with_columns(pl.col("weight") / 40)
    counted = Patterns.of(pairs, [Comparison(str(at), LEVELS) for at in range(2)]).counted(pairs["weight"])
    assert counted.pairs.sum() == pairs.height
    assert counted.factor.size < 0.9 * pairs.height
    pattern = np.repeat(np.arange(counted.levels.height), counted.kinds)
    of_pattern = np.bincount(pattern, counted.pairs * np.log2(counted.factor)) / np.bincount(pattern, counted.pairs)
    gammas = counted.levels.columns
    means = counted.levels.join(pairs.group_by(gammas).agg(pl.col("weight").mean()), on=gammas, maintain_order="left")
    assert np.abs(of_pattern - means["weight"].to_numpy()).max() < 1e-6


def test_the_order_of_the_pairs_does_not_show() -> None:
    pairs = pairs_of(3)
    names = [Comparison(str(at), LEVELS) for at in range(3)]
    one, other = (
        Patterns.of(each, names).counted(each["weight"])
        for each in (pairs, pairs.sample(fraction=1.0, shuffle=True, seed=1))
    )
    assert one.levels.equals(other.levels)
    for name in ("factor", "pairs", "first", "kinds"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_level_that_is_not_known_is_a_missing_value() -> None:
    pairs = pl.DataFrame({"weight": [0.0, 0.0], "gamma_x": [None, -1]}, schema_overrides={"gamma_x": pl.Int8})
    assert Patterns.of(pairs, [Comparison("x", LEVELS)]).levels["gamma_x"].to_list() == [-1]
