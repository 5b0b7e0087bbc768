"""Placement: each record still open becomes a person, and each person has a number or a token."""

import datetime as dt
import hashlib
import hmac

import polars as pl
import pytest

from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.placement import stand_alone, unplaced
from linkcore.linkage.settings import Exact
from linkcore.schema import PERSONS
from linkcore.sources.records import Records, standardise
from linkcore.sources.source import Source

COLUMNS = dict.fromkeys(("nhs_number", "given_name", "family_name", "postcode"), pl.String) | {"birth_date": pl.Date}


def records(name: str, *rows: dict[str, object], spine: bool = False) -> Records:
    return standardise(Source(name, pl.DataFrame(rows, schema=COLUMNS), spine=spine))


@pytest.mark.parametrize(
    ("row", "method"),
    [
        ({"birth_date": dt.date(1980, 2, 3), "given_name": "ANNA"}, "new_person"),
        ({"birth_date": dt.date(1980, 2, 3), "family_name": "SMITH"}, "new_person"),
        ({"given_name": "ANNA", "family_name": "SMITH", "postcode": "EX1 2AB"}, "new_person"),
        ({"given_name": "ANNA", "family_name": "SMITH"}, "unlinked"),
        ({"birth_date": dt.date(1980, 2, 3), "postcode": "EX1 2AB"}, "unlinked"),
        ({"postcode": "EX1 2AB"}, "unlinked"),
        ({}, "unlinked"),
    ],
)
def test_a_record_with_enough_identifiers_is_a_new_person(row: dict[str, object], method: str) -> None:
    seen = [records("seen", row)]
    placement = stand_alone(seen, link_exactly(seen, Exact()))
    assert placement.links["seen"].select("person_id", "method", "match_probability").rows() == [(0, method, None)]


def test_a_spine_record_without_a_number_is_a_person_of_the_spine_with_a_token() -> None:
    sources = [records("gp", {}, {"nhs_number": "4010232137"}, spine=True), records("seen", {}, {})]
    placement = stand_alone(sources, link_exactly(sources, Exact()))
    assert placement.persons.schema == PERSONS
    assert placement.links["gp"]["method"].to_list() == ["spine", "spine"]
    assert placement.links["gp"]["match_probability"].to_list() == [1.0, 1.0]
    assert placement.persons["person_id"].to_list() == [0, 1, 2, 3]
    assert placement.persons["token"].is_null().to_list() == [False, True, False, False]
    assert placement.persons["token"].drop_nulls().n_unique() == 3


def test_unplaced_records_have_their_positions() -> None:
    seen = records("seen", {}, {"nhs_number": "4010232137"}, {})
    assert unplaced(seen, link_exactly([seen], Exact()))["position"].to_list() == [0, 2]


def test_a_token_depends_on_source_and_record_id_alone() -> None:
    def token(source: str, record_id: str, family_name: str) -> str:
        frame = pl.DataFrame({"ID": [record_id], "NAME": [family_name]})
        each = [standardise(Source(source, frame, columns={"family_name": "NAME"}, record_id="ID"))]
        return str(stand_alone(each, link_exactly(each, Exact())).persons["token"].item())

    assert token("a", "1", "SMITH") == token("a", "1", "JONES")
    assert len({token("a", "1", "X"), token("b", "1", "X"), token("a", "2", "X")}) == 3


@pytest.mark.parametrize("records", [3, 1_001])
def test_tokens_are_hmac_digests_whether_few_or_many(records: int) -> None:
    ids = [f"É{number}" for number in range(records)]
    each = [standardise(Source("seen", pl.DataFrame({"ID": ids, "postcode": "EX1 2AB"}), record_id="ID"))]
    placement = stand_alone(each, link_exactly(each, Exact()))
    key = b"linkcore: the token of a person."
    expected = [hmac.new(key, f"seen//{name}".encode(), hashlib.sha256).hexdigest()[:32] for name in sorted(ids)]
    assert placement.persons.sort("record_id")["token"].to_list() == expected
