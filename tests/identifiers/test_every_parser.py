"""Every parser gives any value of any dtype a status, in every engine, independently of the other values."""

import datetime as dt
import random
from collections.abc import Callable, Iterator
from functools import partial

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from linkcore.identifiers import address, birth_date, full_names, gender, names, nhs_number, postcode
from linkcore.schema import GENDER, NHS_NUMBER_STATUS

Parser = Callable[[pl.Expr], pl.Expr]
X = pl.col("x")
NAN, INFINITY = float("nan"), float("inf")

# Each parser, the dtypes of its fields with the status last, and the statuses besides valid that keep a value.
PARSERS: dict[str, tuple[Parser, dict[str, pl.DataType], set[str]]] = {
    "nhs_number": (
        nhs_number.standardise,
        {"value": pl.Int64(), "status": NHS_NUMBER_STATUS},
        {"scotland", "northern_ireland", "test"},
    ),
    "given_name": (partial(names.standardise, kind="given"), {"value": pl.String(), "status": names.STATUS}, set()),
    "family_name": (partial(names.standardise, kind="family"), {"value": pl.String(), "status": names.STATUS}, set()),
    "full_name": (
        full_names.standardise,
        {"value": pl.String(), "given": pl.String(), "family": pl.String(), "status": full_names.STATUS},
        {"unclear"},
    ),
    "birth_date": (
        partial(birth_date.standardise, reference_date=dt.date(2024, 6, 30)),
        {"value": pl.Date(), "text": pl.String(), "status": birth_date.STATUS},
        {"implausible"},
    ),
    "gender": (gender.standardise, {"value": GENDER, "status": gender.STATUS}, set()),
    "postcode": (postcode.standardise, {"value": pl.String(), "text": pl.String(), "status": postcode.STATUS}, set()),
    "address": (address.standardise, {"value": pl.String(), "status": address.STATUS}, set()),
}
every_parser = pytest.mark.parametrize("parser", PARSERS)

TEXTS = [
    *(
        "9434765919",
        "943 476 5919",
        "4010232137",
        "9.434765919E+09",
        "9999999999",
        "９４３４７６５９１９",
    ),
    *("SMITH, Anna Jane", "Mrs A Smith", "Dr Anna van der Berg", "SMITH Anna", "Smith,"),
    *("Mary", "O'Brien", "Zoë", "Baby Girl", "Mr", "Twin 2", "Male", "王", "Smith-Jones"),
    *("2001-02-03", "03/02/2001", "31/02/2001", "1900-01-01", "3 Feb 01", "1850-01-01", "36925"),
    *("2001", "02/2001", "1903-00-00"),
    *("1", "2", "9", "F", "female", "EX1 2AB", "ex12ab", "ZZ99 3VZ", "EX1", "1 High Street", "No fixed abode"),
    *("", " ", "NULL", "n/a", "unknown", "-", "\x00", "\u200b", "😀", None),
]


def frame(copies: int = 1, seed: int = 0) -> pl.DataFrame:
    texts = TEXTS * copies
    random.Random(seed).shuffle(texts)
    return pl.DataFrame({"x": texts}, schema={"x": pl.String})


def columns_of_every_dtype() -> Iterator[pl.Series]:
    for dtype in (pl.Int8, pl.Int64, pl.UInt32, pl.UInt64, pl.Int128):
        yield pl.Series("x", [0, 1, 2, 127, None], dtype=dtype)
    yield pl.Series("x", [-(2**63), 2**63 - 1, -1, 9434765919, 20010203])
    for dtype in (pl.Float32, pl.Float64):
        yield pl.Series("x", [0.0, -1.5, 1e300, NAN, INFINITY, -INFINITY, 9434765919.0, None], dtype=dtype)
    yield pl.Series("x", [True, False, None])
    yield pl.Series("x", [dt.date(2001, 2, 3), dt.date.min, dt.date.max, None])
    yield pl.Series("x", [-(2**31), 2**31 - 1], dtype=pl.Int32).cast(pl.Date)
    for unit in ("ms", "us", "ns"):
        yield pl.Series("x", [dt.datetime(2001, 2, 3, 4, 5), None], dtype=pl.Datetime(unit))
    yield pl.Series("x", [dt.datetime(2001, 2, 3, 4, 5), None], dtype=pl.Datetime("us", "Europe/London"))
    yield pl.Series("x", [dt.time(4, 5), None])
    yield pl.Series("x", [dt.timedelta(days=1), None])
    yield pl.Series("x", ["1.50", "9434765919", None]).cast(pl.Decimal(20, 2))
    yield pl.Series("x", TEXTS, dtype=pl.Categorical())
    yield pl.Series("x", ["F", "1", None], dtype=pl.Enum(["F", "1"]))
    yield pl.Series("x", [None, None])
    yield pl.Series("x", [], dtype=pl.String)


def check_fields_and_statuses(parser: str, series: pl.Series) -> None:
    standardise, fields, with_value = PARSERS[parser]
    found = series.to_frame().select(standardise(X)).unnest("x")
    assert found.schema == fields
    assert found.height == len(series)
    assert found["status"].null_count() == 0
    should_have_value = found["status"].cast(pl.String).is_in(["valid", *with_value])
    has_value = found["value"].is_not_null()
    if parser == "birth_date":  # an implausible partial date has a text
        has_value |= found["text"].is_not_null() & (found["status"] == "implausible")
    assert (has_value == should_have_value).all()
    assert (found["status"].filter(series.is_null()) == "missing").all()


@every_parser
@pytest.mark.parametrize("series", list(columns_of_every_dtype()), ids=lambda series: str(series.dtype))
def test_every_value_of_every_dtype_gets_a_status(parser: str, series: pl.Series) -> None:
    check_fields_and_statuses(parser, series)


@every_parser
@settings(max_examples=25)
@given(values=st.lists(st.text() | st.none(), max_size=50))
def test_any_text_gets_a_status(parser: str, values: list[str | None]) -> None:
    check_fields_and_statuses(parser, pl.Series("x", values, dtype=pl.String))


@every_parser
def test_statuses_begin_with_valid_and_missing(parser: str) -> None:
    categories = PARSERS[parser][1]["status"].categories.to_list()  # type: ignore[attr-defined]
    assert categories[0] == "valid"
    assert "missing" in categories
    if parser != "nhs_number":
        assert categories[1] == "missing"


@every_parser
def test_lazy_eager_and_streaming_agree(parser: str) -> None:
    standardise = PARSERS[parser][0]
    table = frame(copies=50)
    eager = table.select(standardise(X))
    lazy = table.lazy().select(standardise(X))
    assert lazy.collect_schema() == eager.schema
    assert_frame_equal(lazy.collect(engine="in-memory"), eager)
    assert_frame_equal(lazy.collect(engine="streaming"), eager)
    alongside = table.lazy().with_columns(standardise(X).alias("y")).filter(X.is_not_null()).select("y").unnest("y")
    assert_frame_equal(alongside.collect(engine="streaming"), eager.filter(table["x"].is_not_null()).unnest("x"))


@every_parser
def test_each_value_is_read_independently(parser: str) -> None:
    standardise = PARSERS[parser][0]
    together = frame(copies=20, seed=1)
    chunked = pl.concat([together[:7], together[7:300], together[300:]], rechunk=False)
    alone = {text: pl.DataFrame({"x": [text]}, schema={"x": pl.String}).select(standardise(X)).item() for text in TEXTS}
    for table in (together, chunked, together.reverse(), together.filter(X.is_not_null())):
        found = table.select(standardise(X)).to_series().to_list()
        assert found == [alone[text] for text in table["x"]]


@every_parser
def test_a_column_keeps_its_name(parser: str) -> None:
    standardise = PARSERS[parser][0]
    table = pl.DataFrame({"DOB": ["2001-02-03"], "text": ["Mary"], "value": ["1"], "rest": [None]})
    found = table.select(standardise(pl.all()))
    assert found.columns == table.columns
    for name in table.columns:
        assert_frame_equal(found.select(name), table.select(standardise(pl.col(name))))


@pytest.mark.parametrize("parser", ["nhs_number", "birth_date", "gender"])
def test_passing_the_dtype_changes_nothing(parser: str) -> None:
    standardise = PARSERS[parser][0]
    for series in columns_of_every_dtype():
        table = series.to_frame()
        assert_frame_equal(table.select(standardise(X, dtype=series.dtype)), table.select(standardise(X)))  # type: ignore[call-arg]
