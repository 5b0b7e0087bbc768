"""Relatives: against counting the pairs of a small town one by one, and their factor against plain powers of two."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.comparisons.comparisons import comparisons
from linkcore.linkage.learning.labels import Shares
from linkcore.linkage.learning.relatives import (
    OTHER_BIRTH_DATE,
    SAME_BIRTH_DATE,
    Relatives,
    learn_relatives,
    relatives_of_shares,
)
from linkcore.private_database import make_table

Person = dict[str, Any]
COLUMNS = ("given_name", "family_name", "birth_date", "gender", "postcode")
CROWD = 10  # of one name and home, above which nobody's relatives are told


def ladder(name: str, *conditions: str) -> dict[str, Any]:
    """Levels of one comparison, with m that falls from level to level; the first is of missing values."""
    null = {"sql_condition": f"{name}_l IS NULL OR {name}_r IS NULL", "is_null_level": True}
    shares = [0.8 / 2**at for at in range(len(conditions))]
    levels = [
        {"sql_condition": condition, "m_probability": m, "u_probability": 0.1}
        for condition, m in zip(conditions, shares, strict=True)
    ]
    return {"output_column_name": name, "comparison_levels": [null, *levels]}


MODEL = {
    "comparisons": [
        ladder("given_name", "given_name_l = given_name_r", "given_name_l[1] = given_name_r[1]", "ELSE"),
        ladder("birth_date", "birth_date_l = birth_date_r", "birth_date_l[:4] = birth_date_r[:4]", "ELSE"),
        ladder("gender", "gender_l = gender_r", "ELSE"),
        ladder("postcode", "postcode_l = postcode_r", "ELSE"),
    ]
}
JUDGES: Mapping[str, list[Callable[[str, str], bool]]] = {
    "given_name": [lambda a, b: a == b, lambda a, b: a[0] == b[0], lambda _a, _b: True],
    "birth_date": [lambda a, b: a == b, lambda a, b: a[:4] == b[:4], lambda _a, _b: True],
    "gender": [lambda a, b: a == b, lambda _a, _b: True],
}


def household(chance: random.Random, at: int) -> Iterator[Person]:
    """Two parents, twins, and another child; somebody's gender may be missing, and somebody's given name."""
    home = {"family_name": f"FAMILY{at}", "postcode": f"EX{at % 9} 1AA"}
    twins = f"{chance.randrange(1990, 2020)}-04-0{chance.randrange(1, 9)}"
    for born in ("1960-02-03", "1961-07-28", twins, twins, f"{chance.randrange(1990, 2020)}-11-30"):
        yield home | {
            "given_name": chance.choice(["ANNA", "ALAN", "PETER", "PAULA", "GRACE", None]),
            "birth_date": born if chance.random() < 0.95 else None,
            "gender": chance.choice(["male", "female", None]),
        }


def town(seed: int, households: int) -> list[Person]:
    chance = random.Random(seed)
    people = [person for at in range(households) for person in household(chance, at)]
    people += chance.sample(people, households)  # listed twice
    nowhere: Person = {"given_name": "JOHN", "birth_date": "1980-01-01", "gender": "male"}
    people += [nowhere | {"family_name": "SMITH", "postcode": None} for _ in range(15)]
    people += [nowhere | {"family_name": None, "postcode": "EX1 1AA"} for _ in range(15)]
    return people


def crowd(size: int) -> list[Person]:
    return [
        {
            "given_name": "ANNA" if at % 2 else "PETER",
            "family_name": "HALL",
            "birth_date": f"19{60 + at}-01-01",
            "gender": "male",
            "postcode": "EX4 4QJ",
        }
        for at in range(size)
    ]


def learned(people: list[Person], some: int | None = None) -> Relatives:
    frame = pl.DataFrame(people, schema=dict.fromkeys(COLUMNS, pl.String)).with_row_index("unique_id")
    with duckdb.connect() as connection:
        make_table(connection, "people", frame)
        make_table(connection, "some_people", frame.head(some) if some else frame)
        return learn_relatives(connection, MODEL, COLUMNS, sources=[0, 3], some_people="some_people", people="people")


def pairs_of(people: list[Person], some: int) -> Iterator[tuple[str, Person, Person]]:
    """Each of some with each of all who may be a relative, and of which kind."""
    homes: dict[object, list[int]] = defaultdict(list)
    for at, person in enumerate(people):
        homes[person["family_name"], person["postcode"]].append(at)
    for at, one in enumerate(people[:some]):
        for other_at in homes[one["family_name"], one["postcode"]]:
            other, size = people[other_at], len(homes[one["family_name"], one["postcode"]])
            known = [one["family_name"], one["postcode"], one["birth_date"], other["birth_date"]]
            if at == other_at or None in known or size > CROWD:
                continue
            same = one["birth_date"] == other["birth_date"]
            given = one["given_name"], other["given_name"]
            # Of one birth date, they are two only if their given names are known to differ.
            if same and (None in given or given[0] == given[1]):
                continue
            yield SAME_BIRTH_DATE if same else OTHER_BIRTH_DATE, one, other


def counted(people: list[Person], some: int, kind: str, name: str) -> Counter[int]:
    """How many pairs stand on each level, numbered as Splink does: the last is 0."""
    counts: Counter[int] = Counter()
    for of, one, other in pairs_of(people, some):
        if of == kind and None not in (one[name], other[name]):
            place = next(at for at, holds in enumerate(JUDGES[name]) if holds(one[name], other[name]))
            counts[len(JUDGES[name]) - 1 - place] += 1
    return counts


@pytest.mark.parametrize("some", [None, 500])
def test_relatives_are_those_of_going_through_all_pairs(some: int | None) -> None:
    people = town(3, 150) + crowd(11)
    found = learned(people, some)
    assert set(found.per_pair) == set(found.shifts) == {SAME_BIRTH_DATE, OTHER_BIRTH_DATE}
    size = some or len(people)
    for kind, shifts in found.shifts.items():
        # Of one birth date they differ in it as a person's own records do; and a home is of all who live in it.
        names = {"given_name", "gender"} | ({"birth_date"} if kind == OTHER_BIRTH_DATE else set())
        assert set(shifts) == names
        most = max(counted(people, size, kind, name).total() for name in JUDGES)
        assert found.per_pair[kind] == pytest.approx(most / size / len(people))
        for name, frame in shifts.items():
            counts = counted(people, size, kind, name)
            levels = len(JUDGES[name])
            expected = {
                level: math.log2(max(counts[level] / counts.total(), 0.5 / most) / (0.8 / 2 ** (levels - 1 - level)))
                for level in range(levels)
            }
            assert set(frame["source"]) == {0, 3}
            for source in (0, 3):
                bits = dict(frame.filter(source=source).select("level", "bits").iter_rows())
                assert bits == pytest.approx(expected)


def test_one_person_who_is_listed_twice_teaches_nothing() -> None:
    person = {"given_name": "ANNA", "birth_date": "1980-02-03", "gender": "female"}
    people = [person | {"family_name": f"FAMILY{at}", "postcode": "EX1 1AA"} for at in range(150) for _ in range(2)]
    assert learned(people).per_pair == {}
    twins = [each | {"given_name": "PETER"} if at % 2 else each for at, each in enumerate(people)]
    assert learned(twins).per_pair == {SAME_BIRTH_DATE: pytest.approx(1 / 300)}


def test_relatives_of_partial_dates_differ_in_them_as_those_of_whole_ones_do() -> None:
    # All of these dates are whole, so that only what is learned of them can tell.
    (_, _, year) = comparisons(["birth_date", "birth_year", "birth_month", "partial_birth_date"], {})
    year["comparison_levels"][1:] = [rung | {"m_probability": 1 / 3} for rung in year["comparison_levels"][1:]]
    people = town(3, 150)
    frame = pl.DataFrame(people, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        pl.col("birth_date").str.slice(0, 4).alias("birth_year"),
        pl.col("birth_date").str.slice(5, 2).alias("birth_month"),
    )
    with duckdb.connect() as connection:
        make_table(connection, "people", frame.with_row_index("unique_id"))
        model = {"comparisons": [*MODEL["comparisons"], year]}
        found = learn_relatives(
            connection, model, frame.columns, sources=[0], some_people="people", people="people"
        ).shifts
    assert set(found[OTHER_BIRTH_DATE]) - set(found[SAME_BIRTH_DATE]) == {"birth_date", "birth_year"}
    years = [
        abs(int(one["birth_date"][:4]) - int(other["birth_date"][:4]))
        for kind, one, other in pairs_of(people, len(people))
        if kind == OTHER_BIRTH_DATE
    ]
    shares = {2: years.count(0), 1: years.count(1), 0: sum(apart > 1 for apart in years)}
    bits = dict(found[OTHER_BIRTH_DATE]["birth_year"].select("level", "bits").iter_rows())
    assert bits == pytest.approx({at: math.log2(3 * count / len(years)) for at, count in shares.items()})


@pytest.mark.parametrize(("size", "kinds"), [(CROWD, {OTHER_BIRTH_DATE}), (CROWD + 1, set())])
def test_who_lives_with_too_many_of_one_name_is_nobody_s_relative(size: int, kinds: set[str]) -> None:
    others = [each | {"family_name": f"{each['family_name']} {at}"} for at in range(2) for each in crowd(size)]
    assert set(learned(others).per_pair) == kinds


def test_of_too_few_nothing_is_learned() -> None:
    # A home of five with two of one birth date has two pairs of twins, each both ways round, and eighteen others.
    fives = [
        {
            "given_name": name,
            "family_name": f"FAMILY{at}",
            "birth_date": f"19{60 + max(place, 1)}-01-01",
            "gender": "male",
            "postcode": "EX1 1AA",
        }
        for at in range(49)
        for place, name in enumerate(("ANNA", "PETER", "GRACE", "ALAN", "PAULA"))
    ]
    assert set(learned(fives).per_pair) == {OTHER_BIRTH_DATE}
    one_more = [person | {"family_name": "NG"} for person in fives[:5]]
    assert set(learned(fives + one_more).per_pair) == {SAME_BIRTH_DATE, OTHER_BIRTH_DATE}
    assert learned(fives[:5]).per_pair == {}


def shift(of_levels: Mapping[tuple[int, int], float]) -> pl.DataFrame:
    rows = [(source, level, bits) for (source, level), bits in of_levels.items()]
    return pl.DataFrame(rows, schema={"source": pl.Int32, "level": pl.Int32, "bits": pl.Float64}, orient="row")


LEVELS = st.dictionaries(st.tuples(st.integers(0, 1), st.integers(0, 1)), st.floats(-20, 20), max_size=4)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(-100, 100), st.integers(-1, 1), st.integers(-1, 1)), max_size=8),
    st.lists(st.tuples(st.floats(1e-9, 0.01), LEVELS, LEVELS), max_size=2),
)
def test_the_factor_is_the_sum_over_kinds_of_how_likely_each_is_times_how_well_it_explains(
    pairs: list[tuple[int, float, int, int]],
    kinds: list[tuple[float, dict[tuple[int, int], float], dict[tuple[int, int], float]]],
) -> None:
    schema = {"source": pl.Int32, "weight": pl.Float64, "gamma_name": pl.Int32, "gamma_gender": pl.Int32}
    frame = pl.DataFrame(pairs, schema=schema, orient="row")
    relatives = Relatives(
        {f"kind {at}": per_pair for at, (per_pair, *_) in enumerate(kinds)},
        {f"kind {at}": {"name": shift(name), "gender": shift(gender)} for at, (_, name, gender) in enumerate(kinds)},
    )
    expected = []
    for source, weight, gamma_name, gamma_gender in pairs:
        factor = math.fsum(
            per_pair * 2 ** (weight + name.get((source, gamma_name), 0.0) + gender.get((source, gamma_gender), 0.0))
            for per_pair, name, gender in kinds
        )
        expected.append(math.log2(factor) if kinds else -math.inf)
    assert relatives.factor(frame).to_list() == pytest.approx(expected)


def test_an_enormous_weight_does_not_overflow() -> None:
    relatives = Relatives({"a": 0.5, "b": 0.5}, {"a": {}, "b": {}})
    pairs = pl.DataFrame({"source": [0, 0], "weight": [5000.0, -5000.0]})
    assert relatives.factor(pairs).to_list() == [5000.0, -5000.0]


def test_of_shares_that_were_learned_otherwise_the_shifts_are_the_same() -> None:
    shares = {"kin": {"given_name": Shares({1: 0.01, 3: 0.99}, 200.0), "gender": Shares({1: 0.5, 2: 0.5}, 50.0)}}
    made = relatives_of_shares(MODEL, shares, {"kin": 0.001}, [7])
    assert made.per_pair == {"kin": 0.001}
    assert set(made.shifts["kin"]) == {"given_name", "gender"}
    # What none of 200 pairs has shown may be half a pair's worth.
    expected = {2: math.log2(0.01 / 0.8), 1: math.log2(0.0025 / 0.4), 0: math.log2(0.99 / 0.2)}
    frame = made.shifts["kin"]["given_name"]
    assert dict(frame.select("level", "bits").iter_rows()) == pytest.approx(expected)
    assert set(frame["source"]) == {7}
