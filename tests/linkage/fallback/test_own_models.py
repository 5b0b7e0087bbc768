"""A model written by hand with Splink's own API, as its documentation shows: it links, is tested and is reported."""

import polars as pl
import pytest
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import SettingsCreator, block_on

import linkcore as lc
from linkcore.synthetic.ics import build_sources
from linkcore.synthetic.providers import PROVIDERS

SOURCES = ("gp", "inpatient", "emergency", "mental_health")
USABLE = ("valid", "test")


def by_hand() -> SettingsCreator:
    """Two custom comparisons, one of them of a further identifier; blocking rules; nothing trained."""
    name = cl.CustomComparison(
        output_column_name="name",
        comparison_levels=[
            cll.Or(cll.NullLevel("given_name"), cll.NullLevel("family_name")),
            cll.ExactMatchLevel("full_name", term_frequency_adjustments=True),
            cll.And(cll.ExactMatchLevel("family_name"), cll.LevenshteinLevel("given_name", 2)),
            cll.JaroWinklerLevel("full_name", 0.9),
            cll.ElseLevel(),
        ],
    )
    ethnic = cl.CustomComparison(
        output_column_name="ethnic",
        comparison_levels=[
            cll.NullLevel("ethnic"),
            cll.ExactMatchLevel("ethnic"),
            cll.CustomLevel("left(ethnic_l, 1) < 'M' AND left(ethnic_r, 1) < 'M'", "Both before M"),
            cll.ElseLevel(),
        ],
    )
    return SettingsCreator(
        link_type="link_only",
        comparisons=[
            name,
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.PostcodeComparison("postcode"),
            ethnic,
        ],
        blocking_rules_to_generate_predictions=[
            block_on("birth_date"),
            block_on("postcode", "family_name"),
            "l.full_name = r.full_name AND l.gender = r.gender",
        ],
    )


@pytest.fixture(scope="module")
def ics() -> tuple[list[lc.Source], pl.DataFrame]:
    made = {name: records for name, records in build_sources(4_000, seed=9) if name in SOURCES}
    sources = []
    for name, records in made.items():
        provider = PROVIDERS[name]
        columns = {key: value for key, value in provider.columns.items() if key != "local_patient_id"}
        assert provider.ethnic_group is not None
        frame = records.frame.rename({provider.ethnic_group: "ethnic"})
        if not provider.spine:
            hidden = pl.int_range(pl.len()) % 5 == 0
            frame = frame.with_columns(pl.when(~hidden).then(columns["nhs_number"]).alias(columns["nhs_number"]))
        sources.append(
            lc.Source(
                name,
                frame,
                columns=columns,
                record_id=provider.record_id,
                spine=provider.spine,
                further={"ethnic": "exact"},
            )
        )
    return sources, pl.concat(records.truth for records in made.values())


@pytest.fixture(scope="module")
def linkage(ics: tuple[list[lc.Source], pl.DataFrame]) -> lc.Linkage:
    return lc.link(ics[0], exact=lc.Exact(usable=USABLE), fallback=lc.Fallback(model=by_hand()), synthetic=True)


def test_it_links_the_records_without_a_number(linkage: lc.Linkage, ics: tuple[list[lc.Source], pl.DataFrame]) -> None:
    assert linkage.probabilistic is not None
    assert linkage.probabilistic.engine == "splink"
    assert linkage.probabilistic.learned_from == "labels"
    truth = ics[1].select("source", "record_id", "entity")
    persons = linkage.persons.select("person_id", "source", "record_id").join(truth, on=["source", "record_id"])
    found = (
        linkage.links.filter(pl.col("nhs_number_status") == "missing")
        .join(truth, on=["source", "record_id"])
        .join(persons.select("person_id", of_person="entity"), on="person_id")
    )
    linked = found.filter(method="probabilistic")
    assert (linked["entity"] == linked["of_person"]).mean() >= 0.995  # type: ignore[operator]
    assert linked.height >= 0.8 * found.height


def test_it_learned_each_level_and_kept_the_rules(linkage: lc.Linkage) -> None:
    assert linkage.probabilistic is not None
    model = linkage.probabilistic.model
    assert model is not None
    assert [comparison.name for comparison in model.comparisons] == ["name", "birth_date", "postcode", "ethnic"]
    agrees = {each.name: each.judging[0][1] for each in model.comparisons}
    assert agrees["birth_date"].m == pytest.approx(0.97, abs=0.03)
    assert 1 / 60_000 < (agrees["birth_date"].u or 0.0) < 1 / 5_000
    assert agrees["name"].term_frequency is not None
    assert len(model.blocking_rules) == 3
    assert set(linkage.probabilistic.source_models) >= {"inpatient", "emergency"}


def test_it_is_tested_and_reported_like_any_other(linkage: lc.Linkage) -> None:
    quality = linkage.quality.fallback
    assert quality is not None
    assert quality.sources.filter(source="emergency")["hidden"].item() > 100
    rate = quality.rates.filter(source="all", dimension="all", measure="false links").row(0, named=True)
    assert rate["high"] < 0.05
    assert quality.weights.engine == "splink"
    assert set(quality.model["comparison"]) == {"name", "birth_date", "postcode", "ethnic"}
    assert not quality.weights.own_model


def test_the_learned_model_links_the_same_again(linkage: lc.Linkage, ics: tuple[list[lc.Source], pl.DataFrame]) -> None:
    assert linkage.probabilistic is not None
    models = {None: linkage.probabilistic.model, **linkage.probabilistic.source_models}
    again = lc.link(ics[0], exact=lc.Exact(usable=USABLE), fallback=lc.Fallback(model=models), synthetic=True)
    assert again.probabilistic is not None
    assert again.probabilistic.engine == "splink"
    assert again.links.equals(linkage.links)
