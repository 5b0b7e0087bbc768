"""Hidden numbers, compared with linking again without the hidden records; and the rules for drawing them."""

import dataclasses
import datetime as dt
import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.linkage.exact.alternatives import taught_by_numbers
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.placement import Placement
from linkcore.linkage.self_test.hidden_numbers import HiddenNumbers, hide_numbers
from linkcore.linkage.settings import Exact
from linkcore.schema import ALTERNATIVE, OTHER
from linkcore.sources.records import Records, standardise
from linkcore.sources.source import Source
from tests.naive_linkage import alternatives, numbers

NOBODY_LEFT = 10**6  # more persons to keep than there are: all may be drawn


NUMBERS = numbers(600)
NAMES = ("ANNA", "PETER", "CHIKE", "OLWEN", "GRACE")
COLUMNS = {"nhs_number": pl.String, "given_name": pl.String, "family_name": pl.String, "birth_date": pl.Date}
WITH_HOME = COLUMNS | {"postcode": pl.String, "address": pl.String, "local_patient_id": pl.String}


def source(name: str, rows: Sequence[tuple[str | dt.date | None, ...]], *, spine: bool) -> Records:
    columns = WITH_HOME if rows and len(rows[0]) > len(COLUMNS) else COLUMNS
    return standardise(Source(name, pl.DataFrame(rows, schema=columns, orient="row"), spine=spine))


def drawn_sources(seed: int, *, people: int, sizes: Sequence[int], spine: bool) -> list[Records]:
    chance = random.Random(seed)

    def record(at: int, *, sloppy: float) -> tuple[str | dt.date | None, ...]:
        given = NAMES[at % len(NAMES)]
        born = dt.date(1950 + at % 60, 1 + at % 12, 1 + at % 28)
        another = chance.random() < sloppy  # somebody else's number
        return (
            NUMBERS[at] if chance.random() < 0.9 else None,
            "XAVIER" if another else (given if chance.random() < 0.9 else None),
            "QUIRK" if another else f"FAMILY{chr(65 + at % 26)}",
            dt.date(2011, 11, 30) if another else (born if chance.random() < 0.8 else None),
            chance.choice([None, "EX1 2AB", "PL4 8AA"]),
            chance.choice([None, "1 HIGH STREET", "2 LOW ROAD"]),
            # Two entries in the patient index, or a record without one; some are another patient's.
            chance.choice([None, f"{at}A", f"{at}B", "1A"]),
        )

    made = [source("gp", [record(at, sloppy=0.0) for at in range(people // 2)], spine=True)] if spine else []
    for at, size in enumerate(sizes):
        made.append(source(f"s{at}", [record(chance.randrange(people), sloppy=0.15) for _ in range(size)], spine=False))
    return made


def hide(
    sources: Sequence[Records],
    *,
    tested: Sequence[int],
    keep: int = NOBODY_LEFT,
    seed: int = 0,
    exact: Exact | None = None,
) -> tuple[HiddenNumbers, Placement]:
    exact = exact or Exact()
    placement = link_exactly(sources, exact)
    taught = taught_by_numbers(sources, placement)
    return hide_numbers(sources, placement, exact, tested=tested, keep=keep, seed=seed, taught=taught), placement


def without(sources: Sequence[Records], hidden: HiddenNumbers) -> list[Records]:
    left = []
    for order, records in enumerate(sources):
        taken = set(hidden.records.filter(pl.col("source_index") == order)["position"])
        rows = [at for at in range(records.frame.height) if at not in taken]
        left.append(dataclasses.replace(records, frame=records.frame[rows]))
    return left


def identified(persons: pl.DataFrame) -> dict[int, dict[str, object]]:
    """By number, the person without its id and token."""
    return {
        row["nhs_number"]: {name: value for name, value in row.items() if name not in ("person_id", "token")}
        for row in persons.iter_rows(named=True)
        if row["nhs_number"] is not None
    }


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([1, NOBODY_LEFT]))
def test_stand_ins_are_persons_as_they_would_be_without_the_hidden_records(
    seed: int, with_spine: bool, keep: int
) -> None:
    sources = drawn_sources(seed, people=30, sizes=[25, 15], spine=with_spine)
    tested = range(1, 3) if with_spine else range(2)
    hidden, placement = hide(sources, tested=list(tested), keep=keep, seed=seed)
    again = identified(link_exactly(without(sources, hidden), Exact()).persons)
    before = identified(placement.persons)
    name_of = dict(placement.persons.select("nhs_number", "person_id").drop_nulls().iter_rows())

    numbered = {row["person_id"]: row["nhs_number"] for row in placement.persons.iter_rows(named=True)}
    shown = alternatives(sources, before)
    still_shown = alternatives(sources, again, hidden=taken(hidden))
    expected = {
        name_of[number]: known
        for number, known in again.items()
        if known != before[number] or shown[number] != still_shown[number]
    }
    columns = [name for name in placement.persons.columns if name not in ("person_id", "token")]
    stand_ins = {row["person_id"]: row for row in hidden.stand_ins.iter_rows(named=True)}
    assert {person: {name: row[name] for name in columns} for person, row in stand_ins.items()} == expected
    for person, row in stand_ins.items():
        assert {name: set(row[OTHER + name] or ()) for name in ALTERNATIVE} == still_shown[numbered[person]]
    assert sorted(hidden.removed_persons) == sorted(name_of[number] for number in before.keys() - again.keys())


def taken(hidden: HiddenNumbers) -> set[tuple[int, int]]:
    return set(hidden.records.select("source_index", "position").iter_rows())


def test_what_only_a_hidden_record_has_taught_vanishes_from_its_person() -> None:
    """Or a record would be found by its own values, and the test would promise what nobody gets."""
    anna = {"nhs_number": NUMBERS[0], "given_name": "ANNA", "birth_date": dt.date(1980, 2, 3)}
    former = anna | {"family_name": "NG", "postcode": "EX1 2AB", "local_patient_id": "A1"}
    columns = COLUMNS | {"postcode": pl.String, "local_patient_id": pl.String}

    def of(name: str, *rows: dict[str, object], spine: bool = False) -> Records:
        return standardise(Source(name, pl.DataFrame(rows, schema=columns), spine=spine))

    def stand_in(*sources: Records) -> list[tuple[object, ...]]:
        hidden, _ = hide(sources, tested=[1])
        return hidden.stand_ins.select("person_id", "other_family_name", "other_postcode").rows()

    gp = of("gp", anna | {"family_name": "SMITH", "postcode": "PL4 8AA"}, spine=True)
    assert stand_in(gp, of("a", former)) == [(0, None, None)]
    # Another record of the entry would have no number either; one of another entry, or of another source, would.
    assert stand_in(gp, of("a", former, former)) == [(0, None, None)]
    assert stand_in(gp, of("a", former, former | {"local_patient_id": "A2"})) == []
    assert stand_in(gp, of("a", former), of("b", former)) == []
    assert stand_in(gp, of("a", former), of("b", former | {"postcode": None})) == [(0, ["NG"], None)]


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.sampled_from([1, 10, NOBODY_LEFT]))
def test_hidden_records_are_unchanged_and_at_most_one_a_person_and_source(seed: int, keep: int) -> None:
    sources = drawn_sources(seed, people=30, sizes=[60, 40], spine=True)
    hidden, placement = hide(sources, tested=[1, 2], keep=keep, seed=seed)
    rows = hidden.records
    assert rows.height > 0
    assert not rows.select("source_index", "true_person").is_duplicated().any()
    name_of = dict(placement.persons.select("nhs_number", "person_id").drop_nulls().iter_rows())
    for row in rows.iter_rows(named=True):
        record = sources[row["source_index"]].frame.row(row["position"], named=True)
        assert {name: row[name] for name in record} == record
        assert row["true_person"] == name_of[record["nhs_number"]]
        assert row["conflict"] == placement.links[sources[row["source_index"]].source.name]["conflict"][row["position"]]
    # All records of a person are in one half.
    assert rows.group_by("true_person").agg(pl.col("chooses").n_unique())["chooses"].max() == 1


def test_records_are_drawn_from_the_tested_sources_only() -> None:
    hidden, _ = hide(drawn_sources(1, people=30, sizes=[20, 20, 20], spine=True), tested=[1, 3])
    assert set(hidden.records["source_index"]) == {1, 3}


def many(people: int) -> list[Records]:
    rows = [(NUMBERS[at], "ANNA", f"FAMILY{chr(65 + at % 26)}", dt.date(1980, 2, 3)) for at in range(people)]
    return [source("gp", rows, spine=True), source("seen", rows, spine=False)]


@pytest.mark.parametrize(
    ("people", "keep", "drawn"),
    [
        (400, 10, 200),  # never more than half
        (400, 200, 200),
        (400, 300, 100),  # and so many are left
        (400, 400, 0),
        (400, 401, 400),  # nothing can be learned of these anyway
    ],
)
def test_number_of_records_drawn(people: int, keep: int, drawn: int) -> None:
    hidden, _ = hide(many(people), tested=[1], keep=keep)
    assert hidden.records.height == drawn


def test_about_half_of_the_persons_choose_the_threshold() -> None:
    hidden, _ = hide(many(600), tested=[1])
    assert 250 < hidden.records["chooses"].sum() < 350


def test_conflicts_are_drawn_like_all_others() -> None:
    sources = drawn_sources(2, people=200, sizes=[400], spine=True)
    hidden, placement = hide(sources, tested=[1])
    of_source = placement.links["s0"]["conflict"]
    assert of_source.sum() > 20
    has_number = sources[1].frame["nhs_number"].is_not_null()
    among_all = of_source.filter(has_number).mean()
    assert hidden.records["conflict"].mean() == pytest.approx(among_all, abs=0.05)


def test_a_person_of_the_hidden_record_alone_is_removed() -> None:
    one, two = NUMBERS[:2]
    anna = (one, "ANNA", "SMITH", dt.date(1980, 2, 3))
    sources = [source("gp", [anna], spine=True), source("seen", [anna, (two, "PETER", "NG", None)], spine=False)]
    hidden, placement = hide(sources, tested=[1])
    assert hidden.records["true_person"].to_list() == [0, 1]
    assert placement.persons["person_id"].to_list() == [0, 1]
    assert hidden.removed_persons.to_list() == [1]
    assert hidden.stand_ins.is_empty()


def test_a_superseded_number_is_hidden_as_its_current_number() -> None:
    old, new = NUMBERS[:2]
    exact = Exact(superseded=pl.DataFrame({"old": [old], "new": [new]}))
    sources = [
        source("gp", [(new, "ANNA", "SMITH", None)], spine=True),
        source("a", [(old, "ANNA", "SMITH", None)], spine=False),
        source("b", [(new, "ANN", "SMITH", None)], spine=False),
    ]
    hidden, _ = hide(sources, tested=[1, 2], exact=exact)
    assert hidden.records.select("source_index", "true_person", "nhs_number").rows() == [
        (1, 0, int(new)),
        (2, 0, int(new)),
    ]
    assert hidden.removed_persons.is_empty()
    # Without the spine, the person is whoever the other source's record says.
    hidden, _ = hide(sources[1:], tested=[0], exact=exact)
    assert hidden.stand_ins.select("person_id", "nhs_number", "given_name").rows() == [(0, int(new), "ANN")]


def test_the_seed_decides_which_records_are_drawn() -> None:
    sources = many(300)
    one, again, other = (hide(sources, tested=[1], keep=10, seed=seed)[0].records for seed in (5, 5, 6))
    assert one.equals(again)
    assert set(one["true_person"]) != set(other["true_person"])
    assert one.select("true_person", "chooses").rows() != other.select("true_person", "chooses").rows()
