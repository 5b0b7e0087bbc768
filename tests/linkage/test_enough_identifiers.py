"""How many identifiers are enough: a rule for each question."""

import polars as pl

from linkcore.linkage.enough_identifiers import enough_to_be_found, enough_to_compare, fields_present
from linkcore.sources.records import standardise
from linkcore.sources.source import Source


def test_a_field_is_present_where_it_is_not_null() -> None:
    schema = {
        "source_index": pl.Int32,
        "family_name": pl.String,
        "further_telephone": pl.String,
        "nhs_number": pl.Int64,
    }
    frame = pl.DataFrame([(0, "NG", None, 1), (1, None, "01392", 1)], schema=schema, orient="row")
    assert fields_present(frame).rows(named=True) == [
        {"has_family_name": True, "has_further_telephone": False},
        {"has_family_name": False, "has_further_telephone": True},
    ]


def test_a_year_of_birth_is_one_identifier_to_compare() -> None:
    rows = [("1980", "SMITH"), ("1980", None), ("1900", "SMITH"), ("1980-02-03", "SMITH")]
    frame = pl.DataFrame(rows, schema=["birth_date", "family_name"], orient="row")
    assert enough_to_compare(standardise(Source("s", frame)).frame).to_list() == [True, False, False, True]


def test_neither_a_number_nor_part_of_a_birth_date_counts_for_being_found() -> None:
    fields = {
        "nhs_number": 1,
        "local_patient_id": "A",
        "birth_date_text": "1980",
        "family_name": "NG",
        "gender": "male",
    }
    frame = pl.DataFrame([fields | {"further_telephone": telephone} for telephone in ("01392", None)])
    assert frame.select(enough_to_be_found(frame.columns)).to_series().to_list() == [True, False]
