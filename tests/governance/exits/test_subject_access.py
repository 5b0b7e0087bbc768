"""Subject access: everything held about one person, nothing about anybody else, in a file of the trusted team."""

import datetime as dt
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.subject_access import SubjectAccess, subject_access
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.withholding import Withholding
from tests.governance.people import ABROAD, KEY, NORTH, NOW, NUMBERS, SOUTH, hospital, linked, pseudonym

ASKED = NORTH[0]


@pytest.fixture(scope="module")
def linkage() -> lc.Linkage:
    return linked()


def ask(
    tmp_path: Path, linkage: lc.Linkage, *, reason: str = "case 17", **given: Any
) -> tuple[SubjectAccess, dict[str, Any]]:
    stated = {"nhs_number": ASKED, "out": tmp_path / "subject.json"}
    occasion = Occasion("team", NOW, Audit(tmp_path / "audit.jsonl"), reason)
    found = subject_access(linkage, **(stated | given), occasion=occasion)
    return found, json.loads(found.file.read_text())


def release(folder: Path, name: str, kind: str) -> Path:
    """Write a release by hand in each format: two rows of the person who asks, and one of another."""
    place = folder / name
    place.mkdir()
    rows = pl.DataFrame({"pseudonym": [pseudonym(ASKED), pseudonym(SOUTH[0]), pseudonym(ASKED)], "COST": [1, 2, 3]})
    file = place / {"parquet": "hospital.parquet", "csv": "hospital.csv", "duckdb": "release.duckdb"}[kind]
    if kind == "parquet":
        rows.write_parquet(file)
    elif kind == "csv":
        rows.write_csv(file)
    else:
        with duckdb.connect(str(file)) as connection:
            connection.register("rows", rows)
            connection.execute('CREATE TABLE "hospital" AS SELECT * FROM rows')
    about = {"recipient": name, "purpose": "planning", "key": KEY.id, "key_version": 1}
    described = {"file": file.name, "source": "hospital", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    (place / "manifest.json").write_text(json.dumps({"format": 3, **about, "files": [described]}))
    return place


def test_the_answer_has_every_row_of_the_person_with_all_columns_and_no_other_row(
    tmp_path: Path, linkage: lc.Linkage
) -> None:
    found, answer = ask(tmp_path, linkage, nhs_number=f"{ASKED[:3]} {ASKED[3:6]} {ASKED[6:]}")
    theirs = [row for row in hospital().rows(named=True) if row["nhs_number"] == ASKED]
    assert [each["row"] for each in answer["records"]["hospital"]] == theirs
    assert [each["link"]["method"] for each in answer["records"]["hospital"]] == ["nhs_number"] * 2
    (registered,) = answer["records"]["gp"]
    assert registered["row"] == {"nhs_number": ASKED, "family_name": "SMITH", "practice": "A81001"}
    assert registered["link"] == {
        "row": 0,
        "record_id": "0",
        "person_id": 0,
        "method": "spine",
        "match_weight": None,
        "match_probability": 1.0,
        "conflict": False,
    }
    assert dict(found.records) == {"gp": 1, "hospital": 2}
    text = found.file.read_text()
    assert not [number for number in NUMBERS if number != ASKED and number in text]
    assert stat.S_IMODE(found.file.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["parquet", "csv", "duckdb"])
def test_the_answer_counts_the_rows_of_the_person_in_each_release(
    tmp_path: Path, linkage: lc.Linkage, kind: str
) -> None:
    folder = release(tmp_path, "Optum", kind)
    found, answer = ask(tmp_path, linkage, releases=[folder], keys=[KEY])
    (told,) = answer["releases"]
    assert (told["recipient"], told["key"], told["said"]) == ("Optum", KEY.id, "looked for")
    assert [(file["source"], file["rows"]) for file in told["files"]] == [("hospital", 2)]
    assert found.released == 2


def test_an_encrypted_release_is_searched_once_it_is_opened_and_the_answer_says_if_not(
    tmp_path: Path, linkage: lc.Linkage
) -> None:
    folder = release(tmp_path, "Optum", "csv")
    stated, plain = json.loads((folder / "manifest.json").read_text()), (folder / "hospital.csv").read_bytes()
    (folder / "hospital.csv.age").write_bytes(b"encrypted")
    encrypted = {"file": "hospital.csv.age", "sha256": hashlib.sha256(b"encrypted").hexdigest()}
    inside = {"plain": {"file": "hospital.csv", "sha256": hashlib.sha256(plain).hexdigest()}}
    (folder / "manifest.json").write_text(
        json.dumps(stated | {"files": [{"source": "hospital", **encrypted, **inside}]})
    )
    assert ask(tmp_path, linkage, releases=[folder], keys=[KEY])[0].released == 2
    (folder / "hospital.csv").unlink()
    found, answer = ask(tmp_path, linkage, releases=[folder], keys=[KEY])
    assert answer["releases"][0]["said"] == "not looked for: it is encrypted, and not opened"
    assert found.released == 0


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_release_is_searched_in_its_own_folder_and_as_it_was_written(
    tmp_path: Path, linkage: lc.Linkage, kind: str
) -> None:
    """As a pattern, ``rel[1]`` matches ``rel1``."""
    (folder, other) = (release(tmp_path, name, kind) for name in ("rel[1]", "rel1"))
    if kind == "csv":
        (other / "hospital.csv").write_text("pseudonym\n")
    else:
        pl.DataFrame({"pseudonym": [""]}).write_parquet(other / "hospital.parquet")
    assert ask(tmp_path, linkage, releases=[folder], keys=[KEY])[0].released == 2
    with pytest.raises(lc.RefusedError, match="is not as it was written"):
        ask(tmp_path, linkage, releases=[other], keys=[KEY])


def test_a_release_whose_key_is_not_given_is_not_searched_and_the_answer_says_so(
    tmp_path: Path, linkage: lc.Linkage
) -> None:
    folder = release(tmp_path, "Optum", "csv")
    second = lc.Key.generate(KEY.id, version=2)
    found, answer = ask(tmp_path, linkage, releases=[folder], keys=[second])
    assert (answer["releases"][0]["said"], found.released) == ("not looked for: its key was not given", 0)


def test_the_answer_shows_opt_outs_and_which_records_a_release_leaves_out(tmp_path: Path, linkage: lc.Linkage) -> None:
    day = NOW.date()
    register = pl.DataFrame(
        {
            "nhs_number": [ASKED, ASKED, SOUTH[0]],
            "date": ["2026-01-01", "2026-02-01", "2026-01-01"],
            "statement": ["objection", "withdrawal", "objection"],
        }
    )
    opt_outs = OptOutLists(
        objections=OptOuts.from_statements(register, as_of=day),
        national=OptOuts.from_list(pl.DataFrame({"nhs_number": [ASKED, SOUTH[1]]}), as_of=day),
    )
    kept = {name: pl.Series([True] * linkage.links_of(name).height) for name in ("gp", "hospital")}
    kept["hospital"] = kept["hospital"].scatter([5], False)
    counts = pl.DataFrame(schema={"source": pl.String, "reason": pl.String, "records": pl.UInt32})
    withholding = Withholding(kept, counts, {}, day, "planning")
    _, answer = ask(tmp_path, linkage, opt_outs=opt_outs, withholding=withholding)
    assert answer["opt_outs"]["objections"] == {
        "in_force": False,
        "as_of": "2026-04-01",
        "statements": [{"date": "2026-01-01", "objects": True}, {"date": "2026-02-01", "objects": False}],
    }
    assert answer["opt_outs"]["national"]["in_force"]
    assert [each["link"]["withheld"] for each in answer["records"]["hospital"]] == [False, True]


def test_a_record_with_the_number_but_linked_to_somebody_else_is_counted_and_not_shown(tmp_path: Path) -> None:
    named = {"nhs_number": "nhs_number", "family_name": "family_name", "given_name": "given_name", "birth_date": "born"}
    people = pl.DataFrame(
        {
            "nhs_number": NORTH[:2],
            "given_name": ["ANNE", "BORIS"],
            "family_name": ["SMITH", "JONES"],
            "born": ["1950-02-03", "1981-07-08"],
        }
    )
    stranger = people[:1].with_columns(
        pl.lit("ZOLTAN").alias("given_name"),
        pl.lit("OTHERNAME").alias("family_name"),
        pl.lit("1999-11-12").alias("born"),
    )
    seen = pl.concat([people[:1], stranger])
    linkage = lc.link(
        [lc.Source("gp", people, spine=True, columns=named), lc.Source("seen", seen, columns=named)],
        exact=lc.Exact(usable=("test",)),
        fallback=None,
    )
    assert linkage.links.filter(source="seen")["conflict"].to_list() == [False, True]
    found, answer = ask(tmp_path, linkage)
    assert (dict(found.records), dict(found.elsewhere)) == ({"gp": 1, "seen": 1}, {"gp": 0, "seen": 1})
    assert "OTHERNAME" not in found.file.read_text()
    assert answer["records_that_may_be_of_this_person_and_are_linked_to_another"] == {"gp": 0, "seen": 1}


def test_a_superseded_number_finds_the_person(tmp_path: Path) -> None:
    linkage = linked(pl.DataFrame({"old": [SOUTH[0]], "new": [ASKED]}))
    folder = release(tmp_path, "Optum", "csv")  # an earlier release: two rows under one number, one under the other
    for number in (ASKED, SOUTH[0]):
        found, answer = ask(tmp_path, linkage, nhs_number=number, releases=[folder], keys=[KEY])
        assert answer["nhs_number"] == ASKED
        assert (len(answer["records"]["hospital"]), found.released) == (3, 3)


def test_the_request_is_recorded_first_without_naming_anybody(tmp_path: Path, linkage: lc.Linkage) -> None:
    ask(tmp_path, linkage)
    (line,) = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert verify_audit(tmp_path / "audit.jsonl").faults == ()
    assert (line["action"], line["reason"], line["details"]["records"]) == ("subject_access", "case 17", 3)
    assert ASKED not in (tmp_path / "audit.jsonl").read_text()
    (tmp_path / "subject.json").unlink()
    (tmp_path / "audit.jsonl.head").unlink()
    with pytest.raises(lc.RefusedError, match="head"):
        ask(tmp_path, linkage)
    assert not (tmp_path / "subject.json").exists()


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"reason": " "}, lc.RefusedError, "reason"),
        ({"nhs_number": "12"}, lc.ProgrammeError, "not an NHS Number"),
        ({"releases": ["nowhere"]}, lc.SourceError, "nowhere"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(
    tmp_path: Path, linkage: lc.Linkage, given: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        ask(tmp_path, linkage, **given)
    assert ABROAD[2] not in str(raised.value)
    assert not (tmp_path / "subject.json").exists()
    (line,) = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert (line["action"], line["details"]["outcome"].startswith("refused")) == ("subject_access", True)


def test_a_number_that_nobody_has_is_answered_and_recorded_like_any_other(tmp_path: Path, linkage: lc.Linkage) -> None:
    for number in (ASKED, ABROAD[2]):
        found, answer = ask(
            tmp_path, linkage, nhs_number=number, releases=[release(tmp_path, number, "csv")], keys=[KEY]
        )
    assert (dict(found.records), found.released, answer["persons"]) == ({"gp": 0, "hospital": 0}, 0, [])
    known, unknown = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert known["details"].keys() == unknown["details"].keys()
    assert known["details"]["outcome"] == unknown["details"]["outcome"] == "answered"


def test_dates_bytes_and_lists_are_written_as_text(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"nhs_number": [ASKED], "on": [dt.date(2026, 1, 2)], "raw": [b"\x00\xff"], "codes": [["a", None]]}
    )
    linkage = lc.link([lc.Source("gp", frame, spine=True)], exact=lc.Exact(usable=("test",)), fallback=None)
    _, answer = ask(tmp_path, linkage)
    assert answer["records"]["gp"][0]["row"] == {
        "nhs_number": ASKED,
        "on": "2026-01-02",
        "raw": "00ff",
        "codes": ["a", None],
    }


def test_rows_under_a_superseded_pseudonym_are_found(tmp_path: Path) -> None:
    """The hospital's record had no number in March, when it was released, and has the person's number in April."""

    def linkage_with(number: str | None, date: dt.date, previous: lc.Linkage | None = None) -> lc.Linkage:
        rows = {"record_id": ["A"], "nhs_number": [number], "family_name": ["SMITH"], "COST": [1]}
        gp = lc.Source("gp", pl.DataFrame({"nhs_number": NUMBERS}), spine=True)
        seen = lc.Source("hospital", pl.DataFrame(rows, schema_overrides={"nhs_number": pl.String}))
        exact = lc.Exact(usable=("valid", "test"))
        return lc.link([gp, seen], exact=exact, fallback=None, reference_date=date, previous=previous, synthetic=True)

    march = linkage_with(None, dt.date(2026, 3, 1))
    april = linkage_with(ASKED, dt.date(2026, 4, 1), march)
    agreement = lc.Agreement("partner", KEY.id, {"hospital": ["COST"]}, "planning")
    lc.release(march, agreement, KEY, tmp_path / "march")
    found, answer = ask(tmp_path, april, releases=[tmp_path / "march"], keys=[KEY])
    assert found.released == 1
    assert answer["releases"][0]["files"] == [{"file": "hospital.parquet", "source": "hospital", "rows": 1}]
