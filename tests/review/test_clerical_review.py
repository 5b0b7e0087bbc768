"""Clerical review: what is asked is what is least certain, and what is answered comes back as it was meant."""

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
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback import learn
from linkcore.linkage.learning.labels import reviewed_records
from linkcore.linkage.settings import Exact
from linkcore.plain_text import without_escapes
from linkcore.schema import LABELS
from linkcore.sources.records import standardise
from linkcore.spreadsheets import guarded, unguarded
from tests.review.conftest import USABLE, make_sources

Rows = list[dict[str, str]]
ICS = tuple[dict[str, pl.DataFrame], pl.DataFrame]


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def review(linkage: lc.Linkage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("review") / "review.csv"
    assert linkage.clerical_review(path, identifiable=True, records=60) == 60
    return path


def entropies(linkage: lc.Linkage) -> dict[str, dict[str, float]]:
    """By source and record, computed one by one."""
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


def test_the_most_uncertain_records_of_each_source_are_asked_about(linkage: lc.Linkage, review: Path) -> None:
    asked: dict[str, dict[str, None]] = defaultdict(dict)
    for row in read(review):
        asked[row["source"]][row["record_id"].removeprefix("'")] = None
    for source, of_records in entropies(linkage).items():
        certain = [of_records[record] for record in of_records if record not in asked[source]]
        chosen = [of_records[record] for record in asked[source]]
        assert min(chosen) >= max(certain) - 1e-9
        assert chosen == sorted(chosen, reverse=True)


def test_sources_have_turns_by_the_root_of_how_many_are_uncertain(linkage: lc.Linkage, review: Path) -> None:
    uncertain = {
        source: sum(value >= 0.08 for value in of_records.values()) for source, of_records in entropies(linkage).items()
    }
    seats = dict.fromkeys(uncertain, 1)
    while sum(seats.values()) < 60:
        left = [source for source in uncertain if seats[source] < uncertain[source]]
        seats[max(left, key=lambda source: math.sqrt(uncertain[source]) / (2 * seats[source] + 1))] += 1
    assert seats == Counter(source for source, _ in {(row["source"], row["record_id"]) for row in read(review)})
    assert min(seats.values()) > 10


def test_record_and_person_stand_side_by_side_and_no_probability(linkage: lc.Linkage, review: Path) -> None:
    rows = read(review)
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
        own, other = ((row[f"{of}source"], row[f"{of}record_id"].removeprefix("'")) for of in ("", "person_"))
        assert row["record_family_name"] == (records[own][2] or "")
        assert row["person_family_name"] == (persons[other][2] or "")
        assert row["answer"] == ""
    numbers = linkage.persons["nhs_number"].drop_nulls().cast(pl.String)
    assert not set(numbers) & {value.removeprefix("'") for row in rows for value in row.values()}
    assert [int(row["review_id"]) for row in rows] == sorted(int(row["review_id"]) for row in rows)


def test_candidates_come_best_first(linkage: lc.Linkage, review: Path) -> None:
    assert linkage.probabilistic is not None
    persons = linkage.persons.select("person_id", person_source="source", person_record_id="record_id")
    chances = {
        row[:4]: row[4]
        for row in linkage.probabilistic.candidates.join(persons, on="person_id")
        .select("source", "record_id", "person_source", "person_record_id", "match_probability")
        .iter_rows()
    }
    shown: dict[str, list[float]] = defaultdict(list)
    for row in read(review):
        ids = row["source"], row["record_id"][1:], row["person_source"], row["person_record_id"][1:]
        shown[row["review_id"]].append(chances[ids])
    assert all(each == sorted(each, reverse=True) for each in shown.values())
    assert max(map(len, shown.values())) > 1


def test_the_same_linkage_gives_the_same_bytes_for_its_owner_only(
    linkage: lc.Linkage, review: Path, tmp_path: Path
) -> None:
    linkage.clerical_review(tmp_path / "again.csv", identifiable=True, records=60)
    assert (tmp_path / "again.csv").read_bytes() == review.read_bytes()
    assert oct(review.stat().st_mode)[-3:] == "600"


def test_a_review_is_refused_unless_identifiers_are_asked_for(linkage: lc.Linkage, tmp_path: Path) -> None:
    with pytest.raises(lc.RefusedError, match="identifiable=True"):
        linkage.clerical_review(tmp_path / "review.csv")
    with pytest.raises(lc.ProgrammeError, match="records is 0"):
        linkage.clerical_review(tmp_path / "review.csv", identifiable=True, records=0)
    exact_only = lc.link([lc.Source("gp", pl.DataFrame({"family_name": ["NG"]}))], fallback=None)
    with pytest.raises(lc.ProgrammeError, match="nothing to review"):
        exact_only.clerical_review(tmp_path / "review.csv", identifiable=True)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_uncertain_the_file_has_only_a_header(tmp_path: Path) -> None:
    linkage = lc.link([lc.Source("gp", pl.DataFrame({"family_name": ["NG"]}))])
    assert linkage.clerical_review(tmp_path / "review.csv", identifiable=True) == 0
    assert read(tmp_path / "review.csv") == []
    assert lc.read_review(tmp_path / "review.csv").schema == LABELS


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("=+-@'\t\r\n ＝"))))
@example(["=1+1", "'=1", "''", " @x", "\t=", "-5", "$0", "", "\x1f=", "\u200b=1", "\ufeff@x"])
def test_the_guard_comes_off_again_and_leaves_no_formula(values: list[str]) -> None:
    frame = pl.DataFrame({"value": values}, schema={"value": pl.String}).select(
        guarded=guarded(pl.col("value")), back=unguarded(guarded(pl.col("value")))
    )
    assert frame["back"].to_list() == values
    assert not [value for value in frame["guarded"] if without_escapes(value).lstrip()[:1] in {*"=+-@＝＋－＠"}]
    text = frame.select("guarded").write_csv(quote_style="always")
    assert [row["guarded"] for row in csv.DictReader(io.StringIO(text, newline=""))] == frame["guarded"].to_list()


def test_the_answers_come_back_as_labels_that_the_linkage_agrees_with_or_not(
    linkage: lc.Linkage, review: Path, ics: ICS, tmp_path: Path
) -> None:
    """A clerk who knows the truth, is unsure of the first record, and goes home before the last one."""
    entity = {row[:2]: row[2] for row in ics[1].select("source", "record_id", "entity").iter_rows()}
    rows = read(review)
    expected, matched = [], set()
    for row in rows:
        own, other = ((row[f"{of}source"], row[f"{of}record_id"][1:]) for of in ("", "person_"))
        match = entity[own] == entity[other]
        # One entity may be listed twice; then the better match stands alone.
        again = match and own in matched
        row["answer"] = (
            {"1": "Unsure ", "60": ""}.get(row["review_id"], " MATCH" if match else "No") if not again else ""
        )
        if row["review_id"] not in {"1", "60"} and not again:
            matched |= {own} if match else set()
            expected.append((*own, *other, match))
    write(tmp_path / "filled.csv", rows)
    labels = lc.read_review(tmp_path / "filled.csv")
    assert labels.schema == LABELS
    assert labels.rows() == expected
    agreement = lc.review_agreement(linkage, labels)
    person_of = {row[:2]: row[2] for row in linkage.links.select("source", "record_id", "person_id").iter_rows()}
    counted = Counter((row[0], person_of[row[:2]] == person_of[row[2:4]], row[4]) for row in expected)
    for row in agreement.iter_rows(named=True):
        for name, (linked, match) in {
            "linked_match": (True, True),
            "linked_no": (True, False),
            "apart_match": (False, True),
            "apart_no": (False, False),
        }.items():
            assert row[name] == counted[row["source"], linked, match]
    assert agreement["answers"].sum() == len(expected)
    assert agreement["lost"].sum() == 0
    assert agreement["source"].to_list() == ["outpatient", "ambulance", "nhs_111"]
    unknown = labels.with_columns(record_id=pl.lit("gone"))
    assert lc.review_agreement(linkage, unknown)["lost"].sum() == labels.height


PAIR = {"source": "111", "record_id": "'7", "person_source": "gp", "person_record_id": "'SECRET"}


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([PAIR | {"answer": "perhaps"}], "rows 2: the answer is not one of match, no, unsure"),
        ([PAIR | {"answer": "no"}, PAIR | {"answer": "match"}], "rows 2, 3: the same pair has two different answers"),
        (
            [PAIR | {"answer": "match"}, PAIR | {"answer": ""}, PAIR | {"person_record_id": "'8", "answer": "Match"}],
            "rows 2, 4: one record matches two persons",
        ),
        ([PAIR | {"answer": "no", "record_id": ""}], "rows 2: a column that names the record or the person is empty"),
        ([PAIR | {"answer": "yes"}] * 9, "rows 2, 3, 4, 5, 6 and 4 more: the answer"),
        ([PAIR], "no column answer"),
    ],
)
def test_answers_that_make_no_sense_are_refused_by_row_and_not_quoted(rows: Rows, what: str, tmp_path: Path) -> None:
    write(tmp_path / "review.csv", rows)
    with pytest.raises(lc.SourceError) as caught:
        lc.read_review(tmp_path / "review.csv")
    assert what in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "perhaps" not in str(caught.value)


def test_the_same_answer_twice_is_one_and_a_spreadsheets_file_is_read(tmp_path: Path) -> None:
    rows = [PAIR | {"answer": "match", "comment": "mère"}] * 2
    text = "\r\n".join([";".join(rows[0]), *(";".join(row.values()) for row in rows), ""])
    (tmp_path / "review.csv").write_bytes(text.encode("windows-1252"))
    labels = lc.read_review(tmp_path / "review.csv", encoding="windows-1252", separator=";")
    assert labels.rows() == [("111", "7", "gp", "SECRET", True)]
    with pytest.raises(lc.SourceError, match="utf-8"):
        lc.read_review(tmp_path / "review.csv", separator=";")
    with pytest.raises(lc.SourceError, match="cannot be read"):
        lc.read_review(tmp_path / "absent.csv")
    with pytest.raises(lc.ProgrammeError, match="an encoding that Python knows"):
        lc.read_review(tmp_path / "review.csv", encoding="utf-9")


def test_labels_are_taken_where_record_and_person_are_still_there(ics: ICS) -> None:
    sources = [standardise(source, usable=USABLE) for source in make_sources(ics[0])]
    placement = link_exactly(sources, Exact(usable=USABLE))
    is_open = placement.links["ambulance"]["person_id"].is_null()
    ids = sources[2].frame["record_id"]
    still_open, linked, person = ids.filter(is_open)[0], ids.filter(~is_open)[0], sources[0].frame["record_id"][3]
    labels = pl.DataFrame(
        [
            ("ambulance", still_open, "gp", person, True),
            ("ambulance", ids.filter(is_open)[1], "gp", person, False),
            ("ambulance", linked, "gp", person, True),
            ("ambulance", ids.filter(is_open)[2], "gp", "nobody", True),
            ("dentist", "1", "gp", person, True),
        ],
        schema=LABELS,
        orient="row",
    )
    found = reviewed_records(sources, placement, labels)
    assert found.select("record_id", "source_index", "label").rows() == [
        (still_open, 2, placement.links["gp"]["person_id"][3])
    ]


def test_labels_count_and_teach(ics: ICS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no record has a number, the answers alone are what m is learned from, once there are enough of them."""
    frames, truth = ics
    gp, outpatient = (source for source in make_sources(frames) if source.name in ("gp", "outpatient"))
    numbers = [
        lc.Source(
            each.name,
            each.scan(each.column_names)
            .collect()
            .head(900)
            .with_columns(pl.lit(None, pl.String).alias(each.identifier_columns["nhs_number"])),
            columns=each.columns,
            record_id=each.record_id,
            spine=each.spine,
        )
        for each in (gp, outpatient)
    ]
    persons = truth.filter(source="gp").select("entity", person_source="source", person_record_id="record_id")
    ids = numbers[0].scan(["REG_ID"]).collect()["REG_ID"], numbers[1].scan([numbers[1].record_id]).collect().to_series()
    labels = (
        truth.filter(pl.col("source") == "outpatient", pl.col("record_id").is_in(ids[1].implode()))
        .join(persons.filter(pl.col("person_record_id").is_in(ids[0].implode())), on="entity")
        .select("source", "record_id", "person_source", "person_record_id", match=True)
    )
    assert labels.height > 100
    monkeypatch.setattr(learn, "ENOUGH_LABELS", 50)
    lost = labels.head(1).with_columns(record_id=pl.lit("gone"))
    learned = lc.link(numbers, fallback=lc.Fallback(labels=pl.concat([labels, lost]))).probabilistic
    assert learned is not None
    assert learned.learned_from == "labels"
    assert learned.counts["labels_lost"] == 1
    assert learned.counts["labels"] == labels.n_unique(["person_source", "person_record_id"])


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(lc.ProgrammeError, match="read_review"):
        lc.Fallback(labels=pl.DataFrame({"match": [True]}))
    assert "secret" not in repr(
        lc.Fallback(labels=pl.DataFrame([("secret",) * 4 + (True,)], schema=LABELS, orient="row"))
    )
