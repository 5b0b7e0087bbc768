"""Columns as codes hold what comparable columns hold."""

import polars as pl
import pytest

from linkcore.linkage.codes.coded import CodedPeople, encode
from linkcore.linkage.comparisons.comparable import COMPARABLE, comparable
from linkcore.schema import OTHER
from tests.linkage.codes.people import people

JOINED = ("full_name", "initials", "home")


@pytest.mark.parametrize("seed", [1, 2])
def test_every_column_is_that_which_is_compared(seed: int) -> None:
    frame = people(400, seed)
    wanted, coded = comparable(frame), CodedPeople(frame)
    assert coded.columns == wanted.columns
    for name in coded.columns:
        if name.startswith(OTHER) or name == "given_groups":
            continue
        column = coded.column(name)
        if name in JOINED:  # two codes are equal if both values are
            both = pl.DataFrame({"code": column.codes, "value": wanted[name]}).unique()
            assert both.height == both["code"].n_unique() == both["value"].n_unique() > 10
            assert both.filter(pl.col("value").is_null())["code"].to_list() == [0]
        else:
            assert column.values.gather(column.codes).equals(wanted[name], null_equal=True, check_names=False)


def test_of_two_full_names_with_the_same_words_the_codes_are_equal() -> None:
    frame = pl.DataFrame(
        {"given_name": ["ANNA MARIA", "ANNA", "ANNA", None], "family_name": ["NG", "MARIA NG", "NG", "ANNA NG"]}
    )
    one, other, third, missing = CodedPeople(frame).column("full_name").codes.tolist()
    assert one == other
    assert len({one, third, missing}) == 3
    assert missing == 0


@pytest.mark.parametrize("name", COMPARABLE)
def test_a_column_without_values_has_none(name: str) -> None:
    frame = people(50, 3).filter(pl.col("given_name").is_null())
    some = frame.with_columns(pl.lit(None, pl.Enum(["male", "female"])).alias("gender"))
    assert CodedPeople(some).has(name) == (comparable(some)[name].null_count() < some.height)


def test_lists_are_codes_of_the_values_that_they_are_other_values_of() -> None:
    frame = people(200, 4)
    coded = CodedPeople(frame)
    lists, postcodes = coded.lists(OTHER + "postcode"), coded.column("postcode").values
    held = [postcodes.gather(lists.codes[lists.starts[i] : lists.starts[i + 1]]).to_list() or None for i in lists.rows]
    assert held == frame[OTHER + "postcode"].to_list()


def test_values_of_every_type_are_encoded() -> None:
    for series in (
        pl.Series([1.5, None, float("nan"), 1.5]),
        pl.Series(["", "A", None, "A"]),
        pl.Series([], dtype=pl.Date),
    ):
        values, (codes,) = encode([series])
        assert values.gather(codes).equals(series, null_equal=True, check_names=False)
        assert values.drop_nulls().is_unique().all()
