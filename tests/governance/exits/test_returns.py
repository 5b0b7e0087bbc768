"""Returned scores go to the organisation whose patients were scored, to no other, and without pseudonyms."""

import csv
import datetime as dt
import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.own_patients import PatientList
from linkcore.governance.exits.requesters import Requester
from linkcore.governance.exits.returns import Returned, return_scores
from linkcore.schema import SUPERSEDED
from tests.governance.people import ABROAD, KEY, NORTH, NOW, NUMBERS, SOUTH, integer_id, linked, pseudonym


@pytest.fixture(scope="module")
def linkage() -> lc.Linkage:
    return linked()


def scores() -> pl.DataFrame:
    """A row for each person, two for the first person, and one that stands for nobody."""
    of = [*NUMBERS, NUMBERS[0]]
    return pl.DataFrame(
        {
            "pseudonym": [*map(pseudonym, of), "0" * 32],
            "RISK": [float(at) for at in range(len(of) + 1)],
            "BAND": ["=1+1", *["high"] * len(of)],
            "SECRET": ["not to be handed on"] * (len(of) + 1),
        }
    )


REQUESTERS = [
    Requester("A81001", practice="A81001"),
    Requester("B82002", practice="B82002"),
    Requester("RH8", source="hospital"),
]
REASON = "risk stratification, section 251"


def give_back(tmp_path: Path, linkage: lc.Linkage, *, reason: str = REASON, **given: Any) -> Returned:
    stated: dict[str, Any] = {
        "scores": scores(),
        "lists": [
            PatientList("A81001", pl.Series(NUMBERS)),
            PatientList("B82002", pl.Series(SOUTH)),
            PatientList("RH8", pl.Series(NUMBERS)),
        ],
        "keys": KEY,
        "out": tmp_path / "out",
        "columns": ["RISK", "BAND"],
        "requesters": REQUESTERS,
    }
    occasion = Occasion("trusted team", NOW, Audit(tmp_path / "audit.jsonl"), reason)
    return return_scores(**(stated | given), linkage=linkage, occasion=occasion)


def rows(file: Path) -> list[tuple[str, ...]]:
    with file.open(newline="") as text:
        return [tuple(row) for row in csv.reader(text)]


def test_each_organisation_gets_the_scores_of_its_own_patients(tmp_path: Path, linkage: lc.Linkage) -> None:
    returned = give_back(tmp_path, linkage)
    expected: dict[str, list[str]] = {
        "A81001": NORTH,
        "B82002": SOUTH,
        "RH8": [NORTH[0], NORTH[1], SOUTH[0], ABROAD[0]],
    }
    every = [*NUMBERS, NUMBERS[0]]
    for code, own in expected.items():
        wanted = [
            (number, str(float(at)), "'=1+1" if at == 0 else "high", "", "")
            for at, number in enumerate(every)
            if number in own
        ]
        header, *found = rows(tmp_path / "out" / f"{code}.csv")
        assert header == ("nhs_number", "RISK", "BAND", "superseded_why", "superseded_on")
        assert found == sorted(wanted, key=lambda row: (row[0], float(row[1])))
        assert returned.rows[code] == len(wanted)
    # All ABROAD but one are on the lists and, by the linkage, nobody's patients; one pseudonym stands for nobody.
    assert (returned.pseudonyms, returned.of_nobody) == (len(NUMBERS) + 1, len(ABROAD) - 1 + 1)


def test_a_score_of_an_earlier_pseudonym_is_returned_with_what_has_become_of_it(
    tmp_path: Path, linkage: lc.Linkage
) -> None:
    one, two, three = (f"linkcore:person:{digit * 32}" for digit in "abc")
    rows_now = [
        (one, NORTH[0], "number_found", dt.date(2026, 2, 1)),
        # Of two persons now: nobody can tell whom this score is about.
        (two, NORTH[1], "joined", dt.date(2026, 2, 1)),
        (two, NORTH[2], "joined", dt.date(2026, 2, 1)),
        # Split off: this score is not about this patient.
        (three, NORTH[3], "split", dt.date(2026, 2, 1)),
    ]
    history = replace(linkage.history, superseded=pl.DataFrame(rows_now, schema=SUPERSEDED, orient="row"))
    scored = pl.DataFrame({"pseudonym": [*map(pseudonym, (one, two, three, NORTH[0]))], "RISK": [1, 2, 3, 4]})
    given: dict[str, Any] = {
        "scores": scored,
        "columns": ["RISK"],
        "lists": [PatientList("A81001", pl.Series(NUMBERS))],
    }
    returned = give_back(tmp_path, replace(linkage, history=history), **given)
    assert rows(tmp_path / "out" / "A81001.csv")[1:] == [
        (NORTH[0], "1", "number_found", "2026-02-01"),
        (NORTH[0], "4", "", ""),
    ]
    assert returned.of_nobody == 2


def test_files_hold_no_pseudonym_and_no_other_column_and_are_private(tmp_path: Path, linkage: lc.Linkage) -> None:
    give_back(tmp_path, linkage)
    contents = json.loads((tmp_path / "out" / "returned.json").read_text())
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [*sorted(contents["files"]), "returned.json"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        text = file.read_text()
        assert not [secret for secret in (*map(pseudonym, NUMBERS), "SECRET", "not to be handed on") if secret in text]
        if file.suffix == ".csv":
            assert contents["files"][file.name]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert not [number for number in NUMBERS if number in (tmp_path / "out" / "returned.json").read_text()]


def test_each_list_is_recorded_in_the_audit_log_without_naming_anybody(tmp_path: Path, linkage: lc.Linkage) -> None:
    returned = give_back(tmp_path, linkage)
    text = (tmp_path / "audit.jsonl").read_text()
    assert verify_audit(tmp_path / "audit.jsonl").faults == ()
    lines = [json.loads(line)["details"] for line in text.splitlines()]
    assert {line["requester"]: line["answered"] for line in lines} == returned.rows
    assert not [number for number in NUMBERS if number in text]


def test_a_second_return_replaces_the_first_and_nothing_else(tmp_path: Path, linkage: lc.Linkage) -> None:
    give_back(tmp_path, linkage)
    first = (tmp_path / "out" / "A81001.csv").read_bytes()
    give_back(tmp_path, linkage, lists=[PatientList("A81001", pl.Series(NUMBERS))])
    assert (tmp_path / "out" / "A81001.csv").read_bytes() == first
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["A81001.csv", "returned.json"]
    (tmp_path / "out" / "notes.txt").touch()
    with pytest.raises(lc.ProgrammeError, match=r"notes\.txt"):
        give_back(tmp_path, linkage)


@pytest.mark.parametrize("name", ["my notes.csv", "..csv", "a81001.csv"])
def test_a_list_of_contents_claims_no_file_that_is_named_unlike_an_organisation(
    tmp_path: Path, linkage: lc.Linkage, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    listed = {name: {"rows": 0, "sha256": hashlib.sha256(b"mine").hexdigest()}}
    (out / "returned.json").write_text(json.dumps({"format": 1, "files": listed}))
    with pytest.raises(lc.ProgrammeError, match="is no output of this command"):
        give_back(tmp_path, linkage)
    assert (out / name).read_text() == "mine"


def test_what_a_return_did_not_write_is_never_replaced(tmp_path: Path, linkage: lc.Linkage) -> None:
    give_back(tmp_path, linkage)
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere.csv"
    stated, before = json.loads((out / "returned.json").read_text()), (out / "A81001.csv").read_text()
    stated["files"]["mine.txt"] = {"rows": 0, "sha256": hashlib.sha256(b"mine").hexdigest()}
    (out / "returned.json").write_text(json.dumps(stated))
    (out / "mine.txt").write_text("mine")
    with pytest.raises(lc.ProgrammeError, match=r"mine\.txt"):
        give_back(tmp_path, linkage)
    (out / "mine.txt").unlink()
    (out / "A81001.csv").write_text("a note of mine")
    with pytest.raises(lc.ProgrammeError, match=r"A81001\.csv"):
        give_back(tmp_path, linkage)
    (out / "A81001.csv").unlink()
    elsewhere.write_text(before)
    (out / "A81001.csv").symlink_to(elsewhere)
    with pytest.raises(lc.ProgrammeError, match=r"A81001\.csv"):
        give_back(tmp_path, linkage)


@pytest.mark.parametrize(
    ("given", "says", "outcome"),
    [
        ({"requesters": [*REQUESTERS[:2], replace(REQUESTERS[2], return_limit=3)]}, "RH8: 5 .* at most 3", "limit"),
        ({"requesters": REQUESTERS[:2]}, "RH8 is no known requester", "unknown requester"),
        ({"requesters": [*REQUESTERS[:2], Requester("RH8", source="gp")]}, "no provider's own extract", "refused"),
        ({"reason": ""}, "needs a reason", "no reason"),
    ],
)
def test_a_refused_return_gives_nobody_anything_and_is_recorded(
    tmp_path: Path, linkage: lc.Linkage, given: dict[str, Any], says: str, outcome: str
) -> None:
    with pytest.raises(lc.RefusedError, match=says):
        give_back(tmp_path, linkage, **given)
    assert not (tmp_path / "out").exists()
    assert outcome in json.loads((tmp_path / "audit.jsonl").read_text())["details"]["outcome"]


PSEUDONYM = pl.col("pseudonym")


@pytest.mark.parametrize(
    "disguise",
    [
        PSEUDONYM.str.to_uppercase(),
        pl.format("person {}", PSEUDONYM),
        pl.format("a{}", PSEUDONYM),
        pl.format("{} {}", pl.lit("1" * 32), PSEUDONYM),
        pl.concat_str(*(PSEUDONYM.str.slice(start, 4) for start in range(0, 32, 4)), separator=" "),
        PSEUDONYM.str.reverse(),
        PSEUDONYM.str.head(31),
        PSEUDONYM.str.tail(31),
        pl.format("{}ff{}", PSEUDONYM.str.head(16), PSEUDONYM.str.tail(16)),
        PSEUDONYM.cast(pl.Categorical),
    ],
)
def test_a_column_with_pseudonyms_is_no_score(tmp_path: Path, linkage: lc.Linkage, disguise: pl.Expr) -> None:
    copied = scores().with_columns(BAND=pl.when(PSEUDONYM.eq(pseudonym(NORTH[0]))).then(disguise))
    with pytest.raises(lc.RefusedError, match="column 'BAND' of the scores holds pseudonyms"):
        give_back(tmp_path, linkage, scores=copied)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("odd", ["high\u202e", "\x9b2J", "\u200b", "two\u2028lines"])
def test_a_score_with_characters_that_nobody_sees_is_refused(tmp_path: Path, linkage: lc.Linkage, odd: str) -> None:
    with pytest.raises(lc.RefusedError, match="column 'BAND' of the scores has control or formatting characters"):
        give_back(tmp_path, linkage, scores=scores().with_columns(BAND=pl.lit(odd)))
    assert not (tmp_path / "out").exists()


def test_the_limit_of_returns_counts_from_the_audit_log(tmp_path: Path, linkage: lc.Linkage) -> None:
    requesters = [*REQUESTERS[:2], replace(REQUESTERS[2], return_limit=9)]
    give_back(tmp_path, linkage, requesters=requesters)
    with pytest.raises(lc.RefusedError, match="RH8: 5 answered in this request and 5 earlier today"):
        give_back(tmp_path, linkage, requesters=requesters, out=tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"columns": ["NOPE"]},
        {"columns": []},
        {"columns": ["pseudonym"]},
        {"columns": ["nhs_number"], "scores": scores().rename({"RISK": "nhs_number"})},
        {"columns": ["BAND"], "scores": scores().drop("pseudonym")},
        {"columns": ["BAND"], "scores": scores().drop("pseudonym").rename({"RISK": "pseudonym"})},
        {"columns": ["RISK"], "scores": scores().drop("pseudonym").rename({"BAND": "pseudonym"})},
        {"lists": [PatientList("A81001", pl.Series(NORTH)), PatientList("a81001", pl.Series(NORTH))]},
    ],
)
def test_wrong_columns_and_lists_are_refused(tmp_path: Path, linkage: lc.Linkage, given: dict[str, Any]) -> None:
    with pytest.raises(lc.ProgrammeError):
        give_back(tmp_path, linkage, **given)
    assert not (tmp_path / "out").exists()


def test_scores_by_integer_id_go_back_like_those_by_pseudonym(tmp_path: Path, linkage: lc.Linkage) -> None:
    of = [*NUMBERS, NUMBERS[0]]
    by_id = scores().with_columns(pl.Series("pseudonym", [*map(integer_id, of), 2**63 - 1]))
    told = [give_back(tmp_path / kind, linkage, scores=each) for kind, each in (("a", scores()), ("b", by_id))]
    assert told[0].rows == told[1].rows
    for code in told[0].rows:
        assert (tmp_path / "a/out" / f"{code}.csv").read_bytes() == (tmp_path / "b/out" / f"{code}.csv").read_bytes()


@pytest.mark.parametrize("by", ["pseudonym", "integer id"])
@pytest.mark.parametrize(
    "smuggled",
    [
        pl.col("id"),
        pl.col("id").cast(pl.Float64),
        pl.col("id").cast(pl.String),
        pl.lit("no. ") + pl.col("id").cast(pl.String).str.slice(0, 17),
        pl.col("id").cast(pl.String).str.reverse(),
    ],
)
def test_a_column_with_integer_ids_is_no_score(tmp_path: Path, linkage: lc.Linkage, smuggled: pl.Expr, by: str) -> None:
    ids = pl.Series("id", [*map(integer_id, [*NUMBERS, NUMBERS[0]]), 2**63 - 1])
    odd = scores().with_columns(ids).with_columns(smuggled.alias("RISK")).drop("id")
    odd = odd if by == "pseudonym" else odd.with_columns(ids.alias("pseudonym"))
    with pytest.raises(lc.RefusedError, match=r"column 'RISK' of the scores holds (integer ids|pseudonyms)"):
        give_back(tmp_path, linkage, scores=odd)
    assert not (tmp_path / "out").exists()
