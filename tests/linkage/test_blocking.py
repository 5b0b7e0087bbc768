"""Blocking: against comparing everybody with everybody."""

import duckdb
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from linkcore.linkage.blocking import (
    LARGEST_BLOCK,
    LARGEST_BLOCK_OF_ONE,
    Rule,
    blocking_rules,
    make_blocks,
    pairs_sql,
)
from linkcore.linkage.comparisons.comparable import COMPARABLE
from linkcore.private_database import make_table

COLUMNS = ["given_name", "family_name", "birth_date"]
RULES = [
    Rule((("birth_date", "birth_date"), ("family_name", "family_name"))),
    Rule((("given_name", "family_name"), ("family_name", "given_name"))),
    Rule((("given_name", "given_name"),)),
    Rule((("given_name", "given_name"), ("family_name", "family_name")), lacking=("birth_date",)),
]
VALUES = st.one_of(st.none(), st.sampled_from("AB"))
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=12)

Row = tuple[str | None, ...]


def found(left: list[Row], right: list[Row], rules: list[Rule]) -> tuple[set[tuple[int, int]], dict[str, int]]:
    with duckdb.connect() as connection:
        for name, rows in (("l", left), ("r", right)):
            frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
            make_table(connection, f"side_{name}", frame.with_row_index("unique_id"))
        too_large = make_blocks(connection, rules, "side_l", "side_r")
        pairs = connection.sql(pairs_sql(rules, "side_r")).fetchall()
        assert len(pairs) == len(set(pairs))
        ordered = connection.sql(pairs_sql(rules, "side_r", ordered=True)).fetchall()
        assert sorted(ordered) == sorted({(min(pair), max(pair)) for pair in pairs})
        return set(pairs), dict(too_large)


def agree(rule: Rule, left: Row, right: Row) -> bool:
    values = [(left[COLUMNS.index(a)], right[COLUMNS.index(b)]) for a, b in rule.equal]
    lacking = all(right[COLUMNS.index(column)] is None for column in rule.lacking)
    return lacking and all(a is not None and a == b for a, b in values)


@given(ROWS, ROWS)
def test_pairs_are_those_that_agree_by_any_rule(left: list[Row], right: list[Row]) -> None:
    expected = {
        (i, j)
        for rule in RULES
        for i, a in enumerate(left)
        for j, b in enumerate(right)
        if agree(rule, a, b)
        # A record of the left stands in one block of each rule: with all those that have its values.
        and sum(all(a[COLUMNS.index(c)] == other[COLUMNS.index(c)] for c, _ in rule.equal) for other in left)
        <= rule.largest_block
    }
    assert found(left, right, RULES)[0] == expected


def test_a_block_that_is_too_large_is_not_used_and_counted() -> None:
    narrow, broad = RULES[0], RULES[2]
    for rule, largest in ((narrow, LARGEST_BLOCK), (broad, LARGEST_BLOCK_OF_ONE)):
        pairs, too_large = found([("A", "A", "A")] * largest, [("A", "A", "A")] * 2, [rule])
        assert len(pairs) == 2 * largest
        assert too_large == {}
        pairs, too_large = found([("A", "A", "A")] * (largest + 1), [("A", "A", "A")], [rule])
        assert pairs == set()
        assert too_large == {rule.sql: largest + 1}


def test_a_block_that_nobody_looks_for_costs_nothing() -> None:
    assert found([("A", "A", "A")] * 200, [("B", "B", "B")], RULES) == (set(), {})


def test_every_rule_is_on_columns_that_are_there() -> None:
    present = [*COMPARABLE, "further_telephone"]
    assert all(column in present for rule in blocking_rules(present) for pair in rule.equal for column in pair)
    assert blocking_rules(["gender"]) == []
    names_only = {pair for rule in blocking_rules(["given_sound", "family_sound"]) for pair in rule.equal}
    assert names_only == {
        ("given_sound", "family_sound"),
        ("family_sound", "given_sound"),
        ("given_sound", "given_sound"),
        ("family_sound", "family_sound"),
    }


def test_where_no_birth_date_is_partial_there_are_no_rules_for_that() -> None:
    whole = [rule.sql for rule in blocking_rules([name for name in COMPARABLE if name != "partial_birth_date"])]
    assert [rule.sql for rule in blocking_rules(COMPARABLE)][: len(whole)] == whole
    assert len(blocking_rules(COMPARABLE)) > len(whole)
    assert not any("birth_year" in sql and 'r."birth_date" IS NULL' in sql for sql in whole)


def asks_only(*columns: str, lacking: tuple[str, ...] = ()) -> bool:
    """Whether some rule is met by two records that agree on these columns, the second without others."""
    equal = {(column, column) for column in columns}
    rules = blocking_rules([*COMPARABLE, "further_telephone", "further_suburb"])
    return any(set(rule.equal) <= equal and set(rule.lacking) <= set(lacking) for rule in rules)


def test_any_two_of_name_birth_date_and_place_are_enough_to_be_looked_at() -> None:
    """What is wrong of the third, and of one of the names, does not matter."""
    for name in ("given_sound", "family_sound", "initials"):
        assert asks_only("birth_date", name)
        assert asks_only("postcode", name)
        assert asks_only("further_telephone", name)
    assert asks_only("birth_date", "postcode")
    assert asks_only("postcode", "address")
    assert asks_only("postcode", "further_suburb")
    assert asks_only("further_telephone", "further_suburb")
    assert asks_only("given_sound", "family_sound", "birth_year")
    assert asks_only("given_sound", "family_sound", "birth_month", "birth_day")


def test_a_record_that_lacks_something_is_looked_for_more_widely() -> None:
    wide = [
        (("given_sound", "family_sound"), ("birth_date",)),
        (("given_sound", "family_sound"), ("postcode", "address")),
        (("given_sound", "birth_year", "birth_day"), ("postcode", "address")),
        (("birth_date", "gender"), ("given_name", "family_name")),
        (("birth_date", "postcode_district"), ("given_name", "family_name")),
        (("postcode", "birth_month", "birth_day"), ("given_name", "family_name")),
        (("postcode", "birth_year", "gender"), ("given_name", "family_name")),
        (("full_name", "gender"), ("birth_date",)),
        (("given_sound", "birth_year", "birth_month"), ("birth_date",)),
        (("postcode", "birth_year"), ("birth_date",)),
        (("further_telephone", "birth_year"), ("birth_date",)),
    ]
    for columns, lacking in wide:
        assert asks_only(*columns, lacking=lacking)
        assert any(asks_only(column) for column in columns) or not asks_only(*columns)
