"""Postcodes are standardised, typing errors are corrected, and pseudo-postcodes are set aside."""

import polars as pl
import pytest
from hypothesis import given, settings

from linkcore.identifiers import postcode
from tests import naive
from tests.identifiers.texts import columns, parsed

X = pl.col("x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # The forms of an outward code.
        ("M1 1AA", "M1 1AA"),
        ("M60 1NW", "M60 1NW"),
        ("CR2 6XH", "CR2 6XH"),
        ("DN55 1PT", "DN55 1PT"),
        ("W1A 1HQ", "W1A 1HQ"),
        ("EC1A 1BB", "EC1A 1BB"),
        ("GIR 0AA", "GIR 0AA"),
        ("BS0 1AA", "BS0 1AA"),
        # Spaces, case, punctuation, and other characters with the same meaning.
        ("dn551pt", "DN55 1PT"),
        ("DN551PT", "DN55 1PT"),
        ("DN55  1PT", "DN55 1PT"),
        (" dn5 51pt ", "DN55 1PT"),
        ("DN55-1PT.", "DN55 1PT"),
        ("DN55\u00a01PT", "DN55 1PT"),
        ("ＤＮ５５ １ＰＴ", "DN55 1PT"),
        ("gir-0aa", "GIR 0AA"),
        # O and 0, I and 1, S and 5.
        ("EXI 2AB", "EX1 2AB"),
        ("EX1O 2AB", "EX10 2AB"),
        ("EX1 OAB", "EX1 0AB"),
        ("EX1 IAB", "EX1 1AB"),
        ("EX1 SAB", "EX1 5AB"),
        ("S014 0AA", "SO14 0AA"),
        ("C04 3AB", "CO4 3AB"),
        ("0X1 2AB", "OX1 2AB"),
        ("1P1 2AB", "IP1 2AB"),
        ("5W1A 1AA", "SW1A 1AA"),
        ("WIA 1HQ", "W1A 1HQ"),
        ("EX1 2A5", "EX1 2AS"),
    ],
)
def test_a_postcode_is_standardised(text: str, value: str) -> None:
    assert parsed([text], postcode.standardise(X)) == [(value, None, "valid")]


@pytest.mark.parametrize(
    ("text", "kept", "status"),
    [
        ("EX1", "EX1", "malformed"),
        ("ex12", "EX12", "malformed"),
        ("EX1 2A", "EX12A", "malformed"),
        ("EX1 2ABC", "EX12ABC", "malformed"),
        ("EX123 2AB", "EX1232AB", "malformed"),
        ("2AB EX1", "2ABEX1", "malformed"),
        ("B01 2AB", "B012AB", "malformed"),  # may be B1, B10 or BO1
        ("75008", "75008", "malformed"),
        ("150 150", "150150", "malformed"),
        ("王", None, "malformed"),
        ("ZZ99 3VZ", None, "pseudo"),
        ("zz993wz", None, "pseudo"),
        ("ZZ99", None, "pseudo"),
        ("NFA", None, "pseudo"),
        ("No fixed abode", None, "pseudo"),
        ("", None, "missing"),
        (" ", None, "missing"),
        ("-", None, "missing"),
        ("Unknown", None, "missing"),
        ("N/A", None, "missing"),
        (None, None, "missing"),
    ],
)
def test_a_value_that_is_no_postcode_gets_its_status(text: str | None, kept: str | None, status: str) -> None:
    assert parsed([text], postcode.standardise(X)) == [(None, kept, status)]


FRAGMENTS = [
    *("EX1", "2AB", "ex", "SO", "1", "0", "O", "I", "5", "S", "ZZ99", "3VZ", "GIR", "0AA", "W1A", "A", "B", "9", " "),
    *("-", "C", "P", "Y", "NFA", "null", "no fixed abode", "EX1 2AB", "C04"),
]


@settings(max_examples=40)
@given(columns(FRAGMENTS))
def test_any_text_is_read_as_the_naive_parser_reads_it(values: list[str | None]) -> None:
    assert parsed(values, postcode.standardise(X)) == [naive.postcode(value) for value in values]


@settings(max_examples=40)
@given(columns(FRAGMENTS))
def test_a_postcode_in_standard_form_stays_as_it_is(values: list[str | None]) -> None:
    first = [value for value, *_ in parsed(values, postcode.standardise(X)) if value is not None]
    assert [value for value, *_ in parsed(first, postcode.standardise(X))] == first
