"""A synthetic ICS over months: who has which record stays true, and what happens to people and records shows."""

import tomllib
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from linkcore.errors import ProgrammeError
from linkcore.programme.programme import Programme
from linkcore.synthetic import Synthetic, synthesise, synthesise_months
from linkcore.synthetic.ics import seeds_of
from linkcore.synthetic.lives import Lives, draw_lives
from linkcore.synthetic.opt_outs import draw_opt_outs
from linkcore.synthetic.providers import PROVIDERS
from tests.synthetic.conftest import TEST_RANGE, is_nhs_number
from tests.synthetic.test_ics import digests, read

FIRST, LAST = date(2026, 3, 31), date(2027, 3, 31)


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> tuple[Synthetic, ...]:
    return synthesise_months(tmp_path_factory.mktemp("months") / "out", months=3, people=1_500, seed=3)


@pytest.fixture(scope="module")
def lives() -> Lives:
    return draw_lives(seeds_of(1, "lives"), 30_000, number_range=TEST_RANGE, first=FIRST, last=LAST)


def extract(month: Synthetic, name: str) -> pl.DataFrame:
    """The extract of a source beside the truth of its records."""
    frame = pl.concat([read(path) for path in sorted(month.folder.glob(PROVIDERS[name].data))])
    return frame.hstack(pl.read_parquet(month.truth).filter(pl.col("source") == name))


def count(lives: Lives, happened: pl.Expr) -> float:
    """How often it happened in the year, per 1,000 people."""
    return lives.people.filter(happened).height / lives.people.height * 1000


def test_same_seed_gives_same_bytes(tmp_path: Path) -> None:
    one, again = (
        digests(synthesise_months(tmp_path / run, months=2, people=100, seed=5)[0].folder.parent)
        for run in ("one", "again")
    )
    assert one == again


def test_each_month_is_a_programme_that_can_be_checked(months: tuple[Synthetic, ...]) -> None:
    days = [date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]
    for month, day in zip(months, days, strict=True):
        programme = Programme.load(month.programme)
        assert programme.programme.reference_date == day
        programme.check(day)
        lists = programme.opt_out_lists()
        assert all(listed is not None and listed.in_force(day).len() for listed in (lists.national, lists.objections))
        assert len(programme.recipient) == 2


def test_records_and_truth_correspond_and_a_record_stays_of_the_same_person(months: tuple[Synthetic, ...]) -> None:
    truths = [pl.read_parquet(month.truth) for month in months]
    for month, truth in zip(months, truths, strict=True):
        assert truth.height == sum(month.records.values())
        for name, provider in PROVIDERS.items():
            frame = extract(month, name)
            ids = [str(row) for row in range(frame.height)] if provider.record_id is None else frame[provider.record_id]
            assert frame["record_id"].to_list() == list(ids)
            assert frame["record_id"].n_unique() == frame["record"].n_unique() == frame.height
    for before, now in pairwise(truths):
        both = before.join(now, on=["source", "record"], suffix="_now")
        assert both.height > 0.98 * before.height
        assert both["entity"].equals(both["entity_now"].alias("entity"))
        has_id = [name for name, provider in PROVIDERS.items() if provider.record_id]
        assert both.filter(pl.col("source").is_in(has_id), pl.col("record_id") != pl.col("record_id_now")).is_empty()
        assert now.join(before, on=["source", "record"], how="anti").height > 0.01 * now.height


def test_records_are_added_corrected_deleted_and_reordered(months: tuple[Synthetic, ...]) -> None:
    corrected = deleted = reordered = 0
    for before, now in pairwise(months):
        for name, provider in PROVIDERS.items():
            one, other = extract(before, name), extract(now, name)
            both = other.join(one, on="record", suffix="_before", maintain_order="left")
            deleted += len(set(one["record"]) - set(other["record"]))
            reordered += not other["record"].is_sorted() and one["record"].is_sorted()
            number = provider.columns["nhs_number"]
            corrected += both.filter(pl.col(number).ne_missing(pl.col(f"{number}_before"))).height
    assert min(corrected, deleted, reordered) > 0


def test_people_move_come_and_go_on_the_gp_list(months: tuple[Synthetic, ...]) -> None:
    first, last = extract(months[0], "gp"), extract(months[-1], "gp")
    both = last.join(first, on="record", suffix="_before")
    assert both.filter(pl.col("POSTCODE") != pl.col("POSTCODE_before")).height > 5
    assert set(last["entity"]) - set(first["entity"])
    assert set(first["entity"]) - set(last["entity"])


def test_no_number_is_real_and_none_of_two_people(lives: Lives) -> None:
    numbers = lives.people["nhs_number"].drop_nulls()
    assert numbers.n_unique() == numbers.len()
    assert all(number.startswith("9") and is_nhs_number(number) for number in numbers.cast(pl.String).to_list())


def test_rates_are_about_those_of_england(lives: Lives) -> None:
    came = pl.col("came_on").is_between(FIRST, LAST)
    born = pl.col("birth_date") > FIRST
    assert 5 < count(lives, born) < 10
    assert 8 < count(lives, pl.col("died")) < 15
    assert 8 < count(lives, came & ~born & (pl.col("merged_into").is_null())) < 25
    assert 8 < count(lives, pl.col("left_on").is_not_null() & ~pl.col("died") & pl.col("merged_into").is_null()) < 25
    assert 60 < count(lives, pl.col("moved_on") > FIRST) < 110
    assert 3 < count(lives, pl.col("renamed_on") > FIRST) < 5
    assert 1 < count(lives, pl.col("merged_into").is_not_null()) < 3


def people_of(lives: Lives, day: date) -> pl.DataFrame:
    return lives.as_of(day).people.with_columns(here=lives.here(day))


def test_people_are_as_they_were_on_each_day(lives: Lives) -> None:
    first, last = people_of(lives, FIRST), people_of(lives, LAST)
    renamed = lives.people["renamed_on"] > FIRST
    assert (
        first.filter(renamed)["family_name"].to_list() == lives.people.filter(renamed)["previous_family_name"].to_list()
    )
    assert last["family_name"].equals(lives.people["family_name"])
    moved = lives.people["moved_on"] > FIRST
    assert first.filter(moved)["dwelling"].to_list() == lives.people.filter(moved)["previous_dwelling"].to_list()
    assert (first.filter(moved)["practice"] != last.filter(moved)["practice"]).any()
    unborn = lives.people["birth_date"] > FIRST
    assert not first.filter(unborn)["here"].any()
    assert (first.filter(~pl.col("here"))["need"] == 0).all()
    assert not first.filter(~pl.col("here"))["listed"].any()
    assert (first["age"] >= 0).all()


def test_a_number_comes_with_the_birth_or_some_days_later(lives: Lives) -> None:
    born = lives.people.filter(pl.col("birth_date") > FIRST, "listed")
    days = (born["numbered_on"] - born["birth_date"]).dt.total_days()
    assert 0.88 < days.null_count() / born.height < 0.99
    assert days.drop_nulls().is_between(1, 28).all()
    late = born.filter(pl.col("numbered_on") <= LAST).row(0, named=True)
    row = pl.col("person") == late["person"]
    assert people_of(lives, late["birth_date"]).filter(row)["nhs_number"].item() is None
    assert people_of(lives, late["numbered_on"]).filter(row)["nhs_number"].item() == late["nhs_number"]


def test_who_is_registered_twice_has_two_rows_until_one_number_supersedes_the_other(lives: Lives) -> None:
    second = lives.people.with_row_index().filter(
        pl.col("index") != pl.col("person"), pl.col("merged_into").is_not_null()
    )
    kinds = set()
    for double in second.iter_rows(named=True):
        before = people_of(lives, FIRST).filter(pl.col("person") == double["person"], "here")
        after = people_of(lives, LAST).filter(pl.col("person") == double["person"], "here")
        kinds.add(before.height)
        assert double["nhs_number"] in before["nhs_number"]
        assert set(after["nhs_number"]) <= {double["merged_into"]}
        assert (
            not lives.superseded(double["left_on"])
            .filter(old=double["nhs_number"], new=double["merged_into"])
            .is_empty()
        )
    assert kinds == {1, 2}


def test_opt_outs_begin_end_and_follow_the_person(lives: Lives) -> None:
    opt_outs = draw_opt_outs(np.random.default_rng(1), lives, FIRST)
    first, last = (set(opt_outs.listed("national", day)["nhs_number"]) for day in (FIRST, LAST))
    assert 0.045 < len(first) / 30_000 < 0.062
    assert first - last
    assert last - first
    register = opt_outs.statements("objections", LAST)
    assert {"objection", "withdrawal"} == set(register["statement"])
    assert (register["date"] <= LAST).all()
    assert not last & set(lives.superseded(LAST)["old"])


def test_a_single_ics_and_months_replace_each_other_and_nothing_else_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    synthesise(out, people=50)
    made = synthesise_months(out, months=2, people=50)
    assert sorted(path.name for path in out.iterdir()) == ["month-01", "month-02"]
    (made[0].folder / "notes.txt").write_text("mine")
    with pytest.raises(ProgrammeError, match="month-01"):
        synthesise(out, people=50)
    (made[0].folder / "notes.txt").unlink()
    assert "opt_outs" not in tomllib.loads(synthesise(out, people=50).programme.read_text())


@pytest.mark.parametrize("people", [1, 2, 3])
def test_even_one_person_has_months(tmp_path: Path, people: int) -> None:
    assert len(synthesise_months(tmp_path, months=2, people=people)) == 2


@pytest.mark.parametrize(
    ("stated", "said"), [({"months": 1}, "months"), ({"months": 121}, "months"), ({"people": 0}, "people")]
)
def test_wrong_arguments_are_refused(tmp_path: Path, stated: Mapping[str, int], said: str) -> None:
    with pytest.raises(ProgrammeError, match=said):
        synthesise_months(tmp_path, **{"months": 2, **stated})  # type: ignore[arg-type]
