"""Answers of a clerical review: they are read as labels, compared with a linkage, and learned from."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.exact.link_exactly import link_exactly
from linkcore.linkage.fallback import learn
from linkcore.linkage.learning.labels import reviewed_records
from linkcore.linkage.settings import Exact
from linkcore.schema import LABELS
from linkcore.sources.records import standardise
from tests.review.conftest import USABLE, Rows, make_sources, read_rows, write_rows

ICS = tuple[dict[str, pl.DataFrame], pl.DataFrame]


def test_answers_are_read_as_labels_and_compared_with_the_linkage(
    linkage: lc.Linkage, review: Path, ics: ICS, tmp_path: Path
) -> None:
    """A reviewer who knows the truth, is unsure about the first record, and does not answer the last one."""
    entity = {row[:2]: row[2] for row in ics[1].select("source", "record_id", "entity").iter_rows()}
    rows = read_rows(review)
    expected, matched = [], set()
    for row in rows:
        record, person = ((row[f"{side}source"], row[f"{side}record_id"][1:]) for side in ("", "person_"))
        match = entity[record] == entity[person]
        # One entity may be listed twice; then only the better match is answered.
        again = match and record in matched
        row["answer"] = (
            {"1": "Unsure ", "60": ""}.get(row["review_id"], " MATCH" if match else "No") if not again else ""
        )
        if row["review_id"] not in {"1", "60"} and not again:
            matched |= {record} if match else set()
            expected.append((*record, *person, match))
    write_rows(tmp_path / "filled.csv", rows)
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
        ([PAIR | {"answer": "no"}, PAIR | {"answer": "match"}], "rows 2, 3: one pair has two different answers"),
        (
            [PAIR | {"answer": "match"}, PAIR | {"answer": ""}, PAIR | {"person_record_id": "'8", "answer": "Match"}],
            "rows 2, 4: one record matches two persons",
        ),
        ([PAIR | {"answer": "no", "record_id": ""}], "rows 2: a column that names the record or the person is empty"),
        ([PAIR | {"answer": "yes"}] * 9, "rows 2, 3, 4, 5, 6 and 4 more: the answer"),
        ([PAIR], "no column answer"),
    ],
)
def test_invalid_answers_are_refused_by_row_and_not_quoted(rows: Rows, what: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "review.csv", rows)
    with pytest.raises(lc.SourceError) as caught:
        lc.read_review(tmp_path / "review.csv")
    assert what in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "perhaps" not in str(caught.value)


def test_a_repeated_answer_counts_once_and_a_spreadsheet_file_is_read(tmp_path: Path) -> None:
    rows = [PAIR | {"answer": "match", "comment": "mère"}] * 2
    text = "\r\n".join([";".join(rows[0]), *(";".join(row.values()) for row in rows), ""])
    (tmp_path / "review.csv").write_bytes(text.encode("windows-1252"))
    labels = lc.read_review(tmp_path / "review.csv", encoding="windows-1252", separator=";")
    assert labels.rows() == [("111", "7", "gp", "SECRET", True)]
    with pytest.raises(lc.SourceError, match="utf-8"):
        lc.read_review(tmp_path / "review.csv", separator=";")
    with pytest.raises(lc.SourceError, match="cannot be read"):
        lc.read_review(tmp_path / "absent.csv")
    with pytest.raises(lc.ProgrammeError, match="codec"):
        lc.read_review(tmp_path / "review.csv", encoding="utf-9")


def test_labels_are_used_where_record_and_person_still_exist(ics: ICS) -> None:
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
    assert found.select("record_id", "order", "label").rows() == [
        (still_open, 2, placement.links["gp"]["person_id"][3])
    ]


def test_the_model_is_learned_from_labels(ics: ICS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no record has a number, m is learned from enough answers alone."""
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


def test_labels_with_other_columns_are_refused() -> None:
    with pytest.raises(lc.ProgrammeError, match="read_review"):
        lc.Fallback(labels=pl.DataFrame({"match": [True]}))
    assert "secret" not in repr(
        lc.Fallback(labels=pl.DataFrame([("secret",) * 4 + (True,)], schema=LABELS, orient="row"))
    )
