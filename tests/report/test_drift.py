"""Drift: what changed since an earlier run, and which changes are flagged."""

from dataclasses import replace

import polars as pl
import pytest

import linkcore as lc
from linkcore.disclosure.disclosed import disclosed
from linkcore.report.drift import compared


def drift(quality: lc.Quality, previous: lc.Quality) -> dict[tuple[str, str], tuple[float, float, bool]]:
    table = compared(quality, previous).drift
    assert table is not None
    return {(measure, source): (before, now, flag) for measure, source, before, now, _, flag in table.iter_rows()}


def test_a_run_compared_with_itself_has_no_change(quality: lc.Quality) -> None:
    table = compared(quality, quality).drift
    assert table is not None
    assert not table["flagged"].any()
    assert (table["change"].drop_nulls() == 0).all()
    assert {"records", "conflicts", "linked", "usable nhs_number", "estimated false links"} <= set(table["measure"])


def test_values_agree_with_the_links(linkage: lc.Linkage) -> None:
    found = drift(linkage.quality, linkage.quality)
    ambulance = linkage.links.filter(source="ambulance")
    spine = linkage.links.filter(source="gp")["person_id"]
    usable = ambulance["nhs_number_status"].is_in(list(linkage.exact.usable))
    assert found["records", "ambulance"][1] == ambulance.height
    assert found["usable nhs_number", "ambulance"][1] == pytest.approx(usable.mean())
    assert found["linked", "ambulance"][1] == pytest.approx(ambulance["person_id"].is_in(spine.implode()).mean())
    assert found["records", "all"][1] == linkage.links.height


def test_a_large_fall_and_a_missing_source_are_flagged(quality: lc.Quality) -> None:
    worse = quality.completeness.with_columns(
        pl.when(pl.col("source") == "emergency").then(pl.col("usable") * 0.9).otherwise("usable").cast(pl.Int64)
    )
    fewer = quality.records.filter(pl.col("source") != "out_of_hours")
    found = drift(replace(quality, completeness=worse, records=fewer), quality)
    assert found["usable gender", "emergency"][2]
    assert not found["usable gender", "inpatient"][2]
    assert found["records", "out_of_hours"][1:] == (None, True)
    assert not found["records", "gp"][2]


def test_estimates_are_flagged_where_their_intervals_do_not_overlap(quality: lc.Quality) -> None:
    assert quality.fallback is not None
    high = quality.fallback.rates.with_columns(pl.lit(0.7).alias("rate"), pl.lit(0.6).alias("low"), high=pl.lit(0.8))
    found = drift(replace(quality, fallback=replace(quality.fallback, rates=high)), quality)
    assert found["estimated false links", "all"][2]


def test_a_disclosed_quality_is_compared_with_a_disclosed_one(quality: lc.Quality) -> None:
    shown = compared(disclosed(quality), quality)
    assert shown.drift is not None
    assert shown.drift.equals(compared(disclosed(quality), disclosed(quality)).drift)
    counts = shown.drift.filter(measure="records")["previous"].drop_nulls()
    assert (counts % 5 == 0).all()
    with pytest.raises(ValueError, match="disclose this one first"):
        compared(quality, disclosed(quality))


def test_the_run_names_the_run_it_is_compared_with(quality: lc.Quality) -> None:
    assert compared(quality, quality, named="March").run.previous == "March"
    assert compared(quality, quality).run.previous == f"the run of {quality.run.reference_date}"


def test_faults_that_a_source_can_mend_are_compared_by_kind(linkage: lc.Linkage) -> None:
    quality, ambulance = linkage.quality, linkage.links.filter(source="ambulance")
    found = drift(quality, quality)
    missing = (ambulance["nhs_number_status"] == "missing").mean()
    assert found["missing nhs_number", "ambulance"][:2] == pytest.approx((missing, missing))
    # No number is superseded here: a kind that does not occur is not named.
    assert not [key for key in found if key[0] == "superseded nhs_number"]
    wrong = pl.DataFrame({"source": ["ambulance"], "identifier": "birth_date", "status": "impossible"}).with_columns(
        pl.lit(ambulance.height // 2, pl.Int64).alias("records")
    )
    kept = quality.set_aside.filter(
        ~pl.struct("source", "identifier", "status").is_in(wrong.drop("records").to_struct("x").implode())
    )
    twice = quality.number_faults.with_columns(
        pl.when(pl.col("source") == "inpatient").then(5000).otherwise("records").alias("records")
    )
    worse = drift(
        replace(quality, set_aside=pl.concat([kept, wrong]), number_faults=twice), replace(quality, set_aside=kept)
    )
    assert worse["impossible birth_date", "ambulance"][:2] == pytest.approx((0.0, 0.5), abs=0.01)
    assert worse["impossible birth_date", "ambulance"][2]
    assert worse["superseded nhs_number", "inpatient"][2]


def test_faults_of_few_records_are_not_told(quality: lc.Quality) -> None:
    few = quality.number_faults.with_columns(pl.lit(3, pl.Int64).alias("records"))
    shown = compared(disclosed(replace(quality, number_faults=few)), quality).drift
    assert shown is not None
    told = shown.filter(
        pl.col("measure").str.starts_with("superseded") | pl.col("measure").str.starts_with("duplicate")
    )
    assert told.height > 0
    assert told["current"].null_count() == told.height
