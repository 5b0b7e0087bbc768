"""Explanations: the numbers are the run's, and anyone can compute them again by hand."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.fallback import probabilistic as fallback_module
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.model.model import Model
from linkcore.linkage.self_test.thresholds import Threshold
from linkcore.review.explanation import Explanation
from linkcore.review.reasons import reason_of_exact, reason_of_open

Explained = list[tuple[dict[str, Any], Explanation]]


def probabilistic_of(linkage: lc.Linkage) -> Probabilistic:
    assert linkage.probabilistic is not None
    return linkage.probabilistic


@pytest.fixture(scope="module")
def explained(linkage: lc.Linkage) -> Explained:
    """Records of every source, surely linked, hardly linked, hardly not, of several candidates, and a conflict."""
    candidates = probabilistic_of(linkage).candidates
    links = linkage.links.join(candidates, on=["source", "record_id"], how="semi")
    several = candidates.filter(pl.len().over("source", "record_id") > 1).unique(["source", "record_id"])
    wanted = pl.concat(
        [
            candidates.filter(pl.col("source") == source).sort("match_probability")[[0, -1]]
            for source in candidates["source"].unique(maintain_order=True)
        ]
        + [
            several.sort("source", "record_id").head(2),
            candidates.join(links.filter("conflict"), on=["record_id"])[:1],
        ],
        how="diagonal",
    ).unique(["source", "record_id"], maintain_order=True)
    rows = wanted.select("source", "record_id").join(linkage.links, on=["source", "record_id"], maintain_order="left")
    return [
        (row, linkage.explain(row["source"], row["record_id"], identifiable=True)) for row in rows.iter_rows(named=True)
    ]


def test_the_candidates_are_those_of_the_run(linkage: lc.Linkage, explained: Explained) -> None:
    assert len(explained) >= 7
    for link, explanation in explained:
        of_run = probabilistic_of(linkage).candidates.filter(
            (pl.col("source") == link["source"]) & (pl.col("record_id") == link["record_id"])
        )
        columns = ["person_id", "match_weight", "match_probability"]
        assert explanation.candidates.select(columns).sort("person_id").equals(of_run.select(columns).sort("person_id"))
        assert explanation.candidates["match_probability"].is_sorted(descending=True)
        accepted = explanation.candidates.filter("accepted")
        if link["method"] == "probabilistic":
            assert accepted["person_id"].item() == link["person_id"]
            assert accepted["match_weight"].item() == link["match_weight"]
            assert accepted["match_probability"].item() == link["match_probability"]
            assert "Linked: " in explanation.reason
        else:
            assert accepted.is_empty()
            assert "Not linked: " in explanation.reason


def test_the_fields_sum_to_the_weight_of_the_run(explained: Explained) -> None:
    for _, explanation in explained:
        for person, weight in explanation.candidates.select("person_id", "match_weight").iter_rows():
            of_person = explanation.fields.filter(pl.col("person_id") == person)
            assert of_person["total"].sum() == pytest.approx(weight, abs=1e-6)
            assert (of_person["weight"] + of_person["term_frequency"]).to_list() == of_person["total"].to_list()


def test_each_field_has_the_weight_of_its_level_in_the_model_of_the_source(
    linkage: lc.Linkage, explained: Explained
) -> None:
    probabilistic = probabilistic_of(linkage)
    assert probabilistic.learned_from == "labels"
    own = 0
    for link, explanation in explained:
        model = probabilistic.source_models[link["source"]]
        assert probabilistic.model is not None
        of_level = bits_by_level(model)
        of_all = bits_by_level(probabilistic.model)
        for field in explanation.fields.filter(pl.col("comparison") != "prior").iter_rows(named=True):
            level = field["comparison"], field["level"]
            assert field["weight"] == pytest.approx(of_level.get(level, 0.0), abs=1e-6)
            assert (level in of_level) == (field["level"] != "Missing")
            own += of_level.get(level) != of_all.get(level)
    # Sources really do differ, so that the model of all would not have done.
    assert own > 0


def bits_by_level(model: Model) -> dict[tuple[str, str], float]:
    return {
        (comparison.name, level.label): math.log2(level.m / level.u)
        for comparison in model.comparisons
        for level in comparison.levels
        if level.m is not None and level.u is not None
    }


def test_a_common_birth_date_counts_less_by_how_common_it_is(linkage: lc.Linkage, explained: Explained) -> None:
    probabilistic = probabilistic_of(linkage)
    assert probabilistic.model is not None
    (comparison,) = (each for each in probabilistic.model.comparisons if each.name == "birth_date")
    (u,) = (level.u for level in comparison.levels if level.label == "Agrees")
    assert u is not None
    dates = linkage.persons[: probabilistic.listed]["birth_date"].drop_nulls().dt.to_string("%Y-%m-%d").to_list()
    seen = 0
    for _, explanation in explained:
        for field in explanation.fields.filter(comparison="birth_date", level="Agrees").iter_rows(named=True):
            frequency = dates.count(field["record_value"]) / (len(dates) - 1 + 1 / u)
            assert field["term_frequency"] == pytest.approx(math.log2(u / frequency), abs=1e-6)
            seen += 1
    assert seen > 5


def test_the_probabilities_follow_from_the_weights_by_hand(
    linkage: lc.Linkage, explained: Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every candidate kept, however unlikely, decision 9 can be worked out from what is shown."""
    monkeypatch.setattr(fallback_module, "LEAST_PROBABILITY_KEPT", 0.0)
    learned = probabilistic_of(linkage)
    model = lc.Fallback(model={None: learned.model} | dict(learned.source_models))
    again = lc.link(linkage.sources, exact=linkage.exact, fallback=model)
    probabilistic = probabilistic_of(again)
    assert probabilistic.learned_from == "given"
    persons = probabilistic.listed
    uncertain = [row for row, each in explained if each.candidates["match_probability"][0] < 0.99][:3]
    for link in uncertain:
        explanation = again.explain(link["source"], link["record_id"], identifiable=True)
        record = probabilistic.records.filter(
            (pl.col("source") == link["source"]) & (pl.col("record_id") == link["record_id"])
        )
        prior = explanation.fields["weight"][0]
        factors = [2 ** (weight - prior) for weight in explanation.candidates["match_weight"]]
        relatives = [2 ** (weight - prior) for weight in explanation.candidates["relative_weight"]]
        pi = probabilistic.pi[link["source"]]
        stranger = (1 - pi) * (1 + sum(relatives))
        all_of_them = stranger + pi * (sum(factors) / persons + record["unseen"].item())
        for factor, chance in zip(factors, explanation.candidates["match_probability"], strict=True):
            assert pi / persons * factor / all_of_them == pytest.approx(chance, abs=1e-6)
    assert len(uncertain) == 3


def test_the_values_are_those_of_the_record_and_of_the_person(linkage: lc.Linkage, explained: Explained) -> None:
    link, explanation = next(each for each in explained if each[0]["method"] == "probabilistic")
    record = probabilistic_of(linkage).records.filter(
        (pl.col("source") == link["source"]) & (pl.col("record_id") == link["record_id"])
    )
    person = linkage.persons.filter(pl.col("person_id") == link["person_id"])
    names = explanation.fields.filter(comparison="name", person_id=link["person_id"]).row(0, named=True)
    for side, frame in (("record_value", record), ("person_value", person)):
        parts = [frame[name].item() for name in ("given_name", "family_name")]
        assert (names[side] or "") == ", ".join(part for part in parts if part)


def test_the_picture_is_splinks_of_the_same_weights_and_needs_no_network(
    linkage: lc.Linkage, explained: Explained, tmp_path: Path
) -> None:
    link, explanation = next(each for each in explained if each[1].candidates.height > 1)
    page = explanation.waterfall()
    assert not re.findall(r"<script[^>]+src|<link|cdn\.jsdelivr", page)
    spec = json.loads(re.search(r"vegaEmbed\(document.getElementById\('[^']+'\), (\{.*\}), \{\}\)", page)[1])  # type: ignore[index]
    bars = pl.DataFrame(spec["data"]["values"], infer_schema_length=None)
    # The final score is that of the decision, and all bars before "Other candidates" are Splink's weight of the pair.
    final = bars.filter(column_name="Final score").sort("record_number")["log2_bayes_factor"]
    probability = explanation.candidates["match_probability"]
    assert (1 / (1 + 2.0**-final)).to_list() == pytest.approx(probability.to_list(), abs=1e-9)
    others = bars.filter(column_name="Other candidates").sort("record_number")["log2_bayes_factor"]
    weights = explanation.candidates["match_weight"]
    assert (final - others).to_list() == pytest.approx(weights.to_list(), abs=1e-6)
    assert explanation.candidates["pair_probability"].to_list() == pytest.approx((1 / (1 + 2.0**-weights)).to_list())
    assert f"{math.floor(explanation.candidates['pair_probability'][0] * 1e6) / 1e6:.6f}" in explanation.reason
    drawn = bars.filter(record_number=0).filter(~pl.col("column_name").is_in(["Prior", "Final score"]))
    assert drawn["log2_bayes_factor"].sum() + explanation.fields["weight"][0] == pytest.approx(final[0], abs=1e-6)
    explanation.save_waterfall(tmp_path / "waterfall.html")
    assert (tmp_path / "waterfall.html").read_text("utf-8") == page
    assert oct((tmp_path / "waterfall.html").stat().st_mode)[-3:] == "600"
    again = linkage.explain(link["source"], link["record_id"], identifiable=True)
    assert again.waterfall() == page
    assert again.fields.equals(explanation.fields)


def test_an_explanation_is_refused_unless_identifiers_are_asked_for(linkage: lc.Linkage) -> None:
    with pytest.raises(lc.RefusedError, match="identifiable=True"):
        linkage.explain("gp", "0")


def test_nothing_that_identifies_shows_by_itself(explained: Explained) -> None:
    for _, explanation in explained:
        assert repr(explanation) == f"Explanation({explanation.candidates.height} candidates)"
        values = [*explanation.fields["record_value"], *explanation.fields["person_value"]]
        words = {word for value in values if value for word in re.split(r"[ ,]+", value) if len(word) > 3}
        assert not [word for word in words if re.search(rf"\b{word}\b", explanation.reason)]


def test_what_is_not_there_is_not_quoted(linkage: lc.Linkage) -> None:
    with pytest.raises(lc.ProgrammeError, match="no record with that id") as caught:
        linkage.explain("gp", "4010232137", identifiable=True)
    assert "4010232137" not in str(caught.value)
    with pytest.raises(lc.ProgrammeError, match="no source 'dentist' was linked"):
        linkage.explain("dentist", "1", identifiable=True)


def test_a_record_that_was_linked_by_number_is_read_again_and_shown_beside_its_person(linkage: lc.Linkage) -> None:
    of_spine = linkage.persons.filter(source="gp")["person_id"]
    links = linkage.links.filter(method="nhs_number", source="ambulance")
    link = links.filter(pl.col("person_id").is_in(of_spine.implode())).row(0, named=True)
    explanation = linkage.explain("ambulance", link["record_id"], identifiable=True)
    assert explanation.reason == "It has the NHS Number of the person."
    assert explanation.candidates.select("person_id", "match_probability", "accepted").rows() == [
        (link["person_id"], 1.0, True)
    ]
    assert explanation.candidates["match_weight"].item() == pytest.approx(explanation.fields["total"].sum(), abs=1e-6)
    changed = [
        replace(each, data=each.scan(each.column_names).collect().with_columns(pl.lit("X").alias("pt_surname")))
        if each.name == "ambulance"
        else each
        for each in linkage.sources
    ]
    with pytest.raises(lc.SourceError, match="has changed since it was linked"):
        replace(linkage, sources=tuple(changed)).explain("ambulance", link["record_id"], identifiable=True)


def test_a_record_that_defines_its_person_has_nobody_beside_it(linkage: lc.Linkage) -> None:
    spine = linkage.links.filter(method="spine").row(0, named=True)
    explanation = linkage.explain("gp", spine["record_id"], identifiable=True)
    assert explanation.candidates.is_empty()
    assert explanation.fields.is_empty()
    with pytest.raises(lc.ProgrammeError, match="no chart"):
        explanation.waterfall()


def test_records_of_which_nothing_was_learned_have_a_reason() -> None:
    numbers = pl.DataFrame({"nhs_number": ["4010232137", None], "family_name": ["SMITH", "JONES"]})
    gp, seen = lc.Source("gp", numbers[:1], spine=True), lc.Source("seen", numbers)
    for fallback, why in ((None, "there was no probabilistic linkage"), (lc.Fallback(), "fewer than two identifiers")):
        linkage = lc.link([gp, seen], fallback=fallback)
        assert why in linkage.explain("seen", "1", identifiable=True).reason
        assert "of the person" in linkage.explain("seen", "0", identifiable=True).reason
    only = lc.link([seen], fallback=None).explain("seen", "0", identifiable=True)
    assert "defines the person" in only.reason


def test_the_reason_names_a_conflict_that_was_kept() -> None:
    link = {"method": "nhs_number", "conflict": True}
    assert "the settings keep conflicts" in reason_of_exact(link, defines=False, fallback=True)
    assert "local patient identifier" in reason_of_exact(
        link | {"method": "local_patient_id"}, defines=False, fallback=True
    )


@pytest.mark.parametrize(
    ("candidates", "threshold", "why"),
    [
        ([(0.48, 9.0), (0.48, 9.0)], 0.5, "2 persons fit equally well"),
        ([(0.4, 9.0), (0.1, 7.0)], 0.5, "which is not above 0.5"),
        ([(0.8, 9.0)], 0.9, "below the threshold of 0.9"),
        ([(0.95, 9.0)], 0.9, "other records of this source match the same person"),
        ([], 0.9, "None of 2481 persons has a probability of 0.001"),
    ],
)
def test_why_a_record_was_not_linked(
    linkage: lc.Linkage, candidates: list[tuple[float, float]], threshold: float, why: str
) -> None:
    schema = ["match_probability", "match_weight"]
    frame = pl.DataFrame(candidates, schema=dict.fromkeys(schema, pl.Float64), orient="row")
    given = replace(probabilistic_of(linkage), thresholds={"nhs_111": Threshold(threshold, "own")}, listed=2481)
    link = {"source": "nhs_111", "method": "new_person", "conflict": True}
    reason = reason_of_open(frame.with_columns(accepted=False), link, given, others=2)
    assert reason.startswith("Its NHS Number belongs to a person whose name and birth date contradict it")
    assert why in reason
    assert reason.endswith("It is a new person, together with 2 other records.")


def test_without_persons_the_reason_says_so(tmp_path: Path) -> None:
    people = [("ANNA", "NG", "1980-02-03"), ("JOHN", "OKORO", "1975-11-30"), ("MARY", "SMITH", "1990-01-15")]
    frame = pl.DataFrame(people, schema=["given_name", "family_name", "birth_date"], orient="row")
    linkage = lc.link([lc.Source("here", frame), lc.Source("there", frame)])
    explanation = linkage.explain("there", "0", identifiable=True)
    assert explanation.reason == (
        "There were no persons to compare it with, only other open records. It is a new person, together with 1 "
        "other record."
    )
    assert explanation.candidates.is_empty()
    assert linkage.clerical_review(tmp_path / "review.csv", identifiable=True) == 0


def test_a_former_home_and_another_name_are_told_as_such(linkage: lc.Linkage) -> None:
    """And shown beside what PERSONS say of the person, which the record does not agree with."""
    probabilistic = probabilistic_of(linkage)
    known = linkage.persons.join(probabilistic.alternatives.explode("other_postcode"), on="person_id")
    record, person = (
        probabilistic.candidates.join(probabilistic.records, on=["source", "record_id"])
        .join(known, left_on=["person_id", "postcode"], right_on=["person_id", "other_postcode"], suffix="_person")
        .filter(pl.col("match_probability") > 0.5, pl.col("postcode_person").is_not_null())
        .sort("match_probability", "record_id")
        .select(pl.struct("source", "record_id", "postcode"), pl.struct("person_id", postcode="postcode_person"))
        .row(-1)
    )
    explanation = linkage.explain(record["source"], record["record_id"], identifiable=True)
    place = explanation.fields.filter(
        (pl.col("person_id") == person["person_id"]) & pl.col("comparison").is_in(["place", "postcode"])
    ).row(0, named=True)
    assert place["level"].startswith("Former postcode")
    assert record["postcode"] in place["record_value"]
    assert person["postcode"] in place["person_value"]
    assert re.search(f"; also .*{record['postcode']}", place["person_value"])
