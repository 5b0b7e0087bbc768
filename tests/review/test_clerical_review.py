"""Clerical review: the file holds the least certain records, and no formula."""

import csv
import io
import math
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import linkcore as lc
from linkcore.schema import LABELS
from linkcore.spreadsheets import guarded, unguarded
from tests.review.conftest import read_rows


def entropies(linkage: lc.Linkage) -> dict[str, dict[str, float]]:
    """Entropy of each record, by source, calculated one by one."""
    assert linkage.probabilistic is not None
    chances: dict[tuple[str, str], list[float]] = defaultdict(list)
    candidates = linkage.probabilistic.candidates.select("source", "record_id", "match_probability")
    for source, record, chance in candidates.iter_rows():
        chances[source, record].append(chance)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (source, record), each in chances.items():
        outcomes = [*each, 1 - sum(each)]
        found[source][record] = -sum(chance * math.log2(chance) for chance in outcomes if chance > 0)
    return found


def test_the_file_holds_the_most_uncertain_records_of_each_source(linkage: lc.Linkage, review: Path) -> None:
    asked: dict[str, dict[str, None]] = defaultdict(dict)
    for row in read_rows(review):
        asked[row["source"]][row["record_id"].removeprefix("'")] = None
    for source, of_records in entropies(linkage).items():
        certain = [of_records[record] for record in of_records if record not in asked[source]]
        chosen = [of_records[record] for record in asked[source]]
        assert min(chosen) >= max(certain) - 1e-9
        assert chosen == sorted(chosen, reverse=True)


def test_sources_share_the_file_by_the_square_root_of_their_uncertain_records(
    linkage: lc.Linkage, review: Path
) -> None:
    uncertain = {
        source: sum(value >= 0.08 for value in of_records.values()) for source, of_records in entropies(linkage).items()
    }
    seats = dict.fromkeys(uncertain, 1)
    while sum(seats.values()) < 60:
        left = [source for source in uncertain if seats[source] < uncertain[source]]
        seats[max(left, key=lambda source: math.sqrt(uncertain[source]) / (2 * seats[source] + 1))] += 1
    assert seats == Counter(source for source, _ in {(row["source"], row["record_id"]) for row in read_rows(review)})
    assert min(seats.values()) > 10


def test_record_and_person_are_side_by_side_without_a_probability(linkage: lc.Linkage, review: Path) -> None:
    rows = read_rows(review)
    assert list(rows[0]) == [
        *("review_id", "source", "record_id", "person_source", "person_record_id"),
        *("record_given_name", "person_given_name", "record_family_name", "person_family_name"),
        *("record_birth_date", "person_birth_date", "record_gender", "person_gender"),
        *("record_postcode", "person_postcode", "record_address", "person_address", "answer"),
    ]
    assert linkage.probabilistic is not None
    records = {
        tuple(row[:2]): row for row in linkage.probabilistic.records.select("source", "record_id", "family_name").rows()
    }
    persons = {tuple(row[:2]): row for row in linkage.persons.select("source", "record_id", "family_name").rows()}
    for row in rows:
        record, person = ((row[f"{side}source"], row[f"{side}record_id"].removeprefix("'")) for side in ("", "person_"))
        assert row["record_family_name"] == (records[record][2] or "")
        assert row["person_family_name"] == (persons[person][2] or "")
        assert row["answer"] == ""
    numbers = linkage.persons["nhs_number"].drop_nulls().cast(pl.String)
    assert not set(numbers) & {value.removeprefix("'") for row in rows for value in row.values()}
    assert [int(row["review_id"]) for row in rows] == sorted(int(row["review_id"]) for row in rows)


def test_candidates_are_sorted_best_first(linkage: lc.Linkage, review: Path) -> None:
    assert linkage.probabilistic is not None
    persons = linkage.persons.select("person_id", person_source="source", person_record_id="record_id")
    chances = {
        row[:4]: row[4]
        for row in linkage.probabilistic.candidates.join(persons, on="person_id")
        .select("source", "record_id", "person_source", "person_record_id", "match_probability")
        .iter_rows()
    }
    shown: dict[str, list[float]] = defaultdict(list)
    for row in read_rows(review):
        ids = row["source"], row["record_id"][1:], row["person_source"], row["person_record_id"][1:]
        shown[row["review_id"]].append(chances[ids])
    assert all(each == sorted(each, reverse=True) for each in shown.values())
    assert max(map(len, shown.values())) > 1


def test_the_same_linkage_gives_the_same_bytes_that_only_the_owner_can_read(
    linkage: lc.Linkage, review: Path, tmp_path: Path
) -> None:
    linkage.clerical_review(tmp_path / "again.csv", identifiable=True, records=60)
    assert (tmp_path / "again.csv").read_bytes() == review.read_bytes()
    assert oct(review.stat().st_mode)[-3:] == "600"


def test_a_review_is_refused_without_identifiable(linkage: lc.Linkage, tmp_path: Path) -> None:
    with pytest.raises(lc.RefusedError, match="identifiable=True"):
        linkage.clerical_review(tmp_path / "review.csv")
    with pytest.raises(lc.ProgrammeError, match="records is 0"):
        linkage.clerical_review(tmp_path / "review.csv", identifiable=True, records=0)
    exact_only = lc.link([lc.Source("gp", pl.DataFrame({"family_name": ["NG"]}))], fallback=None)
    with pytest.raises(lc.ProgrammeError, match="nothing to review"):
        exact_only.clerical_review(tmp_path / "review.csv", identifiable=True)
    assert list(tmp_path.iterdir()) == []


def test_without_uncertain_records_the_file_has_only_a_header(tmp_path: Path) -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"family_name": ["NG"]}))])
    assert linkage.clerical_review(tmp_path / "review.csv", identifiable=True) == 0
    assert read_rows(tmp_path / "review.csv") == []
    assert lc.read_review(tmp_path / "review.csv").schema == LABELS


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("=+-@'\t\r\n ＝"))))
@example(["=1+1", "'=1", "''", " @x", "\t=", "-5", "$0", ""])
def test_guarded_values_are_no_formulas_and_the_guard_can_be_removed(values: list[str]) -> None:
    frame = pl.DataFrame({"value": values}, schema={"value": pl.String}).select(
        guarded=guarded(pl.col("value")), back=unguarded(guarded(pl.col("value")))
    )
    assert frame["back"].to_list() == values
    assert not [value for value in frame["guarded"] if value.lstrip()[:1] in {*"=+-@＝＋－＠"}]
    text = frame.select("guarded").write_csv(quote_style="always")
    assert [row["guarded"] for row in csv.DictReader(io.StringIO(text, newline=""))] == frame["guarded"].to_list()
