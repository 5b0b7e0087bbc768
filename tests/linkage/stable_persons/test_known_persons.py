"""What one linkage tells the next: it can be kept, it is checked, and it shows nothing."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.linkage.placement import Placement
from linkcore.linkage.stable_persons.identifier_hashes import identifier_hashes
from linkcore.linkage.stable_persons.known_persons import KNOWN_PERSONS, KNOWN_RECORDS, KnownPersons
from linkcore.schema import PERSONS, SUPERSEDED
from linkcore.sources.records import standardise

JANUARY, FEBRUARY, MARCH = (dt.date(2026, month, 1) for month in (1, 2, 3))
COLUMNS = ("record_id", "nhs_number", "given_name", "family_name", "birth_date", "postcode")
ANNA = ("A", None, "ANNA", "SMITH", "1980-02-03", "EX1 2AB")
BEN = ("B", "4010232137", "BEN", "NG", "1955-07-09", "EX1 2AC")


def linked(
    *rows: tuple[str | None, ...],
    date: dt.date | None = JANUARY,
    previous: lc.Linkage | KnownPersons | None = None,
    ids: bool = True,
    superseded: pl.DataFrame | None = None,
) -> lc.Linkage:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    seen = lc.Source("seen", frame if ids else frame.drop("record_id"))
    exact = lc.Exact(superseded=superseded)
    return lc.link([seen], exact=exact, fallback=None, reference_date=date, previous=previous)


def tokens(linkage: lc.Linkage) -> dict[str, str]:
    return dict(linkage.persons.select("given_name", "token").drop_nulls().iter_rows())


def reasons(linkage: lc.Linkage) -> list[str]:
    return linkage.superseded["reason"].to_list()


def test_a_row_in_another_place_of_another_file_keeps_its_token() -> None:
    january = linked(ANNA, BEN, ids=False)
    february = linked(BEN, ANNA, date=FEBRUARY, previous=january, ids=False)
    assert tokens(february) == tokens(january)
    assert tokens(linked(BEN, ANNA, ids=False)) != tokens(january)


def test_the_same_file_again_keeps_all_tokens_also_of_records_that_say_next_to_nothing() -> None:
    rows = [(None, None, None, None, None, "EX1 2AB")] * 3
    january = linked(*rows, ids=False)
    assert linked(*rows, ids=False, previous=january, date=FEBRUARY).persons.equals(january.persons)


def test_an_id_that_is_used_again_for_somebody_else_passes_no_token_on() -> None:
    january = linked(ANNA)
    february = linked(("A", None, "CARL", "FOX", "1949-11-30", "EX9 9ZZ"), date=FEBRUARY, previous=january)
    assert set(tokens(january).values()).isdisjoint(tokens(february).values())
    assert reasons(february) == []
    back = linked(("Z", *ANNA[1:]), date=MARCH, previous=february)
    assert tokens(back) == tokens(january)


def test_a_blank_record_under_an_id_that_was_used_again_takes_nobodys_token() -> None:
    january = linked(ANNA)
    february = linked(("A", None, "CARL", "FOX", "1949-11-30", "EX9 9ZZ"), date=FEBRUARY, previous=january)
    march = linked(("A", None, None, None, None, None), date=MARCH, previous=february)
    assert march.persons["token"].item() not in {*january.persons["token"], *february.persons["token"]}
    assert reasons(march) == []


@pytest.mark.parametrize("place", [2, 3, 4, 5])
def test_a_record_of_which_one_identifier_was_corrected_keeps_its_token(place: int) -> None:
    said = list(ANNA)
    said[place] = {2: "HANNAH", 3: "SMYTH", 4: "1980-02-04", 5: "EX7 7AB"}[place]
    january = linked(ANNA)
    february = linked(tuple(said), date=FEBRUARY, previous=january)
    assert february.persons["token"].to_list() == january.persons["token"].to_list()


def test_twins_who_say_the_same_do_not_take_each_others_token() -> None:
    january = linked(ANNA, ("B", *ANNA[1:]), ids=False)
    february = linked(BEN, ANNA, ("B", *ANNA[1:]), date=FEBRUARY, previous=january, ids=False)
    assert set(january.persons["token"]).isdisjoint(february.persons["token"].drop_nulls())
    assert february.history.counts["ambiguous"] == 1


def test_kept_and_new_names_are_counted_by_source_so_that_lost_ids_are_seen() -> None:
    walk_ins = [(f"W{i}", None, f"NAME{chr(65 + i)}", "SMITH", f"1980-02-{i + 1:02}", "EX1 2AB") for i in range(5)]
    january = linked(*walk_ins)
    again = linked(*walk_ins, ANNA, date=FEBRUARY, previous=january)
    assert again.history.by_source == {"seen": {"kept": 5, "new": 1}}
    # Other ids, and a postcode that is written in another way: nothing recognises them.
    lost = linked(*((f"X{row[0]}", *row[1:5], "EX2 9ZZ") for row in walk_ins), date=FEBRUARY, previous=january)
    assert lost.history.by_source == {"seen": {"kept": 0, "new": 5}}
    rows = lost.quality.earlier_persons
    assert rows.filter(source="seen").rows() == [("seen", "kept", 0), ("seen", "new", 5)]
    assert rows.filter(source="all", became="absent")["times"].item() == 5
    assert january.quality.earlier_persons.is_empty()


def test_who_loses_a_number_is_explained_and_not_counted_as_new() -> None:
    february = linked(("B", None, *BEN[2:]), date=FEBRUARY, previous=linked(BEN))
    assert reasons(february) == ["number_lost"]
    assert february.history.by_source == {}


def test_who_gets_a_number_has_its_pseudonym_and_the_token_is_superseded() -> None:
    january = linked(ANNA)
    february = linked(("A", "4000000012", *ANNA[2:]), date=FEBRUARY, previous=january)
    old = f"linkcore:person:{january.persons['token'].item()}"
    assert february.superseded.rows() == [(old, "4000000012", "number_found", FEBRUARY)]
    march = linked(("A", "4000000012", *ANNA[2:]), date=MARCH, previous=february)
    assert march.superseded.equals(february.superseded)


def test_a_number_on_the_list_of_superseded_numbers_is_told() -> None:
    merged = pl.DataFrame({"old": ["4010232137"], "new": ["4000000012"]})
    february = linked(BEN, date=FEBRUARY, previous=linked(BEN), superseded=merged)
    assert february.superseded.rows() == [("4010232137", "4000000012", "number_superseded", FEBRUARY)]


def test_a_change_that_is_taken_back_is_told_once_the_right_way_round() -> None:
    other = ("B", "4000000012", *BEN[2:])
    february = linked(other, date=FEBRUARY, previous=linked(BEN))
    march = linked(BEN, date=MARCH, previous=february)
    assert march.superseded.rows() == [("4000000012", "4010232137", "number_changed", MARCH)]
    assert march.history.counts["returned"] == 1


def test_known_persons_are_kept_in_three_parquet_files(tmp_path: Path) -> None:
    known = linked(ANNA, BEN).known_persons()
    for name in ("persons", "records", "superseded"):
        getattr(known, name).write_parquet(tmp_path / name)
    read = KnownPersons(*(pl.read_parquet(tmp_path / name) for name in ("persons", "records", "superseded")))
    rows = (("A", "4000000012", *ANNA[2:]), BEN)
    one, other = (linked(*rows, date=FEBRUARY, previous=each) for each in (known, read))
    assert one.persons.equals(other.persons)
    assert one.superseded.equals(other.superseded)


def test_the_three_frames_of_known_persons_hold_no_name_date_or_postcode_and_show_nothing() -> None:
    known = linked(ANNA, BEN).known_persons()
    text = "".join(each.write_csv() for each in (known.persons, known.records, known.superseded))
    for value in (*ANNA[2:], *BEN[2:]):
        assert str(value) not in text
    assert repr(known) == "KnownPersons()"


def test_hashes_never_change() -> None:
    """They are compared with those of an earlier version, which may be months old."""
    frame = pl.DataFrame([[*ANNA, "L1"]], schema=[*COLUMNS, "local_patient_id"], orient="row")
    few = standardise(lc.Source("seen", frame))
    nobody = Placement(pl.DataFrame(schema=PERSONS), {})
    expected = ("", 2894606510, 2606345071, 3028506601, 3396773103, 3472588646)
    assert identifier_hashes([few], nobody).row(0) == expected
    many = pl.concat([frame] * 1_001).with_columns(pl.int_range(pl.len()).cast(pl.String).alias("record_id"))
    assert set(identifier_hashes([standardise(lc.Source("seen", many))], nobody).rows()) == {expected}


def test_an_earlier_linkage_needs_a_reference_date() -> None:
    with pytest.raises(lc.ProgrammeError, match="previous needs a reference_date"):
        linked(ANNA, previous=linked(ANNA), date=None)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({"persons": pl.DataFrame({"names": ["a"]})}, "persons must have the columns name"),
        ({"records": pl.DataFrame({"person": [0]})}, "records must have the columns"),
        ({"described": pl.DataFrame({"token": ["a"]})}, "described must have the columns"),
        ({"superseded": pl.DataFrame({"old": ["a"]})}, "superseded must have the columns"),
        ({"persons": pl.DataFrame({"name": ["a", "a"]})}, "two have the same"),
        ({"persons": pl.DataFrame({"name": [None]}, schema=KNOWN_PERSONS)}, "has no name"),
        ({"records": pl.DataFrame([{"person": 0}], schema=KNOWN_RECORDS)}, "belongs to nobody"),
    ],
)
def test_damaged_known_persons_are_refused(frames: dict[str, Any], message: str) -> None:
    with pytest.raises(lc.ProgrammeError, match=message):
        KnownPersons(**frames)


def test_a_first_linkage_supersedes_nothing() -> None:
    linkage = linked(ANNA)
    assert linkage.superseded.schema == SUPERSEDED
    assert linkage.superseded.is_empty()
    assert dict(linkage.history.counts) == {}
