"""Learning without labels: from pairs that were drawn with known m and u, and how likely the estimate makes them."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from splink import DuckDBAPI, Linker, block_on

from linkcore.linkage.learning import expectation_maximisation
from linkcore.linkage.learning.expectation_maximisation import begin, maximise
from linkcore.linkage.learning.levels import Shares
from linkcore.linkage.learning.mixture import ONE_PERSON
from linkcore.linkage.learning.patterns import CountedPairs, Patterns
from linkcore.linkage.model.model import OTHERWISE, Comparison, Level, Model
from linkcore.linkage.model.splink_json import model_json
from tests.naive_learning import expectation_maximisation as slow_expectation_maximisation

Table = Mapping[str, Sequence[float]]  # by comparison, the shares of its levels, the best level first
M: Table = {
    "given": (0.85, 0.10, 0.05),
    "family": (0.92, 0.05, 0.03),
    "born": (0.96, 0.03, 0.01),
    "gender": (0.97, 0.03),
}
U: Table = {
    "given": (0.01, 0.04, 0.95),
    "family": (0.005, 0.01, 0.985),
    "born": (0.0005, 0.02, 0.9795),
    "gender": (0.5, 0.5),
}
PAIRS, MATCHES = 200_000, 600
KIN: Table = {"given": U["given"], "family": (0.95, 0.03, 0.02), "born": (0.0005, 0.02, 0.9795), "gender": U["gender"]}


def model(m: Table) -> Model:
    """A model in which each comparison has a level of missing values, first."""
    made = []
    for name, of_levels in m.items():
        null = Level(f"{name} missing", "Missing", is_null=True)
        levels = (
            Level(f"{name} {at}", str(at), m=of_one, u=of_two)
            for at, (of_one, of_two) in enumerate(zip(of_levels, U[name], strict=True))
        )
        made.append(Comparison(name, (null, *levels)))
    return Model(tuple(made), prior=0.001)


START: Table = {name: (0.95, *[0.05 / (len(levels) - 1)] * (len(levels) - 1)) for name, levels in M.items()}


def drawn(sizes: Sequence[tuple[int, Table]], *, seed: int) -> dict[str, NDArray[np.int64]]:
    """Levels of so many pairs of each class, as Splink numbers them; one value in ten of the given name is missing."""
    generator = np.random.default_rng(seed)
    gammas = {}
    for name in M:
        levels = len(M[name])
        of_classes = [levels - 1 - generator.choice(levels, size=size, p=table[name]) for size, table in sizes]
        gammas[name] = np.concatenate(of_classes).astype(np.int64)
    gammas["given"][generator.random(gammas["given"].size) < 0.1] = -1
    return gammas


def proposed(gammas: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """The pairs that agree on a name or the birth date, as if by rules."""
    some = (gammas["given"] == 2) | (gammas["family"] == 2) | (gammas["born"] == 2)
    return {name: gamma[some] for name, gamma in gammas.items()}


def bits(gammas: Mapping[str, NDArray[np.int64]], m: Table) -> NDArray[np.float64]:
    total = np.zeros(gammas["given"].size)
    for name, gamma in gammas.items():
        of_level = [math.log2(max(a, 1e-12) / b) for a, b in zip(m[name], U[name], strict=True)][::-1]
        total += np.where(gamma < 0, 0.0, np.array(of_level)[np.maximum(gamma, 0)])
    return total


def as_pairs(gammas: Mapping[str, NDArray[np.int64]], m: Table = START) -> pl.DataFrame:
    return pl.DataFrame({"weight": bits(gammas, m)} | {f"gamma_{name}": gamma for name, gamma in gammas.items()})


def counted(gammas: Mapping[str, NDArray[np.int64]], m: Table = START) -> CountedPairs:
    return in_patterns(as_pairs(gammas, m))


def in_patterns(pairs: pl.DataFrame) -> CountedPairs:
    return Patterns.of(pairs, model(START).comparisons).counted(pairs["weight"])


def as_table(shares: Mapping[str, Shares]) -> dict[str, tuple[float, ...]]:
    """Positions count from 1: the first is of missing values."""
    return {
        name: tuple(shares[name].of_level.get(position, 0.0) for position in range(1, len(levels) + 1))
        for name, levels in M.items()
    }


def log_likelihood(gammas: Mapping[str, NDArray[np.int64]], m: Table, matches: float) -> float:
    """The likelihood of all pairs, over that if all were of two persons, as those are that no rule proposes."""
    share = matches / PAIRS
    odds = np.exp2(bits(gammas, m))
    return float(np.log(1 - share + share * odds).sum() + (PAIRS - odds.size) * math.log(1 - share))


@pytest.fixture(scope="module")
def gammas() -> dict[str, NDArray[np.int64]]:
    return proposed(drawn([(MATCHES, M), (PAIRS - MATCHES, U)], seed=5))


def assert_near(found: Table, expected: Table, within: float) -> None:
    for name, levels in expected.items():
        assert list(found[name]) == pytest.approx(list(levels), abs=within), name


def test_m_and_the_number_of_matches_are_those_the_pairs_were_drawn_with(
    gammas: dict[str, NDArray[np.int64]],
) -> None:
    learned = maximise(counted(gammas), model(START), PAIRS)
    assert learned.matches == pytest.approx(MATCHES, rel=0.06)
    assert_near(as_table(learned.m), M, 0.03)
    # Of one pair in ten the given name is not known.
    assert learned.m["given"].pairs == pytest.approx(0.9 * learned.matches, rel=0.05)
    assert learned.m["family"].pairs == pytest.approx(learned.matches, rel=0.01)
    assert learned.kin == learned.kin_pairs == {}


def test_the_estimate_makes_the_pairs_likelier_than_the_first_m_or_the_true_m_does_with_any_number_of_matches(
    gammas: dict[str, NDArray[np.int64]],
) -> None:
    learned = maximise(counted(gammas), model(START), PAIRS)
    reached = log_likelihood(gammas, as_table(learned.m), learned.matches)
    for matches in np.geomspace(10, 20_000, 60):
        assert reached > log_likelihood(gammas, START, matches)
        assert reached > log_likelihood(gammas, M, matches)


def test_the_likelihood_never_falls_from_round_to_round(
    gammas: dict[str, NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    poor: Table = {name: (0.6, *[0.4 / (len(levels) - 1)] * (len(levels) - 1)) for name, levels in M.items()}
    reached = []
    for rounds in (1, 4, 7, 10, 13, 40, 100):
        monkeypatch.setattr(expectation_maximisation, "_ROUNDS", rounds)
        learned = maximise(counted(gammas, poor), model(poor), PAIRS)
        reached.append(log_likelihood(gammas, as_table(learned.m), learned.matches))
    assert reached[-1] > reached[0] + 0.5
    # What half a pair's worth of all that was not seen takes away is little.
    assert all(later > earlier - 0.1 for earlier, later in itertools.pairwise(reached))


def test_where_it_begins_does_not_matter(gammas: dict[str, NDArray[np.int64]]) -> None:
    one = maximise(counted(gammas, M), model(M), PAIRS)
    other = maximise(counted(gammas), model(START), PAIRS)
    assert_near(as_table(one.m), as_table(other.m), 1e-6)
    assert one.matches == pytest.approx(other.matches, rel=3e-6)


def test_where_no_pair_is_of_one_person_hardly_any_is_found() -> None:
    strangers = proposed(drawn([(PAIRS, U)], seed=6))
    assert maximise(counted(strangers), model(START), PAIRS).matches < 0.1 * MATCHES


def test_where_no_pair_is_proposed_nothing_is_found(gammas: dict[str, NDArray[np.int64]]) -> None:
    learned = maximise(in_patterns(as_pairs(gammas).clear()), model(START), 1, GIVEN)
    assert learned.converged
    assert (learned.matches, learned.kin_pairs["kin"]) == (0.25, 0.25)
    assert all(shares.pairs == 0 for shares in learned.m.values())


def positions(table: Sequence[float]) -> dict[int, float]:
    return dict(enumerate(table, start=1))


RELATED = 3000
GIVEN = {"kin": {name: positions(KIN[name]) for name in ("given", "born", "gender")}}


@pytest.fixture(scope="module")
def with_kin() -> dict[str, NDArray[np.int64]]:
    """Among strangers many who share a family name because they are related, and few records of one person."""
    return proposed(drawn([(MATCHES, M), (RELATED, KIN), (PAIRS - MATCHES - RELATED, U)], seed=7))


def test_relatives_are_a_class_of_their_own(with_kin: dict[str, NDArray[np.int64]]) -> None:
    learned = maximise(counted(with_kin), model(START), PAIRS, GIVEN)
    assert learned.matches == pytest.approx(MATCHES, rel=0.06)
    assert_near(as_table(learned.m), M, 0.03)
    assert set(learned.kin) == set(learned.kin_pairs) == {"kin"}
    assert learned.kin_pairs["kin"] == pytest.approx(RELATED, rel=0.1)
    assert learned.kin["kin"]["family"].of_level[1] == pytest.approx(0.95, abs=0.06)


def test_what_is_given_stays_as_it_is(with_kin: dict[str, NDArray[np.int64]]) -> None:
    learned = maximise(counted(with_kin), model(START), PAIRS, GIVEN)
    for name, of_level in GIVEN["kin"].items():
        assert learned.kin["kin"][name].of_level == of_level
    given = {ONE_PERSON: {"born": positions((0.5, 0.3, 0.2))}}
    born = maximise(counted(with_kin), model(START), PAIRS, GIVEN | given).m["born"]
    assert born.of_level == given[ONE_PERSON]["born"]


def test_what_is_given_is_what_pairs_are_judged_by(gammas: dict[str, NDArray[np.int64]]) -> None:
    """If one person's birth dates are given as hardly ever agreeing, few of those that agree are found."""
    left_alone = maximise(counted(gammas), model(START), PAIRS)
    odd = {ONE_PERSON: {"born": positions((1e-6, 0.5, 0.5 - 1e-6))}}
    assert maximise(counted(gammas), model(START), PAIRS, odd).matches < 0.8 * left_alone.matches


def test_without_a_class_of_relatives_the_matches_are_contaminated(with_kin: dict[str, NDArray[np.int64]]) -> None:
    learned = maximise(counted(with_kin), model(START), PAIRS)
    apart = maximise(counted(with_kin), model(START), PAIRS, GIVEN)
    assert abs(learned.matches - MATCHES) > 3 * abs(apart.matches - MATCHES)
    assert as_table(learned.m)["born"][0] < 0.9 < as_table(apart.m)["born"][0]


def test_what_is_learned_is_what_a_slow_calculation_comes_to_in_the_end(with_kin: dict[str, NDArray[np.int64]]) -> None:
    """To six digits; whatever is learned of fewer than one pair in a hundred thousand shows in no digit."""
    in_order = {name: np.array(levels[::-1]) for name, levels in START.items()}
    kin = {name: np.array(KIN[name][::-1]) for name in ("given", "born", "gender")}
    shares, sizes = slow_expectation_maximisation(
        bits(with_kin, START), with_kin, in_order, PAIRS, {"kin": kin}, classes=[ONE_PERSON, "kin"]
    )
    learned = maximise(counted(with_kin), model(START), PAIRS, GIVEN)
    assert learned.converged
    assert learned.matches == pytest.approx(sizes[ONE_PERSON], rel=2e-6)
    assert learned.kin_pairs["kin"] == pytest.approx(sizes["kin"], rel=2e-6)
    for name, levels in as_table(learned.m).items():
        # The half pair that all levels together get more is no evidence, and is taken out again.
        pairs, half = learned.m[name].pairs, 0.5 / len(levels)
        slow = (shares[ONE_PERSON][name] * (pairs + 0.5) - half) / pairs
        assert list(levels) == pytest.approx(slow[::-1].tolist(), rel=3e-6), name


def test_it_says_that_it_has_not_converged(
    gammas: dict[str, NDArray[np.int64]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectation_maximisation, "_ROUNDS", 6)
    assert not maximise(counted(gammas), model(START), PAIRS).converged


def test_splink_learns_the_same_from_the_same_pairs() -> None:
    """Each record of the one side is beside one of the other: Splink then learns from all pairs, as linkcore does."""
    size = 12_000
    gammas = drawn([(4000, M), (size - 4000, U)], seed=8)
    row = pl.int_range(size, eager=True).cast(pl.String)
    left = pl.DataFrame({"unique_id": row, "block": row, **{name: ["0"] * size for name in M}})
    right = left.with_columns(pl.Series(name, gamma).cast(pl.String) for name, gamma in gammas.items())
    right = right.with_columns(pl.col(list(M)).replace("-1", None))
    connection = duckdb.connect()
    api = DuckDBAPI(connection)
    made = [
        Comparison(
            name,
            (
                Level(f"{name}_r IS NULL", "Missing", is_null=True),
                *(
                    Level(f"{name}_r = '{len(levels) - 1 - at}'", str(at), m=START[name][at], u=U[name][at])
                    for at in range(len(levels) - 1)
                ),
                Level(OTHERWISE, "Differs", m=START[name][-1], u=U[name][-1]),
            ),
        )
        for name, levels in M.items()
    ]
    settings = json.loads(model_json(Model(tuple(made), prior=0.3)))
    settings |= {"link_type": "link_only", "max_iterations": 5000, "em_convergence": 1e-9}
    connection.register("one", left)
    connection.register("other", right)
    linker = Linker([api.register(name, table_name=name) for name in ("one", "other")], settings, log_level=None)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("block"), fix_u_probabilities=True)
    theirs = {
        comparison["output_column_name"]: [level.get("m_probability") for level in comparison["comparison_levels"][1:]]
        for comparison in linker.misc.save_model_to_json()["comparisons"]
    }
    learned = maximise(counted(gammas), model(START), size)
    for name, levels in as_table(learned.m).items():
        assert list(levels) == pytest.approx(theirs[name], abs=2e-4), name


def test_estimation_begins_with_the_first_level_that_is_not_of_missing_values() -> None:
    null, level = Level("x_l IS NULL", "Missing", is_null=True), Level("x_l = x_r", "Agrees")
    begun = begin([Comparison("a", (null, level, level, level)), Comparison("b", (level, null, level))])
    assert begun["a"].of_level == pytest.approx({1: 0.95, 2: 0.025, 3: 0.025})
    assert begun["b"].of_level == pytest.approx({0: 0.95, 2: 0.05})


def test_what_is_learned_has_six_digits(gammas: dict[str, NDArray[np.int64]]) -> None:
    learned = maximise(counted(gammas), model(START), PAIRS)
    shares = [share for of in learned.m.values() for share in of.of_level.values()]
    for value in [learned.matches, *shares]:
        assert value == float(f"{value:.6g}")
    shuffled = as_pairs(gammas).sample(fraction=1.0, shuffle=True, seed=3)
    again = maximise(in_patterns(shuffled), model(START), PAIRS)
    assert (again.m, again.matches) == (learned.m, learned.matches)
