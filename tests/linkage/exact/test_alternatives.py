"""Alternatives: against looking at one record after another; who teaches them, and who must not."""

import datetime as dt
import random
from typing import Any

import polars as pl
import pytest

from linkcore.linkage.exact import alternatives
from linkcore.linkage.exact.alternatives import beside_labelled, listed_by_person, taught_by_numbers, with_alternatives
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.settings import ConflictPolicy, Exact
from linkcore.schema import ALTERNATIVE, OTHER
from linkcore.sources.records import Records, standardise
from linkcore.sources.source import Source
from tests import naive_linkage

NUMBERS = naive_linkage.numbers(30)
COLUMNS = {
    **{"nhs_number": pl.String, "given_name": pl.String, "family_name": pl.String, "birth_date": pl.Date},
    **{"postcode": pl.String, "address": pl.String, "local_patient_id": pl.String},
}
ANNA: dict[str, Any] = {
    "nhs_number": NUMBERS[0],
    "given_name": "ANNA",
    "family_name": "SMITH",
    "birth_date": dt.date(1980, 2, 3),
    "postcode": "PL4 8AA",
    "address": "1 HIGH STREET",
}
FORMER = ANNA | {"family_name": "NG", "postcode": "EX1 2AB", "address": "2 LOW ROAD"}


def source(name: str, *rows: dict[str, Any], spine: bool = False) -> Records:
    return standardise(Source(name, pl.DataFrame(rows, schema=COLUMNS), spine=spine))


def shown(*sources: Records) -> dict[str, list[str]]:
    """What the records show of the one person who has alternatives."""
    found = listed_by_person(taught_by_numbers(sources, link_exactly(sources, Exact())))
    row = found.drop("person_id").row(0, named=True) if found.height else {}
    assert found.height <= 1
    return {name.removeprefix(OTHER): values for name, values in row.items() if values is not None}


def drawn(seed: int) -> list[Records]:
    chance = random.Random(seed)

    def record(sloppy: float) -> dict[str, Any]:
        person = chance.randrange(20)
        return {
            "nhs_number": NUMBERS[person] if chance.random() < 0.9 else None,
            "given_name": chance.choice(["ANNA", "PETER", None]) if chance.random() < sloppy else "ANNA",
            "family_name": chance.choice(["NG", "SMITH", None]) if chance.random() < sloppy else "NG",
            # All differ, so that nobody is somebody else's twin.
            "birth_date": dt.date(1980, 1, 1 + person) if chance.random() < 0.8 else None,
            "postcode": chance.choice(["EX1 2AB", "PL4 8AA", None]),
            "address": chance.choice(["1 HIGH STREET", "2 LOW ROAD", None]),
        }

    return [
        source(name, *(record(sloppy) for _ in range(60)), spine=sloppy == 0)
        for name, sloppy in (("gp", 0.0), ("a", 0.5), ("b", 0.5))
    ]


@pytest.mark.parametrize("spine", [True, False])
@pytest.mark.parametrize("at_a_time", [7, 1_000])
def test_alternatives_are_what_a_look_at_each_record_finds(
    spine: bool, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternatives, "_RECORDS_AT_A_TIME", at_a_time)
    for seed in range(3):
        sources = drawn(seed)[0 if spine else 1 :]
        placement = link_exactly(sources, Exact())
        found = with_alternatives(placement.persons, listed_by_person(taught_by_numbers(sources, placement)))
        numbered = {row["nhs_number"]: row for row in found.iter_rows(named=True) if row["nhs_number"] is not None}
        expected = naive_linkage.alternatives(sources, numbered)
        assert {
            number: {name: set(row[OTHER + name] or ()) for name in ALTERNATIVE} for number, row in numbered.items()
        } == expected
        assert any(values for of_person in expected.values() for values in of_person.values())
        assert found.drop(pl.col(f"^{OTHER}.*$")).equals(placement.persons)


def test_a_maiden_name_and_a_former_home_are_alternatives() -> None:
    expected = {"family_name": ["NG"], "postcode": ["EX1 2AB"], "address": ["2 LOW ROAD"]}
    assert shown(source("gp", ANNA, spine=True), source("a", FORMER, FORMER), source("b", FORMER)) == expected


def test_an_address_at_the_same_postcode_is_the_same_home() -> None:
    assert shown(source("gp", ANNA, spine=True), source("a", ANNA | {"address": "HIGH STREET 1"})) == {}


@pytest.mark.parametrize(
    "stranger",
    [
        {"given_name": "PETER", "family_name": "OKAFOR", "birth_date": dt.date(2011, 7, 28)},  # a conflict
        {"given_name": "PETER", "birth_date": dt.date(2011, 7, 28)},  # her son with her number
        {"given_name": "PETER", "birth_date": None},
    ],
)
def test_a_record_with_another_birth_date_teaches_nothing(stranger: dict[str, Any]) -> None:
    sources = [source("gp", ANNA, spine=True), source("a", FORMER | stranger)]
    policies: tuple[ConflictPolicy, ...] = ("fallback", "keep")
    for conflicts in policies:
        assert taught_by_numbers(sources, link_exactly(sources, Exact(conflicts=conflicts))).is_empty()


def test_a_record_with_the_names_of_a_listed_twin_teaches_nothing() -> None:
    twin = ANNA | {"nhs_number": NUMBERS[1], "given_name": "BELLA"}
    mistaken = FORMER | {"given_name": "BELLA", "family_name": "SMITH"}
    assert shown(source("gp", ANNA, twin, spine=True), source("a", mistaken)) == {}
    assert shown(source("gp", ANNA, spine=True), source("a", mistaken))["given_name"] == ["BELLA"]


def test_a_labelled_record_has_beside_it_only_what_others_taught() -> None:
    """Or the model would learn that every record of a person who moved agrees with a former postcode."""
    of_entry = [FORMER | {"local_patient_id": local} for local in ("A1", "A1", "A2", None)]
    moved_again = FORMER | {"postcode": "TQ1 1AA", "address": None}
    sources = [source("gp", ANNA, spine=True), source("a", *of_entry[:2], moved_again), source("b", *of_entry)]
    taught = taught_by_numbers(sources, link_exactly(sources, Exact()))

    def beside(source_index: int | None, position: int | None) -> list[str] | None:
        schema = {"label": pl.UInt32, "source_index": pl.Int32, "position": pl.UInt32}
        labelled = pl.DataFrame([(0, source_index, position)], schema=schema, orient="row")
        return beside_labelled(labelled, taught, sources)["other_postcode"].to_list()[0]

    assert beside(1, 2) == ["EX1 2AB"]
    assert beside(1, 0) == ["EX1 2AB", "TQ1 1AA"]  # source b taught the former postcode too
    assert beside(1, None) == ["EX1 2AB", "TQ1 1AA"]  # an open record that reviewers labelled: it taught nothing
    alone = taught.filter(pl.col("source_index") == 1)
    schema = {"label": pl.UInt32, "source_index": pl.Int32, "position": pl.UInt32}
    labelled = pl.DataFrame([(0, 1, 0)], schema=schema, orient="row")
    assert beside_labelled(labelled, alone, sources)["other_postcode"].to_list() == [["TQ1 1AA"]]
