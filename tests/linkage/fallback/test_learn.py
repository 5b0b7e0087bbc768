"""What a model is learned from."""

import random
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.codes.compared import ComparedPeople
from linkcore.linkage.engine import learn, native
from linkcore.report.page.concerns import concerns
from tests.naive import check_digit

PEOPLE, OPEN = 400, 100


def numbers_of_the_test_range() -> list[str]:
    """NHS Numbers of the test range that pass their check."""
    firsts = (f"999{serial:06}" for serial in range(1, 2 * PEOPLE))
    return [f"{first}{digit}" for first in firsts if (digit := check_digit(first)) < 10][: PEOPLE + OPEN]


def people_and_visits() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Persons, and a visit of each; no two records share a postcode, and the last visits have no number."""
    chance = random.Random(5)
    numbers = numbers_of_the_test_range()
    letters = "abcdefghiklmnoprstuw"
    postcodes = iter(
        chance.sample([f"EX{area} {sector}{one}{two}" for area in range(1, 10) for sector in range(1, 10)
                       for one in "ABDEFGHJ" for two in "LNPQRSTU"], 2 * (PEOPLE + OPEN))
    )  # fmt: skip
    rows = []
    for at in range(PEOPLE + OPEN):
        given, family = ("".join(chance.choices(letters, k=7)).title() for _ in range(2))
        born = f"{chance.randrange(1930, 2015)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        person = {"given_name": given, "family_name": family, "birth_date": born}
        rows.append((numbers[at], person | {"postcode": next(postcodes)}, person | {"postcode": next(postcodes)}))
    spine = pl.DataFrame([{"nhs_number": number} | home for number, home, _ in rows])
    visits = pl.DataFrame(
        [{"nhs_number": number if at < PEOPLE else None} | visit for at, (number, _, visit) in enumerate(rows)]
    )
    return spine, visits


def test_without_labels_a_hidden_record_teaches_nothing_by_what_only_it_has_shown() -> None:
    """Each visit with a number shows a former home that no other record shares: none can ever be of use."""
    spine, visits = people_and_visits()
    linkage = lc.link(
        [lc.Source("gp", spine, spine=True), lc.Source("seen", visits)], exact=lc.Exact(usable=["valid", "test"])
    )
    assert linkage.probabilistic is not None
    assert linkage.probabilistic.model is not None
    assert linkage.probabilistic.learned_from == "expectation maximisation"
    (place,) = [each for each in linkage.probabilistic.model.comparisons if each.name == "postcode"]
    former = [level for level in place.levels if level.label.startswith("Former postcode")]
    assert all(level.m is None or level.m < 0.001 for level in former)
    assert linkage.links.filter(method="probabilistic").height >= 0.95 * OPEN


def several_visits() -> lc.Source:
    """Three visits of each person, none with a number."""
    _, visits = people_and_visits()
    return lc.Source("seen", pl.concat([visits.drop("nhs_number")] * 3))


def test_levels_of_the_pairs_that_were_learned_from_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    class Counted(ComparedPeople):
        def levels(self, left: Any, right: Any) -> pl.DataFrame:
            found.append(left.size)
            return super().levels(left, right)

    monkeypatch.setattr(native, "ComparedPeople", Counted)
    linkage = lc.link([several_visits()])
    assert linkage.probabilistic is not None
    assert linkage.persons.height < PEOPLE + OPEN + 5
    assert sum(found) == linkage.probabilistic.counts["pairs_among_records"] >= 3 * (PEOPLE + OPEN)


def test_a_model_that_has_not_settled_is_counted_and_is_a_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    source = several_visits()
    settled = lc.link([source])
    monkeypatch.setattr(learn, "_ROUNDS", 1)
    unsettled = lc.link([source])
    for linkage, said in ((settled, 0), (unsettled, 1)):
        assert linkage.probabilistic is not None
        assert ("unsettled_pairs" in linkage.probabilistic.counts) == bool(said)
        assert sum(each.startswith("Not settled: ") for each in concerns(linkage.quality)) == said
