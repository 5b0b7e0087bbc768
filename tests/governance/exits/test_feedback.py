"""A provider is told which of its own records it can mend, and nothing about anybody else."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from tests.governance.people import ABROAD, NORTH, NOW, SOUTH

WRONG_CHECK = NORTH[3][:9] + str((int(NORTH[3][9]) + 1) % 10)
OLD, NEW = ABROAD[1], NORTH[4]
BORN = "1980-02-03"


def spine() -> pl.DataFrame:
    rows = [
        *[(f"G{at}", one, "ANNA", f"NORTHERN{at}", BORN, "A81001") for at, one in enumerate(NORTH)],
        *[(f"S{at}", one, "PAUL", f"SOUTHERN{at}", BORN, " b82002") for at, one in enumerate(SOUTH)],
        # NORTH[0] moved: both practices list her. SOUTH[0] stands twice at her own practice.
        ("S7", NORTH[0], "ANNA", "NORTHERN0", BORN, "B82002"),
        ("S8", SOUTH[0], "PAUL", "SOUTHERN0", "1980-02-31", "B82002"),
        ("S9", None, "PAUL", "NOBODY", "2101-01-01", "B82002"),
    ]
    return pl.DataFrame(
        rows, ["REG", "nhs_number", "given_name", "family_name", "birth_date", "practice"], orient="row"
    )


def hospital() -> pl.DataFrame:
    rows = [
        ("=H0", NORTH[0], "L0", "ANNA", "NORTHERN0", BORN),
        ("H1", "12345", "L1", "ANNA", "NORTHERN1", BORN),
        ("H2", WRONG_CHECK, "L2", "ANNA", "NORTHERN2", BORN),
        ("H3", None, "L3", "ANNA", "NORTHERN3", "1850-02-30"),
        ("H4", SOUTH[1], "L4", "XENIA", "QUENTIN", "1931-07-28"),  # somebody else is listed with this number
        ("H5", SOUTH[2], "L5", "PAUL", "SOUTHERN2", BORN),
        ("H6", SOUTH[2], "L6", "PAUL", "SOUTHERN2", BORN),  # one person under two local ids
        ("H7", OLD, "L7", "ANNA", "NORTHERN4", "1820-01-01"),
        ("H8", ABROAD[0], "L8", "XENIA", "QUENTIN", "1931-07-28"),  # the clinic knows somebody else by this number
    ]
    columns = ["ID", "nhs_number", "local_patient_id", "given_name", "family_name", "birth_date"]
    return pl.DataFrame(rows, columns, orient="row")


def clinic() -> pl.DataFrame:
    return pl.DataFrame(
        {"nhs_number": [ABROAD[0]], "given_name": ["OLGA"], "family_name": ["PETROVA"], "birth_date": ["1999-05-06"]}
    )


def linked(seen: pl.DataFrame | None = None, **given: Any) -> lc.Linkage:
    columns = {name: name for name in hospital().columns if name != "ID"}
    sources = [
        lc.Source("clinic", clinic()),
        lc.Source(
            "gp",
            spine(),
            spine=True,
            practice="practice",
            record_id="REG",
            columns={name: name for name in spine().columns if name not in ("REG", "practice")},
        ),
        lc.Source("hospital", hospital() if seen is None else seen, columns=columns, record_id="ID", **given),
    ]
    superseded = pl.DataFrame({"old": [OLD], "new": [NEW]})
    return lc.link(sources, exact=lc.Exact(usable=("valid", "test"), superseded=superseded), fallback=None)


@pytest.fixture(scope="module")
def linkage() -> lc.Linkage:
    return linked()


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path / "audit.jsonl")


REQUESTERS = [lc.Requester("RH8", source="hospital"), lc.Requester("A81001", practice="A81001")]


def ask(
    linkage: lc.Linkage, audit: Audit, provider: str, *, reason: str = "May extracts", **given: Any
) -> pl.DataFrame:
    out = audit.path.parent / "feedback.csv"
    occasion = lc.Occasion("trusted team", NOW, audit, reason)
    lc.feedback(linkage, provider, out, requesters=REQUESTERS, occasion=occasion, **given)
    assert out.stat().st_mode & 0o777 == 0o600
    return pl.read_csv(out, infer_schema=False)


def test_a_hospital_is_told_what_is_wrong_with_its_own_records(linkage: lc.Linkage, audit: Audit) -> None:
    for provider in ("hospital", "rh8"):
        told = ask(linkage, audit, provider)
        assert told.columns == ["source", "record_id", "identifier", "fault"]
        assert told.rows() == [
            ("hospital", "H1", "nhs_number", "malformed"),
            ("hospital", "H2", "nhs_number", "check_digit"),
            ("hospital", "H3", "birth_date", "impossible"),
            ("hospital", "H3", "nhs_number", "missing"),
            ("hospital", "H4", "nhs_number", "conflict"),
            ("hospital", "H5", "nhs_number", "duplicate"),
            ("hospital", "H6", "nhs_number", "duplicate"),
            ("hospital", "H7", "birth_date", "implausible"),
            ("hospital", "H7", "nhs_number", "superseded"),
        ]
        line = list(audit.lines())[-1]
        expected = {"provider": provider, "source": "hospital", "records": 7, "rows": 9, "outcome": "answered"}
        assert (line["action"], line["details"]) == ("feedback", expected)


def test_no_conflict_tells_that_somebody_was_seen_at_another_provider(linkage: lc.Linkage, audit: Audit) -> None:
    links = linkage.links_of("hospital")
    assert links["conflict"][links["record_id"].to_list().index("H8")]
    assert "H8" not in ask(linkage, audit, "hospital")["record_id"]


def test_a_practice_is_told_about_its_own_registrations_only(linkage: lc.Linkage, audit: Audit) -> None:
    # That the other practice lists NORTH[0] too is not told.
    assert ask(linkage, audit, "A81001").rows() == []
    assert ask(linkage, audit, "B82002").rows() == [
        ("gp", "S0", "nhs_number", "duplicate"),
        ("gp", "S8", "birth_date", "impossible"),
        ("gp", "S8", "nhs_number", "duplicate"),
        ("gp", "S9", "birth_date", "implausible"),
        ("gp", "S9", "nhs_number", "missing"),
    ]


def test_the_file_holds_no_identifier_of_anybody(linkage: lc.Linkage, audit: Audit) -> None:
    values = {value for frame in (spine(), hospital(), clinic()) for row in frame.rows() for value in row if value}
    values -= {*spine()["REG"], *hospital()["ID"]}
    for provider in ("hospital", "clinic", "A81001", "B82002"):
        ask(linkage, audit, provider)
        written = (audit.path.parent / "feedback.csv").read_text("utf-8")
        assert not [value for value in values if value.strip().upper() in written.upper()]


def test_ids_do_not_run_as_formulas(audit: Audit) -> None:
    seen = hospital().with_columns(nhs_number=pl.when(ID="=H0").then(None).otherwise("nhs_number"))
    assert ask(linked(seen), audit, "hospital")["record_id"][0] == "'=H0"


@pytest.mark.parametrize(
    ("provider", "given", "why"),
    [
        ("gp", {}, "several providers"),
        ("hospital", {"of_several": ["hospital"]}, "several providers"),
        ("RH8", {"of_several": ["hospital"]}, "no provider's own extract"),
        ("C83003", {}, "no known provider"),
        ("hospital", {"reason": " "}, "needs a reason"),
    ],
)
def test_nobody_else_is_told_anything(
    linkage: lc.Linkage, audit: Audit, provider: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(lc.RefusedError, match=why):
        ask(linkage, audit, provider, **given)
    assert not (audit.path.parent / "feedback.csv").exists()
    assert list(audit.lines())[-1]["details"]["outcome"].startswith("refused")


def test_record_ids_that_are_nhs_numbers_do_not_leave(audit: Audit) -> None:
    copied = hospital().with_columns(ID=pl.coalesce("nhs_number", "ID")).unique("ID", keep="first")
    with pytest.raises(lc.ProgrammeError, match="identifiers of people"):
        ask(linked(copied), audit, "hospital")
    by_address = lc.link([lc.Source("seen", clinic(), record_id="family_name")], fallback=None)
    with pytest.raises(lc.ProgrammeError, match="identifiers of people"):
        ask(by_address, audit, "seen")


def test_a_source_that_has_changed_since_is_refused(tmp_path: Path, audit: Audit) -> None:
    file = tmp_path / "seen.csv"
    hospital().write_csv(file)
    linkage = lc.link([lc.Source("seen", file)], exact=lc.Exact(usable=("valid", "test")), fallback=None)
    hospital().reverse().write_csv(file)
    with pytest.raises(lc.SourceError, match="not those that were linked"):
        ask(linkage, audit, "seen")


def test_a_test_number_is_a_fault_where_the_programme_does_not_use_it(audit: Audit) -> None:
    linkage = lc.link([lc.Source("clinic", clinic())], fallback=None)
    assert ask(linkage, audit, "clinic").rows() == [("clinic", "0", "nhs_number", "test")]
