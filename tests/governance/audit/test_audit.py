"""The audit log is written before the action, holds no identifiers, and shows every change made to it."""

import functools
import hashlib
import hmac
import json
import multiprocessing
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.chain import Chain, Head, write_head
from linkcore.governance.audit.check import AuditCheck, verify_audit
from linkcore.keys.key import Key

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
CHAIN = Key.from_bytes("audit", hashlib.sha256(b"the key of a log").digest())
LINES = 6


@functools.cache
def files_of_a_log(lines: int, chain_key: Key | None) -> dict[str, bytes]:
    """Write a log once: each line is flushed to the disk, which may take long."""
    with TemporaryDirectory() as folder:
        audit = Audit(Path(folder, "audit.jsonl"), chain_key=chain_key)
        for number in range(lines):
            audit.record("release", at=NOW + timedelta(days=number), actor="team", recipient="Optum", rows=number)
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def written(folder: Path, lines: int = LINES, chain_key: Key | None = None) -> Audit:
    folder.mkdir(exist_ok=True)
    for name, content in files_of_a_log(lines, chain_key).items():
        (folder / name).write_bytes(content)
    return Audit(folder / "audit.jsonl", chain_key=chain_key)


# --- Lines --------------------------------------------------------------------------------------------------


def test_a_line_records_the_action_and_the_key_and_holds_the_digest_of_the_line_before(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "new" / "audit.jsonl")
    key = Key.from_bytes("optum-2026", hashlib.sha256(b"a key of the tests").digest(), version=3)
    bst = timezone(timedelta(hours=1))
    audit.record("release", at=NOW.astimezone(bst), actor="A. Analyst", reason="winter", key=key, rows=7, source="gp")
    audit.record("destruction", at=NOW, actor="team")
    first, second = audit.path.read_text().splitlines()
    body = json.loads(first)
    digest = body.pop("digest")
    assert body == {
        "number": 1,
        "at": "2026-04-01T12:00:00+00:00",
        "action": "release",
        "actor": "A. Analyst",
        "reason": "winter",
        "key": "optum-2026",
        "key_version": 3,
        "details": {"rows": 7, "source": "gp"},
        "previous": "0" * 64,
    }
    assert hashlib.sha256(b"linkcore:audit:" + json.dumps(body).encode()).hexdigest() == digest
    assert json.loads(second)["previous"] == digest
    assert audit.head == Head(2, json.loads(second)["digest"])
    for file in (audit.path, audit.head_path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_reading_the_head_writes_nothing(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    assert audit.head == Head(0, "0" * 64)
    assert not list(tmp_path.iterdir())


def test_no_key_material_is_in_the_log(tmp_path: Path) -> None:
    material = hashlib.sha384(b"material that nobody shall see").digest()[:36]
    audit = Audit(tmp_path / "audit.jsonl", chain_key=CHAIN)
    audit.record("release", at=NOW, actor="team", key=Key.from_bytes("a", material))
    for file in tmp_path.iterdir():
        for secret in (material, CHAIN._material.reveal()):
            assert secret not in file.read_bytes()
            assert secret.hex().encode() not in file.read_bytes()
    assert "NOBODY" not in repr(audit)


# Not patients: published examples and the test range.
@pytest.mark.parametrize(
    "text",
    [
        "patient 4010232137",
        "patient 401 023 2137 came",
        "401-023-2137",
        "NHS4010232137",
        "for 12 4010232137 3",
        "４０１ ０２３ ２１３７",
        "9434765919",
        "lives in EX1 2AB",
        "lives in ex12ab.",
        "no home: ZZ99 3VZ",
        "999/000/0018",
        "999–000–0018",
        "999 — 000 — 0018",
        "(999) 000,0018",
        "999_000_0018",
        "9.9.9.0.0.0.0.0.1.8",
        "٩٩٩ ٠٠٠ ٠٠١٨",
        "asked 2026-04-01: 999/000/0018",
        "EX1-2AB",
        "EX1–2AB",
        "ex1/2ab",
        "EX1 - 2AB",
        "SO14.0AA",
        "E1 1ST",
        "GIR 0AA",
        "0101010028",  # a Scottish number
    ],
)
@pytest.mark.parametrize("field", ["reason", "actor", "recipient"])
def test_an_nhs_number_or_a_postcode_is_refused_and_not_quoted(tmp_path: Path, text: str, field: str) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    with pytest.raises(RefusedError, match=f"{field} contains") as raised:
        audit.record("release", **{"at": NOW, "actor": "team", field: text})  # type: ignore[arg-type]
    assert text not in str(raised.value)
    assert not audit.path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "twelve patients of A81001, asked on 2026-04-01 12 times",
        "key optum-2026 version 2",
        "4010232138",  # its check digit is wrong
        "ticket 40102321371",  # eleven digits
        "4010232137" + "a" * 54,  # a digest
        "section 251, 22/CAG/0100",
        "asked on 01/04/2026, 30 patients",
        "asked on 1 April 2026",
        "meeting of 2025-11-30, for 2026/27",
        "wards 3-4 and 12-14, A1/2 beds, 12:30-14:00",
        "ticket 99/12/3456",
        "review of Q1 2nd wave",
        "protocol v2 3rd draft",
        "H1 2nd half, E1 1st pass",
        "A1 4GP practices",
        "N1 2CT scans",  # no postcode ends in C, I, K, M, O or V
        "case SAR-2026-000417",  # ten digits that pass the check, but no Scottish number begins with day 20, month 26
        "RQ 2026 0415 12",
        "file 2026_0015_02.csv",
    ],
)
def test_text_without_identifiers_is_recorded(tmp_path: Path, text: str) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    audit.record("release", at=NOW, actor="team", reason=text)
    assert verify_audit(audit.path).faults == ()


@pytest.mark.parametrize(
    "text",
    [
        "born 12/03/1956",
        "the man of 12/03/1956",
        "1956-03-12",
        "1956/3/12",
        "12–03–1956",
        "12.3.56",
        "12-Mar-1956",
        "12th March 1956",
        "March 12, 1956",
        "12031956",
        "19560312",
        "DOB 12/03/2026",
        "born on 12 March 2026",
    ],
)
def test_a_birth_date_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    with pytest.raises(RefusedError, match="reason contains a date that may be a birth date") as raised:
        audit.record("reidentification", at=NOW, actor="team", reason=text)
    assert text not in str(raised.value)
    assert not audit.path.exists()


def test_days_and_the_dates_of_papers_are_recorded(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    audit.record("release", at=NOW, actor="team", start="2019-03-01", legal_basis="SI 2002/1438 of 12/06/2002")
    audit.record("release", at=NOW, actor="team", purpose="records since 1 April 2019, Act of 25/05/2018")
    assert audit.head.lines == 2


def test_the_id_of_a_key_holds_no_identifier_either(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    with pytest.raises(RefusedError, match="key contains an NHS Number"):
        audit.record("key_creation", at=NOW, actor="team", key=Key.from_bytes("9990000018", CHAIN._material.reveal()))
    assert not audit.path.exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"nhs_number": 1}, "no field 'nhs_number'"),
        ({"rows": 4010232137}, "rows: the audit log takes a count"),
        ({"rows": 1.5}, "rows: the audit log takes a count"),
        ({"rows": True}, "rows: the audit log takes a count"),
        ({"reason": "two\nlines"}, "one line"),
        ({"reason": "long " * 300}, "not too long"),
        ({"actor": ""}, "who does it"),
        ({"at": datetime(2026, 4, 1)}, "time zone"),
        ({"action": "Release!"}, "lower-case"),
    ],
)
def test_an_unknown_field_or_a_wrong_value_is_refused(tmp_path: Path, fields: dict[str, object], says: str) -> None:
    with pytest.raises(ProgrammeError, match=says):
        Audit(tmp_path / "audit.jsonl").record(**{"action": "release", "at": NOW, "actor": "team", **fields})
    assert not (tmp_path / "audit.jsonl").exists()


# --- Changes that are found -------------------------------------------------------------------------------------------

Lines = list[bytes]


def altered(lines: Lines, at: int) -> Lines:
    return [*lines[:at], lines[at].replace(b"team", b"teem"), *lines[at + 1 :]]


def removed(lines: Lines, at: int) -> Lines:
    return [*lines[:at], *lines[at + 1 :]]


def doubled(lines: Lines, at: int) -> Lines:
    return [*lines[: at + 1], *lines[at:]]


def moved(lines: Lines, at: int) -> Lines:
    """Move a line to the front, the first one to the end."""
    return [lines[at], *removed(lines, at)] if at else [*lines[1:], lines[0]]


def cut_off(lines: Lines, at: int) -> Lines:
    return lines[:at]


def forged(lines: Lines, at: int) -> Lines:
    """Change a line, and give it the digest that fits."""
    body = json.loads(lines[at]) | {"actor": "nobody"}
    del body["digest"]
    return [*lines[:at], Chain().signed(body)[0], *lines[at + 1 :]]


@pytest.mark.parametrize("chain_key", [None, CHAIN])
@pytest.mark.parametrize("at", range(LINES))
@pytest.mark.parametrize(
    ("done", "says"),
    [
        (altered, "line {line} was altered"),
        (removed, "line {line} "),
        (doubled, "line {line} is there twice"),
        (moved, "the order was changed"),
        (cut_off, "cut off at the end"),
        (forged, "line {line} was "),
    ],
)
def test_every_change_of_a_line_is_found(
    tmp_path: Path, done: Callable[[Lines, int], Lines], says: str, at: int, chain_key: Key | None
) -> None:
    audit = written(tmp_path, chain_key=chain_key)
    assert verify_audit(audit.path, chain_key=chain_key).faults == ()
    lines = audit.path.read_bytes().splitlines(keepends=True)
    audit.path.write_bytes(b"".join(done(lines, at)))
    faults = verify_audit(audit.path, chain_key=chain_key).faults
    assert any(says.format(line=at + 1) in fault for fault in faults), faults


@pytest.mark.parametrize("done", [altered, removed, doubled, cut_off, forged])
def test_nothing_is_added_to_a_log_whose_end_was_changed(tmp_path: Path, done: Callable[[Lines, int], Lines]) -> None:
    audit = written(tmp_path)
    audit.path.write_bytes(b"".join(done(audit.path.read_bytes().splitlines(keepends=True), LINES - 1)))
    with pytest.raises(RefusedError, match="verify_audit"):
        audit.record("release", at=NOW, actor="team")


@given(data=st.data())
def test_any_changed_byte_is_found_in_its_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    audit = written(tmp_path_factory.mktemp("audit"), 3)
    text = bytearray(audit.path.read_bytes())
    at = data.draw(st.integers(0, len(text) - 2))
    text[at] ^= data.draw(st.integers(1, 255))
    line = audit.path.read_bytes()[:at].count(b"\n") + 1
    audit.path.write_bytes(text)
    faults = verify_audit(audit.path).faults
    assert any(f"line {line}" in fault for fault in faults), faults


def test_a_forged_head_is_found_by_the_chain_key_or_by_a_noted_head(tmp_path: Path) -> None:
    plain, keyed = written(tmp_path / "plain"), written(tmp_path / "keyed", chain_key=CHAIN)
    noted = plain.head
    for audit in (plain, keyed):
        lines = audit.path.read_bytes().splitlines(keepends=True)[:-2]
        audit.path.write_bytes(b"".join(lines))
        forged_head = Head(len(lines), json.loads(lines[-1])["digest"])
        write_head(audit.path, Chain(), forged_head, sum(map(len, lines)))
    assert verify_audit(plain.path).faults == ()  # a forger who can write both files of a log without a key
    assert "line 6 is not the line that was noted" in str(verify_audit(plain.path, noted=noted).faults)
    assert "head" in str(verify_audit(keyed.path, chain_key=CHAIN).faults)
    assert verify_audit(written(tmp_path / "whole").path, noted=noted).faults == ()


def test_a_missing_head_and_a_missing_log_are_found(tmp_path: Path) -> None:
    audit = written(tmp_path)
    head = audit.head_path.read_bytes()
    audit.head_path.unlink()
    assert "may be missing at the end" in str(verify_audit(audit.path).faults)
    with pytest.raises(RefusedError, match="head"):
        audit.record("release", at=NOW, actor="team")
    audit.head_path.write_bytes(head)
    audit.path.unlink()
    assert verify_audit(audit.path).faults == ("lines 1 to 6 cut off at the end",)
    with pytest.raises(RefusedError, match="does not end"):
        audit.record("release", at=NOW, actor="team")


def test_a_log_with_a_key_is_written_with_that_key_only(tmp_path: Path) -> None:
    audit = written(tmp_path, chain_key=CHAIN)
    before = audit.path.read_bytes()
    with pytest.raises(RefusedError, match=r"has a key: lines are added only under it; give the keyring"):
        Audit(audit.path).record("release", at=NOW, actor="team")
    other = Key.generate("audit")
    with pytest.raises(RefusedError, match="another chain key"):
        Audit(audit.path, chain_key=other).record("release", at=NOW, actor="team")
    assert len(verify_audit(audit.path, chain_key=other).faults) == LINES + 1
    assert audit.path.read_bytes() == before
    assert verify_audit(audit.path, chain_key=CHAIN) == AuditCheck(LINES, (), "checked", 1)


def test_a_line_under_a_key_has_an_hmac_that_the_standard_library_makes(tmp_path: Path) -> None:
    line = json.loads(written(tmp_path, chain_key=CHAIN).path.read_bytes().splitlines()[-1])
    digest, code = line.pop("digest"), line.pop("hmac")
    text = b"linkcore:audit:" + json.dumps(line).encode()
    assert (line["chain_key"], line["chain_key_version"]) == ("audit", 1)
    assert code == hmac.digest(CHAIN._material.reveal(), text, "sha256").hex()
    text = b"linkcore:audit:" + json.dumps(line | {"hmac": code}).encode()
    assert digest == hashlib.sha256(text).hexdigest()


def test_anyone_can_check_the_chain_of_a_log_with_a_key(tmp_path: Path) -> None:
    audit = written(tmp_path, chain_key=CHAIN)
    assert verify_audit(audit.path) == AuditCheck(LINES, (), "not checked", 1)
    assert Audit(audit.path).head == audit.head
    audit.path.write_bytes(audit.path.read_bytes().replace(b"Optum", b"Optim", 1))
    assert "line 1 was altered" in verify_audit(audit.path).faults


def test_an_unkeyed_log_goes_on_under_a_key_and_says_from_which_line(tmp_path: Path) -> None:
    audit = written(tmp_path)
    assert verify_audit(audit.path) == AuditCheck(LINES, (), "unkeyed", 0)
    keyed = Audit(audit.path, chain_key=CHAIN)
    keyed.start_key(at=NOW, actor="team", reason="decision of the board")
    keyed.record("release", at=NOW, actor="team")
    stated = verify_audit(audit.path, chain_key=CHAIN, keyed_from=LINES + 1)
    assert stated == AuditCheck(LINES + 2, (), "checked", LINES + 1)
    for number in (1, LINES):
        (fault,) = verify_audit(audit.path, chain_key=CHAIN, keyed_from=number).faults
        assert f"lines 1 to {LINES} are not under the chain key" in fault
    with pytest.raises(RefusedError, match="has a key"):
        audit.record("release", at=NOW, actor="team")


def test_a_key_is_started_once_on_lines_without_one_and_with_a_reason(tmp_path: Path) -> None:
    audit = written(tmp_path)
    for key, reason, error in ((None, "board", ProgrammeError), (CHAIN, " ", ProgrammeError)):
        with pytest.raises(error, match="start_key"):
            Audit(audit.path, chain_key=key).start_key(at=NOW, actor="team", reason=reason)
    Audit(audit.path, chain_key=CHAIN).start_key(at=NOW, actor="team", reason="board")
    for path in (audit.path, tmp_path / "new.jsonl"):
        with pytest.raises(RefusedError, match="no key is to be started"):
            Audit(path, chain_key=CHAIN).start_key(at=NOW, actor="team", reason="board")


@pytest.mark.parametrize("lines", [1, LINES])
def test_a_forged_log_without_a_key_does_not_become_true_under_the_key(tmp_path: Path, lines: int) -> None:
    """Whoever can write the log and its head can swap both; the next line under the key must not vouch for them."""
    audit = written(tmp_path, chain_key=CHAIN)
    for name, content in files_of_a_log(lines, None).items():
        (tmp_path / name).write_bytes(content)
    before = audit.path.read_bytes()
    for use in (lambda: audit.record("release", at=NOW, actor="team"), audit.lines):
        with pytest.raises(RefusedError, match="start-key"):
            use()
    assert audit.path.read_bytes() == before


def test_the_versions_of_a_key_sign_and_verify_one_log(tmp_path: Path) -> None:
    audit = written(tmp_path, chain_key=CHAIN)
    versions = (CHAIN, Key.generate("audit", version=2))
    Audit(audit.path, chain_key=versions).record("release", at=NOW, actor="team")
    assert json.loads(audit.path.read_bytes().splitlines()[-1])["chain_key_version"] == 2
    assert verify_audit(audit.path, chain_key=versions) == AuditCheck(LINES + 1, (), "checked", 1)
    assert "has another chain key" in str(verify_audit(audit.path, chain_key=CHAIN).faults)


def rewritten(lines: Lines, key: Key | None, start: int) -> bytes:
    """Write the lines again from a place on, as one who has this key can."""
    written: list[bytes] = [*lines[:start]]
    digest = json.loads(lines[start - 1])["digest"] if start else "0" * 64
    for line in lines[start:]:
        body = {name: value for name, value in json.loads(line).items() if not name.startswith(("chain", "hmac"))}
        del body["digest"]
        text, digest = Chain(key).signed(body | {"actor": "forger", "previous": digest})
        written.append(text)
    return b"".join(written)


@pytest.mark.parametrize("key", [None, Key.generate("audit"), Key.generate("other")])
@pytest.mark.parametrize("start", [0, 2, LINES - 1])
@pytest.mark.parametrize("with_head", [True, False])
def test_lines_that_were_written_without_the_key_are_found(
    tmp_path: Path, key: Key | None, start: int, with_head: bool
) -> None:
    audit = written(tmp_path, chain_key=CHAIN)
    text = rewritten(audit.path.read_bytes().splitlines(keepends=True), key, start)
    audit.path.write_bytes(text)
    if with_head:
        last = json.loads(text.splitlines()[-1])["digest"]
        write_head(audit.path, Chain(key), Head(LINES, last), len(text))
        is_plain = key is not None or start == 0
        assert bool(verify_audit(audit.path).faults) != is_plain  # without the key, the forgery is perfect
    faults = verify_audit(audit.path, chain_key=CHAIN).faults
    assert any("chain key" in fault for fault in faults), faults
    before = audit.path.read_bytes()
    with pytest.raises(RefusedError):
        Audit(audit.path, chain_key=CHAIN).record("release", at=NOW, actor="team")
    assert audit.path.read_bytes() == before


def test_a_line_that_is_added_without_the_key_is_a_fault(tmp_path: Path) -> None:
    audit = written(tmp_path, chain_key=CHAIN)
    head = audit.head
    text, digest = Chain().signed({"number": head.lines + 1, "action": "release", "previous": head.digest})
    audit.path.write_bytes(audit.path.read_bytes() + text)
    says = f"line {LINES + 1} was added without the chain key, though line 1 has it"
    assert says in verify_audit(audit.path, chain_key=CHAIN).faults
    assert says in verify_audit(audit.path).faults  # even without the key
    with pytest.raises(RefusedError, match="not under this chain key"):
        Audit(audit.path, chain_key=CHAIN).record("release", at=NOW, actor="team")
    write_head(audit.path, Chain(), Head(head.lines + 1, digest), audit.path.stat().st_size)
    assert says in verify_audit(audit.path, chain_key=CHAIN).faults
    for key in (CHAIN, None):
        with pytest.raises(RefusedError):
            Audit(audit.path, chain_key=key).record("release", at=NOW, actor="team")


def test_a_log_that_is_not_there_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        verify_audit(tmp_path / "nowhere.jsonl")


def signed(body: dict[str, object]) -> bytes:
    """Write a body as one who knows the form does: with the SHA-256 that fits."""
    return Chain().signed(body)[0]


HEAD: dict[str, object] = {"lines": LINES, "bytes": 1, "last": "0" * 64}


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        signed({}),
        signed({"lines": LINES, "bytes": 1}),
        signed({"lines": LINES, "last": "0" * 64}),
        signed({"bytes": 1, "last": "0" * 64}),
        *(signed(HEAD | {"lines": odd}) for odd in ("6", 6.0, True, None, -1, [6], 10**30)),
        *(signed(HEAD | {"bytes": odd}) for odd in ("6", 6.0, True, None, -1)),
        *(signed(HEAD | {"last": odd}) for odd in (6, None, "", "0" * 63, "G" * 64, ["0" * 64])),
        signed({**HEAD, "more": 1}),
        signed(HEAD)[:-9],
        signed(HEAD) * 2,
        signed({"lines": LINES}).replace(b'{"lines": 6', b'{"lines": ' + b"[" * 100_000),
    ],
)
def test_an_odd_head_is_named_as_the_fault(tmp_path: Path, head: bytes) -> None:
    audit = written(tmp_path)
    audit.head_path.write_bytes(head)
    (fault,) = verify_audit(audit.path).faults
    assert "audit.jsonl.head of the audit log" in fault
    for use in (lambda: audit.head, lambda: audit.record("release", at=NOW, actor="team")):
        with pytest.raises(RefusedError, match=r"audit\.jsonl\.head of the audit log"):
            use()


def test_a_head_that_does_not_fit_its_log_is_a_fault(tmp_path: Path) -> None:
    audit = written(tmp_path)
    size, last = audit.path.stat().st_size, audit.head.digest
    for stated in (Head(0, "0" * 64), Head(0, last), Head(LINES + 1, last), Head(LINES - 1, last)):
        write_head(audit.path, Chain(), stated, size)
        assert verify_audit(audit.path).faults, stated
        with pytest.raises(RefusedError, match="does not end as its head states"):
            audit.record("release", at=NOW, actor="team")


@pytest.mark.parametrize(
    "body",
    [
        {"number": "1", "previous": "0" * 64},
        {"number": True, "previous": "0" * 64},
        {"number": 1.0, "previous": "0" * 64},
        {"number": -1, "previous": "0" * 64},
        {"number": 1, "previous": 0},
        {"number": 1},
        {"previous": "0" * 64},
        {"number": 10**9, "previous": "0" * 64},
    ],
)
def test_an_odd_line_is_a_fault_and_no_error(tmp_path: Path, body: dict[str, object]) -> None:
    audit = written(tmp_path)
    audit.path.write_bytes(audit.path.read_bytes() + signed(body))
    assert verify_audit(audit.path).faults
    with pytest.raises(RefusedError, match="not written by linkcore"):
        audit.record("release", at=NOW, actor="team")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o622, 0o666])
@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head"])
def test_a_log_that_others_can_write_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    audit = written(tmp_path)
    (tmp_path / name).chmod(mode)
    before = audit.path.read_bytes()
    for use in (lambda: audit.head, lambda: audit.record("release", at=NOW, actor="team")):
        with pytest.raises(RefusedError, match="other users of this machine can write"):
            use()
    assert audit.path.read_bytes() == before
    assert any("can write" in fault for fault in verify_audit(audit.path).faults)
    (tmp_path / name).chmod(0o640)  # others may be allowed to read it
    audit.record("release", at=NOW, actor="team")


def test_a_log_in_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    audit = written(folder)
    link = tmp_path / "link.jsonl"
    link.symlink_to(audit.path)
    (tmp_path / "link.jsonl.head").symlink_to(audit.head_path)
    folder.chmod(0o777)
    for each in (audit, Audit(link), Audit(folder / "new.jsonl")):
        with pytest.raises(RefusedError, match="can write"):
            each.record("release", at=NOW, actor="team")
    folder.chmod(0o1777)  # as /tmp: others can add files, but not replace these
    audit.record("release", at=NOW, actor="team")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_log_that_another_user_made_beforehand_is_refused(tmp_path: Path) -> None:
    audit = written(tmp_path)
    os.chown(audit.path, 65534, 65534)
    with pytest.raises(RefusedError, match="can write"):
        audit.record("release", at=NOW, actor="team")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("others", ["own the folder", "write above it"])
def test_a_log_whose_folder_another_user_could_replace_is_refused(others: str) -> None:
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        audit = written(Path(above, "logs"))
        if others == "own the folder":
            os.chown(audit.path.parent, 65534, 65534)
        else:
            Path(above).chmod(0o777)
        with pytest.raises(RefusedError, match="can write"):
            audit.record("release", at=NOW, actor="team")


# --- Interruptions and other writers ----------------------------------------------------------------------------------


def test_a_line_is_on_the_disk_before_record_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = written(tmp_path, 1)
    flushed = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    audit.record("release", at=NOW, actor="team")
    assert (audit.path.stat().st_ino, audit.path.stat().st_size) in flushed


@pytest.mark.parametrize("keep", [1, 40, -1, None])
def test_a_log_recovers_from_a_writer_killed_between_line_and_head(tmp_path: Path, keep: int | None) -> None:
    audit = written(tmp_path)
    head, before = audit.head_path.read_bytes(), audit.path.stat().st_size
    audit.record("destruction", at=NOW, actor="team")
    audit.head_path.write_bytes(head)
    os.truncate(audit.path, before + len(audit.path.read_bytes()[before:][:keep]))
    assert verify_audit(audit.path).faults == ()
    audit.record("release", at=NOW, actor="team")
    # A whole line stays, and an unfinished one is removed.
    assert verify_audit(audit.path) == AuditCheck(LINES + (2 if keep is None else 1), ())


@pytest.mark.parametrize("added", [b"{}\n", b"{}\n{}\n", b"{}\n{"])
def test_lines_that_others_added_stop_every_further_line(tmp_path: Path, added: bytes) -> None:
    audit = written(tmp_path)
    with audit.path.open("ab") as file:
        file.write(added)
    assert verify_audit(audit.path).faults
    with pytest.raises(RefusedError, match="not written by linkcore"):
        audit.record("release", at=NOW, actor="team")


def test_an_action_is_refused_where_the_log_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError, match="nothing was done"):
        Audit(tmp_path / "file" / "audit.jsonl").record("release", at=NOW, actor="team")


def write_many(path: Path, actor: str) -> None:
    for number in range(5):
        Audit(path).record("release", at=NOW, actor=actor, rows=number)


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    path = tmp_path / "audit.jsonl"
    writers = [spawn.Process(target=write_many, args=(path, actor)) for actor in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert verify_audit(path) == AuditCheck(10, ())
    rows = [(json.loads(line)["actor"], json.loads(line)["details"]["rows"]) for line in path.read_text().splitlines()]
    assert sorted(rows) == [(actor, number) for actor in ("one", "two") for number in range(5)]


# --- Reading it ----------------------------------------------------------------------------------------------


def test_lines_are_read_back_and_an_altered_log_is_not_read(tmp_path: Path) -> None:
    assert Audit(tmp_path / "none.jsonl").lines() == []
    audit = written(tmp_path / "log", chain_key=CHAIN)
    assert [line["details"]["rows"] for line in audit.lines()] == list(range(LINES))
    assert Audit(audit.path).lines() == audit.lines()  # anybody can read and check the plain chain
    audit.path.write_bytes(audit.path.read_bytes().replace(b'"rows": 2', b'"rows": 3'))
    with pytest.raises(RefusedError, match="not written by linkcore"):
        audit.lines()


def test_a_line_is_added_only_if_the_lines_so_far_allow_it(tmp_path: Path) -> None:
    audit = written(tmp_path / "log")
    seen = []

    def refuse(lines: Iterator[dict[str, object]]) -> None:
        seen.append(len(list(lines)))
        if seen[-1] > LINES:
            raise RefusedError("enough")

    audit.record_unless(refuse, "release", at=NOW, actor="team", rows=1)
    with pytest.raises(RefusedError, match="enough"):
        audit.record_unless(refuse, "release", at=NOW, actor="team", rows=1)
    assert (seen, audit.head.lines) == ([LINES, LINES + 1], LINES + 1)
    assert verify_audit(audit.path).faults == ()
