"""Compare the people with published figures, and with the rules that build families."""

from datetime import date

import polars as pl
import pytest

from linkcore.synthetic.households import CHILD, OTHER_PARENT, REFERENCE, RESIDENT, SHARER
from linkcore.synthetic.population import build_population
from tests.synthetic.conftest import REFERENCE_DATE, TEST_RANGE, is_nhs_number, seeds


def share(people: pl.DataFrame, condition: pl.Expr) -> float:
    return people.select(condition.mean()).item()


def test_ages_and_sexes_are_those_of_devon(people):
    age = pl.col("age")
    assert 0.14 < share(people, age < 16) < 0.175
    assert 0.23 < share(people, age >= 65) < 0.27
    assert 0.028 < share(people, age >= 85) < 0.045
    assert people["age"].max() < 106
    assert 42 < people["age"].median() < 48
    assert 0.505 < share(people, pl.col("gender") == 2) < 0.525
    assert share(people.filter(age >= 85), pl.col("gender") == 2) > 0.55


def test_birth_dates_match_the_ages(people):
    years = people.select((pl.lit(REFERENCE_DATE) - pl.col("birth_date")).dt.total_days() / 365.2425)
    late = (years.to_series() - people["age"]).filter(people["birth_date"].dt.ordinal_day() != 1)
    assert late.is_between(-0.01, 0.01).all()
    assert people["birth_date"].max() <= REFERENCE_DATE


def test_households_have_the_sizes_of_the_census(people):
    private = people.filter(pl.col("role") != RESIDENT).group_by("household").len()
    assert private["len"].mean() == pytest.approx(2.2, abs=0.1)
    assert (private["len"] == 1).mean() == pytest.approx(0.302, abs=0.01)
    assert private["len"].max() < 12
    at_one = people.filter(pl.col("listed") & (pl.col("role") != RESIDENT)).group_by("household")
    assert at_one.agg(pl.col("dwelling").n_unique())["dwelling"].max() == 1
    assert (
        people["companions"].to_list()
        == (
            people.with_columns(n=pl.when(pl.col("role") == RESIDENT).then(1).otherwise(pl.len().over("household")))[
                "n"
            ]
        ).to_list()
    )


def test_multiple_maternities_have_the_published_share():
    people = build_population(seeds(5), 150_000, number_range=TEST_RANGE, reference_date=REFERENCE_DATE).people
    maternities = people.filter(pl.col("role") == CHILD).group_by("household", "birth_date").len()
    # With 25,000 maternities, two standard errors are 1.5 in 1,000.
    assert (maternities["len"] > 1).mean() * 1000 == pytest.approx(14.6, abs=1.6)
    twins = people.filter(pl.col("role") == CHILD).filter(pl.len().over("household", "birth_date") > 1)
    assert twins.select(pl.struct("household", "birth_date", "given_name").is_duplicated().mean()).item() < 0.01


def test_families_share_names_and_some_names_change(people):
    child = people.filter(pl.col("role") == CHILD)
    father = people.filter((pl.col("role") == OTHER_PARENT) & (pl.col("gender") == 1))
    families = child.filter(pl.col("ethnic_group") == "A").join(father, on="household", suffix="_father")
    same = share(families, pl.col("family_name") == pl.col("family_name_father"))
    assert 0.80 < same < 0.95
    sons = families.filter(pl.col("gender") == 1)
    alike = share(sons, pl.col("given_name") == pl.col("given_name_father"))
    assert 0.02 < alike < 0.06
    women = people.filter((pl.col("gender") == 2) & (pl.col("age") > 60))
    assert share(women, pl.col("previous_family_name").is_not_null()) > 0.6
    assert (
        people.filter((pl.col("gender") == 1) & (pl.col("role") != REFERENCE))["previous_family_name"].is_null().all()
    )
    assert 0.005 < share(people, pl.col("family_name").str.contains("-", literal=True)) < 0.03
    siblings = child.group_by("household").agg(pl.col("family_name").n_unique(), pl.col("gender").n_unique())
    assert siblings.filter(pl.col("gender") == 1)["family_name"].max() == 1


def test_people_who_share_a_home_have_different_names(people):
    sharers = people.filter(pl.col("role").is_in([REFERENCE, SHARER])).filter(
        (pl.col("role") == SHARER).any().over("household")
    )
    assert sharers.group_by("household").agg(pl.col("family_name").n_unique() > 1)["family_name"].mean() > 0.9


def test_one_in_ten_moves_in_a_year(people):
    assert share(people, (pl.col("moved_on") > date(2025, 3, 31)).fill_null(value=False)) == pytest.approx(
        0.10, abs=0.02
    )
    young = people.filter(pl.col("age").is_between(20, 30))
    old = people.filter(pl.col("age").is_between(66, 76))
    moved = pl.col("previous_dwelling").is_not_null()
    assert share(young, moved) > 1.5 * share(old, moved)
    assert people.filter(moved & (pl.col("moved_on") < pl.col("birth_date"))).is_empty()
    assert people.filter(pl.col("dwelling") == pl.col("previous_dwelling")).height < 5


def test_unlisted_people_are_mostly_young_and_have_no_practice(people):
    assert 1 - people["listed"].mean() == pytest.approx(0.015, abs=1e-4)
    assert people.filter("listed")["practice"].is_not_null().all()
    assert people.filter(~pl.col("listed"))["practice"].is_null().all()
    assert people.filter("listed")["nhs_number"].is_not_null().all()
    assert 0.7 < people.filter(~pl.col("listed"))["nhs_number"].is_not_null().mean() < 0.9
    young = pl.col("age").is_between(18, 35)
    assert share(people.filter(~pl.col("listed")), young) > 1.5 * share(people, young)


def test_numbers_are_unique_valid_and_in_the_test_range(people):
    numbers = people["nhs_number"].drop_nulls()
    assert numbers.n_unique() == len(numbers)
    assert all(is_nhs_number(str(number)) for number in numbers)
    assert numbers.is_between(9_000_000_000, 9_999_999_999).all()


def test_heritages_have_devons_shares_and_their_own_names(people):
    assert 0.88 < share(people, pl.col("ethnic_group") == "A") < 0.96
    assert people["ethnic_group"].n_unique() >= 13
    indian = people.filter(pl.col("ethnic_group") == "H")["family_name"]
    assert (indian.is_in(["PATEL", "SINGH", "KAUR", "SHAH", "THOMAS", "JOSEPH"])).mean() > 0.15
    assert share(people.filter(pl.col("age") < 40), pl.col("ethnic_group") == "A") < share(
        people.filter(pl.col("age") > 70), pl.col("ethnic_group") == "A"
    )


def test_communal_establishments_have_the_right_residents(population, people):
    residents = people.filter(pl.col("role") == RESIDENT)
    assert len(residents) / len(people) == pytest.approx(0.02, abs=0.001)
    prison = residents.filter(pl.col("address").str.starts_with("HMP"))
    halls = residents.filter(pl.col("address").str.contains(" Hall,"))
    homes = residents.filter(pl.col("address").str.contains("Home,"))
    assert prison["address"].n_unique() == 1
    assert (prison["gender"] == 1).all()
    assert halls["age"].is_between(18, 26).all()
    assert homes["age"].median() > 83
    assert residents.filter("listed").group_by("postcode").agg(pl.col("dwelling").n_unique())["dwelling"].max() == 1
    assert population.places.establishments == residents.filter("listed")["dwelling"].n_unique()


@pytest.mark.parametrize("people", [1, 2, 3, 7, 60])
def test_any_number_of_people_can_be_made(people):
    made = build_population(seeds(1), people, number_range=TEST_RANGE, reference_date=REFERENCE_DATE)
    assert len(made.people) == people
