"""RECORDS: one row a record, typed, with every value that was set aside counted."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import SourceError
from linkcore.linkage.sources import Source
from linkcore.linkage.standardise import standardise
from linkcore.schema import RECORDS, SET_ASIDE

MESSY = pl.DataFrame(
    {
        "ID": ["b", "a", "d", "c"],
        "NHS": ["401 023 2137", "9999999999", None, "9434765919"],
        "FORENAME": ["  Zoë ", "BABY GIRL", None, "José"],
        "SURNAME": ["O'Brien", "Smith", "X", "Unknown"],
        "DOB": ["03/02/1980", "1900-01-01", "31/02/1990", "nonsense"],
        "SEX": ["2", "M", "9", None],
        "POSTCODE": ["ex12ab", "ZZ99 3VZ", "EX1", ""],
        "ADDRESS": ["1, High St.", "NO FIXED ABODE", None, "Flat 2"],
        "HOSPITAL": [" H1 ", "", None, "H2"],
        "PHONE": ["01392 1", " ", None, "x"],
        "SCORE": ["1.5", "n/a", None, "2"],
        "SEEN": ["01/02/2026", None, "2026-02-31", "20260103"],
        "ETHNIC": ["A", None, "B", "Z"],
        "COST": [1, 2, 3, 4],
    }
)
MAPPED = {
    "columns": {
        "nhs_number": "NHS",
        "given_name": "FORENAME",
        "family_name": "SURNAME",
        "birth_date": "DOB",
        "gender": "SEX",
        "postcode": "POSTCODE",
        "address": "ADDRESS",
        "local_patient_id": "HOSPITAL",
    },
    "record_id": "ID",
    "further": {"PHONE": "exact", "SCORE": "number", "SEEN": "date"},
    "attributes": {"ethnic_group": "ETHNIC"},
}


def test_every_identifier_comes_out_in_standard_form_in_order_of_record_id() -> None:
    frame = standardise(Source("s", MESSY, **MAPPED), usable=("valid",)).frame
    assert frame.drop("nhs_number_status").rows(named=True) == [
        {
            "row": 1, "record_id": "a", "nhs_number": None, "given_name": None, "family_name": "SMITH",
            "birth_date": None, "birth_date_text": None, "gender": "male", "postcode": None, "address": None,
            "local_patient_id": None, "further_PHONE": None, "further_SCORE": None, "further_SEEN": None,
            "attribute_ethnic_group": None,
        },
        {
            "row": 0, "record_id": "b", "nhs_number": 4010232137, "given_name": "ZOE", "family_name": "OBRIEN",
            "birth_date": dt.date(1980, 2, 3), "birth_date_text": None, "gender": "female", "postcode": "EX1 2AB",
            "address": "1 HIGH ST", "local_patient_id": "H1", "further_PHONE": "01392 1", "further_SCORE": 1.5,
            "further_SEEN": dt.date(2026, 2, 1), "attribute_ethnic_group": "A",
        },
        {
            "row": 3, "record_id": "c", "nhs_number": None, "given_name": "JOSE", "family_name": None,
            "birth_date": None, "birth_date_text": None, "gender": None, "postcode": None, "address": "FLAT 2",
            "local_patient_id": "H2", "further_PHONE": "X", "further_SCORE": 2.0,
            "further_SEEN": dt.date(2026, 1, 3), "attribute_ethnic_group": "Z",
        },
        {
            "row": 2, "record_id": "d", "nhs_number": None, "given_name": None, "family_name": "X",
            "birth_date": None, "birth_date_text": "1990-02-31", "gender": None, "postcode": None, "address": None,
            "local_patient_id": None, "further_PHONE": None, "further_SCORE": None, "further_SEEN": None,
            "attribute_ethnic_group": "B",
        },
    ]  # fmt: skip
    assert frame["nhs_number_status"].to_list() == ["placeholder", "valid", "test", "missing"]


def test_the_columns_are_those_of_the_schema_whatever_a_source_lacks() -> None:
    frame = standardise(Source("s", MESSY, columns={"family_name": "SURNAME"})).frame
    assert frame.schema == RECORDS
    assert frame["record_id"].to_list() == ["0", "1", "2", "3"]
    assert frame["nhs_number_status"].unique().to_list() == ["missing"]


def test_every_value_of_every_mapped_identifier_is_counted_once() -> None:
    set_aside = standardise(Source("s", MESSY, **MAPPED)).set_aside
    assert set_aside.schema == SET_ASIDE
    counted = set_aside.group_by("identifier").agg(pl.col("records").sum())
    assert dict(counted.iter_rows()) == dict.fromkeys(MAPPED["columns"], MESSY.height)
    reasons = dict(set_aside.filter(identifier="birth_date").select("status", "records").iter_rows())
    assert reasons == {"valid": 1, "default": 1, "impossible": 1, "unreadable": 1}


def test_the_fingerprint_is_of_what_was_sent_and_not_of_how_it_is_held(tmp_path: Path) -> None:
    def fingerprint(data: object) -> str:
        return standardise(Source("s", data, columns={"family_name": "SURNAME"})).fingerprint

    assert fingerprint(MESSY) == fingerprint(pl.concat([MESSY.head(1), MESSY.tail(3)], rechunk=False))
    assert fingerprint(MESSY) != fingerprint(MESSY.head(3))
    for name, frame in (("a.parquet", MESSY), ("b.parquet", MESSY.head(3)), ("c.parquet", MESSY)):
        frame.write_parquet(tmp_path / name)
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(tmp_path / "c.parquet")
    assert fingerprint(tmp_path / "a.parquet") != fingerprint(tmp_path / "b.parquet")


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String])
def test_numbers_link_whatever_dtype_they_come_in(dtype: pl.DataType) -> None:
    frame = pl.DataFrame({"nhs_number": [4010232137, None]}).cast({"nhs_number": dtype})
    assert standardise(Source("s", frame)).frame["nhs_number"].to_list() == [4010232137, None]


def test_the_lost_zero_of_a_chi_number_is_found_by_the_birth_date() -> None:
    frame = pl.DataFrame({"nhs_number": ["101299877", "101299877"], "birth_date": ["01/01/1929", "02/01/1929"]})
    standard = standardise(Source("s", frame)).frame.rows_by_key("record_id", named=True, unique=True)
    assert standard["0"]["nhs_number_status"] in {"scotland", "check_digit"}
    assert standard["1"]["nhs_number_status"] == "malformed"


@pytest.mark.parametrize("values", [[b"\xff"], [["9434765919"]], [{"n": 1}]])
def test_a_column_that_can_hold_no_identifier_is_refused_by_name(values: list[object]) -> None:
    with pytest.raises(SourceError, match="source 's': column 'nhs_number' is"):
        standardise(Source("s", pl.DataFrame({"nhs_number": values})))
