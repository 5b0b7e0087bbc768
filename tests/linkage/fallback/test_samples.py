"""The order of rows does not change what is drawn, nor anything that follows from it."""

import datetime as dt
import random

import polars as pl
import pytest

from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.probabilistic import link_probabilistically
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.settings import Exact, Fallback
from linkcore.sources.records import standardise
from linkcore.sources.source import Source
from tests.naive_linkage import numbers

GIVEN = ("ANNA", "PETER", "CHIKE", "OLWEN", "MARIA", "JOHN", "AISHA", "TOMASZ")
FAMILY = ("SMITH", "OKAFOR", "NG", "REES", "KHAN", "NOWAK", "JONES")
SCHEMA = dict.fromkeys(("record_id", "nhs_number", "given_name", "family_name", "gender", "postcode"), pl.String) | {
    "birth_date": pl.Date
}

# All of these are so small here that something is drawn everywhere.
SIZES = {
    "self_test.hidden_numbers._MOST_OF_A_SOURCE": 40,
    "learning.labels._LARGEST_SAMPLE": 120,
    "fallback.learn.ENOUGH_LABELS": 40,
    "fallback.probabilistic.ENOUGH_LABELS": 40,
    "fallback.find_persons._MANY_RECORDS": 20,
    "engine.native.RANDOM_PAIRS": 2_500,
    "engine.native.PERSONS_WITH_RELATIVES": 50,
}


def extracts() -> dict[str, pl.DataFrame]:
    chance, who = random.Random(7), numbers(300)
    people = [
        {
            "given_name": chance.choice(GIVEN),
            "family_name": chance.choice(FAMILY),
            "gender": chance.choice(["1", "2"]),
            "postcode": f"EX{1 + i % 9} {1 + i // 9 % 9}AB",
            "birth_date": dt.date(1950 + i % 60, 1 + i % 12, 1 + i % 28),
        }
        for i in range(300)
    ]
    tables = {"gp": [person | {"record_id": f"g{i}", "nhs_number": who[i]} for i, person in enumerate(people)]}
    for name, size in (("seen", 300), ("heard", 150)):
        tables[name] = []
        for i in range(size):
            at = chance.randrange(300)
            wrong = {"given_name": chance.choice(GIVEN)} if chance.random() < 0.1 else {}
            number = {"nhs_number": who[at]} if chance.random() < 0.8 else {}
            tables[name].append(people[at] | wrong | number | {"record_id": f"{name}{i}"})
    return {name: pl.DataFrame(rows, schema=SCHEMA) for name, rows in tables.items()}


def linked(extracts: dict[str, pl.DataFrame]) -> Probabilistic:
    sources = [standardise(Source(name, frame, spine=name == "gp")) for name, frame in extracts.items()]
    return link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=3)


def test_the_order_of_rows_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in SIZES.items():
        monkeypatch.setattr(f"linkcore.linkage.{name}", size)
    tables = extracts()
    one = linked(tables)
    other = linked({name: frame.sample(fraction=1, shuffle=True, seed=5) for name, frame in tables.items()})
    assert one.learned_from == "labels"
    assert one.quality_inputs is not None
    assert other.quality_inputs is not None
    hidden, hidden_again = (each.hidden.records for each in (one.quality_inputs, other.quality_inputs))
    assert hidden.height == 2 * 40
    assert hidden.drop("row").equals(hidden_again.drop("row"))
    assert one.counts == other.counts
    assert 0 < one.counts["labels"] <= 120
    assert one.model == other.model
    assert one.source_models == other.source_models
    assert one.thresholds == other.thresholds
    assert one.pi == other.pi
    assert one.quality_inputs.departures.equals(other.quality_inputs.departures)
    for name, links in one.placement.links.items():
        assert links.equals(other.placement.links[name])
    assert one.placement.persons.equals(other.placement.persons)
    assert one.relatives.per_pair == other.relatives.per_pair
