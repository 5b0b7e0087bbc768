"""Linking month after month, on a synthetic ICS whose truth is known: with a kept model, and in instalments."""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.pseudonyms.persons import person_name
from linkcore.quality.measures import FallbackQuality
from linkcore.synthetic import synthesise
from tests.changed_months import extracts, in_other_company, wrong_links

KEYS = ["source", "record_id"]


@dataclass
class Months:
    """Linkages of one synthetic ICS, each made when it is first asked for."""

    folder: Path

    @cached_property
    def programme(self) -> Programme:
        return Programme.load(self.folder / "programme.toml")

    def link(
        self, month: int, previous: lc.Linkage | None = None, *, relearn: str = "when_changed", **of: object
    ) -> lc.Linkage:
        return lc.link(
            extracts(self.programme, **of),  # type: ignore[arg-type]
            exact=self.programme.exact(),
            fallback=lc.Fallback(relearn=relearn),  # type: ignore[arg-type]
            reference_date=dt.date(2026, month, 1),
            previous=previous,
            synthetic=True,
        )

    @cached_property
    def once(self) -> lc.Linkage:
        return self.link(1)

    @cached_property
    def next_month(self) -> lc.Linkage:
        """Few records have changed, and the linkage before comes from its store."""
        self.once.save(self.folder / "work")
        return self.link(2, lc.Linkage.load(self.folder / "work", None), changes=["a"])


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Months:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=2000, seed=7)
    return Months(folder)


def fallback(linkage: lc.Linkage) -> FallbackQuality:
    assert linkage.quality.fallback is not None
    return linkage.quality.fallback


def test_a_month_in_which_little_changes_keeps_the_model_and_says_so(months: Months) -> None:
    kept, once = months.next_month, months.once
    assert kept.probabilistic is not None
    assert once.probabilistic is not None
    use = kept.probabilistic.model_use
    assert (use.kept, use.learned_on) == (True, "2026-01-01")
    assert use.new_records is not None
    assert 0.0 < use.new_records < 0.05
    assert 0.0 < use.furthest[1] < 0.05
    assert kept.probabilistic.model == once.probabilistic.model
    assert kept.probabilistic.source_models == once.probabilistic.source_models
    assert kept.probabilistic.thresholds == once.probabilistic.thresholds
    assert kept.probabilistic.counts["hidden"] == 0
    assert fallback(kept).model_use == use
    assert not fallback(once).model_use.kept


def test_the_self_test_is_that_of_the_run_that_learned_and_predicts_for_the_links_of_now(months: Months) -> None:
    now, then = fallback(months.next_month), fallback(months.once)
    assert now.calibration.equals(then.calibration)
    assert now.sources["hidden"].equals(then.sources["hidden"])
    key = ["source", "dimension", "group", "measure"]
    assert now.rates.select(key, "cases").equals(then.rates.select(key, "cases"))
    false = {"measure": "false links"}
    assert now.rates.filter(**false).select("rate", "high").equals(then.rates.filter(**false).select("rate", "high"))
    of_all = now.rates.filter(source="all", dimension="all", **false)
    numberless = months.next_month.links.filter(
        pl.col("method") == "probabilistic", ~pl.col("nhs_number_status").is_in(["valid", "test"])
    )
    assert of_all["of"].item() == numberless.height
    assert of_all["most"].item() <= of_all["of"].item()


def test_under_a_kept_model_the_links_do_not_depend_on_what_was_linked_before(months: Months) -> None:
    """After the month before, or after one that had these records already: the same, bit for bit."""
    at_once = months.next_month
    with_one_month_between = months.link(3, at_once, changes=["a"])
    assert fallback(with_one_month_between).model_use == fallback(at_once).model_use
    assert with_one_month_between.links.equals(at_once.links)
    assert with_one_month_between.probabilistic is not None
    assert at_once.probabilistic is not None
    assert with_one_month_between.probabilistic.candidates.equals(at_once.probabilistic.candidates)


def test_records_whose_candidates_have_not_changed_keep_their_place(months: Months) -> None:
    before, now = months.once, months.next_month
    place = pl.col("person_source"), pl.col("person_record_id")

    def placed(linkage: lc.Linkage) -> pl.DataFrame:
        """By record: its identifiers, all its candidates with their weights, and its person."""
        assert linkage.probabilistic is not None
        persons = linkage.persons.select("person_id", person_source="source", person_record_id="record_id")
        candidates = linkage.probabilistic.candidates.join(persons, on="person_id").sort(*KEYS, *place)
        # Weights follow how common a value is, and somebody else's correction changes that a little.
        weights = candidates.group_by(KEYS).agg(*place, pl.col("match_weight").round(0).alias("weights"))
        records = linkage.probabilistic.records.drop("row", "unseen", "source_index", "position")
        linked = linkage.links.join(persons, on="person_id").select(*KEYS, "method", at=pl.concat_str(*place))
        return records.join(weights, on=KEYS).join(linked, on=KEYS)

    a, b = placed(before), placed(now)
    same = [name for name in a.columns if name not in {"method", "at"}]
    unchanged = a.join(b, on=same, nulls_equal=True, suffix="_now")
    assert unchanged.height > 0.8 * b.height
    assert unchanged.filter(pl.col("method") != pl.col("method_now")).is_empty()
    assert unchanged.filter(pl.col("at") != pl.col("at_now")).is_empty()


def test_a_second_instalment_under_a_kept_model_ends_in_the_persons_of_linking_once(months: Months) -> None:
    """Where a model is learned anew, the last instalment is the same as linking once. Here the model is kept."""
    half = months.link(1, arrived=0.5)
    whole = months.link(2, half, relearn="never")
    use = fallback(whole).model_use
    assert use.kept
    assert use.new_records == pytest.approx(0.47, abs=0.05)
    # A model of half the records links a few of the others otherwise, and none of them wrongly.
    assert in_other_company(months.once, whole).height <= 0.005 * whole.links.height
    truth = pl.read_parquet(months.folder / "truth.parquet").select(*KEYS, "entity")
    assert wrong_links(whole, truth) <= wrong_links(months.once, truth) + 1
    # Every name of the first instalment lives on, or the supersession table says what became of it.
    names = half.persons.select(person_name().alias("name"))
    lost = names.join(whole.persons.select(person_name().alias("name")), on="name", how="anti")
    assert lost.join(whole.superseded, left_on="name", right_on="old", how="anti").is_empty()
