"""Persons who are listed twice are found, and twins, namesakes and relatives are not taken for one person."""

from dataclasses import replace
from typing import NamedTuple

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.possibly_same import double_persons
from linkcore.synthetic.ics import build_sources
from linkcore.synthetic.providers import PROVIDERS

SOURCES = ("gp", "outpatient", "ambulance", "nhs_111")
PLANTED = 40
GP = PROVIDERS["gp"]
RECORD_ID = GP.record_id or ""


class Town(NamedTuple):
    frames: dict[str, pl.DataFrame]
    entities: pl.DataFrame
    twice: pl.DataFrame
    """The planted registrations: the old number and the new one."""


def number(nine: int) -> str | None:
    digit = 11 - sum(int(each) * weight for each, weight in zip(str(nine), range(10, 1, -1), strict=True)) % 11
    return None if digit == 10 else f"{nine}{digit % 11}"


def drawn_town() -> Town:
    """A synthetic ICS, in which nobody is registered twice, and planted second registrations: half of them moved."""
    made = {name: records for name, records in build_sources(3000, seed=1) if name in SOURCES}
    truth = pl.concat([records.truth for records in made.values()])
    frames, columns = {name: records.frame for name, records in made.items()}, GP.columns
    numbered = frames["gp"].filter(pl.col(columns["nhs_number"]).str.len_bytes() == 10)
    some = numbered.sort(pl.col(columns["nhs_number"]).hash(5)).head(PLANTED)
    numbers = [each for each in map(number, range(999_500_000, 999_500_000 + 2 * PLANTED)) if each][:PLANTED]
    moved = pl.int_range(pl.len()) % 2 == 0
    homes = [columns["postcode"], columns["address"]]
    second = some.with_columns(
        pl.Series(columns["nhs_number"], numbers),
        ("SECOND" + pl.col(RECORD_ID)).alias(RECORD_ID),
        *(pl.when(moved).then(pl.col(home).shift(3)).otherwise(home).alias(home) for home in homes),
    )
    entities = pl.concat(
        [truth, truth.filter(source="gp").with_columns(("SECOND" + pl.col("record_id")).alias("record_id"))]
    )
    twice = pl.DataFrame({"old": some[columns["nhs_number"]], "new": second[columns["nhs_number"]]})
    return Town(frames | {"gp": pl.concat([frames["gp"], second])}, entities, twice)


def linked(town: Town, *, superseded: pl.DataFrame | None = None) -> lc.Linkage:
    sources = [
        lc.Source(
            name,
            town.frames[name],
            columns={key: own for key, own in PROVIDERS[name].columns.items() if key != "local_patient_id"},
            record_id=PROVIDERS[name].record_id,
            spine=PROVIDERS[name].spine,
        )
        for name in SOURCES
    ]
    return lc.link(sources, exact=lc.Exact(usable=("valid", "test"), superseded=superseded))


@pytest.fixture(scope="module")
def town() -> Town:
    return drawn_town()


@pytest.fixture(scope="module")
def linkage(town: Town) -> lc.Linkage:
    return linked(town)


def judged(linkage: lc.Linkage, town: Town, least: float) -> pl.DataFrame:
    """The pairs found, and whether each is one person."""
    entity = linkage.persons.join(town.entities, on=["source", "record_id"], how="left", maintain_order="left")[
        "entity"
    ]
    pairs = double_persons(linkage, least=least)
    return pairs.with_columns(one_person=entity[pairs["a"]] == entity[pairs["b"]])


def test_who_is_registered_twice_is_found_and_nobody_else(linkage: lc.Linkage, town: Town) -> None:
    # There are twins, who agree on all but the given name.
    twins = linkage.persons.filter(pl.struct("family_name", "birth_date", "postcode").is_duplicated(), source="gp")
    assert twins.height > PLANTED + 10
    pairs = judged(linkage, town, 0.9)
    assert pairs["one_person"].all()
    spine = (linkage.persons["source"] == "gp")[pairs["a"]] & (linkage.persons["source"] == "gp")[pairs["b"]]
    assert PLANTED * 0.9 <= spine.sum() <= PLANTED
    assert pairs["probability"].is_sorted(descending=True)
    assert (pairs["a"] < pairs["b"]).all()


def test_relatives_of_a_spine_without_open_records_are_known(linkage: lc.Linkage) -> None:
    # Otherwise each pair would be as probable of two relatives who agree on everything, and none would be found.
    assert linkage.probabilistic is not None
    assert "gp" not in linkage.probabilistic.records["source"].unique()
    assert linkage.probabilistic.relatives.shifts
    assert double_persons(linkage, least=0.5).height >= PLANTED * 0.9


def test_numbers_that_superseded_each_other_are_one_person_and_not_reported(linkage: lc.Linkage, town: Town) -> None:
    pairs = double_persons(linked(town, superseded=town.twice), least=0.9)
    assert pairs.height < double_persons(linkage, least=0.9).height - PLANTED * 0.8


def test_the_order_of_rows_does_not_matter(linkage: lc.Linkage, town: Town) -> None:
    upside_down = linked(town._replace(frames={name: frame.reverse() for name, frame in town.frames.items()}))
    assert double_persons(upside_down, least=0.1).equals(double_persons(linkage, least=0.1))


def test_nobody_is_compared_without_a_model(linkage: lc.Linkage) -> None:
    with pytest.raises(lc.ProgrammeError, match="no model to compare persons by"):
        double_persons(replace(linkage, probabilistic=None), least=0.9)
