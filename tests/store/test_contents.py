"""A linkage that was saved and opened again is the same linkage."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import linkcore as lc
from linkcore.governance.exits.own_patients import Relationships
from linkcore.governance.releases.link_columns import LINK_COLUMNS
from linkcore.programme.programme import Programme

DAY = dt.date(2026, 3, 1)


def assert_same(found: object, saved: object, where: str) -> None:
    """Compare dataclasses, mappings and frames part by part; sources are opened anew."""
    if isinstance(saved, pl.DataFrame):
        assert isinstance(found, pl.DataFrame), where
        assert_frame_equal(found, saved)
    elif isinstance(saved, lc.Source):
        assert isinstance(found, lc.Source), where
        assert (found.name, found.digest()) == (saved.name, saved.digest())
    elif dataclasses.is_dataclass(saved) and "__slots__" not in vars(type(saved)):
        assert isinstance(found, type(saved)), where  # what is read when it is used is of a class derived from it
        for field in dataclasses.fields(saved):
            if field.name not in ("placement", "store_digest"):  # a view of the links; the name of the store
                name = field.name
                assert_same(getattr(found, name), getattr(saved, name), f"{where}.{name}")
    elif isinstance(saved, Mapping):
        assert isinstance(found, Mapping), where
        assert list(found) == list(saved), where
        for name, value in saved.items():
            assert_same(found[name], value, f"{where}[{name!r}]")
    elif isinstance(saved, tuple | list):
        assert isinstance(found, tuple | list), where
        for number, (one, other) in enumerate(zip(found, saved, strict=True)):
            assert_same(one, other, f"{where}[{number}]")
    else:
        assert found == saved, where


@pytest.mark.parametrize("encrypted", [True, False])
def test_what_is_opened_is_what_was_saved(
    linkage: lc.Linkage, programme: Programme, key: lc.Key, tmp_path: Path, encrypted: bool
) -> None:
    given = key if encrypted else None
    assert linkage.probabilistic is not None
    assert linkage.probabilistic.source_models
    assert linkage.probabilistic.candidates.height
    assert linkage.probabilistic.alternatives.height
    linkage.save(tmp_path / "work", key=given)
    assert_same(lc.Linkage.load(tmp_path / "work", programme.sources(), key=given), linkage, "linkage")


def test_a_linkage_without_a_fallback_and_with_superseded_numbers_is_kept(key: lc.Key, tmp_path: Path) -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": ["9990000018", None, "9990000026"]}), spine=True)
    empty = lc.Source("empty", pl.DataFrame({"nhs_number": []}, schema={"nhs_number": pl.String}))
    merged = pl.DataFrame({"old": ["9990000034"], "new": ["9990000018"]})
    exact = lc.Exact(usable=["valid", "test"], superseded=merged)
    linkage = lc.link([empty, gp], exact=exact, fallback=None)
    linkage.save(tmp_path / "work", key=key)
    loaded = lc.Linkage.load(tmp_path / "work", [gp, empty], key=key)
    assert_same(loaded, linkage, "linkage")
    assert [source.name for source in loaded.sources] == ["empty", "gp"]


def test_a_linkage_in_which_no_record_could_be_compared_is_kept(key: lc.Key, tmp_path: Path) -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": ["4010232137"]}), spine=True)
    linkage = lc.link([gp])
    linkage.save(tmp_path / "work", key=key)
    assert_same(lc.Linkage.load(tmp_path / "work", [gp], key=key), linkage, "linkage")


def test_a_synthetic_store_without_a_key_is_plain_and_the_same_each_time(linkage: lc.Linkage, tmp_path: Path) -> None:
    for name in ("first", "second"):
        linkage.save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert {"store.json", "links.parquet", "persons.parquet", "quality.json", "model.json", "model.gp.json"} <= {*files}
    assert all((tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes() for file in files)
    assert_frame_equal(pl.read_parquet(tmp_path / "first" / "links.parquet"), linkage.links)
    assert {oct(path.stat().st_mode)[-3:] for path in (tmp_path / "first").iterdir()} == {"600"}


def test_rows_that_were_left_out_stay_left_out(key: lc.Key, tmp_path: Path) -> None:
    file = tmp_path / "gp.csv"
    file.write_text("nhs_number,cost\n4010232137,1\n4000000012,2\n4000000020,3\n")
    gp = lc.Source("gp", file, spine=True)
    listed = lc.OptOuts.from_list(pl.DataFrame({"nhs_number": ["4000000012"]}), as_of=DAY)
    left, counts = lc.without_type_one(gp, listed, on=DAY)
    assert counts["rows"].to_list() == [1]
    linkage = lc.link([left], fallback=None)
    linkage.save(tmp_path / "work", key=key)
    loaded = lc.Linkage.load(tmp_path / "work", [gp], key=key)
    assert loaded.sources[0].scan(["cost"]).collect().to_series().to_list() == ["1", "3"]
    assert loaded.sources[0].place_of_row(1) == f"{file}, row 3"
    assert_same(loaded, linkage, "linkage")


def test_a_large_table_is_read_and_checked_when_it_is_first_used(
    programme: Programme, linkage: lc.Linkage, store: Path, key: lc.Key
) -> None:
    """Opening reads none of them, so a command waits only for those that it uses."""
    opened_before = lc.Linkage.load(store, programme.sources(), key=key)
    for name in ("links", "persons", "rows", "hashes", "candidates", "records", "alternatives", "tested"):
        file = store / f"{name}.parquet"
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        opened_after = lc.Linkage.load(store, programme.sources(), key=key)
        for opened in (opened_before, opened_after):
            for part in (opened, opened.probabilistic, opened.history):
                if part is not None and name in {field.name for field in dataclasses.fields(part)}:
                    with pytest.raises(lc.SourceError, match=rf"{name}\.parquet is missing or altered"):
                        getattr(part, name)
        file.write_bytes(content)
    assert_same(opened_before, linkage, "linkage")


def test_a_practice_is_answered_without_the_tables_of_the_fallback(
    programme: Programme, linkage: lc.Linkage, store: Path, key: lc.Key
) -> None:
    opened = lc.Linkage.load(store, programme.sources(), key=key)
    for name in ("hashes", "candidates", "records", "alternatives", "tested"):
        (store / f"{name}.parquet").unlink()
    requester, listed = lc.Requester("A81001", source="emergency"), linkage.persons["nhs_number"].cast(pl.String)
    answers = [
        Relationships(each).own_patients(lc.PatientList("A81001", listed), requester) for each in (opened, linkage)
    ]
    assert answers[0].numbers.height
    assert_frame_equal(answers[0].numbers, answers[1].numbers)
    assert "links" not in vars(opened)
    for source in linkage.sources:
        assert opened.person_ids_of(source.name).equals(linkage.links_of(source.name)["person_id"])
    assert opened.person_numbers.equals(linkage.persons["nhs_number"])


def test_releases_from_what_is_opened_are_the_same_byte_for_byte(
    programme: Programme, linkage: lc.Linkage, saved: Path, key: lc.Key, tmp_path: Path
) -> None:
    """With every column about links, which are read from candidates, open records and persons."""
    loaded = lc.Linkage.load(saved, programme.sources(), key=key)
    (recipient,), own = programme.agreements(), lc.Key.generate("partner-2026")
    agreement = dataclasses.replace(
        recipient, key="partner-2026", link_columns=tuple(LINK_COLUMNS)[:4], match_probability="a test of all columns"
    )
    for name, each in (("fresh", linkage), ("opened", loaded)):
        lc.release(each, agreement, own, tmp_path / name)
    fresh, opened = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())} for name in ("fresh", "opened")
    )
    assert len(fresh) > 10
    assert fresh == opened


def test_what_is_known_of_earlier_persons_is_kept(key: lc.Key, tmp_path: Path) -> None:
    people = {"given_name": ["ANNA", "BEN"], "family_name": ["NG", "OKORO"], "postcode": ["EX1 2AB", "PL4 8AA"]}
    born = {"birth_date": [dt.date(1980, 2, 3), dt.date(1975, 11, 30)]}
    first = lc.Source("seen", pl.DataFrame(people | born | {"nhs_number": [None, "9990000018"]}))
    second = lc.Source("seen", pl.DataFrame(people | born | {"nhs_number": ["9990000026", None]}).head(1))
    exact = lc.Exact(usable=["test"])
    before = lc.link([first], exact=exact, synthetic=True)
    linkage = lc.link([second], exact=exact, synthetic=True, previous=before, reference_date=DAY)
    assert linkage.superseded["reason"].to_list() == ["number_found"]
    assert linkage.history.absent.persons.height == 1
    linkage.save(tmp_path / "work", key=key)
    opened = lc.Linkage.load(tmp_path / "work", [second], key=key)
    assert_same(opened.history, linkage.history, "history")
    again = [
        lc.link([first], exact=exact, synthetic=True, previous=each, reference_date=dt.date(2026, 4, 1))
        for each in (linkage, opened)
    ]
    assert_same(again[1].history, again[0].history, "history")
