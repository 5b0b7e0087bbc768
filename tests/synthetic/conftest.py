"""Build a synthetic ICS once: in memory to measure it, and on disk to check its files."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from linkcore.synthetic import DEFAULT_RATES, Synthetic, synthesise
from linkcore.synthetic.population import Population, build_population
from linkcore.synthetic.providers import PROVIDERS
from linkcore.synthetic.records import ProviderRecords, build_records

REFERENCE_DATE = date(2026, 3, 31)
TEST_RANGE = (900_000_000, 999_999_999)


def seeds(seed):
    root = np.random.SeedSequence(seed)
    while True:
        yield from root.spawn(1)


def is_nhs_number(text: str) -> bool:
    """Modulus 11 as the NHS Data Dictionary describes it, digit by digit."""
    if len(text) != 10 or not text.isdigit():
        return False
    total = 0
    for place in range(9):
        total += int(text[place]) * (10 - place)
    check = 11 - total % 11
    return check != 10 and int(text[9]) == (0 if check == 11 else check)


@pytest.fixture(scope="session")
def population() -> Population:
    return build_population(seeds(1), 40_000, number_range=TEST_RANGE, reference_date=REFERENCE_DATE)


@pytest.fixture(scope="session")
def people(population) -> pl.DataFrame:
    """The people, with their number in the truth, their postcode and their address."""
    home = population.places.dwellings[population.people["dwelling"]]
    return population.people.with_row_index("entity").hstack(home.select("postcode", "address", "deprivation"))


@pytest.fixture(scope="session")
def records(population) -> dict[str, ProviderRecords]:
    return {
        name: build_records(
            seeds(number),
            provider,
            population,
            DEFAULT_RATES[name],
            number_range=TEST_RANGE,
            encoding="utf-8",
            reference_date=REFERENCE_DATE,
        )
        for number, (name, provider) in enumerate(PROVIDERS.items(), start=2)
    }


@pytest.fixture(scope="session")
def ics(tmp_path_factory) -> Synthetic:
    return synthesise(tmp_path_factory.mktemp("ics") / "out", people=2_000, seed=3)
