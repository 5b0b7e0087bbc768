"""Nicknames: which given names may belong to the same person."""

import csv
import re
from importlib import resources

import polars as pl
import pytest

from linkcore.identifiers.nicknames import nickname_groups


def share_a_group(left: str, right: str) -> bool:
    groups = pl.DataFrame({"name": [left, right]}).select(nickname_groups(pl.col("name"))).to_series().to_list()
    return bool(set(groups[0] or ()) & set(groups[1] or ()))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("WILLIAM", "BILL"),
        ("BILL", "WILL"),
        ("ELIZABETH", "BETTY"),
        ("MARGARET", "PEGGY"),
        ("ROBERT", "BERT"),
        ("ALBERT", "BERT"),
        ("CATHERINE", "KATE"),
        ("MOHAMMED", "MUHAMMAD"),
        ("MO", "MOHAMED"),
        ("PAWEL", "PAUL"),
        ("SIOBHAN", "SHIVAUN"),
        ("GWILYM", "WILLIAM"),
        ("OLUWASEUN", "SEUN"),
        ("WILLIAM JOHN", "BILL"),
    ],
)
def test_two_names_of_one_person_share_a_group(left: str, right: str) -> None:
    assert share_a_group(left, right)
    assert share_a_group(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [("ALBERT", "ROBERT"), ("ANNA", "PETER"), ("JOHN", "WILLIAM"), ("FATIMA", "MARY"), ("XYZZY", "XYZZY"), ("", "")],
)
def test_different_names_share_no_group(left: str, right: str) -> None:
    assert not share_a_group(left, right)


def test_a_missing_name_has_no_groups() -> None:
    frame = pl.DataFrame({"name": [None]}, schema={"name": pl.String})
    assert frame.select(nickname_groups(pl.col("name"))).to_series().to_list() == [None]


def test_lazy_frames_and_groups_give_the_same_groups() -> None:
    frame = pl.DataFrame({"name": ["BILL", None, "WILLIAM"], "group": [1, 2, 1]})
    eager = frame.select(nickname_groups(pl.col("name")))
    assert frame.lazy().select(nickname_groups(pl.col("name"))).collect().equals(eager)
    assert frame.lazy().select(nickname_groups(pl.col("name"))).collect(engine="streaming").equals(eager)


def test_the_table_holds_names_in_standard_form_and_each_group_once() -> None:
    text = resources.files("linkcore.identifiers").joinpath("nicknames.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert all(re.fullmatch(r"[A-Z]+", row["given_name"]) for row in rows)
    assert all(re.fullmatch(r"[A-Z]{2,}( [A-Z]{2,})*", row["also_written"]) for row in rows)
    heads = [row["given_name"] for row in rows]
    assert len(heads) == len(set(heads))
    assert all(row["given_name"] not in row["also_written"].split() for row in rows)
    assert all(len(set(row["also_written"].split())) == len(row["also_written"].split()) for row in rows)
