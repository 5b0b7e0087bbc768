"""Evaluation: counts that can be checked by hand."""

import dataclasses

import polars as pl
import pytest

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.quality.truth import compare_with_truth, conflicts_found, estimates_beside_truth
from linkcore.schema import LINKS
from linkcore.synthetic import DEFAULT_RATES, synthesise
from tests.naive_linkage import ten_digits

ONE, TWO = ten_digits(400_000_001), ten_digits(400_000_003)


def test_each_kind_of_record_counts_where_it_should() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [ONE, ONE, None, None, None]}))
    truth = pl.DataFrame(
        {
            "source": ["gp"] * 2 + ["seen"] * 5,
            "record_id": ["0", "1", "0", "1", "2", "3", "4"],
            # Right; somebody else's number; missed; two records of one person whom the spine lacks, the first of which
            # is what the second should have been linked to.
            "entity": [1, 2, 1, 2, 2, 3, 3],
        }
    )
    judged = compare_with_truth(lc.link([gp, seen]), truth)
    assert judged.rows(named=True) == [
        {"source": "gp", "method": "spine", "records": 2, "linked": 0, "right": 0, "findable": 0, "found": 0},
        {"source": "seen", "method": "nhs_number", "records": 2, "linked": 2, "right": 1, "findable": 2, "found": 1},
        {"source": "seen", "method": "unlinked", "records": 3, "linked": 0, "right": 0, "findable": 2, "found": 0},
    ]


def truth_of(linkage: lc.Linkage, *entities: int) -> pl.DataFrame:
    return linkage.links.select("source", "record_id").with_columns(pl.Series("entity", entities))


def test_a_person_who_was_split_by_a_number_is_not_found() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE]}), spine=True)
    # The second record has a number that nobody else has, and so stands as a person.
    linkage = lc.link([gp, lc.Source("seen", pl.DataFrame({"nhs_number": [ONE, TWO]}))])
    assert linkage.links["person_id"].to_list() == [0, 0, 1]
    judged = compare_with_truth(linkage, truth_of(linkage, 1, 1, 1)).filter(source="seen")
    assert judged.select("linked", "right", "findable", "found").rows() == [(1, 1, 2, 1)]


def test_records_that_were_rightly_grouped_are_found() -> None:
    anna = {"given_name": "Anna", "family_name": "Okafor", "birth_date": "1980-02-03", "postcode": "EX1 1AA"}
    links = pl.DataFrame(
        [("seen", str(row), row // 2, "new_person", None, None, "missing", False) for row in range(4)],
        schema=LINKS,
        orient="row",
    )
    alone = lc.link([lc.Source("seen", pl.DataFrame([anna] * 4))], fallback=None)
    persons = alone.persons.filter(pl.col("record_id").is_in(["0", "2"])).with_columns(
        pl.Series("person_id", [0, 1], pl.UInt32)
    )
    linkage = dataclasses.replace(alone, links=links, persons=persons)
    # Two and two, as they should be; all four of one entity, so that the other two are missed.
    for entities, expected in (
        ((1, 1, 2, 2), (2, 2, 2, 2)),
        ((1, 1, 1, 1), (2, 2, 3, 1)),
        ((1, 2, 2, 1), (2, 0, 2, 0)),
    ):
        judged = compare_with_truth(linkage, truth_of(linkage, *entities))
        assert judged.select("linked", "right", "findable", "found").row(0) == expected


def test_the_spine_is_what_others_should_be_linked_to_wherever_it_stands() -> None:
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [TWO, ONE]}))
    linkage = lc.link([seen, lc.Source("gp", pl.DataFrame({"nhs_number": [ONE]}), spine=True)])
    judged = compare_with_truth(linkage, truth_of(linkage, 1, 1, 1))
    assert judged.group_by("source").agg(pl.col("findable", "found").sum()).sort("source").rows() == [
        ("gp", 0, 0),
        ("seen", 2, 1),
    ]


def test_record_ids_of_the_truth_may_be_whole_numbers() -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)])
    truth = truth_of(linkage, 1, 2)
    as_numbers = truth.with_columns(pl.col("record_id").cast(pl.Int64))
    assert compare_with_truth(linkage, as_numbers).equals(compare_with_truth(linkage, truth))


def test_truth_that_holds_a_record_twice_or_lacks_a_column_is_refused() -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)])
    truth = truth_of(linkage, 1, 2)
    with pytest.raises(lc.ProgrammeError, match="2 of its rows share a source and record id"):
        compare_with_truth(linkage, pl.concat([truth, truth[:1]]))
    with pytest.raises(lc.ProgrammeError, match="lacks the columns entity"):
        compare_with_truth(linkage, truth.drop("entity"))
    with pytest.raises(lc.ProgrammeError, match="lacks the columns number_wrong"):
        conflicts_found(linkage, truth)


def test_each_kind_of_wrong_number_counts_where_it_should() -> None:
    people = {
        "nhs_number": [ONE] * 5,
        "given_name": ["ANNA", "ANNA", "PETER", "ANNA", "PETER"],
        "family_name": ["SMITH", "SMITH", "OKAFOR", "SMITH", "OKAFOR"],
        "birth_date": ["1980-02-03", "1980-02-03", "2011-07-28", "1980-02-03", "2011-07-28"],
    }
    frame = pl.DataFrame(people)
    linkage = lc.link([lc.Source("gp", frame[:1], spine=True), lc.Source("seen", frame[1:])], fallback=None)
    assert linkage.links["conflict"].to_list() == [False, False, True, False, True]
    # Defines her; her own number; found; missed, since both are called alike; her own number, taken for wrong.
    truth = truth_of(linkage, 1, 1, 2, 3, 1).with_columns(number_wrong=pl.Series([False, False, True, True, False]))
    assert conflicts_found(linkage, truth).rows() == [("gp", 0, 0, 0, 0), ("seen", 2, 1, 2, 1)]


@pytest.fixture(scope="module")
def conflicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """Count under each policy of conflicts, where ten times as many numbers are wrong; the fallback changes no flag."""
    rates = {name: dataclasses.replace(rates, wrong_number=0.01) for name, rates in DEFAULT_RATES.items()}
    ics = synthesise(tmp_path_factory.mktemp("ics"), people=20_000, seed=5, error_rates=rates)
    programme, truth = Programme.load(ics.programme), pl.read_parquet(ics.truth)
    counts = {}
    for policy in ("fallback", "keep"):
        linkage = lc.link(
            programme.sources(),
            exact=dataclasses.replace(programme.exact(), conflicts=policy),
            fallback=None,
            reference_date=programme.programme.reference_date,
        )
        counts[policy] = conflicts_found(linkage, truth)
    return counts


def test_wrong_numbers_are_found_and_right_ones_left_alone(conflicts: dict[str, pl.DataFrame]) -> None:
    every = conflicts["fallback"].select(pl.exclude("source").sum()).row(0, named=True)
    assert every["wrong"] > 300
    assert every["true"] > 50_000
    assert every["found"] >= 0.9 * every["wrong"]
    assert every["false_alarms"] <= 0.001 * every["true"]


def test_what_is_found_is_the_same_whatever_becomes_of_conflicts(conflicts: dict[str, pl.DataFrame]) -> None:
    assert conflicts["fallback"].equals(conflicts["keep"])


def test_truth_of_other_sources_is_refused() -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": [ONE]}))])
    truth = pl.DataFrame({"source": ["gp"], "record_id": ["7"], "entity": [1]})
    with pytest.raises(lc.ProgrammeError, match="lacks 1 records"):
        compare_with_truth(linkage, truth)


def test_true_rates_are_of_the_records_without_a_usable_number_and_of_persons_who_were_there_to_be_found() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [None] * 5 + [TWO]}))
    linkage = lc.link([gp, seen], fallback=None)
    # Linked: rightly, to somebody else, and somebody who was not there; two are left alone, one of whom was there.
    chosen = (pl.col("source") == "seen") & pl.col("record_id").is_in(["0", "1", "2"])
    links = linkage.links.with_columns(
        pl.when(chosen).then(pl.lit("probabilistic", LINKS["method"])).otherwise("method").alias("method"),
        pl.when(chosen).then(pl.lit(0, pl.UInt32)).otherwise("person_id").alias("person_id"),
    )
    persons = linkage.persons.filter(pl.col("person_id").is_in(links["person_id"].implode()))
    linkage = dataclasses.replace(linkage, links=links, persons=persons)
    truth = truth_of(linkage, 1, 2, 1, 2, 3, 1, 4, 1)
    judged = estimates_beside_truth(linkage, truth).select("source", "measure", "true", "cases", "of")
    rates = [("false links", 2 / 3, 2, 3), ("missed links", 2 / 3, 2, 3)]
    assert judged.rows() == [(source, *rate) for source in ("all", "seen") for rate in rates]
