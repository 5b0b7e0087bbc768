"""A requester learns which of its own patients pseudonyms stand for, and nothing about anybody else."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.chain import NO_LINE, Chain, Head, write_head
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.own_patients import PatientList
from linkcore.governance.exits.reidentification import held_versions, reidentify
from linkcore.governance.exits.requesters import Requester
from linkcore.pseudonyms.persons import PERSON_PREFIX
from linkcore.schema import SUPERSEDED
from tests.governance.people import (
    ABROAD,
    KEY,
    MATERIAL,
    NORTH,
    NOW,
    NUMBERS,
    SOUTH,
    integer_id,
    linked,
    pseudonym,
    spine,
)

WEEK_3, WEEK_15 = dt.date(2026, 1, 20), dt.date(2026, 4, 14)


@pytest.fixture(scope="module")
def linkage() -> lc.Linkage:
    return linked()


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path / "audit.jsonl")


REQUESTERS = [
    Requester("A81001", practice="A81001"),
    Requester("B82002", practice="B82002"),
    Requester("C83003", practice="C83003"),
    Requester("RH8", source="hospital"),
]


def ask(audit: Audit, linkage: lc.Linkage, **given: Any) -> pl.DataFrame:
    stated: dict[str, Any] = {
        "pseudonyms": [pseudonym(number) for number in NUMBERS],
        "requester": "A81001",
        "listed": pl.Series(NUMBERS),
        "keys": KEY,
        "requesters": REQUESTERS,
        "reason": "at risk of a fall",
        "at": NOW,
    }
    assert given.keys() <= stated.keys()
    stated |= given
    return reidentify(
        stated["pseudonyms"],
        PatientList(stated["requester"], stated["listed"]),
        stated["keys"],
        requesters=stated["requesters"],
        linkage=linkage,
        occasion=Occasion("trusted team", stated["at"], audit, stated["reason"]),
    )


def lines(audit: Audit) -> list[dict[str, Any]]:
    assert verify_audit(audit.path).faults == ()
    return [json.loads(line) for line in audit.path.read_text().splitlines()]


HOSPITAL = [NORTH[0], NORTH[1], SOUTH[0], ABROAD[0]]


# Each row is a rule: who asks, with which list, for which source, and about which patients it is told.
@pytest.mark.parametrize(
    ("requester", "listed", "told"),
    [
        ("A81001", NORTH, NORTH),  # its own patients
        ("a81001", NORTH, NORTH),  # the code in small letters
        ("B82002", SOUTH, SOUTH),  # the code has a space on the spine
        ("A81001", NORTH[:2], NORTH[:2]),  # only the listed patients
        ("A81001", NUMBERS, NORTH),  # a list of everybody
        ("A81001", SOUTH, []),  # another practice's patients
        ("A81001", ABROAD, []),  # nobody's patients
        ("C83003", NUMBERS, []),  # a practice without patients here
        ("RH8", NUMBERS, HOSPITAL),  # a provider: the people in its extract
        ("RH8", SOUTH, SOUTH[:1]),
        ("A81001", [], []),
        ("A81001", ["nonsense", None, "", *NORTH], NORTH),
        ("A81001", [f"{number[:3]} {number[3:6]} {number[6:]}" for number in NORTH], NORTH),
        ("A81001", NORTH + NORTH, NORTH),
    ],
)
def test_requesters_are_told_about_their_own_listed_patients_only(
    linkage: lc.Linkage, tmp_path: Path, requester: str, listed: list[str], told: list[str]
) -> None:
    ask_about = pl.Series(listed, dtype=pl.String)
    answer = ask(Audit(tmp_path / "audit.jsonl"), linkage, requester=requester, listed=ask_about)
    assert answer.columns == ["pseudonym", "nhs_number", "superseded_by", "superseded_why", "superseded_on"]
    assert answer.rows() == [(pseudonym(number), number, None, None, None) for number in told]


def test_the_answer_has_only_the_requested_pseudonyms_in_their_order(linkage: lc.Linkage, audit: Audit) -> None:
    asked = [pseudonym(NORTH[3]).upper(), "0" * 32, pseudonym(NORTH[1]), pseudonym(NORTH[3])]
    assert ask(audit, linkage, pseudonyms=asked)["nhs_number"].to_list() == [NORTH[3], NORTH[1]]


def test_another_requesters_patient_and_an_unknown_pseudonym_get_the_same_answer(
    linkage: lc.Linkage, tmp_path: Path
) -> None:
    answers = [
        ask(Audit(tmp_path / str(number)), linkage, pseudonyms=[unknown]).write_json()
        for number, unknown in enumerate([pseudonym(SOUTH[0]), pseudonym(ABROAD[0]), "0" * 32])
    ]
    assert answers == ["[]"] * 3


def test_every_held_version_of_the_key_is_tried(linkage: lc.Linkage, audit: Audit) -> None:
    second = lc.Key.from_bytes(KEY.id, MATERIAL[::-1], version=2)
    asked = [pseudonym(NORTH[0]), pseudonym(NORTH[1], MATERIAL[::-1])]
    assert ask(audit, linkage, pseudonyms=asked, keys=[second, KEY])["nhs_number"].to_list() == NORTH[:2]
    assert ask(audit, linkage, pseudonyms=asked, keys=second)["nhs_number"].to_list() == NORTH[1:2]
    assert [(line["key_version"], line["details"]["versions"]) for line in lines(audit)] == [(2, "1, 2"), (2, "2")]


def test_a_superseded_number_is_found_under_both_numbers(audit: Audit) -> None:
    superseded = pl.DataFrame({"old": [ABROAD[2]], "new": [NORTH[0]]})
    linkage = linked(superseded)
    asked = [pseudonym(NORTH[0]), pseudonym(ABROAD[2])]  # released after the change, and before it
    for listed in (ABROAD[2], NORTH[0]):
        answer = ask(audit, linkage, pseudonyms=asked, listed=pl.Series([listed]))
        assert answer["nhs_number"].to_list() == [listed] * 2
        assert answer["superseded_by"].to_list() == [None, pseudonym(NORTH[0])]
        assert answer["superseded_why"].to_list() == [None, "number_superseded"]


# --- Pseudonyms of earlier months ------------------------------------------------------------------------------------


def test_a_pseudonym_of_week_3_is_known_in_week_15_under_the_new_name(audit: Audit) -> None:
    """In week 3 the visit has no number; in week 15 it has one, and is of a patient who was known all along."""

    def month(number: str | None, date: dt.date, previous: lc.Linkage | None = None) -> lc.Linkage:
        gp = lc.Source("gp", spine(), spine=True, practice="practice")
        visit = {"record_id": ["V"], "nhs_number": [number], "family_name": ["SMITH"], "birth_date": ["1950-01-02"]}
        seen = lc.Source("visits", pl.DataFrame(visit, schema_overrides={"nhs_number": pl.String}))
        exact = lc.Exact(usable=("test",))
        return lc.link([gp, seen], exact=exact, fallback=None, reference_date=date, previous=previous)

    week_3 = month(None, dt.date(2026, 1, 20))
    week_15 = month(NORTH[0], WEEK_15, week_3)
    old = pseudonym(f"{PERSON_PREFIX}{week_3.persons['token'].drop_nulls().item()}")
    asked = [old, pseudonym(NORTH[0]), pseudonym(NORTH[1])]
    answer = ask(audit, week_15, pseudonyms=asked)
    assert answer.rows() == [
        (old, NORTH[0], pseudonym(NORTH[0]), "joined", WEEK_15),
        (pseudonym(NORTH[0]), NORTH[0], None, None, None),
        (pseudonym(NORTH[1]), NORTH[1], None, None, None),
    ]
    # Another practice's patient is nobody, under the old name too.
    assert ask(audit, week_15, pseudonyms=asked, requester="B82002").is_empty()
    # Who asks with an integer id is told the integer id of now.
    old_id = integer_id(f"{PERSON_PREFIX}{week_3.persons['token'].drop_nulls().item()}")
    by_id = ask(audit, week_15, pseudonyms=[old_id])
    assert by_id.rows() == [(old_id, NORTH[0], integer_id(NORTH[0]), "joined", WEEK_15)]


ONE, TWO = (f"{PERSON_PREFIX}{digit * 32}" for digit in "ab")
SUPERSESSIONS: list[tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]] = [
    # A chain: all reasons, and the last date.
    (
        [(ONE, TWO, "joined", WEEK_3), (TWO, NORTH[0], "number_found", WEEK_15)],
        [
            (pseudonym(ONE), NORTH[0], pseudonym(NORTH[0]), "joined, number_found", WEEK_15),
            (pseudonym(TWO), NORTH[0], pseudonym(NORTH[0]), "number_found", WEEK_15),
        ],
    ),
    # Somebody was split from it: it is the patient's still, and before that day it was also somebody else's.
    (
        [(ONE, NORTH[0], "number_found", WEEK_3), (ONE, TWO, "split", WEEK_15)],
        [(pseudonym(ONE), NORTH[0], pseudonym(NORTH[0]), "number_found, split", WEEK_15)],
    ),
    # The one who was split off is not who had the pseudonym.
    ([(ONE, NORTH[0], "split", WEEK_15)], []),
    # Its records are of two persons now, so it is nobody's. Both are patients here, or one is.
    *(
        (
            [(ONE, NORTH[0], "joined", WEEK_3), (ONE, other, "joined", WEEK_3)],
            [(pseudonym(ONE), None, None, "joined, split", WEEK_3)],
        )
        for other in (NORTH[1], SOUTH[0], ABROAD[1])
    ),
    # Two persons now, neither of them a patient here: like an unknown pseudonym.
    ([(ONE, SOUTH[0], "joined", WEEK_3), (ONE, SOUTH[1], "joined", WEEK_3)], []),
]


@pytest.mark.parametrize(("superseded", "told"), SUPERSESSIONS)
def test_an_earlier_pseudonym_is_answered_with_what_has_become_of_it_and_for_nobody_else(
    linkage: lc.Linkage,
    audit: Audit,
    superseded: list[tuple[Any, ...]],
    told: list[tuple[Any, ...]],
) -> None:
    history = replace(linkage.history, superseded=pl.DataFrame(superseded, schema=SUPERSEDED, orient="row"))
    now = replace(linkage, history=history)
    assert ask(audit, now, pseudonyms=[pseudonym(ONE), pseudonym(TWO)]).rows() == told


def test_a_request_is_recorded_before_it_is_answered_without_naming_anybody(linkage: lc.Linkage, audit: Audit) -> None:
    ask(audit, linkage, pseudonyms=[pseudonym(NORTH[0]), pseudonym(SOUTH[0])])
    (line,) = lines(audit)
    assert (line["action"], line["actor"], line["reason"]) == ("reidentification", "trusted team", "at risk of a fall")
    assert (line["key"], line["key_version"]) == (KEY.id, 1)
    assert line["details"] == {
        "versions": "1",
        "requester": "A81001",
        "pseudonyms": 2,
        "limit": 100,
        "outcome": "answered",
        "listed": len(NUMBERS),
        "left_out": len(NUMBERS) - len(NORTH),
        "checked": "registered practice",
        "answered": 1,
    }
    text = audit.path.read_text()
    assert not [secret for secret in (*NUMBERS, *map(pseudonym, NUMBERS), MATERIAL.hex()) if secret in text]
    # If the request cannot be recorded, there is no answer.
    audit.head_path.unlink()
    with pytest.raises(lc.RefusedError, match="head"):
        ask(audit, linkage)


SMALL = [replace(REQUESTERS[0], limit=11)]


@pytest.mark.parametrize(
    ("given", "says", "outcome"),
    [
        ({"requesters": SMALL}, "12 pseudonyms in this request .* at most 11 a day", "refused, above the limit"),
        ({"reason": " "}, "needs a reason", "refused, no reason"),
        ({"requesters": REQUESTERS[1:]}, r"state \[requesters.A81001\]", "refused, unknown requester"),
        ({"requesters": [Requester("A81001", source="gp")]}, "no provider's own extract", "refused"),
        ({"requesters": [Requester("A81001", source="nowhere")]}, "no source 'nowhere'", "refused, wrong usage"),
        ({"pseudonyms": [NUMBERS[0]]}, "1 of 1 pseudonyms are not 32 hex", "refused, wrong usage"),
        ({"pseudonyms": [pseudonym(NORTH[0]), None]}, "1 of 2", "refused, wrong usage"),
        ({"keys": []}, "one recipient", "refused, wrong usage"),
        ({"keys": [KEY, lc.Key.generate("other-2026")]}, "one recipient", "refused, wrong usage"),
        ({"reason": f"about {NORTH[0]}"}, "reason contains an NHS Number", "refused"),
        ({"reason": "two\nlines"}, "reason: the audit log takes", "refused, wrong usage"),
    ],
)
def test_a_refused_request_is_recorded_like_an_answered_one_and_quotes_no_number(
    linkage: lc.Linkage, audit: Audit, given: dict[str, Any], says: str, outcome: str
) -> None:
    with pytest.raises((lc.RefusedError, lc.ProgrammeError), match=says) as raised:
        ask(audit, linkage, **given)
    (line,) = lines(audit)
    assert (line["action"], line["details"]["outcome"]) == ("reidentification", outcome)
    assert "answered" not in line["details"]
    # Where the log refuses a text of the request, the line goes without its texts.
    assert line["details"].get("requester") == ("A81001" if line["actor"] == "trusted team" else None)
    assert not [number for number in NUMBERS if number in str(raised.value) + audit.path.read_text()]


def test_the_limit_counts_all_requests_of_a_requester_on_one_day(linkage: lc.Linkage, audit: Audit) -> None:
    requesters = [replace(each, limit=20) for each in REQUESTERS]
    ask(audit, linkage, requesters=requesters)
    with pytest.raises(lc.RefusedError, match="12 pseudonyms in this request and 12 earlier today, and at most 20"):
        ask(audit, linkage, requesters=requesters)
    # What was refused does not count, and nor does another requester's request.
    ask(audit, linkage, requesters=requesters, pseudonyms=[pseudonym(number) for number in NUMBERS[:8]])
    ask(audit, linkage, requesters=requesters, requester="B82002")
    # Days are those of UTC, in which the audit log is written.
    late = NOW.replace(hour=23, minute=59).astimezone(timezone(timedelta(hours=1)))
    with pytest.raises(lc.RefusedError, match="20 earlier today"):
        ask(audit, linkage, requesters=requesters, at=late, pseudonyms=[pseudonym(NORTH[0])])
    ask(audit, linkage, requesters=requesters, at=late + timedelta(minutes=1))


@pytest.mark.parametrize(
    "changed",
    [
        {"action": None},
        {"at": 3},
        {"details": {"requester": "A81001", "outcome": "answered"}},
        {"details": {"requester": "A81001", "outcome": "answered", "pseudonyms": "12"}},
        {"details": {"requester": "A81001", "outcome": "answered", "pseudonyms": -1000}},
        {"details": {"requester": "A81001", "outcome": "answered", "pseudonyms": None}},
        {"details": {"requester": "A81001", "outcome": "answered", "pseudonyms": True}},
    ],
)
def test_odd_lines_in_the_log_neither_raise_the_limit_nor_crash(
    linkage: lc.Linkage, audit: Audit, changed: dict[str, Any]
) -> None:
    """Whoever can write a log without a key can give every line a digest that fits."""
    body = {
        "number": 1,
        "at": NOW.isoformat(),
        "action": "reidentification",
        "details": {"requester": "A81001", "outcome": "answered", "pseudonyms": 1},
    }
    text, digest = Chain().signed({**body, **changed, "previous": NO_LINE})
    audit.path.write_bytes(text)
    write_head(audit.path, Chain(), Head(1, digest), len(text))
    with pytest.raises(lc.RefusedError, match="linkcore"):
        ask(audit, linkage, requesters=[replace(REQUESTERS[0], limit=20)])


def test_requests_at_once_stay_within_the_limit_together(linkage: lc.Linkage, audit: Audit) -> None:
    def one(_: int) -> bool:
        try:
            ask(audit, linkage, requesters=[replace(REQUESTERS[0], limit=30)])
        except lc.RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as several:
        assert sum(several.map(one, range(8))) == 2
    outcomes = [line["details"]["outcome"] for line in lines(audit)]
    assert sorted(outcomes) == ["answered"] * 2 + ["refused, above the limit"] * 6


def test_an_altered_log_is_not_counted_from(linkage: lc.Linkage, audit: Audit) -> None:
    ask(audit, linkage)
    audit.path.write_text(audit.path.read_text().replace('"pseudonyms": 12', '"pseudonyms": 10'))
    with pytest.raises(lc.RefusedError, match="audit log"):
        ask(audit, linkage)


@pytest.mark.parametrize("code", ["", "A8; DROP", NUMBERS[0]])
def test_what_is_no_ods_code_is_refused_without_quoting_it(linkage: lc.Linkage, audit: Audit, code: str) -> None:
    with pytest.raises(lc.ProgrammeError, match="ODS code") as raised:
        ask(audit, linkage, requester=code)
    assert not code or code not in str(raised.value)


def test_a_source_with_practices_is_no_providers_own(audit: Audit) -> None:
    gp = pl.DataFrame({"nhs_number": NUMBERS, "practice": ["A81001"] * 6 + ["B82002"] * 6})
    source = lc.Source("gp", gp, practice="practice")  # not the spine, and nobody marks it as GP data
    linkage = lc.link([source], exact=lc.Exact(usable=("test",)), fallback=None)
    with pytest.raises(lc.RefusedError, match="no provider's own extract"):
        ask(audit, linkage, requester="RH8", requesters=[Requester("RH8", source="gp")])


def test_no_practice_is_answered_from_a_spine_without_practices(audit: Audit) -> None:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": NORTH}), spine=True)
    linkage = lc.link([gp], exact=lc.Exact(usable=("test",)), fallback=None)
    with pytest.raises(lc.ProgrammeError, match="practice"):
        ask(audit, linkage)


def test_destroyed_versions_of_a_key_are_not_used(tmp_path: Path) -> None:
    day = datetime(2026, 4, 1, tzinfo=UTC)
    keyring = lc.Keyring.create(tmp_path / "keys.json", "correct horse battery", cost=14)
    keyring.add(KEY, at=day)
    keyring.rotate(KEY.id, at=day)
    assert [key.version for key in held_versions(keyring, KEY.id)] == [1, 2]
    keyring.destroy(KEY.id, 1, at=day)
    assert [key.version for key in held_versions(keyring, KEY.id)] == [2]
    keyring.retire(KEY.id, at=day)
    keyring.destroy(KEY.id, 2, at=day)
    for key in (KEY.id, "nobody"):
        with pytest.raises(lc.KeyMaterialError, match="nothing can be re-identified"):
            held_versions(keyring, key)


@pytest.mark.parametrize("as_text", [True, False])
def test_integer_ids_are_looked_up_like_pseudonyms(linkage: lc.Linkage, audit: Audit, as_text: bool) -> None:
    asked = [*map(integer_id, NUMBERS), 2**63 - 1]
    answer = ask(audit, linkage, pseudonyms=list(map(str, asked)) if as_text else asked)
    assert answer.schema == {
        "pseudonym": pl.Int64,
        "nhs_number": pl.String,
        "superseded_by": pl.Int64,
        "superseded_why": pl.String,
        "superseded_on": pl.Date,
    }
    assert answer.rows() == [(integer_id(number), number, None, None, None) for number in NORTH]
    assert lines(audit)[-1]["details"]["pseudonyms"] == len(asked)


@pytest.mark.parametrize(
    "odd",
    [
        [9990000018],  # a column of NHS Numbers
        [integer_id(NORTH[0]), None],
        [integer_id(NORTH[0]), 2**62 - 1],
        pl.Series([2**64 - 1], dtype=pl.UInt64),
        pl.Series([1], dtype=pl.Int8),
        ["9999999999999999999"],
        [str(integer_id(NORTH[0])), pseudonym(NORTH[0])],
        [float(integer_id(NORTH[0]))],  # read as a number with a decimal point, it is rounded
    ],
)
def test_numbers_that_are_no_integer_ids_are_refused_and_not_quoted(
    linkage: lc.Linkage, audit: Audit, odd: object
) -> None:
    with pytest.raises(lc.ProgrammeError, match=r"integer ids|19 digits") as caught:
        ask(audit, linkage, pseudonyms=odd)
    assert "9990000018" not in str(caught.value)
    assert lines(audit)[-1]["details"]["outcome"] == "refused, wrong usage"
