"""The commands on the audit log."""

import json
from pathlib import Path

import pytest

import linkcore as lc
from linkcore.cli.opening import now
from tests.cli.commands import DAY, PASSPHRASE, WHO, done, lines, run, state


def test_every_changed_line_is_listed(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    for name in ("one", "two", "three"):
        done("keys", "new", name, "--out", tmp_path / f"{name}.json", "--audit", log, "--actor", "team")
    noted = done("audit", "head", log).strip()
    assert "3 lines, all as they were written" in done("audit", "verify", log, "--noted", noted)
    whole = log.read_text()
    log.write_text(whole.replace('"two"', '"owt"'))
    touched = run("audit", "verify", log)
    assert touched.returncode == 4
    assert "line 2 was altered" in touched.stdout
    assert run("audit", "head", log).returncode in {0, 4}
    log.write_text("".join(whole.splitlines(keepends=True)[:2]))
    assert "line 3 cut off at the end" in run("audit", "verify", log).stdout


def test_an_unkeyed_log_is_stated_as_unkeyed(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    done("keys", "new", "one", "--out", tmp_path / "one.json", "--audit", log, "--actor", "team")
    said = done("audit", "verify", log)
    assert "1 lines, all as they were written" in said
    assert "unkeyed: whoever can write the log and its head can forge both" in said


def test_a_log_that_others_can_write_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    done("keys", "new", "one", "--out", tmp_path / "one.json", "--audit", log, "--actor", "team")
    log.chmod(0o666)
    refused = run("keys", "new", "two", "--out", tmp_path / "two.json", "--audit", log, "--actor", "team")
    assert (refused.returncode, "other users of this machine can write" in refused.stderr) == (4, True)
    assert not (tmp_path / "two.json").exists()
    verified = run("audit", "verify", log)
    assert (verified.returncode, "can write" in verified.stdout) == (4, True)


def test_an_odd_head_is_named(tmp_path: Path) -> None:
    log, head = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.head"
    done("keys", "new", "one", "--out", tmp_path / "one.json", "--audit", log, "--actor", "team")
    head.write_text("{}")
    said = run("audit", "head", log)
    assert (said.returncode, "audit.jsonl.head of the audit log was altered" in said.stderr) == (4, True)
    assert "audit.jsonl.head of the audit log was altered" in run("audit", "verify", log).stdout


@pytest.fixture
def keyed(programme: Path, keyring: Path) -> Path:
    """The folder of a programme whose audit log has a key, in the trusted team's keyring."""
    lc.Keyring.open(keyring, PASSPHRASE).new("audit-2026", at=now())
    state(programme, 'file = "audit.jsonl"', 'file = "audit.jsonl"\nkey = "audit-2026"')
    for name in ("audit.jsonl", "audit.jsonl.head"):
        (programme / name).unlink()
    return programme


def released(programme: Path, *more: object) -> list[object]:
    team = programme.parent
    release = ["release", programme, "--recipient", "Partner", "--signing-key", team / "team.pem", "--on", DAY]
    return [*release, "--actor", "team", "--out", programme / "release", *more]


def test_a_programme_keys_its_log_with_the_teams_keyring(keyed: Path, keyring: Path, tmp_path: Path) -> None:
    log = keyed / "audit.jsonl"
    assert "audit log: audit.jsonl, under the key audit-2026" in done("check", keyed, "--on", DAY)
    done(*released(keyed, "--keyring", keyring), passphrase=PASSPHRASE)
    # A command without keys of its own is given the keyring for the log.
    done(
        *("opt-outs", "export", keyed, "--audit-keyring", keyring, *WHO, "--out", tmp_path / "out.dat"),
        passphrase=PASSPHRASE,
    )
    assert {line["chain_key"] for line in lines(log)} == {"audit-2026"}
    named = ("--keyring", keyring, "--key", "audit-2026")
    assert "each line is under the key audit-2026" in done("audit", "verify", log, *named, passphrase=PASSPHRASE)
    assert "lines from 1 on have a key, which was not given: give --keyring and --key" in done("audit", "verify", log)
    other = run("audit", "verify", log, "--keyring", keyring, "--key", "partner-2026", passphrase=PASSPHRASE)
    assert (other.returncode, "has another chain key" in other.stdout) == (4, True)


def test_a_forged_line_is_found_with_the_keyring(keyed: Path, keyring: Path) -> None:
    from linkcore.governance.audit.chain import Chain, Head, write_head

    log = keyed / "audit.jsonl"
    done(*released(keyed, "--keyring", keyring), passphrase=PASSPHRASE)
    *_, last = lines(log)
    text, digest = Chain().signed({"number": last["number"] + 1, "action": "release", "previous": last["digest"]})
    log.write_bytes(log.read_bytes() + text)
    write_head(log, Chain(), Head(last["number"] + 1, digest), log.stat().st_size)
    found = run("audit", "verify", log, "--keyring", keyring, "--key", "audit-2026", passphrase=PASSPHRASE)
    assert (found.returncode, "was added without the chain key" in found.stdout) == (4, True)
    refused = run(*released(keyed, "--keyring", keyring), passphrase=PASSPHRASE)
    assert (refused.returncode, "verify_audit" in refused.stderr) == (4, True)


def test_a_forged_log_without_a_key_in_place_of_one_with_a_key_is_found(keyed: Path, keyring: Path) -> None:
    from linkcore.governance.audit.chain import NO_LINE, Chain, Head, write_head

    log = keyed / "audit.jsonl"
    done(*released(keyed, "--keyring", keyring), passphrase=PASSPHRASE)
    body = {"number": 1, "at": "2026-04-01T12:00:00+00:00", "action": "release", "details": {}, "previous": NO_LINE}
    text, digest = Chain().signed(body)
    log.write_bytes(text)
    write_head(log, Chain(), Head(1, digest), log.stat().st_size)
    refused = run(*released(keyed, "--keyring", keyring), passphrase=PASSPHRASE)
    assert (refused.returncode, "start-key" in refused.stderr) == (4, True)
    assert log.read_bytes() == text


def test_a_log_without_a_key_goes_on_under_one_when_it_is_started(keyed: Path, keyring: Path) -> None:
    log, named = keyed / "audit.jsonl", ("--keyring", keyring, "--key", "audit-2026")
    done("keys", "new", "one", "--out", keyed / "one.json", "--audit", log, "--actor", "team")
    noted = done("audit", "head", log).strip()
    start = ("audit", "start-key", log, *named, *WHO)
    wrong = run(*start, "--noted", f"1:{'0' * 64}", passphrase=PASSPHRASE)
    assert (wrong.returncode, "is not the line that was noted" in wrong.stdout) == (4, True)
    assert "from line 2 on" in done(*start, "--noted", noted, passphrase=PASSPHRASE)
    done(*released(keyed, "--keyring", keyring), passphrase=PASSPHRASE)
    unstated = run("audit", "verify", log, *named, passphrase=PASSPHRASE)
    assert (unstated.returncode, "--keyed-from" in unstated.stdout) == (4, True)
    assert "from 2 on" in done("audit", "verify", log, *named, "--keyed-from", 2, passphrase=PASSPHRASE)
    assert run(*start, passphrase=PASSPHRASE).returncode == 4


def test_a_keyed_log_takes_no_line_without_its_key(keyed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.dat"
    refused = run("opt-outs", "export", keyed, *WHO, "--out", out)
    assert (refused.returncode, "--audit-keyring" in refused.stderr) == (4, True)
    other = lc.Keyring.create(tmp_path / "other.keys", PASSPHRASE, cost=14)
    refused = run(
        *("opt-outs", "export", keyed, "--audit-keyring", other.path, *WHO, "--out", out), passphrase=PASSPHRASE
    )
    assert (refused.returncode, "audit-2026" in refused.stderr) == (4, True)
    assert not out.exists()
    assert not (keyed / "audit.jsonl").exists()


def test_the_key_of_a_log_is_no_recipients_key(programme: Path) -> None:
    state(programme, 'file = "audit.jsonl"', 'file = "audit.jsonl"\nkey = "partner-2026"')
    refused = run("check", programme)
    assert (refused.returncode, "audit.key" in refused.stderr) == (2, True)


def test_a_command_without_a_programme_keys_its_log_too(keyring: Path, tmp_path: Path) -> None:
    lc.Keyring.open(keyring, PASSPHRASE).new("audit-2026", at=now())
    log = tmp_path / "audit.jsonl"
    done(
        *("keys", "new", "more-2026", "--keyring", keyring, "--audit", log, "--audit-key", "audit-2026"),
        *("--actor", "team"),
        passphrase=PASSPHRASE,
    )
    assert json.loads(log.read_text())["chain_key"] == "audit-2026"
    refused = run("keys", "new", "x", "--out", tmp_path / "x.json", "--audit", log, "--actor", "team")
    assert (refused.returncode, "the audit log" in refused.stderr, "--audit-keyring" in refused.stderr) == (
        4,
        True,
        True,
    )


def test_the_keyring_is_opened_once_for_the_keys_and_the_log(keyed: Path, keyring: Path) -> None:
    from os import close, pipe, write

    reading, writing = pipe()
    write(writing, f"{PASSPHRASE}\n".encode())
    close(writing)
    done(*released(keyed, "--keyring", keyring, "--passphrase-fd", reading))
    close(reading)
    assert lines(keyed / "audit.jsonl")[0]["chain_key"] == "audit-2026"


def test_an_earlier_copy_of_log_and_head_is_found_by_the_noted_head(tmp_path: Path) -> None:
    log, head = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.head"
    done("keys", "new", "one", "--out", tmp_path / "one.json", "--audit", log, "--actor", "team")
    before = {file: file.read_bytes() for file in (log, head)}
    done("keys", "new", "two", "--out", tmp_path / "two.json", "--audit", log, "--actor", "team")
    noted = done("audit", "head", log).strip()
    for file, content in before.items():
        file.write_bytes(content)
    assert run("audit", "verify", log).returncode == 0
    found = run("audit", "verify", log, "--noted", noted)
    assert (found.returncode, "an earlier copy was put back" in found.stdout) == (4, True)


def test_a_missing_log_and_a_wrong_head_are_refused(tmp_path: Path) -> None:
    assert run("audit", "verify", tmp_path / "none.jsonl").returncode == 4
    assert run("audit", "head", tmp_path / "none.jsonl").returncode == 4
    assert list(tmp_path.iterdir()) == []
    wrong = run("audit", "verify", tmp_path / "none.jsonl", "--noted", "three")
    assert (wrong.returncode, "LINES:DIGEST" in wrong.stderr) == (2, True)
