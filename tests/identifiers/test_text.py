"""The functions that all parsers use: columns as text, comparable characters, and separate evaluation of values."""

import datetime as dt
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings

from linkcore.identifiers import text
from tests import naive
from tests.identifiers.texts import columns

X = pl.col("x")


@pytest.mark.parametrize(
    ("values", "dtype", "texts"),
    [
        (["a", None], pl.String, ["a", None]),
        ([1, None], pl.Int64, ["1", None]),
        ([9434765919.0, 0.5, float("nan"), float("inf"), None], pl.Float64, ["9434765919", "0.5", None, "inf", None]),
        ([1e16, -0.0], pl.Float64, ["10000000000000000", "0"]),
        ([True, None], pl.Boolean, ["true", None]),
        ([dt.date(2001, 2, 3), None], pl.Date, ["2001-02-03", None]),
        ([dt.timedelta(1), None], pl.Duration, [None, None]),
        (["a", None], pl.Categorical(), ["a", None]),
        ([None], pl.Null, [None]),
    ],
    ids=str,
)
def test_every_dtype_has_a_text(values: list[object], dtype: pl.DataType, texts: list[str | None]) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype)})
    found = frame.select(text.by_dtype(X, text.as_text)).to_series()
    assert found.to_list() == texts
    assert found.dtype == pl.String


def test_every_decimal_digit_of_unicode_is_known() -> None:
    digits = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Nd"]
    found = pl.DataFrame({"x": digits}).select(text.ascii_digits(X)).to_series().to_list()
    assert found == [str(unicodedata.decimal(digit)) for digit in digits]


@settings(max_examples=40)
@given(columns(["Zoë", "O’Brien", "Størmer", "ẞ", "ǅ", "'", "`", "e\u0301", " \u0301"]))
def test_characters_are_folded_as_the_naive_function_folds_them(values: list[str | None]) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    found = frame.select(
        folded=text.folded(X), compact=text.compact(X), digits=text.ascii_digits(X), own_script=text.own_script(X)
    )
    for name, slow in {"folded": naive.folded, "compact": naive.compact, "own_script": naive.own_script}.items():
        assert found[name].to_list() == [None if value is None else slow(value) for value in values]
    # ASCII text stays unchanged and needs no normal form.
    assert found["digits"].to_list() == [None if value is None else naive.ascii_digits(value) for value in values]


PAIR = pl.Struct({"text": pl.String, "length": pl.UInt32})


@settings(max_examples=40)
@given(columns(["a", "bc"]))
def test_only_values_that_are_not_null_are_evaluated(values: list[str | None]) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    expression = text.on_present(X, lambda value: pl.struct(text=value + "!", length=value.str.len_chars()), PAIR)
    found = frame.select(expression).to_series()
    assert found.to_list() == [None if v is None else {"text": f"{v}!", "length": len(v)} for v in values]
    assert found.dtype == PAIR
