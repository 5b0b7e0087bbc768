"""Levels, comparisons and models: what they refuse, and what they say of themselves."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError
from linkcore.linkage.model.model import (
    OTHERWISE,
    Comparison,
    Level,
    Model,
    TermFrequency,
    UntrainedModel,
    columns_of,
    compared_columns,
)

AGREES = Level("name_l = name_r", "Agrees", m=0.9, u=0.1)
DIFFERS = Level(OTHERWISE, "Differs", m=0.1, u=0.9)
NULL = Level("name_l IS NULL OR name_r IS NULL", "Missing", is_null=True)
NAME = Comparison("name", (NULL, AGREES, DIFFERS))


@pytest.mark.parametrize("m", [0.0, -0.1, 1.5, float("nan")])
def test_a_probability_that_is_none_is_refused(m: float) -> None:
    with pytest.raises(ProgrammeError, match="m of a level"):
        Level("ELSE", "Differs", m=m, u=0.5)


def test_m_without_u_is_not_learned_and_cannot_weigh() -> None:
    half = Level("ELSE", "Differs", m=0.5)
    assert not half.is_learned
    with pytest.raises(ProgrammeError, match="has levels without m and u"):
        Model((Comparison("name", (half,)),), prior=0.1)
    assert UntrainedModel((Comparison("name", (half,)),)).comparisons[0].levels == (half,)


def test_an_untrained_model_keeps_what_it_states_when_it_is_learned() -> None:
    learned = Model((NAME,), prior=0.1)
    stated = UntrainedModel((NAME,), prior=0.25, link_type="link_only", extra={"made_by": "us"})
    assert stated.as_learned(learned) == Model((NAME,), 0.25, link_type="link_only", extra={"made_by": "us"})
    assert UntrainedModel((NAME,)).as_learned(learned).prior == 0.1
    with pytest.raises(ProgrammeError, match="compares nothing"):
        UntrainedModel(())


def test_the_columns_of_a_model_are_those_of_its_comparisons_counts_and_rules() -> None:
    counted = Level("x_l = x_r", "Agrees", m=0.9, u=0.1, term_frequency=TermFrequency("y", of_exact_match=False))
    model = UntrainedModel((Comparison("x", (counted,)),), blocking_rules=('l."a" = r."a"', "l.b=r.c"))
    assert columns_of(model) == {"x", "y", "a", "b", "c"}


def test_a_comparison_without_levels_or_with_levels_after_the_last_is_refused() -> None:
    with pytest.raises(ProgrammeError, match="'name' has no levels"):
        Comparison("name", ())
    with pytest.raises(ProgrammeError, match="put ELSE last"):
        Comparison("name", (DIFFERS, AGREES))


def test_a_model_that_was_not_learned_is_refused() -> None:
    unlearned = Comparison("name", (Level("name_l = name_r", "Agrees"),))
    with pytest.raises(ProgrammeError, match="'name' of the model has levels without m and u"):
        Model((unlearned,), prior=0.1)
    with pytest.raises(ProgrammeError, match="compares nothing"):
        Model((Comparison("name", (NULL,)),), prior=0.1)


def test_two_comparisons_of_one_name_are_refused() -> None:
    with pytest.raises(ProgrammeError, match="share a name"):
        Model((NAME, NAME), prior=0.1)


@pytest.mark.parametrize("prior", [0.0, 1.0])
def test_a_prior_that_is_certain_is_refused(prior: float) -> None:
    with pytest.raises(ProgrammeError, match="the prior of the model"):
        Model((NAME,), prior=prior)


def test_the_weight_of_a_level_is_log2_of_m_over_u_and_a_missing_value_weighs_nothing() -> None:
    assert AGREES.bits == pytest.approx(3.169925)
    assert NULL.bits == 0.0
    assert Model((NAME,), prior=0.2).prior_weight == -2.0


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_levels_are_numbered_from_the_last_upwards_and_missing_is_minus_one(null: list[bool]) -> None:
    expected = [-1 if is_null else sum(not other for other in null[at + 1 :]) for at, is_null in enumerate(null)]
    levels = (Level(f"x_l = {at}", "", is_null=is_null) for at, is_null in enumerate(null))
    assert Comparison("x", tuple(levels)).numbers == tuple(expected)


def test_what_is_known_by_position_is_ordered_by_number() -> None:
    assert NAME.m_by_position == {1: 0.9, 2: 0.1}
    assert NAME.by_number(NAME.m_by_position) == [0.1, 0.9]
    assert NAME.by_number({1: 7.0}) == [0.0, 7.0]


def test_case_sql_gives_the_values_in_the_order_of_the_levels() -> None:
    near = Level("abs(age_l - age_r) <= 1", "Near", m=0.9, u=0.3)
    sql = Comparison("age", (near, DIFFERS)).case_sql([5, 7])
    assert duckdb.sql(f"SELECT {sql} FROM (VALUES (1, 2), (1, 3)) AS t(age_l, age_r)").fetchall() == [(5,), (7,)]


def test_columns_are_those_that_the_conditions_look_at() -> None:
    place = Comparison("place", (Level("home_l = home_r AND town_l IS NULL", "Agrees"),))
    assert compared_columns([NAME, place]) == {"name", "home", "town"}


def test_a_comparison_that_cannot_know_the_average_frequency_is_refused() -> None:
    initial = Level(
        "left(name_l, 1) = left(name_r, 1)", "Initial", m=0.2, u=0.1, term_frequency=TermFrequency("name", 0.5)
    )
    model = Model((Comparison("name", (initial, DIFFERS)),), prior=0.1)
    with pytest.raises(ProgrammeError, match="how common values of name are"):
        _ = model.average_frequencies
