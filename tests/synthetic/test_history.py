"""People who move, marry, and go by other names: in the records of the time, and by default nowhere."""

from dataclasses import replace

import polars as pl
import pytest

from linkcore.synthetic import DEFAULT_RATES, ErrorRates, with_history
from linkcore.synthetic.population import Population
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.records import build_records
from tests.synthetic.conftest import REFERENCE_DATE, TEST_RANGE, seeds
from tests.synthetic.test_records import plain


def sent(population: Population, rates: ErrorRates, name: str = "outpatient") -> pl.DataFrame:
    """The records of a provider, with the person of each and its homes."""
    built = build_records(
        seeds(5),
        PROVIDERS[name],
        population,
        rates,
        number_range=TEST_RANGE,
        encoding="utf-8",
        reference_date=REFERENCE_DATE,
    )
    people = population.people[built.truth["entity"]].rename(lambda column: f"true_{column}")
    homes = {
        home: population.places.dwellings["postcode"].gather(people[f"true_{home}"])
        for home in ("dwelling", "previous_dwelling")
    }
    return built.frame.hstack(people).with_columns(**homes, entity=built.truth["entity"])


@pytest.mark.parametrize("as_of_visit", [0.0, 1.0])
def test_a_record_shows_home_and_family_name_of_its_day(population: Population, as_of_visit: float) -> None:
    rates = ErrorRates(gender=0.0, as_of_visit=as_of_visit)
    former = {"moved": 0, "renamed": 0}
    for row in sent(population, rates).iter_rows(named=True):
        day = row["APPOINTMENT_DATE"]
        moved = bool(as_of_visit) and row["true_moved_on"] is not None and day < row["true_moved_on"]
        renamed = bool(as_of_visit) and row["true_renamed_on"] is not None and day < row["true_renamed_on"]
        assert row["POSTCODE"] == row["previous_dwelling" if moved else "dwelling"]
        assert plain(row["FAMILY_NAME"]) == plain(row[f"true_{'previous_' if renamed else ''}family_name"])
        assert plain(row["GIVEN_NAME"]) == plain(row["true_given_name"])
        former["moved"] += moved
        former["renamed"] += renamed
    records = sent(population, rates).height
    # One person in ten moves in a year, and fewer than one in a hundred change their family name.
    assert (0.05 < former["moved"] / records < 0.2) == bool(as_of_visit)
    assert (0.001 < former["renamed"] / records < 0.02) == bool(as_of_visit)


@pytest.mark.parametrize("name", ["outpatient", "community"])
def test_a_provider_knows_a_patient_by_one_name(population: Population, name: str) -> None:
    given = PROVIDERS[name].columns["given_name"]
    records = sent(population, ErrorRates(gender=0.0, known_as=0.5), name).filter(pl.col("true_known_as").is_not_null())
    spelt = pl.DataFrame(
        {
            "entity": records["entity"],
            "sent": [plain(text) for text in records[given]],
            "known_as": [plain(text) for text in records["true_known_as"]],
            "registered": [plain(text) for text in records["true_given_name"]],
        }
    )
    assert spelt.group_by("entity").agg(pl.col("sent").n_unique())["sent"].max() == 1
    by_known_as = (spelt["sent"] == spelt["known_as"]) & (spelt["known_as"] != spelt["registered"])
    assert ((spelt["sent"] == spelt["registered"]) | by_known_as).all()
    assert 0.4 < by_known_as.mean() < 0.6


def test_some_people_go_by_another_name(population: Population) -> None:
    people = population.people
    assert 0.08 < people["known_as"].is_not_null().mean() < 0.2
    assert (people["known_as"] != people["given_name"]).drop_nulls().all()
    assert people["renamed_on"].is_null().equals(people["previous_family_name"].is_null())
    assert people["renamed_on"].max() <= REFERENCE_DATE


def test_only_providers_that_record_visits_have_a_history() -> None:
    rates = with_history(as_of_visit=0.7, known_as=0.2)
    for name, each in rates.items():
        of_today = name in ("gp", "national_extract")
        assert (each.as_of_visit, each.known_as) == ((0.0, 0.0) if of_today else (0.7, 0.2))
        assert replace(each, as_of_visit=0.0, known_as=0.0) == DEFAULT_RATES[name]
