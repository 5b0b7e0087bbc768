"""Birth dates are read in all their forms, and impossible and implausible dates are recognised."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.identifiers import birth_date
from tests import naive
from tests.identifiers.texts import columns, parsed

X = pl.col("x")
DATE = dt.date(2001, 2, 3)
FORMS = [
    *("2001-02-03", "2001-2-3", "2001/02/03", "2001.02.03", "20010203", "2001-Feb-03", "2001 02 03"),
    *("03/02/2001", "3/2/2001", "03-02-2001", "03.02.2001", "03 02 2001", "3 / 2 / 2001", "3\\2\\2001", "3|2|2001"),
    *("03022001", "3022001", "3/2/01", "03-02-01", "3.2.01"),
    *("03-Feb-2001", "03-FEB-2001", "3 February 2001", "03FEB2001", "3rd February 2001", "03-feb-01", "3rdFeb2001"),
    *("February 3, 2001", "Feb 3rd, 2001", "FEB-03-2001"),
    *("2001-02-03T00:00:00", "2001-02-03 00:00:00.000", "2001-02-03T00:00:00Z", "03/02/2001 00:00", "3/2/01 0:00"),
    *("03-FEB-01 12.00.00.000000 AM", "20010203000000", "200102030000", "20010203T000000"),
    *("36925", "36925.0", "36925.5", "20010203.0"),
    *(" 2001-02-03 ", "2001–02–03", "２００１-０２-０３", "٢٠٠١-٠٢-٠٣", "03/02/2001\u00a000:00"),
]


@pytest.mark.parametrize("text", FORMS)
def test_one_date_is_read_in_many_forms(text: str) -> None:
    assert parsed([text], birth_date.standardise(X)) == [(DATE, None, "valid")]


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_is_read_by_its_name(month: int) -> None:
    date = dt.date(1984, month, 28)
    texts = [f"{date:%d %B %Y}", f"{date:%d-%b-%Y}", f"{date:%d%b%y}".upper(), f"{date:%B %d, %Y}".lower()]
    assert parsed(texts, birth_date.standardise(X)) == [(date, None, "valid")] * 4


@pytest.mark.parametrize(
    ("text", "value", "kept", "status"),
    [
        ("31/02/2001", None, "2001-02-31", "impossible"),
        ("2001-02-31", None, "2001-02-31", "impossible"),
        ("20010231", None, "2001-02-31", "impossible"),
        ("31 Feb 2001", None, "2001-02-31", "impossible"),
        ("29/02/1900", None, "1900-02-29", "impossible"),
        ("29/02/2000", dt.date(2000, 2, 29), None, "valid"),
        ("13/14/2001", None, "2001-14-13", "impossible"),
        ("2001-13-01", None, "2001-13-01", "impossible"),
        ("0000-01-01", None, "0000-01-01", "impossible"),
        ("1900-01-01", None, None, "default"),
        ("01/01/1900 00:00", None, None, "default"),
        ("1 Jan 1800", None, None, "default"),
        ("1901-01-01", dt.date(1901, 1, 1), None, "valid"),
        ("1849-12-31", dt.date(1849, 12, 31), None, "implausible"),
        ("1850-01-01", dt.date(1850, 1, 1), None, "valid"),
        ("2100-12-31", dt.date(2100, 12, 31), None, "valid"),
        ("2101-01-01", dt.date(2101, 1, 1), None, "implausible"),
        ("9999-12-31", None, None, "default"),
        ("31/12/9999", None, None, "default"),
        ("9999-12-30", dt.date(9999, 12, 30), None, "implausible"),
        ("00/00/0000", None, None, "missing"),
        ("0000-00-00", None, None, "missing"),
        ("", None, None, "missing"),
        (" - ", None, None, "missing"),
        ("NULL", None, None, "missing"),
        ("Not known", None, None, "missing"),
        (None, None, None, "missing"),
        ("99999", None, None, "unreadable"),
        ("3 Frimaire 2001", None, None, "unreadable"),
        ("3/2/1", None, None, "unreadable"),
        ("3/2/201", None, None, "unreadable"),
        ("03/02/2001 or 04/02/2001", None, None, "unreadable"),
        ("+2001-02-03", None, None, "unreadable"),
        ("9434765919", None, None, "unreadable"),
    ],
)
def test_every_kind_of_date_gets_its_status(
    text: str | None, value: dt.date | None, kept: str | None, status: str
) -> None:
    assert parsed([text], birth_date.standardise(X)) == [(value, kept, status)]


@pytest.mark.parametrize(
    ("texts", "kept", "status"),
    [
        ("2001 2001.0 2001,00 2001-00-00 00/00/2001 20010000 00002001 0/0/01 00/2001 2001-00", "2001", "partial"),
        ("02/2001 2/2001 2001-02 2001/02 2001.02 2001-Feb 2001–02 ２００１-０２", "2001-02", "partial"),
        ("Feb2001 FEB-2001 February,2001 feb.2001 00/02/2001 0-2-01 2001-02-00 20010200", "2001-02", "partial"),
        ("00022001 0-Feb-2001 00FEB2001 2001-02-00T00:00:00", "2001-02", "partial"),
        ("198002 198002.0", "1980-02", "partial"),  # 80 is no month in DDMMYY or YYMMDD, nor is 19 in MMDDYY
        ("200002", "2000-02", "partial"),
        (
            "200102 190112 201212 022001 021980 800203 030280 030201",
            None,
            "unreadable",
        ),  # these have more than one reading
        ("1900 1900-01 01/1900 Jan-1900 1900-00-00 1800 1800-01 9999 12/9999 9999-12-00", None, "default"),
        ("1900-02", "1900-02", "partial"),
        ("1849", "1849", "implausible"),
        ("12/1849", "1849-12", "implausible"),
        ("2101-00-00", "2101", "implausible"),
        ("0000 00/0000 0000-02 00/02/0000 00/02/00 13/00/0000", None, "missing"),
        # A day without a month or without a year is not a partial date.
        ("2001-00-13 13/00/2001", "2001-00-13", "impossible"),
        ("0000-02-13", "0000-02-13", "impossible"),
        ("2001-13-00", "2001-13-00", "impossible"),
        (
            "80 02/80 Feb-80 2001-2 2001-13 13/2001 2001-Fe 1-2001-Feb 2101 0203 203/2001 2001/ -2001",
            None,
            "unreadable",
        ),
        ("2001-2002 200113 c2001 2001?", None, "unreadable"),
    ],
)
def test_a_partial_date_keeps_its_parts_as_text(texts: str, kept: str | None, status: str) -> None:
    for text in texts.split():
        assert parsed([text], birth_date.standardise(X)) == [(None, kept, status)], text


@pytest.mark.parametrize(
    ("text", "day_first", "month_first"),
    [
        ("03/02/2001", dt.date(2001, 2, 3), dt.date(2001, 3, 2)),
        ("03022001", dt.date(2001, 2, 3), dt.date(2001, 3, 2)),
        ("02/13/2001", dt.date(2001, 2, 13), dt.date(2001, 2, 13)),
        ("2132001", dt.date(2001, 2, 13), dt.date(2001, 2, 13)),
        ("13/02/2001", dt.date(2001, 2, 13), dt.date(2001, 2, 13)),
        ("13022001", dt.date(2001, 2, 13), dt.date(2001, 2, 13)),
        ("2001-02-03", dt.date(2001, 2, 3), dt.date(2001, 2, 3)),
        ("3 Feb 2001", dt.date(2001, 2, 3), dt.date(2001, 2, 3)),
    ],
)
def test_day_first_decides_the_order_of_day_and_month(text: str, day_first: dt.date, month_first: dt.date) -> None:
    assert parsed([text], birth_date.standardise(X)) == [(day_first, None, "valid")]
    assert parsed([text], birth_date.standardise(X, day_first=False)) == [(month_first, None, "valid")]


REFERENCE = dt.date(2024, 6, 30)


@pytest.mark.parametrize(
    ("text", "value", "status"),
    [
        ("2024-06-30", dt.date(2024, 6, 30), "valid"),
        ("2024-07-01", dt.date(2024, 7, 1), "implausible"),
        ("1904-06-30", dt.date(1904, 6, 30), "valid"),
        ("1904-06-29", dt.date(1904, 6, 29), "implausible"),
        ("30/06/24", dt.date(2024, 6, 30), "valid"),
        ("01/07/24", dt.date(1924, 7, 1), "valid"),
        ("01/07/23", dt.date(2023, 7, 1), "valid"),
    ],
)
def test_the_reference_date_decides_which_dates_are_implausible(text: str, value: dt.date, status: str) -> None:
    assert parsed([text], birth_date.standardise(X, reference_date=REFERENCE)) == [(value, None, status)]


@pytest.mark.parametrize(
    ("text", "kept", "status"),
    [
        # One plausible day is enough.
        ("2024", "2024", "partial"),
        ("2024-06", "2024-06", "partial"),
        ("2024-07", "2024-07", "implausible"),
        ("2025", "2025", "implausible"),
        ("1904", "1904", "partial"),
        ("06/1904", "1904-06", "partial"),
        ("05/1904", "1904-05", "implausible"),
        ("1903", "1903", "implausible"),
        ("1900", None, "default"),
        ("00/06/24", "2024-06", "partial"),
        ("00/07/24", "1924-07", "partial"),
    ],
)
def test_the_reference_date_decides_which_partial_dates_are_implausible(
    text: str, kept: str | None, status: str
) -> None:
    assert parsed([text], birth_date.standardise(X, reference_date=REFERENCE)) == [(None, kept, status)]


def test_a_year_in_a_number_column_is_a_year() -> None:
    for dtype in (pl.Int16, pl.Int64, pl.Float64):
        years = pl.DataFrame({"x": pl.Series([1980, None], dtype=dtype)})
        found = years.select(birth_date.standardise(X)).unnest("x").rows()
        assert found == [(None, "1980", "partial"), (None, None, "missing")]


@settings(max_examples=40)
@given(
    st.dates(dt.date(1913, 1, 1), dt.date(1999, 12, 31)), st.sampled_from(["%Y-%m", "%m/%Y", "%Y%m", "%B %Y", "%b%Y"])
)
def test_every_month_is_read_back(date: dt.date, form: str) -> None:
    read = birth_date.standardise(X)
    assert parsed([date.strftime(form), f"{date:%Y}"], read) == [
        (None, f"{date:%Y-%m}", "partial"),
        (None, f"{date:%Y}", "partial"),
    ]


def test_without_a_reference_date_two_digits_have_a_fixed_century() -> None:
    found = parsed(["01/01/29", "01/01/30"], birth_date.standardise(X))
    assert [value for value, *_ in found] == [dt.date(2029, 1, 1), dt.date(1930, 1, 1)]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([DATE, dt.date(9999, 12, 31), None], pl.Date),
        ([dt.datetime(2001, 2, 3, 23, 59), dt.datetime(1900, 1, 1), None], pl.Datetime("ms")),
        ([dt.datetime(2001, 2, 3, 0, 30), dt.datetime(1900, 1, 1), None], pl.Datetime("us", "Europe/London")),
        ([20010203, 19000101, None], pl.Int32),
        ([20010203.0, 19000101.0, float("nan")], pl.Float64),
        (["2001-02-03", "1900-01-01", ""], pl.Categorical()),
    ],
    ids=str,
)
def test_a_date_is_the_same_in_every_dtype(values: list[object], dtype: pl.DataType) -> None:
    series = pl.Series("x", values, dtype=dtype)
    expected = [(DATE, None, "valid"), (None, None, "default"), (None, None, "missing")]
    assert series.to_frame().select(birth_date.standardise(X)).unnest("x").rows() == expected
    assert series.to_frame().select(birth_date.standardise(X, dtype=series.dtype)).unnest("x").rows() == expected


def test_dates_outside_the_calendar_are_unreadable() -> None:
    days = pl.Series("x", [-719_529, 2_932_897]).cast(pl.Date)  # 31 December of year -1, 1 January of year 10000
    found = days.to_frame().select(birth_date.standardise(X)).unnest("x")
    assert found.rows() == [(None, None, "unreadable")] * 2


def test_excel_serial_numbers_are_read() -> None:
    days = pl.DataFrame({"x": [10_000, 60_000, 9_999, 60_001]}).select(birth_date.standardise(X)).unnest("x")
    # Excel shows these dates for the two numbers.
    assert days["value"].to_list() == [dt.date(1927, 5, 18), dt.date(2064, 4, 8), None, None]


@settings(max_examples=40)
@given(st.dates(dt.date(1850, 1, 2)), st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%d %B %Y", "%d-%b-%Y", "%B %d %Y"]))
def test_every_date_is_read_back(date: dt.date, form: str) -> None:
    [(value, text, status)] = parsed([date.strftime(form)], birth_date.standardise(X))
    filler = date in (dt.date(1900, 1, 1), dt.date(9999, 12, 31))
    assert (value, text) == (None if filler else date, None)
    assert status == ("default" if filler else "implausible" if date.year > 2100 else "valid")


FRAGMENTS = [
    *("2001", "1999", "19", "20", "03", "3", "13", "31", "02", "2", "12", "0", "00", "Feb", "FEBRUARY", "sept", "may"),
    *("-", "/", ".", ",", "\\", "|", " ", "T", "00:00", "12:30:00", "10.00.00", "st", "RD", "th", "36925", "NULL"),
    *("20010203", "03022001", "2132001", "1900-01-01", "31/02/", "-02-29", "1800", "1850", "9999", "31/12/"),
    *("2001-02", "02/2001", "198002", "00/", "-00", "1900", "0000", "1849", ".0"),
]


@settings(max_examples=40)
@given(columns(FRAGMENTS), st.none() | st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1)), st.booleans())
def test_any_text_is_read_as_the_naive_parser_reads_it(
    values: list[str | None], reference_date: dt.date | None, day_first: bool
) -> None:
    found = parsed(values, birth_date.standardise(X, reference_date=reference_date, day_first=day_first))
    assert found == [naive.birth_date(value, reference_date, day_first) for value in values]
