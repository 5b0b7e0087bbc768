"""NHS Numbers are read, their kind is found, and Modulus 11 is the published algorithm."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.identifiers import nhs_number
from linkcore.schema import NHS_NUMBER_STATUS, USABLE_STATUSES
from tests import naive
from tests.identifiers.texts import columns, parsed

X = pl.col("x")

# 943 476 5919 is the example of the NHS Data Dictionary, in a range for testing.
SPELLINGS = [
    "9434765919",
    "943 476 5919",
    "943-476-5919",
    " 9434765919 ",
    "943\u00a0476\u00a05919",
    "943\u2009476\u20095919",
    "943–476–5919",
    "943.476.5919",
    "\ufeff9434765919",
    "9434\u200b765919",
    "９４３４７６５９１９",
    "٩٤٣ ٤٧٦ ٥٩١٩",
    "९४३४७६५९१९",
    "'9434765919",
    '"943 476 5919"',
    '="9434765919"',
    "‘9434765919’",
    "9434765919.",
    "9434765919.0",
    "9434765919,00",
    "9.434765919E+09",
    "9.434765919e9",
    "9,434765919E+009",
    "9.434765919000000000e+09",
    "943\t476\n5919",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_one_number_is_read_in_many_spellings(text: str) -> None:
    assert parsed([text], nhs_number.standardise(X)) == [(9434765919, "test")]


STATUSES = [
    ("4010232137", "valid"),
    ("0101010004", "check_digit"),
    ("0101010000", "check_digit"),
    ("9434765918", "check_digit"),
    ("943476591", "malformed"),
    ("94347659190", "malformed"),
    ("943476591A", "malformed"),
    ("+943476591", "malformed"),
    ("-943476591", "malformed"),
    ("9434765919.5", "malformed"),
    ("94347659.19", "malformed"),
    ("9.43477E+09", "malformed"),  # rounded to six digits
    ("9.43476592E+09", "malformed"),  # rounded to nine digits
    ("9.434765919E-09", "malformed"),
    ("9434765919 4010232137", "malformed"),
    ("02/03/2001", "malformed"),
    ("see notes", "malformed"),
    ("½", "malformed"),
    ("", "missing"),
    ("  ", "missing"),
    ("\u00a0", "missing"),
    ("-", "missing"),
    ("?", "missing"),
    ("NULL", "missing"),
    ("n/a", "missing"),
    ("#N/A", "missing"),
    ("Not Known", "missing"),
    ("nan", "missing"),
    (None, "missing"),
    *((str(digit) * 10, "placeholder") for digit in range(10)),
    ("0123456789", "placeholder"),
    ("987 654 3210", "placeholder"),
    ("0", "placeholder"),
    ("123456789", "placeholder"),
]


@pytest.mark.parametrize(("text", "status"), STATUSES)
def test_every_kind_of_number_gets_its_status(text: str | None, status: str) -> None:
    [(value, found)] = parsed([text], nhs_number.standardise(X))
    assert found == status
    assert (value is not None) == (status == "valid")


def with_check_digit(first_nine: int) -> str | None:
    digit = naive.check_digit(f"{first_nine:09}")
    return None if digit == 10 else f"{first_nine:09}{digit}"


def first_with_check_digit(first_nine: int, step: int) -> str:
    while (number := with_check_digit(first_nine)) is None:
        first_nine += step
    return number


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        (0, 9_999_999, "out_of_range"),
        (10_000_000, 319_999_999, "scotland"),
        (320_000_000, 399_999_999, "northern_ireland"),
        (400_000_000, 499_999_999, "valid"),
        (500_000_000, 599_999_999, "test"),
        (600_000_000, 799_999_999, "valid"),
        (800_000_000, 859_999_999, "out_of_range"),
        (860_000_000, 899_999_999, "out_of_range"),
        (900_000_000, 999_999_999, "test"),
    ],
)
def test_a_range_holds_from_its_first_number_to_its_last(first: int, last: int, status: str) -> None:
    # The very first number, ten zeros, and the very last, ten nines, are placeholders.
    lowest = first_with_check_digit(max(first, 1), 1)
    highest = first_with_check_digit(min(last, 999_999_998), -1)
    found = parsed([lowest, highest], nhs_number.standardise(X))
    kept = status in ("valid", "scotland", "northern_ireland", "test")
    assert found == [(int(number) if kept else None, status) for number in (lowest, highest)]


def test_check_digits_are_those_of_the_published_algorithm() -> None:
    first_nine = [*range(0, 1_000_000_000, 97_531), 943_476_591, 999_999_999]
    expected = [naive.check_digit(f"{number:09}") for number in first_nine]
    found = pl.DataFrame({"nine": first_nine}).select(nhs_number.check_digit(pl.col("nine"))).to_series()
    assert found.to_list() == expected
    assert set(expected) == set(range(11))


def test_one_number_in_eleven_passes() -> None:
    first, count = 4_000_000_000, 1_000_000
    statuses = pl.select(nhs_number.nhs_number_status(pl.int_range(first, first + count).alias("number"))).to_series()
    passing = count - (statuses == "check_digit").sum()
    assert passing == sum(with_check_digit(nine) is not None for nine in range(first // 10, (first + count) // 10))
    assert passing / count == pytest.approx(1 / 11, abs=1e-4)


CHI = (dt.date(1990, 4, 1), "0104901004", "104901004")


def test_a_chi_number_that_lost_its_zero_is_recognised_by_the_birth_date() -> None:
    born, whole, without_zero = CHI
    values = [whole, without_zero, "10490 1004", without_zero, without_zero]
    dates = pl.Series("born", [born, born, born, dt.date(1990, 4, 2), None], dtype=pl.Date)
    found = parsed(values, nhs_number.standardise(X, birth_date=pl.col("born")), born=dates)
    assert found == [(104901004, "scotland")] * 3 + [(None, "malformed")] * 2


def test_without_a_birth_date_nine_digits_are_malformed() -> None:
    assert parsed([CHI[2]], nhs_number.standardise(X)) == [(None, "malformed")]


@pytest.mark.parametrize("month", range(1, 13))
def test_a_lost_zero_is_found_in_every_month(month: int) -> None:
    born = dt.date(1987, month, 9)
    number = next(n for n in (with_check_digit(int(f"09{month:02}87{serial:03}")) for serial in range(3)) if n)
    found = parsed([int(number)], nhs_number.standardise(X, birth_date=pl.col("b")), b=pl.Series([born]))
    assert found == [(int(number), "scotland")]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([9434765919, 4010232137, 123, None], pl.Int64),
        ([9434765919, 4010232137, 123, None], pl.UInt64),
        ([9434765919, 4010232137, 123, None], pl.Int128),
        ([9434765919, 4010232137, 123, None], pl.Decimal(20, 0)),
        ([9434765919, 4010232137, 123, None], pl.Decimal(20, 2)),
        ([9434765919.0, 4010232137.0, 0.5, float("nan")], pl.Float64),
        (["943 476 5919", "4010232137", "x", "NULL"], pl.Categorical()),
        ([b"943 476 5919", b"4010232137", b"x", None], pl.Binary),
    ],
    ids=str,
)
def test_a_number_is_the_same_in_every_dtype(values: list[object], dtype: pl.DataType) -> None:
    found = pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).select(nhs_number.standardise(X)).unnest("x")
    assert found.rows() == [(9434765919, "test"), (4010232137, "valid"), (None, "malformed"), (None, "missing")]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([2**63 - 1, -1, -9434765919], pl.Int64),
        ([2**64 - 1], pl.UInt64),
        ([float("inf"), -float("inf"), 1e300, -4010232137.0], pl.Float64),
        ([9434765919.0], pl.Float32),  # holds only seven of the ten digits
        ([True, False], pl.Boolean),
        ([dt.date(2001, 2, 3)], pl.Date),
    ],
    ids=str,
)
def test_impossible_numbers_are_malformed(values: list[object], dtype: pl.DataType) -> None:
    found = pl.DataFrame({"x": pl.Series(values, dtype=dtype)}).select(nhs_number.standardise(X)).unnest("x")
    assert found.rows() == [(None, "malformed")] * len(values)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 10_000_000_000), min_size=1))
def test_integers_are_read_as_their_text_is(numbers: list[int]) -> None:
    assert parsed(numbers, nhs_number.standardise(X)) == [naive.nhs_number(str(number)) for number in numbers]


FRAGMENTS = [
    *("9434765919", "943 476 5919", "4010232137", "943", "476", "5919", "0", "9", "-", ".", ",", "E+09", "e9", "E09"),
    *(".0", "'", '"', "=", "123456789", "NULL", "n/a", "401.023.2137", "9.434765919", "104901004"),
]


@settings(max_examples=40)
@given(columns(FRAGMENTS))
def test_any_text_is_read_as_the_naive_parser_reads_it(values: list[str | None]) -> None:
    assert parsed(values, nhs_number.standardise(X)) == [naive.nhs_number(value) for value in values]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.dates(dt.date(1930, 1, 1), dt.date(2029, 12, 31)), st.integers(0, 999)), min_size=1))
def test_lost_zeros_are_found_as_the_naive_parser_finds_them(cases: list[tuple[dt.date, int]]) -> None:
    texts = [f"{born:%d%m%y}{serial:03}{serial % 11 % 10}".removeprefix("0") for born, serial in cases]
    dates = pl.Series("born", [born for born, _ in cases])
    found = parsed(texts, nhs_number.standardise(X, birth_date=pl.col("born")), born=dates)
    assert found == [naive.nhs_number(text, born) for text, (born, _) in zip(texts, cases, strict=True)]


def test_usable_numbers_are_written_as_ten_digits() -> None:
    frame = pl.DataFrame({"NHS_NO": ["401 023 2137", "010 490 1004", "943 476 5919", "junk", None]})
    assert frame.select(nhs_number.nhs_number("NHS_NO")).to_dict(as_series=False) == {
        "NHS_NO": ["4010232137", "0104901004", None, None, None]
    }
    test_too = nhs_number.nhs_number(pl.col("NHS_NO"), usable=[*USABLE_STATUSES, "test"])
    assert frame.select(test_too).to_series().to_list()[2] == "9434765919"
    assert frame.select(nhs_number.nhs_number("NHS_NO", usable=["test"])).to_series().count() == 1


@pytest.mark.parametrize("usable", [["check_digit"], ["valid", "nonsense"]])
def test_a_status_without_a_number_cannot_be_usable(usable: list[str]) -> None:
    with pytest.raises(ProgrammeError, match="no number has such a status"):
        nhs_number.nhs_number("x", usable=usable)


def test_nhs_number_status_gives_the_status_of_standardise() -> None:
    frame = pl.DataFrame({"x": [text for text, _ in STATUSES]}, schema={"x": pl.String})
    assert frame.select(nhs_number.nhs_number_status("x")).to_series().to_list() == [status for _, status in STATUSES]
    assert frame.lazy().select(nhs_number.nhs_number_status("x")).collect_schema() == {"x": NHS_NUMBER_STATUS}


def test_digits_restore_leading_zeros() -> None:
    numbers = [0, 7, 104901004, 9999999999, None]
    written = pl.DataFrame({"n": numbers}).select(nhs_number.digits(pl.col("n"))).to_series().to_list()
    assert written == [None if number is None else f"{number:010}" for number in numbers]
