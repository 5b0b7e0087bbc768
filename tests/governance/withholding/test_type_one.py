"""Type 1 opt-outs: the latest code counts, and the GP rows of these people are removed before linkage."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.type_one import type_one_opt_outs, without_type_one
from tests.naive_linkage import numbers

DAY = dt.date(2026, 3, 1)
ONE, TWO, OLD, NEW = numbers(4)
SUPERSEDED = pl.DataFrame({"old": [int(OLD)], "new": [int(NEW)]})


@pytest.mark.parametrize(
    ("codes", "out"),
    [
        ([("2020-01-01", "9Nu0")], True),
        ([("2020-01-01", "9Nu0."), ("2021-01-01", "9Nu1.00")], False),
        ([("2020-01-01", "XaZ89"), ("2021-01-01", "827261000000102")], False),
        ([("2021-01-01", "827241000000103"), ("2020-01-01", "9Nu1")], True),
        ([("2020-01-01", "9Nu1")], False),
        ([("2019-01-01", "9Nu0"), ("2020-01-01", "9Nu1"), ("2021-01-01", "9Nu4")], False),  # Type 2, retired
        ([("2020-01-01", "9Nu0"), ("2020-01-01", "9Nu1")], True),
        ([("2020-01-01", "9Nu0"), ("2020-01-02", None)], True),
    ],
)
def test_the_latest_code_counts(codes: list[tuple[str, str | None]], out: bool) -> None:
    frame = pl.DataFrame([(ONE, *each) for each in codes], ["nhs_number", "date", "code"], orient="row")
    assert type_one_opt_outs(frame, as_of=DAY).in_force(DAY).to_list() == [int(ONE)] * out


def test_codes_can_be_integers_and_a_programme_can_state_its_own() -> None:
    frame = pl.DataFrame({"nhs_number": [ONE], "date": [dt.date(2020, 1, 1)], "code": [827241000000103]})
    assert type_one_opt_outs(frame, as_of=DAY).in_force(DAY).to_list() == [int(ONE)]
    assert type_one_opt_outs(frame, as_of=DAY, dissents=["other"], expected=0).in_force(DAY).to_list() == []
    with pytest.raises(lc.ProgrammeError, match="share no code"):
        type_one_opt_outs(frame, as_of=DAY, dissents=["9Nu1"])


def test_rows_are_removed_when_read_and_counted_by_practice(tmp_path: Path) -> None:
    file = tmp_path / "gp.csv"
    rows = [(ONE, "A1", 1), (ONE, "A1", 2), (TWO, "A1", 3), (OLD, "B2", 4), (NEW, "B2", 5), ("", "B2", 6)]
    file.write_text("number,practice,cost\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    source = lc.Source("gp", file, columns={"nhs_number": "number"}, practice="practice", spine=True)
    out = OptOuts.from_list(pl.DataFrame({"nhs_number": [ONE, NEW]}), as_of=DAY)
    left, counts = without_type_one(source, out, on=DAY, superseded=SUPERSEDED)
    assert left.scan(["cost"]).collect()["cost"].to_list() == ["3", "6"]
    assert counts.rows() == [("A1", 2), ("B2", 2)]
    assert (left.spine, left.practice, left.identifier_columns) == (True, "practice", {"nhs_number": "number"})
    linkage = lc.link([left], fallback=None)
    assert linkage.links.height == 2
    # A release reads the payload again, in the same order.
    assert linkage.links_of("gp")["row"].to_list() == [0, 1]


def test_a_source_without_numbers_or_opt_outs_keeps_all_rows() -> None:
    source = lc.Source("gp", pl.DataFrame({"family_name": ["NG"]}))
    nobody = OptOuts.from_list(pl.DataFrame({"nhs_number": [ONE]}), as_of=DAY)
    assert without_type_one(source, nobody, on=DAY)[0] is source
    numbered = lc.Source("gp", pl.DataFrame({"nhs_number": [TWO, None]}))
    left, counts = without_type_one(numbered, nobody, on=DAY)
    assert left.scan(["nhs_number"]).collect().height == 2
    assert counts.is_empty()


def test_rows_of_a_parquet_file_with_birth_dates_are_removed_too(tmp_path: Path) -> None:
    """Polars applies a filter to the statistics of such a file first, and fails for one that needs two columns."""
    rows = {"number": [ONE, TWO], "born": [dt.date(1980, 1, 2)] * 2, "practice": ["A1", "B2"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "gp.parquet")
    columns = {"nhs_number": "number", "birth_date": "born"}
    source = lc.Source("gp", tmp_path / "*.parquet", columns=columns, practice="practice", spine=True)
    out = OptOuts.from_list(pl.DataFrame({"nhs_number": [ONE]}), as_of=DAY)
    left, counts = without_type_one(source, out, on=DAY)
    assert counts.rows() == [("A1", 1)]
    assert left.column_names == source.column_names
    assert lc.link([left], fallback=None).persons["nhs_number"].to_list() == [int(TWO)]


def test_rows_that_were_left_out_before_are_neither_read_nor_counted_again(tmp_path: Path) -> None:
    file = tmp_path / "gp.csv"
    file.write_text("nhs_number\n4010232137\n4000000012\n4000000020\n")
    source, day = lc.Source("gp", file), dt.date(2026, 3, 1)
    counts = []
    for people in (["4000000012"], ["4000000012", "4000000020"]):
        listed = lc.OptOuts.from_list(pl.DataFrame({"nhs_number": people}), as_of=day)
        source, removed = lc.without_type_one(source, listed, on=day)
        counts.append(removed["rows"].to_list())
    assert counts == [[1], [1]]
    assert source.scan(["nhs_number"]).collect().to_series().to_list() == ["4010232137"]
    assert source.digest() == lc.Source("gp", file).digest()
