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
    expectation_rules,
    make_blocks,
    pairs_sql,
)
from linkcore.linkage.comparisons import COMPARABLE, comparisons
from linkcore.linkage.tables import make_table

COLUMNS = ["given_name", "family_name", "birth_date"]
RULES = [
    Rule((("birth_date", "birth_date"), ("family_name", "family_name"))),
    Rule((("given_name", "family_name"), ("family_name", "given_name"))),
    Rule((("given_name", "given_name"),)),
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
        return set(pairs), dict(too_large)


def agree(rule: Rule, left: Row, right: Row) -> bool:
    values = [(left[COLUMNS.index(a)], right[COLUMNS.index(b)]) for a, b in rule.equal]
    return all(a is not None and a == b for a, b in values)


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
    names_only = {pair for rule in blocking_rules(["given_name", "family_name"]) for pair in rule.equal}
    assert names_only == {("given_name", "family_name"), ("family_name", "given_name")}


def test_any_two_of_name_birth_date_and_place_are_enough_to_be_looked_at() -> None:
    """What is wrong of the third, and of one of the names, does not matter."""
    rules = [frozenset(rule.equal) for rule in blocking_rules(list(COMPARABLE))]

    def asks_only(*columns: str) -> bool:
        return any(rule <= {(column, column) for column in columns} for rule in rules)

    for name in ("given_name", "family_name", "initials"):
        assert asks_only("birth_date", name)
        assert asks_only("postcode", name)
    assert asks_only("birth_date", "postcode")
    assert asks_only("full_name", "birth_year")
    assert asks_only("full_name", "birth_month", "birth_day")


def test_what_is_learned_on_one_key_is_not_learned_on_the_other() -> None:
    made = comparisons(list(COMPARABLE), {"telephone": "exact"})
    assert expectation_rules(made) == ['l."full_name" = r."full_name"', 'l."birth_date" = r."birth_date"']
    assert len(expectation_rules(comparisons(["further_telephone"], {"telephone": "exact"}))) == 1
