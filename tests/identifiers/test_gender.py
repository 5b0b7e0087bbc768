"""Gender is read from codes and words, and codes that say nothing are recognised."""

import polars as pl
import pytest
from hypothesis import given, settings

from linkcore.identifiers import gender
from tests import naive
from tests.identifiers.texts import columns, parsed

X = pl.col("x")
MEANINGS = [
    (["1", " 1 ", "01", "1.0", "１", "M", "m", "Male", "MALE ", "man", "Boy", "m."], "male", "valid"),
    (["2", "2.0", "002", "F", "f", "Female", "woman", "GIRL"], "female", "valid"),
    (
        ["0", "9", "9.0", "X", "x", "I", "U", "Indeterminate", "not known", "Unknown", "Not Specified"],
        None,
        "no_evidence",
    ),
    (["Other", "non-binary", "Prefer not to say", "00"], None, "no_evidence"),
    (["", " ", "-", "?", "NULL", "n/a", "nan", None], None, "missing"),
    (["3", "7", "10", "1.5", "12", "Mal", "yes", "-1x", "½", "王"], None, "unreadable"),
]


@pytest.mark.parametrize(("texts", "value", "status"), MEANINGS)
def test_codes_and_words_are_read(texts: list[str | None], value: str | None, status: str) -> None:
    assert parsed(texts, gender.standardise(X)) == [(value, status)] * len(texts)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 9, None], pl.Int8),
        ([1.0, 2.0, 0.0, float("nan")], pl.Float32),
        (["M", "female", "X", ""], pl.Categorical()),
        (["M", "F", "U", None], pl.Enum(["F", "M", "U"])),
    ],
    ids=str,
)
def test_gender_is_the_same_in_every_dtype(values: list[object], dtype: pl.DataType) -> None:
    found = pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).select(gender.standardise(X)).unnest("x")
    assert found.rows() == [("male", "valid"), ("female", "valid"), (None, "no_evidence"), (None, "missing")]


FRAGMENTS = [
    "1",
    "2",
    "0",
    "9",
    "m",
    "F",
    "male",
    "Female",
    "x",
    "not",
    "known",
    "un",
    "specified",
    ".0",
    ".",
    ",",
    "NULL",
]


@settings(max_examples=40)
@given(columns(FRAGMENTS))
def test_any_text_is_read_as_the_naive_parser_reads_it(values: list[str | None]) -> None:
    assert parsed(values, gender.standardise(X)) == [naive.gender(value) for value in values]
