"""Opt-outs: which are in force on a day; in case of doubt, they are."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linkcore as lc
from linkcore.governance.withholding.opt_outs import STATEMENTS, OptOuts
from tests.governance.withholding import naive_withholding as naive
from tests.naive_linkage import numbers

DAY = dt.date(2026, 3, 1)
ONE, TWO, OLD, NEW = (int(number) for number in numbers(4))
SUPERSEDED = pl.DataFrame({"old": [OLD], "new": [NEW]})


def register(*rows: tuple[object, str, str]) -> OptOuts:
    frame = pl.DataFrame(rows, {"nhs_number": pl.String, "date": pl.String, "statement": pl.String}, orient="row")
    return OptOuts.from_statements(frame, as_of=DAY)


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ([("2026-01-01", "objection")], True),
        ([("2026-01-01", "objection"), ("2026-02-01", "withdrawal")], False),
        ([("2026-01-01", "objection"), ("2026-02-01", "withdrawal"), ("2026-02-02", "objection")], True),
        ([("2026-02-01", "withdrawal")], False),
        # In case of doubt the opt-out is in force: the same day, or unknown days. Later days are refused.
        ([("2026-02-01", "objection"), ("2026-02-01", "withdrawal")], True),
        ([("2026-01-01", "objection"), ("2026-03-01", "withdrawal")], False),
        ([("", "objection"), ("2026-02-01", "withdrawal")], True),
        ([("2026-01-01", "objection"), ("soon", "withdrawal")], True),
        ([("01/02/2026", "Objection "), ("2 Feb 2026", "WITHDRAWAL")], False),
    ],
)
def test_the_latest_statement_counts_and_in_case_of_doubt_the_opt_out(
    said: list[tuple[str, str]], stands: bool
) -> None:
    for order in (said, said[::-1]):
        rows = [(str(ONE), date, statement) for date, statement in order]
        assert register(*rows).in_force(DAY).to_list() == [ONE] * stands


def test_statements_under_a_superseded_number_are_the_same_persons() -> None:
    said = register((str(OLD), "2026-01-01", "objection"), (str(NEW), "2026-02-01", "withdrawal"))
    assert said.in_force(DAY).to_list() == [OLD]
    assert said.in_force(DAY, SUPERSEDED).to_list() == []
    assert register((str(OLD), "2026-01-01", "objection")).in_force(DAY, SUPERSEDED).to_list() == [NEW]


POOL = [ONE, TWO, OLD, NEW]
DAYS = [None, *(DAY + dt.timedelta(days=days) for days in (-2, -1, 0, 1))]
SAID = st.lists(st.tuples(st.sampled_from(POOL), st.sampled_from(DAYS), st.booleans()), max_size=12)


@given(SAID, st.sampled_from(DAYS[1:]))
@settings(max_examples=200, deadline=None)
def test_the_same_opt_outs_are_in_force_as_in_the_slow_implementation(
    said: list[tuple[int, dt.date | None, bool]], on: dt.date
) -> None:
    found = OptOuts(pl.DataFrame(said, STATEMENTS, orient="row"), on).in_force(on, SUPERSEDED)
    statements = [naive.Statement(*each) for each in said]
    expected = {number for number in (ONE, TWO, NEW) if naive.stands(statements, number, on, {OLD: NEW})}
    assert found.to_list() == sorted(expected)


def test_a_list_is_read_in_any_written_form_and_unreadable_numbers_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"nhs_number,note\n{str(ONE)[:3]} {str(ONE)[3:]},x\n{TWO},y\n9999999999,z\n,z\n{TWO + 1},\n")
    listed = OptOuts.from_list(file, as_of=DAY)
    assert listed.in_force(DAY).to_list() == sorted([ONE, TWO])
    assert listed.unreadable == 3
    assert str(ONE) not in repr(listed) + str(vars(listed).keys())


def test_a_list_with_an_unreadable_number_is_refused_unless_that_is_accepted() -> None:
    listed = OptOuts.from_list(pl.DataFrame({"nhs_number": ["nonsense", str(ONE)]}), as_of=DAY)
    with pytest.raises(lc.RefusedError, match="1 of them have no NHS Number"):
        listed.check("national", on=DAY, max_age_days=7)
    listed.check("national", on=DAY, max_age_days=7, accept_unreadable=True)


@pytest.mark.parametrize(
    ("days", "limit", "refused"), [(7, 7, False), (8, 7, True), (0, 0, False), (1, 0, True), (-1, 7, True)]
)
def test_a_list_that_is_too_old_or_of_a_later_day_is_refused(days: int, limit: int, refused: bool) -> None:
    listed = OptOuts.from_list(pl.DataFrame({"nhs_number": [str(ONE)]}), as_of=DAY - dt.timedelta(days=days))
    if refused:
        with pytest.raises(lc.RefusedError, match="as of"):
            listed.check("national", on=DAY, max_age_days=limit)
    else:
        listed.check("national", on=DAY, max_age_days=limit)


def test_an_unknown_statement_is_refused_without_quoting_a_number() -> None:
    with pytest.raises(lc.SourceError, match="1 rows is neither") as caught:
        register((str(ONE), "2026-01-01", "objection"), (str(TWO), "2026-01-01", "perhaps"))
    assert str(TWO) not in str(caught.value)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(lc.SourceError, match="'nhs_number'"):
        OptOuts.from_list(pl.DataFrame({"number": [str(ONE)]}), as_of=DAY)
    with pytest.raises(lc.SourceError, match="'statement'"):
        OptOuts.from_statements(pl.DataFrame({"nhs_number": [str(ONE)], "date": ["2026-01-01"]}), as_of=DAY)
