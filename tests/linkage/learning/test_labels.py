"""Which records teach."""

import datetime as dt

import polars as pl

from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.open_records import gather_open_records
from linkcore.linkage.learning.labels import labelled_records
from linkcore.linkage.settings import Exact
from linkcore.sources.records import standardise
from linkcore.sources.source import Source
from tests.naive_linkage import numbers, ten_digits

PEOPLE = [
    {
        "given_name": given,
        "family_name": family,
        "birth_date": dt.date(1950 + i, 1 + i % 12, 1 + i),
        "gender": "female" if i % 2 else "male",
        "postcode": f"EX{1 + i % 4} 2AB",
    }
    for i, (given, family) in enumerate(
        (given, family) for given in ("ANNA", "PETER", "CHIKE", "OLWEN") for family in ("SMITH", "OKAFOR", "NG", "REES")
    )
]


def source(name: str, rows: list[dict[str, object]], *, spine: bool = False) -> Source:
    schema = dict.fromkeys(["record_id", "nhs_number", "given_name", "family_name", "gender", "postcode"], pl.String)
    return Source(name, pl.DataFrame(rows, schema=schema | {"birth_date": pl.Date}), spine=spine)


def labelled(seed: int = 0) -> pl.DataFrame:
    who = numbers(len(PEOPLE))
    spine = [person | {"record_id": f"s{i:02}", "nhs_number": who[i]} for i, person in enumerate(PEOPLE)]
    seen: list[dict[str, object]] = []
    for i, person in enumerate(PEOPLE[:10]):
        # The first is a heavy user.
        visits = 20 if i == 0 else 1
        seen += [person | {"record_id": f"v{i}-{k}", "nhs_number": who[i]} for k in range(visits)]
    # A conflict: somebody else entirely under the number of the eleventh.
    seen.append(PEOPLE[0] | {"record_id": "conflict", "nhs_number": who[11]})
    # A number that the spine lacks: the record defines its person, and so does not teach anything about it.
    seen.append(PEOPLE[5] | {"record_id": "defining", "nhs_number": ten_digits(600_000_006)})
    seen.append(PEOPLE[3] | {"record_id": "open"})
    sources = [standardise(source("gp", spine, spine=True)), standardise(source("seen", seen))]
    placement = link_exactly(sources, Exact())
    return labelled_records(sources, placement, gather_open_records(sources, placement), seed)


def test_one_record_a_person_teaches_but_no_conflict_and_no_record_that_defines_its_person() -> None:
    drawn = labelled()
    assert sorted(drawn["label"]) == list(range(10))
    assert not set(drawn["record_id"]) & {"conflict", "defining", "open"}
    assert not any(record_id.startswith("s") for record_id in drawn["record_id"])


def test_the_same_seed_draws_the_same() -> None:
    assert labelled(1).equals(labelled(1))
    assert len({labelled(seed).filter(label=0)["record_id"].item() for seed in range(8)}) > 1
