"""A release with integer ids beside its pseudonyms: the same person keeps its id, and no other person has it."""

import csv
import hmac
from pathlib import Path
from typing import get_args

import duckdb
import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.manifest import verify_release
from linkcore.governance.releases import leaving
from linkcore.governance.releases.formats import Format
from linkcore.pseudonyms.integer_ids import integer_id
from linkcore.pseudonyms.persons import person_name
from tests.governance.extracts import DAY, KEY, MATERIAL, OTHER, linked, signed_and_audited
from tests.governance.releases.test_supersessions import FEBRUARY, MARCH, months, name

COLUMNS = {"hospital": ["COST", "WARD"], "gp": ["SMOKER"]}


def agreement(form: Format = "parquet", integer: str = "person_id", **columns: list[str]) -> lc.Agreement:
    return lc.Agreement("partner", KEY.id, columns or COLUMNS, format=form, integer_id=integer)


def expected(person: str, material: bytes = MATERIAL) -> int:
    digest = hmac.digest(material, b"linkcore:integer:" + person.encode(), "sha256")
    return (1 << 62) + int.from_bytes(digest[:8], "big") // 4


def names_by_pseudonym() -> dict[str, str]:
    return {hmac.digest(MATERIAL, one.encode(), "sha256").hex()[:32]: one for one in names()}


def names() -> list[str]:
    return linked().persons.select(person_name()).to_series().to_list()


def test_each_row_has_the_id_of_its_person_right_after_the_pseudonym(tmp_path: Path) -> None:
    out = lc.release(linked(), agreement(), KEY, tmp_path / "out").folder
    known = names_by_pseudonym()
    for source in COLUMNS:
        rows = pl.read_parquet(out / f"{source}.parquet")
        assert rows.columns[:2] == ["pseudonym", "person_id"]
        assert rows.schema["person_id"] == pl.Int64
        assert rows["person_id"].to_list() == [expected(known[each]) for each in rows["pseudonym"]]
    stated = verify_release(out)
    assert stated["integer_id"]["column"] == "person_id"
    assert stated["files"][0]["columns"]["person_id"] == "Int64"


def test_a_release_is_otherwise_the_same_as_one_without(tmp_path: Path) -> None:
    for integer in ("", "person_id"):
        lc.release(linked(), agreement(integer=integer), KEY, tmp_path / f"out{integer}")
    for source in COLUMNS:
        without, beside = (pl.read_parquet(tmp_path / out / f"{source}.parquet") for out in ("out", "outperson_id"))
        assert beside.drop("person_id").equals(without)
    assert "integer_id" not in verify_release(tmp_path / "out")


@pytest.mark.parametrize("form", get_args(Format))
def test_every_format_holds_the_whole_number(tmp_path: Path, form: Format) -> None:
    out = lc.release(linked(), agreement(form, gp=[]), KEY, tmp_path / "out").folder
    if form == "parquet":
        found = pl.read_parquet(out / "gp.parquet")["person_id"].to_list()
    elif form == "csv":
        with (out / "gp.csv").open(newline="") as file:
            found = [int(row["person_id"]) for row in csv.DictReader(file)]
    else:
        with duckdb.connect(str(out / "release.duckdb"), read_only=True) as connection:
            assert connection.sql("SELECT person_id FROM gp").types == ["BIGINT"]
            found = [row[0] for row in connection.sql("SELECT person_id FROM gp").fetchall()]
    assert len(found) > 0
    assert set(found) <= set(map(expected, names()))


def test_a_person_keeps_its_id_month_after_month_and_each_change_is_told(tmp_path: Path) -> None:
    january, _, march = months()
    told = agreement(gp=["PRACTICE"], hospital=["PRACTICE"])
    for number, linkage in enumerate(months()):
        lc.release(linkage, told, KEY, tmp_path / str(number))
    ids = [
        dict(pl.read_parquet(tmp_path / f"{n}/gp.parquet").select("pseudonym", "person_id").iter_rows()) for n in "012"
    ]
    assert ids[0] == ids[1] == ids[2]
    rows = pl.read_parquet(tmp_path / "2" / "superseded.parquet")
    assert rows.columns == ["old", "new", "old_person_id", "new_person_id", "reason", "date"]
    of = {
        hmac.digest(MATERIAL, one.encode(), "sha256").hex()[:32]: expected(one)
        for one in (
            name(january, "H70"),
            name(january, "H71"),
            *(name(march, each) for each in ("G0", "G1", "G2", "H80")),
        )
    }
    assert rows["old_person_id"].to_list() == [of[each] for each in rows["old"]]
    assert rows["new_person_id"].to_list() == [of[each] for each in rows["new"]]
    assert rows["date"].to_list().count(FEBRUARY) == 2
    assert rows["date"].max() == MARCH
    without = lc.release(march, agreement(integer="", **told.columns), KEY, tmp_path / "without")  # type: ignore[arg-type]
    assert without.manifest["superseded"]["columns"].keys() == {"old", "new", "reason", "date"}


def test_two_recipients_have_no_id_in_common(tmp_path: Path) -> None:
    other = lc.Agreement("other", OTHER.id, COLUMNS, integer_id="person_id")
    found = [
        set(pl.read_parquet(lc.release(linked(), each, key, tmp_path / key.id).folder / "gp.parquet")["person_id"])
        for each, key in ((agreement(), KEY), (other, OTHER))
    ]
    assert not found[0] & found[1]


def test_an_id_that_two_persons_share_is_refused_before_anything_is_written_or_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ids of 62 bits cannot be made the same at will: here they are cut to four bits."""
    monkeypatch.setattr(leaving, "integer_id", lambda names, key: integer_id(names, key) // 2**58 * 2**58)
    with pytest.raises(lc.RefusedError, match=r"two persons have the same integer id.*rotate the key"):
        lc.release(linked(), agreement(), KEY, tmp_path / "out", on=DAY, **signed_and_audited(tmp_path))
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "audit.jsonl").exists()


def test_the_id_of_a_person_who_is_no_more_is_given_to_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name of an earlier linkage counts too: nobody of today may have its id."""
    january, february, _ = months()
    gone, today = name(january, "H70"), name(february, "G5")

    def as_if_the_same(names: pl.Expr | str, key: lc.Key) -> pl.Expr:
        text = pl.col(names) if isinstance(names, str) else names
        return integer_id(pl.when(text == today).then(pl.lit(gone)).otherwise(text), key)

    monkeypatch.setattr(leaving, "integer_id", as_if_the_same)
    with pytest.raises(lc.RefusedError, match="two persons have the same integer id"):
        lc.release(february, agreement(gp=["PRACTICE"]), KEY, tmp_path / "out")


@pytest.mark.parametrize("odd", ["person id", "1d", "a-b", "x" * 64, "naïve", "pseudonym", "Link_Method", "nhs_number"])
def test_what_is_no_name_of_a_new_column_is_refused(odd: str) -> None:
    with pytest.raises(lc.ProgrammeError, match="integer_id"):
        agreement(integer=odd)


def test_a_column_that_is_released_has_another_name() -> None:
    with pytest.raises(lc.ProgrammeError, match=r"integer_id is 'cost', which is another column's name"):
        agreement(integer="cost")
