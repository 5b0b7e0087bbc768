"""Relatives: against counting the pairs of a small town one by one, and their factor against plain powers of two."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.comparisons.birth_date import compare_birth_dates
from linkcore.linkage.learning.levels import Shares
from linkcore.linkage.learning.relatives import (
    OTHER_BIRTH_DATE,
    SAME_BIRTH_DATE,
    Relatives,
    count_relatives,
    relatives_of_counts,
    relatives_of_shares,
)
from linkcore.linkage.model.by_source import shift_frame
from linkcore.linkage.model.model import Comparison, Level, Model
from linkcore.private_database import make_table

Person = dict[str, Any]
COLUMNS = ("given_name", "family_name", "birth_date", "gender", "postcode")
CROWD = 10  # people of one name and home, above whom nobody's relatives are learned


def ladder(name: str, *conditions: str) -> Comparison:
    """Levels of one comparison, with m that falls from level to level; the first is of missing values."""
    null = Level(f"{name}_l IS NULL OR {name}_r IS NULL", "Missing", is_null=True)
    levels = (Level(condition, condition, m=0.8 / 2**at, u=0.1) for at, condition in enumerate(conditions))
    return Comparison(name, (null, *levels))


MODEL = Model(
    (
        ladder("given_name", "given_name_l = given_name_r", "given_name_l[1] = given_name_r[1]", "ELSE"),
        ladder("birth_date", "birth_date_l = birth_date_r", "birth_date_l[:4] = birth_date_r[:4]", "ELSE"),
        ladder("gender", "gender_l = gender_r", "ELSE"),
        ladder("postcode", "postcode_l = postcode_r", "ELSE"),
    ),
    prior=0.001,
)
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
        counted = count_relatives(connection, MODEL.comparisons, COLUMNS, some_people="some_people", people="people")
    return relatives_of_counts(MODEL, counted, [0, 3])


def pairs_of(people: list[Person], some: int) -> Iterator[tuple[str, Person, Person]]:
    """Pairs of some people and all who may be their relatives, with the kind of relatives."""
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
            # Two of one birth date are two people only if their given names are known to differ.
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
def test_relatives_are_those_that_going_through_all_pairs_finds(some: int | None) -> None:
    people = town(3, 150) + crowd(11)
    found = learned(people, some)
    assert set(found.per_pair) == set(found.shifts) == {SAME_BIRTH_DATE, OTHER_BIRTH_DATE}
    size = some or len(people)
    for kind, shifts in found.shifts.items():
        # Twins differ in the birth date as a person's own records do; and all who live in a home share it.
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
    # All of these dates are whole: they teach the comparison of years too.
    (_, _, year) = compare_birth_dates({"birth_date", "birth_year", "birth_month", "partial_birth_date"})
    levels = (level if level.is_null else replace(level, m=1 / 3, u=0.1) for level in year.levels)
    model = replace(MODEL, comparisons=(*MODEL.comparisons, replace(year, levels=tuple(levels))))
    people = town(3, 150)
    frame = pl.DataFrame(people, schema=dict.fromkeys(COLUMNS, pl.String)).with_columns(
        pl.col("birth_date").str.slice(0, 4).alias("birth_year"),
        pl.col("birth_date").str.slice(5, 2).alias("birth_month"),
    )
    with duckdb.connect() as connection:
        make_table(connection, "people", frame.with_row_index("unique_id"))
        counted = count_relatives(connection, model.comparisons, frame.columns, some_people="people", people="people")
    found = relatives_of_counts(model, counted, [0]).shifts
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
def test_whoever_lives_with_too_many_of_one_name_has_no_relatives(size: int, kinds: set[str]) -> None:
    others = [each | {"family_name": f"{each['family_name']} {at}"} for at in range(2) for each in crowd(size)]
    assert set(learned(others).per_pair) == kinds


def test_from_too_few_pairs_of_relatives_nothing_is_learned() -> None:
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
    return shift_frame((source, level, bits) for (source, level), bits in of_levels.items())


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


def test_shares_that_were_learned_without_labels_give_the_same_shifts() -> None:
    shares = {"kin": {"given_name": Shares({1: 0.01, 3: 0.99}, 200.0), "gender": Shares({1: 0.5, 2: 0.5}, 50.0)}}
    made = relatives_of_shares(MODEL, shares, {"kin": 0.001}, [7])
    assert made.per_pair == {"kin": 0.001}
    assert set(made.shifts["kin"]) == {"given_name", "gender"}
    # What none of 200 pairs has shown may be half a pair's worth.
    expected = {2: math.log2(0.01 / 0.8), 1: math.log2(0.0025 / 0.4), 0: math.log2(0.99 / 0.2)}
    frame = made.shifts["kin"]["given_name"]
    assert dict(frame.select("level", "bits").iter_rows()) == pytest.approx(expected)
    assert set(frame["source"]) == {7}
