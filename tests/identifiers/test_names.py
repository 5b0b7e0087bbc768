"""Names are standardised, and texts that are no name are recognised."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.identifiers import names
from tests import naive
from tests.identifiers.texts import columns, parsed

X = pl.col("x")
EITHER = [
    ("Mary", "MARY"),
    ("  mary   ann ", "MARY ANN"),
    ("O'Brien", "OBRIEN"),
    ("O’Brien", "OBRIEN"),
    ("O´Brien", "OBRIEN"),
    ("D`Souza", "DSOUZA"),
    ("Smith-Jones", "SMITH JONES"),
    ("Smith – Jones", "SMITH JONES"),
    ("St. John", "ST JOHN"),
    ("Zoë", "ZOE"),
    ("Zoe\u0308", "ZOE"),
    ("Mu¨ller", "MULLER"),
    ("Müßig", "MUSSIG"),
    ("STRAẞE", "STRASSE"),
    ("Størmer", "STORMER"),
    ("Łukasz", "LUKASZ"),
    ("Æthelred", "AETHELRED"),
    ("Œuvre", "OEUVRE"),
    ("Þórr", "THORR"),
    ("Đorđe", "DORDE"),
    ("Nguyễn", "NGUYEN"),
    ("Ọlá", "OLA"),
    ("İpek", "IPEK"),
    ("ırmak", "IRMAK"),
    ("ﬁona", "FIONA"),
    ("ＭＡＲＹ", "MARY"),
    ("Ma\u200bry", "MARY"),
    ("Mary\u00a0Ann", "MARY ANN"),
    ("Mary\nAnn", "MARY ANN"),
    ("John2", "JOHN"),
    ("J.", "J"),
    ("Mr John", "JOHN"),
    ("mrs. Mary", "MARY"),
    ("Prof. Dr. Mary", "MARY"),
    ("Mary, Mrs.", "MARY"),
    ("Master-Smith", "MASTER SMITH"),
    ("Drew", "DREW"),
    ("Mary (known as Molly)", "MARY"),
    ("Mary [Molly", "MARY"),
    ("(Molly) Mary", "MOLLY MARY"),
    ("Mary known as Molly", "MARY"),
    ("Mary a.k.a. Molly", "MARY"),
    ("KNOWN AS MOLLY", "MOLLY"),
    ("Smith née Jones", "SMITH"),
    ("Nee", "NEE"),
    ("Nan", "NAN"),
    ("Иван", "ИВАН"),
    ("Иван 2-й", "ИВАН Й"),
    ("王", "王"),
    ("王 Wang", "WANG"),
    ("हिन्दी", "हिन्दी"),
]


@pytest.mark.parametrize("kind", ["given", "family"])
@pytest.mark.parametrize(("text", "name"), EITHER)
def test_a_name_is_standardised(text: str, name: str, kind: names.Kind) -> None:
    assert parsed([text], names.standardise(X, kind=kind)) == [(name, "valid")]


MISSING = [None, "", "  ", "-", "?", ".", "NULL", "None", "n/a", "#N/A", "nan", "NaN", "\u200b"]
NON_NAMES = [
    *("Unknown", "UNKNOWN", "Not Known", "not  given", "Anon.", "Female", "Unknown Male", "known as", "12345"),
    *("Baby Girl", "BABY BOY", "Baby of Smith", "baby girl of Smith", "Infant of Jones"),
    *("Mr", "MRS.", "miss", "Dr", "XX", "xxx", "ZZZZ", "Test", "TEST PATIENT", "XXTESTPATIENT-AAEE", "ZZZTest"),
]
NEITHER = [*((text, "missing") for text in MISSING), *((text, "non_name") for text in NON_NAMES)]


@pytest.mark.parametrize("kind", ["given", "family"])
@pytest.mark.parametrize(("text", "status"), NEITHER)
def test_a_value_that_is_no_name_gets_its_status(text: str | None, status: str, kind: names.Kind) -> None:
    assert parsed([text], names.standardise(X, kind=kind)) == [(None, status)]


GIVEN_ONLY = [
    *("Baby", "Infant", "Newborn", "Male", "Boy", "Girl", "Child", "Patient", "Twin"),
    *("Twin 2", "TWIN ONE", "Triplet c", "Baby Girl 2", "Baby Boy Two", "Baby A"),
]


@pytest.mark.parametrize("text", GIVEN_ONLY)
def test_some_words_are_family_names_but_no_given_names(text: str) -> None:
    assert parsed([text], names.standardise(X, kind="given")) == [(None, "non_name")]
    if " " not in text:
        assert parsed([text], names.standardise(X, kind="family")) == [(text.upper(), "valid")]


@pytest.mark.parametrize("text", ["O'Connor", "O’CONNOR", "O Connor", "O'connor", "OConnor", "O-Connor"])
def test_spellings_of_an_irish_family_name_agree(text: str) -> None:
    assert parsed([text], names.standardise(X, kind="family")) == [("OCONNOR", "valid")]


@pytest.mark.parametrize("text", ["Mac Donald", "MacDonald", "mac-donald"])
def test_spellings_of_a_scottish_family_name_agree(text: str) -> None:
    assert parsed([text], names.standardise(X, kind="family")) == [("MACDONALD", "valid")]
    assert parsed(["Mac Donald"], names.standardise(X, kind="given")) == [("MAC DONALD", "valid")]


FRAGMENTS = [
    *("JOHN", "Smith", "O", "Mc", "MAC", "Mr", "Mrs.", "DR", "REV", "revd", "known as", "AKA", "a.k.a.", "née", "NEE"),
    *("(", "[", ")", "]", "{", "}", ",", "-", "'", ".", "1", "2", " ", " ", "A", "B", "II", "ONE", "XX", "ZZ", "test"),
    *("Baby", "girl", "boy", "of", "twin", "female", "male", "unknown", "not known", "nan", "NaN", "null", "n/a"),
]


@settings(max_examples=40)
@given(columns(FRAGMENTS), st.sampled_from(["given", "family"]))
def test_any_text_is_read_as_the_naive_parser_reads_it(values: list[str | None], kind: names.Kind) -> None:
    assert parsed(values, names.standardise(X, kind=kind)) == [naive.name(value, kind) for value in values]
