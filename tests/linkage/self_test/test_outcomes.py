"""Outcomes of hidden records, compared with decision 9 and the rules of the test written out, record by record."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers
from linkcore.linkage.self_test.outcomes import Outcomes, Trial, best_candidates
from linkcore.linkage.self_test.thresholds import Threshold, choose_thresholds

PERSONS = 50
FIELDS = ("given_name", "family_name", "postcode")
OWN = pl.Schema({"true_person": pl.UInt32, "source_index": pl.Int32, "conflict": pl.Boolean, "chooses": pl.Boolean})
CANDIDATES = pl.Schema(
    {"record": pl.UInt32, "person": pl.UInt32, "weight": pl.Float64, "relative": pl.Float64, "gamma_name": pl.Int32}
)
TEXTS = dict.fromkeys(FIELDS, pl.String)


@dataclass(frozen=True)
class Hidden:
    true_person: int
    source_index: int = 0
    conflict: bool = False
    chooses: bool = False
    there: tuple[bool, ...] = (True, True, True)


@dataclass(frozen=True)
class Case:
    """A trial, in plain values."""

    hidden: Sequence[Hidden]
    weights: dict[tuple[int, int], float]
    relatives: dict[tuple[int, int], float] = field(default_factory=dict)
    removed_persons: frozenset[int] = frozenset()
    taken: frozenset[tuple[int, int]] = frozenset()
    twice: frozenset[tuple[int, int]] = frozenset()
    pi: tuple[float, float] = (0.8, 0.3)
    unseen: float = 0.0


def fields_of(there: Sequence[bool]) -> dict[str, str | None]:
    return {name: "X" if given else None for name, given in zip(FIELDS, there, strict=True)}


def trial(case: Case) -> Trial:
    rows = [
        {
            "true_person": each.true_person,
            "source_index": each.source_index,
            "conflict": each.conflict,
            "chooses": each.chooses,
        }
        | fields_of(each.there)
        for each in case.hidden
    ]
    records = pl.DataFrame(rows, schema=dict(OWN) | TEXTS).with_columns(nhs_number=pl.lit(4_010_232_137))
    pairs = [
        (record, person, weight, case.relatives.get((record, person), -math.inf), record % 2)
        for (record, person), weight in case.weights.items()
    ]
    removed_persons = pl.Series("removed_persons", sorted(case.removed_persons), dtype=pl.UInt32)
    taken = pl.DataFrame(sorted(case.taken), schema={"source": pl.Int32, "person": pl.UInt32}, orient="row")

    def same_person(pairs: pl.DataFrame) -> pl.Series:
        each = [
            (true_person, person) in case.twice
            for true_person, person in pairs.select("true_person", "person").iter_rows()
        ]
        return pl.Series(each, dtype=pl.Boolean)

    return Trial(
        HiddenNumbers(records, pl.DataFrame(), removed_persons),
        pl.DataFrame(pairs, schema=CANDIDATES, orient="row"),
        PERSONS,
        taken,
        same_person,
    )


def target(*records: dict[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Open records and their best candidates."""
    unknown = [
        {"source_index": each.get("source_index", 0), "nhs_number": each.get("nhs_number")}
        | fields_of(each.get("there", (True, True, True)))
        for each in records
    ]
    best = [
        {
            "record": at,
            "person": None,
            "probability": each.get("probability", 0.0),
            "gamma_name": each.get("gamma", -2),
            "listed": each.get("listed", 0.5),
        }
        for at, each in enumerate(records)
    ]
    of_best = {
        "record": pl.UInt32,
        "person": pl.UInt32,
        "probability": pl.Float64,
        "gamma_name": pl.Int32,
        "listed": pl.Float64,
    }
    return (
        pl.DataFrame(unknown, schema={"source_index": pl.Int32, "nhs_number": pl.Int64} | TEXTS),
        pl.DataFrame(best, schema=of_best),
    )


def outcomes(case: Case, *records: dict[str, Any]) -> pl.DataFrame:
    unknown, best = target(*records)
    unseen = pl.Series("unseen", [case.unseen] * len(case.hidden), dtype=pl.Float64)
    tried, pi = trial(case), dict(enumerate(case.pi))
    return tried.outcomes(unknown, best, tried.true_pairs(pi, unseen), pi=pi, unseen=unseen).rows


def slow_best(case: Case, at: int, without: set[int]) -> tuple[int | None, float]:
    """The best candidate of a record and its probability, by decision 9."""
    record = case.hidden[at]
    free = {each.true_person for each in case.hidden if each.source_index == record.source_index}
    away = {person for source, person in case.taken if source == record.source_index} - free
    weights = {p: w for (r, p), w in case.weights.items() if r == at and p not in without | away}
    kin = sum(2 ** case.relatives.get((at, person), -math.inf) for person in weights)
    pi = case.pi[record.source_index]
    whole = (1 - pi) * (1 + kin) + pi * (sum(2**w for w in weights.values()) / PERSONS + case.unseen)
    best = min(weights, key=lambda person: (-weights[person], person), default=None)
    return best, 0.0 if best is None else pi * 2 ** weights[best] / PERSONS / whole


def slow_rows(case: Case) -> list[dict[str, Any]]:
    own = {at: {each.true_person} for at, each in enumerate(case.hidden)}
    for at, each in enumerate(case.hidden):
        for without in ({each.true_person}, set()):
            if not without and each.true_person in case.removed_persons:
                continue
            person, probability = slow_best(case, at, without)
            if person is not None and probability > 0.5 and (each.true_person, person) in case.twice:
                own[at] = own[at] | {person}
    rows = []
    for at, each in enumerate(case.hidden):
        for listed in (True, False):
            if listed and each.true_person in case.removed_persons:
                continue
            person, probability = slow_best(case, at, set() if listed else own[at])
            right = listed and person in own[at]
            rows.append({"record": at, "listed": listed, "person": person, "probability": probability, "right": right})
    for row in rows:
        each = case.hidden[row["record"]]
        beside = [case.hidden[other["record"]] for other in rows]
        beside = [other for other in beside if other.source_index == each.source_index]
        wrong = (sum(other.conflict for other in beside) + 0.5) / (len(beside) + 1)
        bar = math.log2(PERSONS) + math.log2((1 - wrong) / wrong)
        found = row["person"] is not None and not row["right"]
        better = case.weights.get((row["record"], row["person"]), 0.0) - case.weights.get(
            (row["record"], each.true_person), 0.0
        )
        row["doubtful"] = found and (each.conflict or better > bar)
        half = [
            other
            for other in rows
            if (case.hidden[other["record"]].source_index, case.hidden[other["record"]].chooses)
            == (each.source_index, each.chooses)
        ]
        alike = [other for other in half if other["listed"] == row["listed"]]
        part = case.pi[each.source_index] if row["listed"] else 1 - case.pi[each.source_index]
        row["weight"] = part * len({other["record"] for other in half}) / len(alike)
    return rows


HIDDEN = st.builds(
    Hidden,
    true_person=st.integers(0, 4),
    source_index=st.integers(0, 1),
    conflict=st.sampled_from([False, False, False, True]),
    chooses=st.booleans(),
)
PAIR = st.tuples(st.integers(0, 5), st.integers(0, 5))


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    hidden = draw(st.lists(HIDDEN, min_size=1, max_size=6))
    weights = draw(st.dictionaries(PAIR, st.integers(-5, 25).map(float), max_size=15))
    weights = {pair: weight for pair, weight in weights.items() if pair[0] < len(hidden)}
    kin = draw(st.lists(st.sampled_from([-math.inf, -3.0, 2.0, 12.0]), min_size=len(weights), max_size=len(weights)))
    return Case(
        hidden,
        weights,
        dict(zip(weights, kin, strict=True)),
        removed_persons=frozenset(draw(st.sets(st.integers(0, 4), max_size=2))),
        taken=frozenset((1, person) for person in draw(st.sets(st.integers(0, 5), max_size=3))),
        twice=frozenset(draw(st.sets(PAIR, max_size=4))),
        unseen=draw(st.sampled_from([0.0, 0.1])),
    )


@settings(max_examples=25)
@given(cases())
def test_each_record_is_decided_once_with_its_person_listed_and_once_without(case: Case) -> None:
    rows = outcomes(case, {"source_index": 0}, {"source_index": 1})
    assert dict(rows.schema) == dict(Outcomes.none().rows.schema)
    assert rows.null_count().sum_horizontal().item() == 0
    found = {(row["record"], row["listed"]): row for row in rows.iter_rows(named=True)}
    expected = {(row["record"], row["listed"]): row for row in slow_rows(case)}
    assert found.keys() == expected.keys()
    assert rows.height == len(found)
    for key, row in expected.items():
        each = case.hidden[row["record"]]
        assert (found[key]["true_person"], found[key]["source"], found[key]["chooses"]) == (
            each.true_person,
            each.source_index,
            each.chooses,
        )
        assert (found[key]["right"], found[key]["doubtful"]) == (row["right"], row["doubtful"])
        assert found[key]["probability"] == pytest.approx(row["probability"], rel=1e-6, abs=1e-12)
        assert found[key]["weight"] == pytest.approx(row["weight"])


FOUND = Case([Hidden(true_person=3)], {(0, 3): 30.0, (0, 4): 10.0})


def decided(case: Case, *, listed: bool) -> dict[str, Any]:
    return outcomes(case, {}).row(by_predicate=(pl.col("record") == 0) & (pl.col("listed") == listed), named=True)


def test_a_found_person_is_right_and_its_row_weighs_pi() -> None:
    row = decided(FOUND, listed=True)
    assert row["right"]
    assert row["probability"] > 0.999
    assert (row["weight"], decided(FOUND, listed=False)["weight"]) == pytest.approx((0.8, 0.2))


def test_a_record_whose_person_is_taken_out_can_only_find_a_wrong_person() -> None:
    row = decided(FOUND, listed=False)
    assert not row["right"]
    # π·2^10/50 against 1-π.
    assert row["probability"] == pytest.approx(0.8 * 20.48 / (0.8 * 20.48 + 0.2))


def test_a_person_who_exists_by_the_hidden_record_alone_cannot_be_listed() -> None:
    rows = outcomes(replace(FOUND, removed_persons=frozenset({3})), {})
    assert rows["listed"].to_list() == [False]


def test_a_person_listed_twice_is_right_under_both_ids_and_taken_out_under_both() -> None:
    twice = replace(FOUND, weights=FOUND.weights | {(0, 9): 31.0})
    assert not decided(twice, listed=True)["right"]
    twice = replace(twice, twice=frozenset({(3, 9)}))
    assert decided(twice, listed=True)["right"]
    assert decided(twice, listed=False)["probability"] == pytest.approx(0.8 * 20.48 / (0.8 * 20.48 + 0.2))


def test_the_number_of_a_conflict_is_no_proof_against_the_person_found() -> None:
    other = replace(FOUND, weights={(0, 9): 7.0})
    assert not decided(other, listed=True)["doubtful"]
    conflict = replace(other, hidden=[Hidden(true_person=3, conflict=True)])
    assert decided(conflict, listed=True)["doubtful"]
    right = replace(FOUND, hidden=[Hidden(true_person=3, conflict=True)])
    assert not decided(right, listed=True)["doubtful"]


def test_a_number_is_doubtful_where_another_person_is_far_more_likely() -> None:
    """With no conflict in 202 rows, 0.5 in 203 numbers are wrong: with 50 persons, 14.3 bits are enough."""
    many = [Hidden(true_person=3), *(Hidden(true_person=10 + at) for at in range(100))]
    for better, doubtful in ((14.0, False), (14.6, True)):
        case = Case(many, {(0, 3): 10.0, (0, 4): 10.0 + better})
        assert decided(case, listed=True)["doubtful"] == doubtful


def test_in_a_source_of_one_record_a_person_a_taken_person_is_no_candidate() -> None:
    other = replace(FOUND, weights={(0, 3): 20.0, (0, 4): 30.0})
    assert not decided(other, listed=True)["right"]
    # It was the hidden record itself by which 3 was taken.
    exclusive = replace(other, taken=frozenset({(0, 3), (0, 4)}))
    assert decided(exclusive, listed=True)["right"]
    assert decided(exclusive, listed=False)["probability"] == 0.0


def test_rows_are_reweighted_to_be_like_the_records_without_a_number() -> None:
    hidden = [Hidden(true_person=at, chooses=at % 2 > 0, there=(True, True, at % 5 > 0)) for at in range(400)]
    case = Case(hidden, {(at, at): 30.0 for at in range(400)})
    numberless = [{"there": (True, True, at % 2 > 0), "probability": 1.0, "gamma": at % 2} for at in range(10)]
    conflicts = [{"there": (True, True, False), "nhs_number": 4_010_232_137}] * 50
    rows = outcomes(case, *numberless, *conflicts)
    for chooses in (True, False):
        half = Outcomes(rows).half(chooses=chooses)
        assert set(half["chooses"]) == {chooses}
        at = half["record"].to_list()
        for column in ("weight", "reweighted"):
            assert half[column].sum() == pytest.approx(200)
            listed = half.filter("listed")[column].sum()
            assert listed == pytest.approx(0.8 * 200, rel=1e-3)
        with_postcode = pl.Series([hidden[each].there[2] for each in at])
        assert half["weight"].filter(with_postcode).sum() == pytest.approx(0.8 * 200)
        assert half["reweighted"].filter(with_postcode).sum() == pytest.approx(0.5 * 200, rel=0.02)


def test_records_with_fields_that_no_hidden_record_has_stand_for_themselves() -> None:
    """Three of four records have fields that a hidden record of their half has; one has others."""
    hidden = [Hidden(true_person=at, chooses=at % 2 > 0) for at in range(40)]
    case = Case(hidden, {(at, at): 30.0 for at in range(40)})
    unlike = {"there": (True, False, False), "probability": 0.7, "listed": 0.9}
    rows = outcomes(case, {}, {}, unlike, {})
    alone = rows.filter(pl.col("record") >= 40)
    # As the third of four, in place of 5 of the 20 of each half: right, another, nobody.
    assert set(alone["record"]) == {42}
    assert set(alone["true_person"]) == {PERSONS + 2}
    assert set(alone["probability"]) == {0.7}
    assert not alone["doubtful"].any()
    for chooses in (True, False):
        of_half = alone.filter(pl.col("chooses") == chooses)
        parts = {
            (listed, right): weight for listed, right, weight in of_half.select("listed", "right", "reweighted").rows()
        }
        assert parts == pytest.approx({(True, True): 3.5, (True, False): 1.0, (False, False): 0.5})
        assert of_half["weight"].sum() == 0
        of_hidden = rows.filter((pl.col("record") < 40) & (pl.col("chooses") == chooses))
        assert of_hidden["reweighted"].sum() == pytest.approx(15)


def test_fields_count_as_tested_only_in_their_own_source_and_half() -> None:
    named, nameless = (True, True, True), (False, False, True)
    hidden = [
        Hidden(true_person=0, source_index=0, chooses=True, there=named),
        Hidden(true_person=1, source_index=0, chooses=False, there=nameless),
        Hidden(true_person=2, source_index=1, chooses=False, there=named),
    ]
    open_records = [{"source_index": index, "there": there} for index in (0, 1, 2) for there in (named, nameless)]
    rows = outcomes(replace(Case(hidden, {(0, 0): 9.0}), pi=(0.8, 0.3)), *open_records)
    alone = rows.filter(pl.col("record") >= 3).select("source", "chooses", at=pl.col("record") - 3).unique()
    # Of source 0 one half has shown the named, the other the nameless; of 1 one half has shown anything; of 2 none.
    assert set(alone.rows()) == {(0, True, 1), (0, False, 0), (1, False, 3)}
    assert rows["reweighted"].null_count() == 0


def test_where_all_open_records_are_conflicts_hidden_records_stand_for_nobody() -> None:
    hidden = [Hidden(true_person=at, source_index=at % 2, chooses=True) for at in range(40)]
    case = Case(hidden, {(at, at): 30.0 for at in range(40)})
    rows = outcomes(case, {"source_index": 0}, {"source_index": 1, "nhs_number": 4_010_232_137})
    assert rows.filter(source=1)["reweighted"].sum() == 0
    assert rows.filter(source=1)["weight"].sum() == pytest.approx(20)
    # And they do not keep the thresholds of others from being chosen.
    found = choose_thresholds(
        Outcomes(rows).half(chooses=True),
        pl.DataFrame({"source": [0, 1], "probability": [1.0, 0.0]}, schema_overrides={"source": pl.Int32}),
        max_false_link_rate=0.3,
    )
    assert (found[0], found[1]) == (Threshold(0.5, "pooled"), Threshold(0.5, "expected"))


def test_the_best_candidate_is_the_most_probable_and_the_first_of_equals() -> None:
    pairs = [(0, 5, 0.2, 1), (0, 4, 0.7, 2), (2, 9, 0.5, 0), (2, 8, 0.5, 3), (7, 1, 0.9, 1)]
    schema = {"record": pl.UInt32, "person": pl.UInt32, "probability": pl.Float64, "gamma_name": pl.Int32}
    frame = pl.DataFrame(pairs, schema=schema, orient="row").sort("record", "person")
    best = best_candidates(frame, pl.Series([2, 1, 0], dtype=pl.UInt32))
    assert best.rows() == [(2, 8, 0.5, 3), (1, None, 0.0, -2), (0, 4, 0.7, 2)]


def test_empty_outcomes_have_the_same_columns() -> None:
    assert Outcomes.none().half(chooses=True).is_empty()
    assert Counter(Outcomes.none().rows.columns) == Counter(outcomes(FOUND, {}).columns)
