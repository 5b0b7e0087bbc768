"""Payload beside links: files are known by their digest before and after they are read, data in memory by each row."""

from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.sources.out_of_core import collected
from linkcore.sources.payload import payload_beside_links
from linkcore.sources.records import Records, standardise

ROWS = pl.DataFrame({"nhs_number": ["4010232137", "4000000012", "4000000020"], "cost": ["1", "2", "3"]})
REFUSED = "not those that were linked"


def _file(folder: Path, name: str = "gp.csv", rows: pl.DataFrame = ROWS) -> Path:
    file = folder / name
    rows.write_csv(file) if name.endswith("csv") else rows.write_parquet(file)
    return file


def _costs(read: Records, source: lc.Source | None = None) -> list[str]:
    links = pl.DataFrame({"raw_row_hash": read.row_hashes, "person_id": [7, 8, 9]})
    batches = payload_beside_links(source or read.source, ["cost"], links, read.digest)
    return pl.concat(batches)["cost"].to_list()


@pytest.mark.parametrize("name", ["gp.csv", "gp.parquet"])
def test_files_are_read_in_the_order_of_their_links(tmp_path: Path, name: str) -> None:
    assert _costs(standardise(lc.Source("gp", _file(tmp_path, name)))) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "edited",
    [ROWS.reverse(), ROWS[:2], pl.concat([ROWS, ROWS[:1]]), ROWS.with_columns(cost=pl.col("cost").reverse())],
    ids=["another order", "fewer rows", "more rows", "payload alone"],
)
@pytest.mark.parametrize("name", ["gp.csv", "gp.parquet"])
def test_a_file_that_was_edited_since_is_refused(tmp_path: Path, name: str, edited: pl.DataFrame) -> None:
    read = standardise(lc.Source("gp", _file(tmp_path, name)))
    _file(tmp_path, name, edited)
    with pytest.raises(lc.SourceError, match=REFUSED):
        _costs(read)
    with pytest.raises(lc.SourceError, match=REFUSED):
        _costs(read, lc.Source("gp", tmp_path / name))


def test_a_file_that_is_edited_while_its_payload_is_read_is_refused(tmp_path: Path) -> None:
    file = _file(tmp_path)
    read = standardise(lc.Source("gp", file))
    links = pl.DataFrame({"raw_row_hash": read.row_hashes})
    batches = payload_beside_links(read.source, ["cost"], links, read.digest)
    assert next(batches).is_empty()
    file.write_text(file.read_text().replace(",1\n", ",9\n"))
    with pytest.raises(lc.SourceError, match=REFUSED):
        list(batches)


def test_a_file_that_is_edited_while_it_is_linked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _file(tmp_path)

    def collected_and_edited(query: pl.LazyFrame, work: Path | None) -> pl.DataFrame:
        frame = collected(query, work)
        _file(tmp_path, rows=ROWS.reverse())
        return frame

    monkeypatch.setattr("linkcore.sources.records.collected", collected_and_edited)
    with pytest.raises(lc.SourceError, match="a file was changed while it was read"):
        lc.link([lc.Source("gp", file)], fallback=None)


def test_a_source_that_is_linked_again_after_an_edit_is_known_as_it_is_now(tmp_path: Path) -> None:
    source = lc.Source("gp", _file(tmp_path))
    before = standardise(source)
    _file(tmp_path, rows=ROWS.reverse())
    assert _costs(standardise(source)) == ["3", "2", "1"]
    with pytest.raises(lc.SourceError, match=REFUSED):
        _costs(before)


def test_a_frame_is_known_by_each_row_also_where_files_were_linked(tmp_path: Path) -> None:
    of_file, of_frame = standardise(lc.Source("gp", _file(tmp_path))), lc.Source("gp", ROWS)
    assert _costs(of_file, of_frame) == ["1", "2", "3"]
    assert _costs(standardise(of_frame), lc.Source("gp", tmp_path / "gp.csv")) == ["1", "2", "3"]
    with pytest.raises(lc.SourceError, match=REFUSED):
        _costs(of_file, lc.Source("gp", ROWS.reverse()))


def test_rows_of_files_are_not_hashed_again(tmp_path: Path) -> None:
    read = standardise(lc.Source("gp", _file(tmp_path)))
    wrong = Records(read.source, read.frame, read.set_aside, read.row_hashes + 1, digest=read.digest)
    assert _costs(wrong) == ["1", "2", "3"]
