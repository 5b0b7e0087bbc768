"""Delta tables: the newest version is read, without deleted rows, and nothing outside the folder."""

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import deltalake
import polars as pl
import pytest

from linkcore.errors import SourceError
from linkcore.programme.programme import Programme
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

ROWS = pl.DataFrame(
    {"nhs_number": ["9990000018", "9990000026", "9990000034"], "year": [1, 1, 2], "cost": [0.1, None, 3.0]}
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "gp"
    ROWS[:2].write_delta(folder, delta_write_options={"partition_by": ["year"]})
    ROWS[2:].write_delta(folder, mode="append")
    return folder


def numbers(source: Source) -> list[str]:
    with source.reading():
        return sorted(source.scan(["nhs_number"]).collect().to_series())


def test_the_newest_version_is_read_without_deleted_rows(table: Path) -> None:
    source = Source("gp", table)
    assert source.scan(ROWS.columns).collect().sort("nhs_number").equals(ROWS)
    assert source.column_names == tuple(ROWS.columns)
    deltalake.DeltaTable(table).delete("nhs_number = '9990000018'")
    assert numbers(Source("gp", table)) == ["9990000026", "9990000034"]
    assert standardise(Source("gp", str(table))).frame.height == 2
    deltalake.DeltaTable(table).delete()
    assert numbers(Source("gp", table)) == []


def test_a_source_that_was_opened_stays_at_its_version(table: Path) -> None:
    source = Source("gp", table)
    before = source.digest
    ROWS[:1].write_delta(table, mode="append")
    assert len(numbers(source)) == 3
    assert Source("gp", table).digest != before


def test_rows_that_a_deletion_vector_deletes_are_not_read(table: Path) -> None:
    """Databricks writes these; what Polars cannot apply is refused, and never read as if it were not there."""
    log = table / "_delta_log" / "00000000000000000002.json"
    added = [
        json.loads(line)["add"]
        for file in sorted((table / "_delta_log").glob("*.json"))
        for line in file.read_text().splitlines()
        if "add" in json.loads(line)
    ]
    features = ["deletionVectors"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    vector: dict[str, object] = {
        "storageType": "u",
        "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^",
        "offset": 4,
        "sizeInBytes": 40,
        "cardinality": 1,
    }
    removed = {"path": added[0]["path"], "deletionTimestamp": 1, "dataChange": True}
    vector |= {"cardinality": 1}
    lines = [{"protocol": protocol}, {"remove": removed}, {"add": added[0] | {"deletionVector": vector}}]
    log.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(SourceError, match="cannot be read; is it a whole Delta table"):
        numbers(Source("gp", table))


@pytest.mark.parametrize("before", ["", "file://", "../"])
def test_a_log_that_names_a_file_elsewhere_is_refused(table: Path, tmp_path: Path, before: str) -> None:
    outside = tmp_path / f"{uuid.uuid4()}.parquet"
    ROWS.drop("year").write_parquet(outside)
    path = before + (outside.name if before == "../" else str(outside))
    added = {"path": path, "partitionValues": {"year": "1"}, "size": outside.stat().st_size}
    line = {"add": added | {"modificationTime": 1, "dataChange": True}}
    (table / "_delta_log" / "00000000000000000002.json").write_text(json.dumps(line))
    with pytest.raises(SourceError, match=r"names a file outside its folder|cannot be read"):
        numbers(Source("gp", table))


@pytest.mark.parametrize("damage", ["log", "file"])
def test_a_damaged_table_is_refused(table: Path, damage: str) -> None:
    if damage == "log":
        (table / "_delta_log" / "00000000000000000000.json").write_text("SECRET")
    else:
        next(table.rglob("*.parquet")).write_text("SECRET")
    with pytest.raises(SourceError, match="cannot be read; is it") as caught:
        standardise(Source("gp", table))
    assert "SECRET" not in str(caught.value)


def test_its_single_files_are_refused_since_they_may_hold_deleted_rows(table: Path) -> None:
    with pytest.raises(SourceError, match="is in a Delta table, whose files may hold deleted rows; name the folder"):
        Source("gp", f"{table}/**/*.parquet")


def test_it_has_limits(table: Path) -> None:
    with pytest.raises(SourceError, match="its data hold 3 rows, and max_rows is 2"):
        Source("gp", table, max_rows=2)
    with pytest.raises(SourceError, match="bytes, and max_bytes is 9"):
        Source("gp", table, max_bytes=9)


def test_a_programme_reads_and_destroys_it(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "programme"
    folder.mkdir()
    shutil.move(table, folder)
    file = folder / "programme.toml"
    file.write_text('[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "gp"\n')
    programme = Programme.load(file)
    (source,) = programme.check()
    assert len(numbers(source)) == 3
    assert [place.pattern for place in programme.to_destroy().places()] == ["gp"]


def test_a_path_that_its_library_cannot_name_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "My data").mkdir()
    shutil.move(table, tmp_path / "My data")
    with pytest.raises(SourceError, match="whose path has no space or other special character"):
        Source("gp", tmp_path / "My data" / "gp")


def test_rows_come_in_the_same_order_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "gp"
    for part in range(20):
        rows = pl.DataFrame({"nhs_number": [f"99900{part:02}{row:03}" for row in range(9)], "half": [part % 2] * 9})
        rows.write_delta(folder, mode="append", delta_write_options={"partition_by": ["half"]})
        if part == 10:
            deltalake.DeltaTable(folder).create_checkpoint()
    code = "import sys, linkcore as lc\nprint(lc.Source('gp', sys.argv[1]).scan(['nhs_number']).collect().rows())"
    ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, check=True)
    here = Source("gp", folder).scan(["nhs_number"]).collect().rows()
    assert len(here) == 180
    assert ran.stdout.decode().strip() == str(here)


def test_without_its_library_an_error_says_what_to_install(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(SourceError, match=r"this format needs a library: pip install 'linkcore\[delta\]'"):
        Source("gp", table)
