"""Addresses are standardised to one line, and texts that are no place are recognised."""

import polars as pl
import pytest
from hypothesis import given, settings

from linkcore.identifiers import address
from tests import naive
from tests.identifiers.texts import columns, parsed

X = pl.col("x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12a High Street, Exeter", "12A HIGH STREET EXETER"),
        ("Flat 2/1,  St. John’s Rd.", "FLAT 2 1 ST JOHNS RD"),
        ("St John's Rd", "ST JOHNS RD"),
        ("Tŷ Gwyn\nCaerdydd", "TY GWYN CAERDYDD"),
        ("１２ High St", "12 HIGH ST"),
        ("12", "12"),
        ("Unknown Lane 3", "UNKNOWN LANE 3"),
        ("улица Ленина 5", "5"),
        ("улица Ленина", "УЛИЦА ЛЕНИНА"),
    ],
)
def test_an_address_is_standardised(text: str, value: str) -> None:
    assert parsed([text], address.standardise(X)) == [(value, "valid")]


@pytest.mark.parametrize(
    ("texts", "status"),
    [
        (["NFA", "No fixed abode", "NO FIXED ABODE, Exeter", "of no fixed address", "Homeless"], "no_place"),
        (["unknown", "Not known", "ADDRESS NOT KNOWN", "NK", "Refused"], "no_place"),
        (["", "  ", "-", ", ,", "NULL", "n/a", "none", None], "missing"),
    ],
)
def test_a_value_that_is_no_address_gets_its_status(texts: list[str | None], status: str) -> None:
    found = parsed(texts, address.standardise(X))
    assert found == [(None, status)] * len(texts)


FRAGMENTS = [
    "1",
    "High",
    "St.",
    "'",
    "no",
    "fixed",
    "abode",
    "OF",
    "address",
    "unknown",
    "-",
    ",",
    "Zoë",
    "王",
    "NFA",
    "n/a",
]


@settings(max_examples=40)
@given(columns(FRAGMENTS))
def test_any_text_is_read_as_the_naive_parser_reads_it(values: list[str | None]) -> None:
    assert parsed(values, address.standardise(X)) == [naive.address(value) for value in values]
