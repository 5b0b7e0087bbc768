"""Excel workbooks: every cell is read as what it holds, and what Excel has lost is refused or set aside."""

import datetime as dt
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError, SourceError
from linkcore.programme.programme import Programme
from linkcore.sources.formats.excel_files import ExcelFile
from linkcore.sources.records import standardise
from linkcore.sources.source import Source

Write = Callable[[xlsxwriter.Workbook, xlsxwriter.worksheet.Worksheet], None]


def workbook(file: Path, write: Write, **options: object) -> Path:
    with xlsxwriter.Workbook(file, options) as book:
        write(book, book.add_worksheet("Patients"))
    return file


def patients(book: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    scientific = book.add_format({"num_format": "0.00E+00"})
    sheet.write_string("B1", "Patients of St Example's, in confidence")
    sheet.write_row("B4", ["NHS", "BORN", "LOCAL", "COST", "NOTE"])
    sheet.write_number("B5", 9990000018, scientific)
    sheet.write_datetime("C5", dt.datetime(1980, 4, 3), day)
    sheet.write_number("D5", 7)  # was 007
    sheet.write_number("E5", 1.23456789012345e-7)
    sheet.write_string("F5", " 1.10")
    sheet.write_string("B6", "9.99E+09")
    sheet.write_string("C6", "03/04/1980")
    sheet.write_string("D6", "007")
    sheet.write_number("E6", 2 / 3)
    sheet.write_boolean("F6", True)
    sheet.write_number("B7", 99900001)  # lost two zeros
    sheet.write_formula("C7", "=DATE(1980,4,3)", day, 29314)
    sheet.write_string("E7", "free")
    sheet.write_string("F7", "")


@pytest.mark.parametrize("options", [{}, {"date_1904": True}, {"constant_memory": True}])
def test_cells_are_read_as_what_they_hold(tmp_path: Path, options: dict[str, object]) -> None:
    file = workbook(tmp_path / "a.xlsx", patients, **options)
    rows = Source("gp", file, columns={"nhs_number": "NHS"}, header_row=4).scan(
        ["NHS", "BORN", "LOCAL", "COST", "NOTE"]
    )
    formula = "1980-04-03 00:00:00" if "date_1904" not in options else "1984-04-04 00:00:00"
    assert rows.collect().rows() == [
        ("9990000018", "1980-04-03 00:00:00", "7", "1.23456789012345e-7", " 1.10"),
        ("9.99E+09", "03/04/1980", "007", "0.6666666666666666", "true"),
        ("99900001", formula, None, "free", None),
    ]


def test_numbers_that_excel_damaged_are_set_aside_with_their_count(tmp_path: Path) -> None:
    columns = {"nhs_number": "NHS", "birth_date": "BORN"}
    records = standardise(Source("gp", workbook(tmp_path / "a.xlsx", patients), columns=columns, header_row=4))
    assert records.frame["nhs_number"].to_list() == [None, None, None]
    statuses = records.set_aside.filter(identifier="nhs_number").select("status", "records").sort("status").rows()
    assert statuses == [("malformed", 2), ("test", 1)]
    assert records.frame["birth_date"].to_list() == [dt.date(1980, 4, 3)] * 3


def test_a_programme_states_sheet_and_header_row(tmp_path: Path) -> None:
    workbook(tmp_path / "a.xlsx", patients)
    file = tmp_path / "programme.toml"
    file.write_text(
        '[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "a.xlsx"\nsheet = "Patients"\nheader_row = 4\n'
        'columns = {nhs_number = "NHS"}\n'
    )
    (source,) = Programme.load(file).check()
    assert source.column_names == ("NHS", "BORN", "LOCAL", "COST", "NOTE")
    assert source.scan(["COST"]).select(pl.len()).collect().item() == 3


def test_the_sheet_is_stated_where_there_are_several(tmp_path: Path) -> None:
    def two(book: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
        sheet.write_row("A1", ["nhs_number"])
        book.add_worksheet("Notes")

    file = workbook(tmp_path / "a.xlsx", two)
    with pytest.raises(SourceError, match="several sheets; state sheet, one of 'Patients', 'Notes'"):
        Source("gp", file)
    with pytest.raises(SourceError, match="no sheet 'Patient'; state sheet, one of"):
        Source("gp", file, sheet="Patient")
    assert Source("gp", file, sheet="Patients").scan(["nhs_number"]).collect().height == 0


def written(*rows: list[object]) -> Write:
    def write(_: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)

    return write


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (written([], [], ["nhs_number"]), "'Patients' has nothing in row 1; state its header_row"),
        (written(), "'Patients' has nothing in row 1|cannot be read from row 1"),
        (written(["nhs_number", "A", "A"]), "the header repeats names, in columns 2, 3"),
        (written(["9990000018", "9990000018"]), "row 1 looks like a record"),
    ],
)
def test_a_header_that_is_not_one_is_refused(tmp_path: Path, write: Write, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        Source("gp", workbook(tmp_path / "a.xlsx", write))
    assert "999" not in str(caught.value).replace(str(tmp_path), "")


def faulty(_: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
    sheet.write_row("A2", ["nhs_number", "ID", "LOOKED_UP"])
    sheet.write_row("A3", ["9990000018", "1234567890123456", "SECRET"])
    sheet.write_row("A4", ["9990000026", 1234567890123456, "x"])
    sheet.write_formula("C5", "=NA()", None, "#N/A")
    sheet.write_formula("C6", "=1/0", None, "#DIV/0!")


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("ID", "column 'ID': 1 numbers of more than 15 digits, the first in row 4 of the sheet"),
        ("LOOKED_UP", "2 cells hold an error .* the first in column 'LOOKED_UP', row 5 of the sheet"),
    ],
)
def test_what_excel_has_lost_is_refused(tmp_path: Path, column: str, says: str) -> None:
    source = Source("gp", workbook(tmp_path / "a.xlsx", faulty), header_row=2)
    assert source.scan(["nhs_number"]).collect().height == 4
    with pytest.raises(SourceError, match=says) as caught, source.reading():
        source.scan([column]).collect()
    assert "SECRET" not in str(caught.value)
    assert "123456" not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_read_whatever_it_states(tmp_path: Path) -> None:
    file = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/worksheets/sheet1.xml", b" " * 50_000_000)
    content = file.read_bytes()
    file.write_bytes(content.replace((50_000_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    assert zipfile.ZipFile(file).infolist()[0].file_size == 50
    assert ExcelFile("gp", file, max_bytes=10_000_000).size()[1] < 12_000_000
    with pytest.raises(SourceError, match=r"more than 10,000,000 bytes, unpacked"):
        Source("gp", file, max_bytes=10_000_000)


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    file.write_bytes(workbook(tmp_path / "b.xlsx", patients).read_bytes()[:-500])
    with pytest.raises(SourceError, match="cannot be read; check that it is a whole Excel workbook"):
        Source("gp", file)
    with pytest.raises(ProgrammeError, match="header_row must be a whole number above 0"):
        Source("gp", file, header_row=0)


def test_without_its_library_an_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(SourceError, match=r"this format needs a library: pip install 'linkcore\[excel\]'"):
        Source("gp", workbook(tmp_path / "a.xlsx", patients))


@settings(max_examples=20)
@given(st.lists(st.one_of(st.floats(-1e14, 1e14), st.text("01.e-x7", min_size=1)), min_size=1, max_size=20))
def test_every_number_and_every_text_survives(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | str]
) -> None:
    def write(_: xlsxwriter.Workbook, sheet: xlsxwriter.worksheet.Worksheet) -> None:
        sheet.write_string(0, 0, "nhs_number")
        for row, value in enumerate(values, start=1):
            (sheet.write_string if isinstance(value, str) else sheet.write_number)(row, 0, value)

    file = workbook(tmp_path_factory.mktemp("excel") / "a.xlsx", write)
    read = Source("gp", file).scan(["nhs_number"]).collect().to_series().to_list()
    for value, text in zip(values, read, strict=True):
        assert text == value if isinstance(value, str) else float(text) == float(f"{value:.16G}")
