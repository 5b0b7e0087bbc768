"""Events: only the named columns are read, in the order of the records, and they are checked before linking."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.quality.implausible import MAN_GIVING_BIRTH, TWO_STAYS
from linkcore.sources.events import check_events
from linkcore.sources.records import standardise

STAYS = pl.DataFrame(
    {
        "id": ["c", "a", "b"],
        "nhs_number": ["4010232137"] * 3,
        "in": ["03/02/2024", "2024-02-05", "31/02/2024"],
        "out": ["07/02/2024", None, "1 Mar 2024"],
        "nights": ["4", "", "x"],
        "icd": ["Z370, o80.0", "I10X", None],
        "secret": ["1", "2", "3"],
    }
)


def source(**events: str) -> lc.Source:
    return lc.Source("ward", STAYS, columns={"nhs_number": "nhs_number"}, record_id="id", events=events)


def test_events_are_in_the_order_of_the_records_and_bad_dates_are_missing() -> None:
    read = standardise(source(start="in", end="out", diagnosis="icd")).events
    assert read.columns == ["start", "end", "delivery"]
    assert read.rows() == [
        (dt.date(2024, 2, 5), None, False),
        (None, dt.date(2024, 3, 1), False),
        (dt.date(2024, 2, 3), dt.date(2024, 2, 7), True),
    ]


def test_a_stay_may_have_a_number_of_days() -> None:
    read = standardise(source(start="in", days="nights")).events
    assert read["end"].to_list() == [None, None, dt.date(2024, 2, 7)]


@pytest.mark.parametrize(
    ("code", "delivery"),
    [("O80", True), ("o821", True), ("O849", True), ("O85", False), ("O79", False), ("XO80", False), ("I10;O83", True)],
)
def test_a_delivery_is_recognised_by_its_icd_10_code(code: str, delivery: bool) -> None:
    frame = pl.DataFrame({"nhs_number": ["4010232137"], "icd": [code]})
    read = standardise(lc.Source("ward", frame, events={"diagnosis": "icd"})).events
    assert read["delivery"].to_list() == [delivery]


def test_only_the_named_columns_of_a_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "ward.csv"
    STAYS.write_csv(file)
    ward = lc.Source("ward", file, columns={"nhs_number": "nhs_number"}, record_id="id", events={"start": "in"})
    assert standardise(ward).events["start"].null_count() == 1


def test_a_column_may_be_an_identifier_and_an_event_and_neither_is_a_column_of_the_records() -> None:
    frame = pl.DataFrame({"nhs_number": ["4010232137"], "birth_date": ["03/02/1980"], "start": ["04/02/1980"]})
    records = standardise(lc.Source("births", frame, events={"start": "birth_date", "death": "start"}))
    assert records.events.rows() == [(dt.date(1980, 2, 3), dt.date(1980, 2, 4))]
    assert records.frame["birth_date"].item() == dt.date(1980, 2, 3)
    assert list(standardise(lc.Source("births", frame)).frame.columns) == records.frame.columns


def test_events_and_identifiers_are_read_from_a_file_at_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "ward.parquet"
    STAYS.write_parquet(file)
    records = standardise(
        lc.Source("ward", file, record_id="id", columns={"nhs_number": "nhs_number"}, events={"start": "in"})
    )
    file.unlink()
    assert records.events["start"].to_list() == [dt.date(2024, 2, 5), None, dt.date(2024, 2, 3)]


def test_events_lie_in_the_work_folder_with_the_records(tmp_path: Path) -> None:
    stays = source(start="in", end="out", diagnosis="icd")
    assert standardise(stays, work=tmp_path).events.equals(standardise(stays).events)


def test_a_nested_column_is_refused_before_anything_is_linked() -> None:
    frame = STAYS.with_columns(pl.col("in").str.split("/"))
    ward = lc.Source("ward", frame, columns={"nhs_number": "nhs_number"}, record_id="id", events={"start": "in"})
    with pytest.raises(lc.SourceError, match=r"'in', which events names, is List\(String\)"):
        check_events(ward)
    with pytest.raises(lc.SourceError, match="which events names"):
        lc.link([ward])


def test_a_linkage_reports_implausible_events() -> None:
    gp = pl.DataFrame({"nhs_number": ["4010232137"], "gender": ["1"], "birth_date": ["1980-02-03"]})
    linkage = lc.link([lc.Source("gp", gp, spine=True), source(start="in", end="out", diagnosis="icd")], fallback=None)
    found = {finding: (links, of) for _, finding, links, of in linkage.quality.implausible.iter_rows()}
    assert found[MAN_GIVING_BIRTH] == (1, 1)
    assert found[TWO_STAYS] == (0, 0)
    assert linkage.quality.run.settings["sources"]["ward"]["events"] == {
        "start": "in",
        "end": "out",
        "diagnosis": "icd",
    }
