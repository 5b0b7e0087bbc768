"""RECORDS: one row for each record, with fixed dtypes; every value that is set aside is counted."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import SourceError
from linkcore.schema import RECORDS, SET_ASIDE
from linkcore.sources.records import raw_columns, raw_row_hash, standardise
from linkcore.sources.source import Source

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


def test_the_columns_are_those_of_the_schema_even_if_a_source_lacks_some() -> None:
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


def test_a_partial_birth_date_is_kept_as_text_and_counted() -> None:
    frame = pl.DataFrame({"birth_date": ["1980", "00/02/1980", "1903", "1900", None]})
    records = standardise(Source("s", frame), reference_date=dt.date(2026, 3, 31))
    assert records.frame["birth_date"].to_list() == [None] * 5
    assert records.frame["birth_date_text"].to_list() == ["1980", "1980-02", "1903", None, None]
    reasons = dict(records.set_aside.select("status", "records").iter_rows())
    assert reasons == {"partial": 2, "implausible": 1, "default": 1, "missing": 1}


def test_the_fingerprint_depends_on_the_values_and_not_on_their_storage(tmp_path: Path) -> None:
    def fingerprint(data: object) -> str:
        return standardise(Source("s", data, columns={"family_name": "SURNAME"})).fingerprint

    assert fingerprint(MESSY) == fingerprint(pl.concat([MESSY.head(1), MESSY.tail(3)], rechunk=False))
    assert fingerprint(MESSY) != fingerprint(MESSY.head(3))
    for name, frame in (("a.parquet", MESSY), ("b.parquet", MESSY.head(3)), ("c.parquet", MESSY)):
        frame.write_parquet(tmp_path / name)
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(tmp_path / "c.parquet")
    assert fingerprint(tmp_path / "a.parquet") != fingerprint(tmp_path / "b.parquet")


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String])
def test_numbers_link_in_any_dtype(dtype: pl.DataType) -> None:
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


@pytest.mark.parametrize(
    ("values", "dtype", "kept"),
    [
        (["A1", " A1 ", "UNKNOWN", "n/a", "-", "", None, "0", "0000", "99999", "09", "A0"], pl.String, "A1 A1 09 A0"),
        ([0, 17, 9999, None], pl.Int64, "17"),
        ([0.0, 17.0, float("nan"), 99.0, None], pl.Float64, "17"),
        (["UNKNOWN", "A1"], pl.Categorical(), "A1"),
    ],
    ids=str,
)
def test_a_filler_for_a_local_patient_id_is_missing(values: list[object], dtype: pl.DataType, kept: str) -> None:
    records = standardise(Source("s", pl.DataFrame({"local_patient_id": pl.Series(values, dtype=dtype)})))
    found = records.frame.sort("row")["local_patient_id"].drop_nulls().to_list()
    assert found == kept.split()
    counts = dict(records.set_aside.select("status", "records").iter_rows())
    assert counts == {"valid": len(found), "missing": len(values) - len(found)}


@pytest.mark.parametrize("name", ["row", "raw:row", "raw:hash", "raw:record_id"])
def test_a_column_may_have_any_name(name: str) -> None:
    frame = pl.DataFrame({name: ["b", "a"], "SURNAME": ["Smith", "Ng"]})
    records = standardise(Source("s", frame, columns={"family_name": "SURNAME"}, record_id=name))
    assert records.frame.select("row", "record_id", "family_name").rows() == [(1, "a", "NG"), (0, "b", "SMITH")]
    assert standardise(Source("s", frame, columns={"family_name": name})).frame["family_name"].to_list() == ["B", "A"]


TYPED = pl.DataFrame(
    {
        "ID": ["c", "a", "e", "b", "d"],
        "NHS": pl.Series([4010232137, None, 4010232137, 0, 1], dtype=pl.Int64),
        "SURNAME": pl.Series(["Smith", None, "Smith", "", "Ng"], dtype=pl.Categorical()),
        "FORENAME": ["", None, "", None, ""],
        "DOB": [dt.date(1980, 2, 3), None, dt.date(1980, 2, 3), dt.date(1, 1, 1), None],
        "SCORE": [0.1, float("nan"), 0.1, None, 1e300],
        "COST": [1, 2, 3, 4, 5],
    }
)
TYPED_MAPPED = {
    "columns": {"nhs_number": "NHS", "family_name": "SURNAME", "given_name": "FORENAME", "birth_date": "DOB"},
    "further": {"SCORE": "number"},
}


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("batch_rows", [1, 2, 5])
@pytest.mark.parametrize("settings", [TYPED_MAPPED, TYPED_MAPPED | {"record_id": "ID"}])
def test_rows_read_again_have_the_same_hashes(
    tmp_path: Path, engine: str, batch_rows: int, settings: dict[str, object]
) -> None:
    TYPED.write_parquet(tmp_path / "a.parquet", row_group_size=2)
    linked = standardise(Source("s", tmp_path / "a.parquet", **settings))
    assert linked.row_hashes.dtype == pl.UInt64
    # The same rows from memory, in several chunks.
    parts = [TYPED[at : at + batch_rows] for at in range(0, TYPED.height, batch_rows)]
    anew = Source("s", pl.concat(parts, rechunk=False), **settings)
    batch = anew.scan([*raw_columns(anew), "COST"]).with_row_index("row")
    hashes = batch.select(raw_row_hash(anew)).collect(engine=engine).to_series()
    assert hashes[linked.frame["row"]].to_list() == linked.row_hashes.to_list()


def test_categories_hash_by_their_names_and_not_by_their_order() -> None:
    first, second = (pl.Categorical(pl.Categories(name)) for name in ("first", "second"))
    met_before = pl.Series(["Ng", "Smith"], dtype=second)
    frames = [pl.DataFrame({"family_name": pl.Series(["Smith", "Ng"], dtype=dtype)}) for dtype in (first, second)]
    codes = [frame["family_name"].to_physical().to_list() for frame in frames]
    assert codes[0] != codes[1] == met_before.to_physical().to_list()[::-1]
    hashes = [standardise(Source("s", frame)).row_hashes.to_list() for frame in frames]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("column", ["ID", "NHS", "SURNAME", "FORENAME", "DOB", "SCORE"])
def test_a_changed_row_has_another_hash(column: str) -> None:
    source = Source("s", TYPED, **TYPED_MAPPED, record_id="ID")
    hashes = TYPED.select(raw_row_hash(source)).to_series()
    for changed in (TYPED[column].reverse(), pl.Series([None] * 5, dtype=TYPED[column].dtype)):
        other = TYPED.with_columns(changed.alias(column))
        same = (other[column].eq_missing(TYPED[column])).to_list()
        assert (other.select(raw_row_hash(source)).to_series() == hashes).to_list() == same


def test_a_null_and_an_empty_text_hash_differently_and_so_do_swapped_columns() -> None:
    rows = [("", ""), ("", None), (None, ""), (None, None), ("ab", ""), ("", "ab"), ("a", "b"), ("b", "a"), ("a", "a")]
    frame = pl.DataFrame(rows, schema={"family_name": pl.String, "given_name": pl.String}, orient="row")
    assert standardise(Source("s", frame)).row_hashes.n_unique() == len(rows)


def test_a_full_name_becomes_given_and_family_name_and_is_counted() -> None:
    extract = pl.DataFrame({"NAME": ["SMITH, Anna", "Mr John Smith", "SMITH Anna", "Not known", None]})
    records = standardise(Source("seen", extract, columns={"full_name": "NAME"}))
    assert records.frame.select("given_name", "family_name").rows() == [
        ("ANNA", "SMITH"),
        ("JOHN", "SMITH"),
        ("ANNA", "SMITH"),
        (None, None),
        (None, None),
    ]
    counts = dict(records.set_aside.filter(identifier="full_name").select("status", "records").iter_rows())
    assert counts == {"valid": 2, "unclear": 1, "non_name": 1, "missing": 1}
    assert set(records.frame.columns) == set(RECORDS)


def test_a_full_name_that_is_not_compared_is_counted_only() -> None:
    extract = pl.DataFrame({"full_name": ["Anna Smith"], "gender": ["F"]})
    records = standardise(Source("seen", extract, not_compared=["full_name"]))
    assert records.frame.select("given_name", "family_name").rows() == [(None, None)]
    assert records.set_aside.filter(identifier="full_name")["records"].to_list() == [1]


@pytest.mark.parametrize("column", ["given_name", "family_name"])
def test_a_column_of_one_part_that_mostly_holds_whole_names_is_found(column: str) -> None:
    def counts(values: list[str]) -> dict[str, int]:
        set_aside = standardise(Source("seen", pl.DataFrame({column: values}))).set_aside
        return dict(set_aside.filter(identifier=column).select("status", "records").iter_rows())

    whole = ["SMITH, Anna", "Mrs Anna Smith"]
    assert counts([*whole, "Anna", "Unknown"]) == {"whole_name": 2, "valid": 1, "non_name": 1}
    # As many others: a few whole names are mistakes of single records.
    assert counts([*whole, "Anna", "Jane"]) == {"valid": 4}
