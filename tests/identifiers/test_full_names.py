"""Whole names, split: case by case, and against a naive implementation."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.identifiers import full_names
from tests import naive
from tests.identifiers.texts import parsed

X = pl.col("x")

CASES = {
    # A comma decides.
    "SMITH, Anna Jane": ("ANNA JANE", "SMITH", "valid"),
    "Smith,Anna": ("ANNA", "SMITH", "valid"),
    "van der Berg, Anna-Marie": ("ANNA MARIE", "VAN DER BERG", "valid"),
    "Smith, Mrs Anna": ("ANNA", "SMITH", "valid"),
    "Smith, Anna Mrs": ("ANNA", "SMITH", "valid"),
    "Mrs Smith, Anna": ("ANNA", "SMITH", "valid"),
    "Smith Jr, John": ("JOHN", "SMITH", "valid"),
    "Smith, John, OBE": ("JOHN", "SMITH", "valid"),
    "Smith,": (None, "SMITH", "valid"),
    ", Anna": ("ANNA", None, "valid"),
    "Lord, Anna": ("ANNA", "LORD", "valid"),
    # Given names first.
    "Anna Smith": ("ANNA", "SMITH", "valid"),
    "A. J. Smith": ("A J", "SMITH", "valid"),
    "AJ Smith": ("AJ", "SMITH", "valid"),
    "A.J.Smith": ("A J", "SMITH", "valid"),
    "Anna Smith-Jones": ("ANNA", "SMITH JONES", "valid"),
    "Anna Smith (known as Annie)": ("ANNA", "SMITH", "valid"),
    "Anna Smith née Jones": ("ANNA", "SMITH", "valid"),
    "Иван Петров": ("ИВАН", "ПЕТРОВ", "valid"),
    # Titles and suffixes.
    "Mrs A Smith": ("A", "SMITH", "valid"),
    "Mr Smith": (None, "SMITH", "valid"),
    "Prof. Sir John Smith OBE": ("JOHN", "SMITH", "valid"),
    "Lady Anna Smith": ("ANNA", "SMITH", "valid"),
    "Dr Smith, Dr": (None, "SMITH", "valid"),
    "Rev John Smith Jr.": ("JOHN", "SMITH", "valid"),
    "Mx Anna Smith": ("ANNA", "SMITH", "valid"),
    "Yo-Yo Ma": ("YO YO", "MA", "valid"),
    "Md Rahman": ("MD", "RAHMAN", "valid"),
    # Particles stay with the family name.
    "Dr Anna-Marie van der Berg": ("ANNA MARIE", "VAN DER BERG", "valid"),
    "Leonor de la Cruz": ("LEONOR", "DE LA CRUZ", "valid"),
    "Sean O'Brien": ("SEAN", "OBRIEN", "valid"),
    "Sean O Brien": ("SEAN", "OBRIEN", "valid"),
    "Anna Mac Donald": ("ANNA", "MACDONALD", "valid"),
    "Salman bin Abdulaziz": ("SALMAN", "BIN ABDULAZIZ", "valid"),
    "Ibrahim al-Hassan": ("IBRAHIM", "AL HASSAN", "valid"),
    "Ibrahim Al Hassan": ("IBRAHIM", "AL HASSAN", "valid"),
    "SMITH, JP": ("JP", "SMITH", "valid"),
    "John Smith, JP": ("JOHN", "SMITH", "valid"),
    "Mr JOHN SMITH": ("JOHN", "SMITH", "valid"),
    # Which is which is a guess.
    "ANNA JANE SMITH": ("ANNA JANE", "SMITH", "unclear"),
    "SMITH ANNA": ("SMITH", "ANNA", "unclear"),
    "VAN DER BERG ANNA": ("VAN", "DER BERG ANNA", "unclear"),
    "Van Morrison": ("VAN", "MORRISON", "unclear"),
    "SMITH Anna": ("ANNA", "SMITH", "unclear"),
    "VAN DER BERG Anna Marie": ("ANNA MARIE", "VAN DER BERG", "unclear"),
    "Smith A": ("A", "SMITH", "unclear"),
    "SMITH A J": ("A J", "SMITH", "unclear"),
    "Smith": (None, "SMITH", "unclear"),
    # No name at all.
    "": (None, None, "missing"),
    "N/A": (None, None, "missing"),
    "Not known": (None, None, "non_name"),
    "Unknown, Unknown": (None, None, "non_name"),
    "Mrs": (None, None, "non_name"),
    "Baby of Anna Smith": (None, None, "non_name"),
    "Baby Smith": (None, "SMITH", "valid"),
    "Baby Girl Smith": (None, "SMITH", "valid"),
    "Test Patient": (None, None, "non_name"),
    None: (None, None, "missing"),
}


@pytest.mark.parametrize("text", CASES)
def test_whole_names_are_split(text: str | None) -> None:
    ((_, *found),) = parsed([text], full_names.standardise(X))
    assert tuple(found) == CASES[text]


def test_the_value_is_both_parts_together() -> None:
    assert parsed(["SMITH, Anna Jane", "Mr Smith"], full_names.standardise(X)) == [
        ("ANNA JANE SMITH", "ANNA JANE", "SMITH", "valid"),
        ("SMITH", None, "SMITH", "valid"),
    ]


WORDS = st.sampled_from(
    [
        *(
            "Anna",
            "SMITH",
            "Jones-Rees",
            "O'Brien",
            "O",
            "o",
            "A",
            "J",
            "AJ",
            "Zoë",
            "Ng",
            "van",
            "der",
            "DE",
            "bin",
            "al",
        ),
        *(
            "Mac",
            "O'",
            "Mr",
            "Mrs",
            "DR",
            "Lord",
            "sir",
            "Jr",
            "JP",
            "OBE",
            "II",
            "III",
            "Ma",
            "Baby",
            "Girl",
            "unknown",
            "Иван",
        ),
        *(",", ".", "(Annie)", "known as", "née", "-", "1", "NULL"),
    ]
)
NAMES = st.lists(st.tuples(WORDS, st.sampled_from([" ", " ", " ", "", ". ", ", ", "  "])), max_size=6).map(
    lambda parts: "".join(word + separator for word, separator in parts)
)


@settings(max_examples=60)
@given(st.lists(NAMES | st.none(), max_size=40))
def test_any_whole_name_is_split_as_the_naive_implementation_splits_it(values: list[str | None]) -> None:
    assert parsed(values, full_names.standardise(X)) == [naive.full_name(value) for value in values]
