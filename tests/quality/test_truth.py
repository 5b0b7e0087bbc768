"""Comparison with the truth: counts that can be checked by hand."""

import dataclasses
import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linkcore as lc
from linkcore.programme.programme import Programme
from linkcore.quality.truth import (
    compare_groups_with_truth,
    compare_with_truth,
    conflicts_found,
    estimates_beside_truth,
    judge_groups,
)
from linkcore.schema import LINKS
from linkcore.synthetic import DEFAULT_RATES, synthesise
from tests.naive_linkage import ten_digits

ONE, TWO = ten_digits(400_000_001), ten_digits(400_000_003)


def test_each_kind_of_record_is_counted_in_its_column() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [ONE, ONE, None, None, None]}))
    truth = pl.DataFrame(
        {
            "source": ["gp"] * 2 + ["seen"] * 5,
            "record_id": ["0", "1", "0", "1", "2", "3", "4"],
            # Linked rightly; another person's number; missed; and two records of a person who is not on the spine, of
            # which the first is the reference of the second.
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


def test_a_record_that_became_a_person_by_its_own_number_is_not_found() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE]}), spine=True)
    # No other record has the number of the second record, so it defines a person.
    linkage = lc.link([gp, lc.Source("seen", pl.DataFrame({"nhs_number": [ONE, TWO]}))])
    assert linkage.links["person_id"].to_list() == [0, 0, 1]
    judged = compare_with_truth(linkage, truth_of(linkage, 1, 1, 1)).filter(source="seen")
    assert judged.select("linked", "right", "findable", "found").rows() == [(1, 1, 2, 1)]


def test_rightly_grouped_records_are_found() -> None:
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
    # Two and two, as grouped; all four of one entity, so two are missed; and each group of two entities.
    for entities, expected in (
        ((1, 1, 2, 2), (2, 2, 2, 2)),
        ((1, 1, 1, 1), (2, 2, 3, 1)),
        ((1, 2, 2, 1), (2, 0, 2, 0)),
    ):
        judged = compare_with_truth(linkage, truth_of(linkage, *entities))
        assert judged.select("linked", "right", "findable", "found").row(0) == expected


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_groups_are_judged_over_every_pair_and_over_every_record(records: list[tuple[int, int]]) -> None:
    pairs = [(one[0] == other[0], one[1] == other[1]) for one, other in itertools.combinations(records, 2)]
    right = sum(grouped and true for grouped, true in pairs)
    shares = []
    for group, entity in records:
        in_group = [other for other, _ in records if other == group]
        of_entity = [other for _, other in records if other == entity]
        both = records.count((group, entity))
        shares.append((both / len(in_group), both / len(of_entity)))
    expected = [
        [right / sum(column) if any(column) else None for column in (zip(*pairs, strict=True) if pairs else ([], []))],
        [sum(column) / len(records) for column in zip(*shares, strict=True)],
    ]
    found = judge_groups(pl.DataFrame(records, schema=["person_id", "entity"], orient="row"))
    assert found["over"].to_list() == ["pairs", "records"]
    for row, rates in zip(found.iter_rows(named=True), expected, strict=True):
        assert [row["precision"], row["recall"]] == [rate if rate is None else pytest.approx(rate) for rate in rates]
        if None not in rates and sum(rates):
            assert row["f1"] == pytest.approx(2 * rates[0] * rates[1] / sum(rates))
        else:
            assert row["f1"] is None


def test_the_groups_of_a_linkage_are_its_persons() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)
    linkage = lc.link([gp, lc.Source("seen", pl.DataFrame({"nhs_number": [ONE, ONE]}))])
    # The second record seen has the number of somebody else.
    found = compare_groups_with_truth(linkage, truth_of(linkage, 1, 2, 1, 2))
    assert found.filter(over="pairs").rows() == [("pairs", 1 / 3, 1 / 2, 0.4)]
    precision, recall = found.filter(over="records").select("precision", "recall").row(0)
    assert (precision, recall) == pytest.approx(((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4, (1 + 1 + 0.5 + 0.5) / 4))


def test_the_reference_record_is_on_the_spine_whatever_the_order_of_sources() -> None:
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


def test_truth_with_a_repeated_record_or_without_a_column_is_refused() -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)])
    truth = truth_of(linkage, 1, 2)
    with pytest.raises(lc.ProgrammeError, match="the truth has 2 rows that share a source and record id"):
        compare_with_truth(linkage, pl.concat([truth, truth[:1]]))
    with pytest.raises(lc.ProgrammeError, match="lacks the columns entity"):
        compare_with_truth(linkage, truth.drop("entity"))
    with pytest.raises(lc.ProgrammeError, match="lacks the columns number_wrong"):
        conflicts_found(linkage, truth)


def test_each_kind_of_wrong_number_is_counted_in_its_column() -> None:
    people = {
        "nhs_number": [ONE] * 5,
        "given_name": ["ANNA", "ANNA", "PETER", "ANNA", "PETER"],
        "family_name": ["SMITH", "SMITH", "OKAFOR", "SMITH", "OKAFOR"],
        "birth_date": ["1980-02-03", "1980-02-03", "2011-07-28", "1980-02-03", "2011-07-28"],
    }
    frame = pl.DataFrame(people)
    linkage = lc.link([lc.Source("gp", frame[:1], spine=True), lc.Source("seen", frame[1:])], fallback=None)
    assert linkage.links["conflict"].to_list() == [False, False, True, False, True]
    # Defines the person; a true number; found; missed, because the two have one name; a true number that is flagged.
    truth = truth_of(linkage, 1, 1, 2, 3, 1).with_columns(number_wrong=pl.Series([False, False, True, True, False]))
    assert conflicts_found(linkage, truth).rows() == [("gp", 0, 0, 0, 0), ("seen", 2, 1, 2, 1)]


@pytest.fixture(scope="module")
def conflicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """Counts under each policy for conflicts, with ten times as many wrong numbers; the fallback changes no flag."""
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


def test_most_wrong_numbers_are_found_and_few_true_numbers_are_flagged(conflicts: dict[str, pl.DataFrame]) -> None:
    totals = conflicts["fallback"].select(pl.exclude("source").sum()).row(0, named=True)
    assert totals["wrong"] > 300
    assert totals["true"] > 50_000
    assert totals["found"] >= 0.9 * totals["wrong"]
    assert totals["false_alarms"] <= 0.001 * totals["true"]


def test_both_policies_for_conflicts_flag_the_same_records(conflicts: dict[str, pl.DataFrame]) -> None:
    assert conflicts["fallback"].equals(conflicts["keep"])


def test_truth_of_other_sources_is_refused() -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": [ONE]}))])
    truth = pl.DataFrame({"source": ["gp"], "record_id": ["7"], "entity": [1]})
    with pytest.raises(lc.ProgrammeError, match="lacks 1 records"):
        compare_with_truth(linkage, truth)


def test_true_rates_count_records_without_a_usable_number_and_missed_links_only_to_listed_persons() -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ONE, TWO]}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [None] * 5 + [TWO]}))
    linkage = lc.link([gp, seen], fallback=None)
    # Three are linked: rightly, to the wrong person, and although their person is not listed. Of two unlinked records,
    # one has a listed person.
    linked = (pl.col("source") == "seen") & pl.col("record_id").is_in(["0", "1", "2"])
    links = linkage.links.with_columns(
        pl.when(linked).then(pl.lit("probabilistic", LINKS["method"])).otherwise("method").alias("method"),
        pl.when(linked).then(pl.lit(0, pl.UInt32)).otherwise("person_id").alias("person_id"),
    )
    persons = linkage.persons.filter(pl.col("person_id").is_in(links["person_id"].implode()))
    linkage = dataclasses.replace(linkage, links=links, persons=persons)
    truth = truth_of(linkage, 1, 2, 1, 2, 3, 1, 4, 1)
    judged = estimates_beside_truth(linkage, truth).select("source", "measure", "true", "cases", "of")
    rates = [("false links", 2 / 3, 2, 3), ("missed links", 2 / 3, 2, 3)]
    assert judged.rows() == [(source, *rate) for source in ("all", "seen") for rate in rates]
