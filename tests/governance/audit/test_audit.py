"""The audit log is written before the action, holds no identifiers, and shows every change made to it."""

import functools
import hashlib
import json
import multiprocessing
import os
import stat
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
CHAIN = Key.from_bytes("audit", b"AUDIT-CHAIN-KEY-NOBODY-SHALL-SEE")
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
    key = Key.from_bytes("optum-2026", bytes(range(32)), version=3)
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
    material = b"MATERIAL-NOBODY-SHALL-SEE-0123456789"
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
    ],
)
def test_text_without_identifiers_is_recorded(tmp_path: Path, text: str) -> None:
    audit = Audit(tmp_path / "audit.jsonl")
    audit.record("release", at=NOW, actor="team", reason=text)
    assert verify_audit(audit.path).faults == ()


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
    return [*lines[:at], Chain(None).signed(body)[0], *lines[at + 1 :]]


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
        write_head(audit.path, Chain(None), forged_head, sum(map(len, lines)))
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


def test_a_log_with_a_key_is_written_and_verified_with_that_key_only(tmp_path: Path) -> None:
    audit = written(tmp_path, chain_key=CHAIN)
    for other in (None, Key.generate("audit")):
        with pytest.raises(RefusedError, match="another chain key"):
            Audit(audit.path, chain_key=other).record("release", at=NOW, actor="team")
        assert len(verify_audit(audit.path, chain_key=other).faults) == LINES + 1


def test_a_log_that_is_not_there_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        verify_audit(tmp_path / "nowhere.jsonl")


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
    with pytest.raises(RefusedError):
        Audit(audit.path).lines()  # without its key
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
