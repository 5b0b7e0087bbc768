"""The supersession table of a release tells of the people in the release, and of nobody else."""

import datetime as dt
import hashlib
import hmac
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.manifest import is_of_a_release, verify_release
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.formats import Format
from linkcore.governance.withholding.withholding import Withholding
from linkcore.pseudonyms.persons import person_name
from tests.governance.extracts import numbers

MATERIAL = hashlib.sha256(b"a key of the tests").digest()
KEY = lc.Key.from_bytes("partner-2026", MATERIAL)
NUMBERS = numbers(999_000_100, 60)
JANUARY, FEBRUARY, MARCH = (dt.date(2026, month, 1) for month in (1, 2, 3))


def source(name: str, seen: dict[str, str | None], *, spine: bool = False) -> lc.Source:
    """Records with these ids and NHS Numbers; each person has a name and a birth date of its own."""
    ids = list(seen)
    return lc.Source(
        name,
        pl.DataFrame(
            {
                "record_id": ids,
                "nhs_number": list(seen.values()),
                "given_name": [f"ANNA{'ABCDEFGHIJ'[int(i[1:]) % 10]}" for i in ids],
                "family_name": [f"NG{'ABCDEFGHIJ'[int(i[1:]) // 10]}" for i in ids],
                "birth_date": [dt.date(1950, 1, 1) + dt.timedelta(days=97 * int(i[1:])) for i in ids],
                "PRACTICE": [f"L{int(i[1:]) % 2}" for i in ids],
            },
            schema_overrides={"nhs_number": pl.String},
        ),
        spine=spine,
        columns={name: name for name in ("nhs_number", "given_name", "family_name", "birth_date")},
        record_id="record_id",
    )


def linked(stays: dict[str, str | None], date: dt.date, previous: lc.Linkage | None = None) -> lc.Linkage:
    gp = source("gp", {f"G{i}": number for i, number in enumerate(NUMBERS)}, spine=True)
    exact = lc.Exact(usable=("valid", "test"))
    hospital = source("hospital", stays)
    return lc.link([gp, hospital], exact=exact, fallback=None, reference_date=date, previous=previous, synthetic=True)


@cache
def months() -> list[lc.Linkage]:
    """H70 and H71 get the numbers of G0 and G1 in February; in March H80 loses the number of G2."""
    january = linked({"H70": None, "H71": None, "H72": None, "H80": NUMBERS[2], "H81": NUMBERS[3]}, JANUARY)
    february = linked(
        {"H70": NUMBERS[0], "H71": NUMBERS[1], "H72": None, "H80": NUMBERS[2], "H81": NUMBERS[3]}, FEBRUARY, january
    )
    march = linked({"H70": NUMBERS[0], "H71": NUMBERS[1], "H72": None, "H80": None, "H81": NUMBERS[3]}, MARCH, february)
    return [january, february, march]


def name(linkage: lc.Linkage, record_id: str) -> str:
    person = linkage.links.filter(record_id=record_id)["person_id"]
    return str(linkage.persons[person].select(person_name()).item())


def pseudonym(linkage: lc.Linkage, record_id: str) -> str:
    return hmac.digest(MATERIAL, name(linkage, record_id).encode(), "sha256").hex()[:32]


def agreement(cohort: Cohort | None = None, form: Format = "parquet", **columns: list[str]) -> lc.Agreement:
    told = columns or {"gp": ["PRACTICE"], "hospital": ["PRACTICE"]}
    return lc.Agreement("partner", KEY.id, told, "a test", cohort=cohort, format=form)


def table(folder: Path) -> list[tuple[object, ...]]:
    return pl.read_parquet(folder / "superseded.parquet").rows()


def withheld(linkage: lc.Linkage, *record_ids: str) -> Withholding:
    kept = {each.name: ~linkage.links_of(each.name)["record_id"].is_in(record_ids) for each in linkage.sources}
    counts = [{"source": each, "reason": "national", "records": int((~rows).sum())} for each, rows in kept.items()]
    return Withholding(kept, pl.DataFrame(counts), {"national": "a list"}, on=MARCH, purpose="a test")


def test_a_release_without_an_earlier_linkage_has_no_table(tmp_path: Path) -> None:
    release = lc.release(months()[0], agreement(), KEY, tmp_path / "out")
    assert not (tmp_path / "out" / "superseded.parquet").exists()
    assert "superseded" not in release.manifest


def test_each_change_is_told_under_the_recipients_key_and_the_release_verifies(tmp_path: Path) -> None:
    january, _, march = months()
    lc.release(march, agreement(), KEY, tmp_path / "out")
    expected = [
        (pseudonym(january, "H70"), pseudonym(march, "G0"), "joined", FEBRUARY),
        (pseudonym(january, "H71"), pseudonym(march, "G1"), "joined", FEBRUARY),
        (pseudonym(march, "G2"), pseudonym(march, "H80"), "split", MARCH),
    ]
    assert table(tmp_path / "out") == sorted(expected)
    assert pseudonym(march, "H72") == pseudonym(january, "H72")
    manifest = verify_release(tmp_path / "out")
    assert manifest["superseded"]["file"] == "superseded.parquet"
    assert is_of_a_release(tmp_path / "out" / "superseded.parquet")


def test_a_release_with_a_table_may_be_replaced_and_damage_is_found(tmp_path: Path) -> None:
    january, february, march = months()
    for linkage in (february, march, january):
        lc.release(linkage, agreement(), KEY, tmp_path / "out")
        verify_release(tmp_path / "out")
    lc.release(march, agreement(), KEY, tmp_path / "out")
    (tmp_path / "out" / "superseded.parquet").write_bytes(b"")
    with pytest.raises(lc.RefusedError, match=r"superseded\.parquet is not as it was written"):
        verify_release(tmp_path / "out")


def test_nobody_outside_the_cohort_is_in_the_table(tmp_path: Path) -> None:
    january, _, march = months()
    lc.release(march, agreement(Cohort('PRACTICE == "L1"')), KEY, tmp_path / "out")
    assert table(tmp_path / "out") == [(pseudonym(january, "H71"), pseudonym(march, "G1"), "joined", FEBRUARY)]


def test_nobody_whose_records_are_withheld_is_in_the_table(tmp_path: Path) -> None:
    january, _, march = months()
    out = tmp_path / "out"
    lc.release(march, agreement(), KEY, out, on=MARCH, withholding=withheld(march, "G0", "H70", "G2"))
    assert table(out) == [(pseudonym(january, "H71"), pseudonym(march, "G1"), "joined", FEBRUARY)]


def test_a_split_is_not_told_of_a_person_who_is_withheld(tmp_path: Path) -> None:
    _, _, march = months()
    out = tmp_path / "out"
    lc.release(march, agreement(), KEY, out, on=MARCH, withholding=withheld(march, "H80", "H70", "H71", "G0", "G1"))
    assert table(out) == []


def test_nobody_of_another_source_than_the_agreements_is_in_the_table(tmp_path: Path) -> None:
    _, _, march = months()
    lc.release(march, agreement(hospital=["PRACTICE"]), KEY, tmp_path / "out")
    assert {row[1] for row in table(tmp_path / "out")} == {pseudonym(march, "G0"), pseudonym(march, "G1")}


def test_a_csv_recipient_gets_csv_and_a_database_gets_a_table(tmp_path: Path) -> None:
    _, _, march = months()
    lc.release(march, agreement(), KEY, tmp_path / "parquet")
    expected = table(tmp_path / "parquet")
    lc.release(march, agreement(form="csv"), KEY, tmp_path / "csv")
    assert pl.read_csv(tmp_path / "csv" / "superseded.csv", try_parse_dates=True).rows() == expected
    lc.release(march, agreement(form="duckdb"), KEY, tmp_path / "duckdb")
    with duckdb.connect(tmp_path / "duckdb" / "release.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT * FROM superseded").fetchall() == expected
    for form in ("csv", "duckdb"):
        verify_release(tmp_path / form)


def test_a_source_with_the_name_of_the_table_is_refused(tmp_path: Path) -> None:
    seen = [source("Superseded", {f"G{i}": number for i, number in enumerate(NUMBERS)})]
    exact = lc.Exact(usable=("test",))
    linkage = lc.link(seen, exact=exact, fallback=None, reference_date=JANUARY, synthetic=True)
    again = lc.link(seen, exact=exact, fallback=None, reference_date=MARCH, previous=linkage, synthetic=True)
    lc.release(linkage, agreement(Superseded=["PRACTICE"]), KEY, tmp_path / "out")
    with pytest.raises(lc.ProgrammeError, match="rename source 'Superseded'"):
        lc.release(again, agreement(Superseded=["PRACTICE"]), KEY, tmp_path / "out")


def test_neither_the_names_nor_another_recipients_pseudonyms_are_in_the_table(tmp_path: Path) -> None:
    _, _, march = months()
    lc.release(march, agreement(), KEY, tmp_path / "out")
    other = lc.Key.from_bytes("other-2026", MATERIAL[::-1])
    lc.release(
        march,
        lc.Agreement("other", other.id, {"gp": ["PRACTICE"], "hospital": ["PRACTICE"]}),
        other,
        tmp_path / "other",
    )
    one, two = ({each for row in table(tmp_path / which) for each in row[:2]} for which in ("out", "other"))
    assert one.isdisjoint(two)
    text = (tmp_path / "out" / "superseded.parquet").read_bytes()
    for old, new in march.superseded.select("old", "new").rows():
        assert old.encode() not in text
        assert new.encode() not in text
