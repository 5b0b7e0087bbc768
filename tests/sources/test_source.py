"""Sources: every format gives the same table, and every fault is reported without a value."""

from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkcore.errors import ProgrammeError, SourceError
from linkcore.sources.source import Source

EXTRACT = pl.DataFrame(
    {
        "NHS_NO": ["0123456789", None, "401 023 2137"],
        "SURNAME": ["Nuñez", 'O"Neill', "Line\nbreak, comma"],
        "COST": ["1.50", "2", None],
    }
)
COLUMNS = {"nhs_number": "NHS_NO", "family_name": "SURNAME"}


def write(folder: Path, name: str, encoding: str = "utf-8") -> Path:
    file = folder / name
    if file.suffix == ".parquet":
        EXTRACT.write_parquet(file)
    elif file.suffix == ".arrow":
        EXTRACT.write_ipc(file)
    else:
        file.write_bytes(EXTRACT.write_csv().encode(encoding))
    return file


@pytest.mark.parametrize(
    ("name", "encoding", "stated"),
    [
        ("a.parquet", "", "utf-8"),
        ("a.arrow", "", "utf-8"),
        ("a.csv", "utf-8", "utf-8"),
        ("a.txt", "utf-8-sig", "utf-8"),
        ("a.csv", "windows-1252", "windows-1252"),
        ("a.csv", "utf-16", "utf-16"),
    ],
)
def test_every_file_format_gives_the_same_table(tmp_path: Path, name: str, encoding: str, stated: str) -> None:
    file = write(tmp_path, name, encoding)
    source = Source("s", file, columns=COLUMNS, encoding=stated)
    with source.reading():
        assert source.scan(["NHS_NO", "SURNAME", "COST"]).collect().equals(EXTRACT)


def assert_reads_twice(given: object) -> None:
    source = Source("s", given, columns=COLUMNS)
    for _ in range(2):
        assert source.scan(["NHS_NO", "SURNAME", "COST"]).collect().equals(EXTRACT)


@pytest.mark.parametrize("given", [EXTRACT, EXTRACT.lazy(), EXTRACT.to_arrow(), EXTRACT.to_pandas()])
def test_every_frame_gives_the_same_table_each_time_it_is_read(given: object) -> None:
    assert isinstance(given, pl.DataFrame | pl.LazyFrame | pa.Table | pd.DataFrame)
    assert_reads_twice(given)


def test_a_duckdb_relation_gives_the_same_table_each_time_it_is_read() -> None:
    with duckdb.connect() as connection:
        assert_reads_twice(connection.from_arrow(EXTRACT.to_arrow()))


def test_a_glob_is_read_in_order_of_file_names_and_mixed_dtypes_become_text(tmp_path: Path) -> None:
    pl.DataFrame({"NHS_NO": [4010232137], "X": [1]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"X": [2], "NHS_NO": ["401 023 2137"]}).write_parquet(tmp_path / "a.parquet")
    source = Source("s", str(tmp_path / "*.parquet"), columns={"nhs_number": "NHS_NO"})
    assert [file.name for file in source.files] == ["a.parquet", "b.parquet"]
    assert source.scan(["NHS_NO"]).collect()["NHS_NO"].to_list() == ["401 023 2137", "4010232137"]


def test_a_query_reads_only_its_columns(tmp_path: Path) -> None:
    file = write(tmp_path, "a.parquet")
    plan = Source("s", file, columns=COLUMNS).scan(["NHS_NO"]).explain()
    assert "1/3 COLUMNS" in plan


def test_without_columns_standard_names_are_used_and_further_ones_are_not_read_twice() -> None:
    frame = pl.DataFrame({"nhs_number": [""], "postcode": [""], "record_id": ["x"], "cost": [1]})
    source = Source("s", frame, further={"postcode": "exact"})
    assert source.identifier_columns == {"nhs_number": "nhs_number"}
    assert source.record_id_column == "record_id"
    assert source.private_columns == {"nhs_number", "postcode", "record_id"}


def test_with_columns_nothing_else_is_used() -> None:
    frame = pl.DataFrame({"nhs_number": [""], "postcode": [""], "record_id": ["x"]})
    source = Source("s", frame, columns={"nhs_number": "nhs_number"})
    assert source.identifier_columns == {"nhs_number": "nhs_number"}
    assert source.record_id_column is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"columns": {"nhs_no": "NHS_NO"}}, "not standard identifiers"),
        ({"columns": COLUMNS, "further": {"COST": "money"}}, "kind 'money'"),
        ({"columns": COLUMNS, "further": {"SURNAME": "text"}}, "both columns and further"),
        ({"columns": COLUMNS, "events": {"admitted": "COST"}}, "events names admitted; it may name start, end"),
        ({"columns": COLUMNS, "events": {"start": "A", "end": "B", "days": "C"}}, "but not both end and days"),
        ({"columns": COLUMNS, "encoding": "latin-99"}, "unknown encoding"),
        ({"columns": COLUMNS, "encoding": "rot13"}, "unknown encoding"),
        ({"columns": COLUMNS, "encoding": "zip"}, "unknown encoding"),
        ({"columns": COLUMNS, "encoding": "undefined"}, "unknown encoding"),
        ({"columns": COLUMNS, "separator": "::"}, "one ASCII character"),
        ({"columns": COLUMNS, "separator": ""}, "one ASCII character"),
        ({"columns": COLUMNS, "separator": "§"}, "one ASCII character"),
        ({"columns": COLUMNS, "separator": '"'}, "no quotation mark"),
        ({"columns": COLUMNS, "separator": "\n"}, "no quotation mark"),
    ],
)
def test_wrong_settings_are_refused_when_the_source_is_made(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ProgrammeError, match=says) as caught:
        Source("s", EXTRACT, **settings)
    assert_bare(caught.value)


def test_a_name_that_cannot_name_a_file_or_that_reports_use_is_refused() -> None:
    with pytest.raises(ProgrammeError, match="a name is"):
        Source("../s", EXTRACT, columns=COLUMNS)
    with pytest.raises(ProgrammeError, match="all sources together"):
        Source("all", EXTRACT, columns=COLUMNS)


@pytest.mark.parametrize("setting", ["columns", "record_id", "practice", "attributes", "events", "further"])
def test_a_missing_column_is_named_with_source_file_and_setting(tmp_path: Path, setting: str) -> None:
    settings = {
        "columns": {"nhs_number": "NOPE"},
        "record_id": "NOPE",
        "practice": "NOPE",
        "attributes": {"ethnic_group": "NOPE"},
        "events": {"start": "NOPE"},
        "further": {"NOPE": "text"},
    }
    file = write(tmp_path, "a.csv")
    with pytest.raises(SourceError) as caught:
        Source("east", file, **({"columns": COLUMNS} | {setting: settings[setting]}))
    for part in ("'east'", str(file), "'NOPE'", setting, "SURNAME"):
        assert part in str(caught.value)


def test_a_source_without_identifiers_is_refused() -> None:
    with pytest.raises(SourceError, match="no identifiers"):
        Source("s", pl.DataFrame({"cost": [1]}))


@pytest.mark.parametrize("name", ["linkcore:theirs", "linkcore:"])
def test_a_column_that_is_named_like_linkcores_own_is_refused(name: str) -> None:
    """Beside such a column, subject access could not put its own."""
    with pytest.raises(SourceError, match=r"source 'gp', .* begins with 'linkcore:'"):
        Source("gp", pl.DataFrame({"nhs_number": ["4010232137"], name: [1]}))


@pytest.mark.parametrize("name", ["none.parquet", "*.csv"])
def test_a_missing_file_is_an_error_that_names_the_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="no file matches"):
        Source("s", tmp_path / name, columns=COLUMNS)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_file_in_another_format_than_its_ending_is_named(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    file.write_text("NHS_NO\n4010232137\n")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        Source("s", file, columns=COLUMNS)
    assert str(file) in str(caught.value)
    assert "4010232137" not in str(caught.value)
    assert_bare(caught.value)


def test_a_file_cut_short_is_named_when_it_is_read(tmp_path: Path) -> None:
    whole = write(tmp_path, "a.parquet")
    pl.concat([EXTRACT] * 20_000).write_parquet(whole, compression="uncompressed", row_group_size=1000)
    source = Source("s", whole, columns=COLUMNS)
    damaged = bytearray(whole.read_bytes())
    damaged[8:5000] = bytes(4992)
    whole.write_bytes(damaged)
    with pytest.raises(SourceError, match=r"a\.parquet cannot be read") as caught, source.reading():
        source.scan(["NHS_NO"]).collect()
    assert_bare(caught.value)


@pytest.mark.parametrize(
    "rows", [b"1,SECRET,3,4\n", b'1,"SECRET\n', b"1,SECRET\xe9,3\n"], ids=["too wide", "never closes", "no UTF-8"]
)
def test_a_broken_csv_file_is_refused_without_its_values(tmp_path: Path, rows: bytes) -> None:
    file = write(tmp_path, "a.csv")
    source = Source("s", file, columns=COLUMNS)
    file.write_bytes(file.read_bytes() + rows)
    with pytest.raises(SourceError) as caught, source.reading():
        source.scan(["NHS_NO"]).collect()
    assert_bare(caught.value)


def assert_bare(error: BaseException) -> None:
    assert "SECRET" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_pandas_column_of_mixed_types_is_refused_without_its_values() -> None:
    frame = pd.DataFrame({"NHS_NO": pd.Series([1, "SECRET"], dtype=object), "SURNAME": ["a", "b"]})
    with pytest.raises(SourceError, match=r"the DataFrame given cannot be read, for \['NHS_NO'\] in it") as caught:
        Source("s", frame, columns=COLUMNS)
    assert_bare(caught.value)


def test_a_duckdb_query_that_fails_is_refused_without_its_values() -> None:
    with duckdb.connect() as connection:
        query = connection.sql(
            "SELECT CAST(text AS INTEGER) AS NHS_NO, text AS SURNAME FROM (VALUES ('1'), ('SECRET')) AS given(text)"
        )
        with pytest.raises(SourceError, match="source 's': the DuckDBPyRelation given cannot be read") as caught:
            Source("s", query, columns=COLUMNS)
    assert_bare(caught.value)


def test_an_error_of_linkcore_passes_through_reading() -> None:
    refusal = ProgrammeError("x")
    with pytest.raises(ProgrammeError) as caught, Source("s", EXTRACT, columns=COLUMNS).reading():
        raise refusal
    assert caught.value is refusal


@pytest.mark.parametrize("first", ["9990000018,Smith,1980-02-03", "Smith,,", "Smith,Jones,EX1 2AB", "Smith,Smith,1"])
def test_a_file_without_a_header_is_refused_without_its_values(tmp_path: Path, first: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{first}\n9990000026,Jones,1990-01-01\n")
    with pytest.raises(SourceError) as caught:
        Source("s", file, columns=COLUMNS)
    for value in ("9990000018", "Smith", "1980", "EX1"):
        assert value not in str(caught.value)
    assert str(file) in str(caught.value)
    assert_bare(caught.value)


def test_a_reader_that_can_be_read_only_once_is_refused() -> None:
    reader = EXTRACT.to_arrow().to_reader()
    with pytest.raises(ProgrammeError, match=r"can be read only once; give its table, as in reader\.read_all\(\)"):
        Source("s", reader, columns=COLUMNS)
    assert_reads_twice(reader.read_all())


@pytest.mark.parametrize("name", ["family_name", "record_id"])
def test_a_standard_column_that_only_some_files_have_is_refused(tmp_path: Path, name: str) -> None:
    for file in ("a.csv", "b.csv", "c.csv"):
        header, row = ("nhs_number", "1") if file == "b.csv" else (f"nhs_number,{name}", "1,x")
        (tmp_path / file).write_text(f"{header}\n{row}\n")
    with pytest.raises(SourceError, match=f"no column '{name}' in .*b\\.csv, though") as caught:
        Source("s", tmp_path / "*.csv")
    assert "a.csv" not in str(caught.value)
    # With columns given, all other columns may differ.
    assert len(Source("s", tmp_path / "*.csv", columns={"nhs_number": "nhs_number"}).files) == 3


def test_a_file_with_brackets_in_its_name_is_found(tmp_path: Path) -> None:
    file = write(tmp_path, "gp [1].csv")
    write(tmp_path, "gp 1.csv")
    assert Source("s", file, columns=COLUMNS).files == (file,)


def test_two_asterisks_stand_for_folders_in_folders(tmp_path: Path) -> None:
    for folder in ("2024", "2025/01"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder, "a.csv")
    files = Source("s", tmp_path / "**" / "*.csv", columns=COLUMNS).files
    assert files == (tmp_path / "2024/a.csv", tmp_path / "2025/01/a.csv")


def test_the_place_of_a_row_is_its_file_and_number(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    write(tmp_path, "b.csv")
    source = Source("s", tmp_path / "?.csv", columns=COLUMNS)
    assert source.place_of_row(4) == f"{tmp_path / 'b.csv'}, row 2"


def test_an_object_that_is_no_table_is_refused() -> None:
    with pytest.raises(ProgrammeError, match="PyCapsule"):
        Source("s", [1, 2, 3], columns=COLUMNS)


@pytest.mark.parametrize("part", ["given_name", "family_name"])
def test_a_source_has_a_full_name_or_its_parts(part: str) -> None:
    frame = pl.DataFrame({"NAME": ["Anna Smith"], "PART": ["Anna"]})
    with pytest.raises(ProgrammeError, match="full_name as well as"):
        Source("seen", frame, columns={"full_name": "NAME", part: "PART"})
    assert Source("seen", frame, columns={"full_name": "NAME"}).identifier_columns == {"full_name": "NAME"}
    # With standard names, the parts are read: they say more.
    both = pl.DataFrame({"full_name": ["Anna Smith"], part: ["Anna"]})
    assert Source("seen", both).identifier_columns == {part: part}
    assert Source("seen", both.select("full_name")).identifier_columns == {"full_name": "full_name"}
