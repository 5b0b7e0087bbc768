"""The commands at the end of a programme."""

import json
import re
import shutil
from pathlib import Path

import pytest

import linkcore as lc
from linkcore.cli.opening import now
from linkcore.governance.destruction.certificates import verify_certificate
from linkcore.governance.destruction.mark import Mark
from linkcore.keys.signing import SigningKey
from tests.cli.commands import DAY, PASSPHRASE, WHO, actions, done, run, state

RECIPIENT = ("--recipient", "Partner", "--key-file", "k")


def destroy(programme: Path, *more: object) -> list[object]:
    return ["destroy", programme, "--signing-key", programme.parent / "team.pem", *WHO, *more]


def test_data_and_keys_are_gone_and_each_provider_has_a_certificate(
    programme: Path, keyring: Path, signing_key: Path, tmp_path: Path
) -> None:
    lc.Keyring.open(keyring, PASSPHRASE).new("of-another-programme", at=now())
    said = done(
        *destroy(programme, "--confirm", "Example", "--keyring", keyring),
        passphrase=PASSPHRASE,
    )
    left = {path.name for path in programme.iterdir()}
    assert left == {"programme.toml", "audit.jsonl", "audit.jsonl.head", "destroyed.json", "certificates"}
    statuses = {one.id: one.status for one in lc.Keyring.open(keyring, PASSPHRASE).versions}
    assert statuses == {"partner-2026": "destroyed", "of-another-programme": "active"}
    assert "1 key versions destroyed" in said
    assert {"destruction", "key_destruction"} < set(actions(programme / "audit.jsonl"))
    public = tmp_path / "public.pem"
    public.write_text(done("keys", "signing", "public", signing_key))
    certificate = programme / "certificates" / "RH8.json"
    assert "programme Example for RH8" in done("verify", certificate, "--verify-key", public)
    assert run("verify", certificate).returncode == 2

    done(
        *("attest", programme, "--recipient", "Partner", "--by", "A. Head", "--statement", "All copies are destroyed."),
        *("--signing-key", signing_key, "--actor", "team"),
    )
    attested = json.loads(certificate.read_text())["recipients"][0]["attested"]
    assert [one["statement"] for one in attested] == ["All copies are destroyed."]
    again = done(*destroy(programme, "--confirm", "Example", "--keyring", keyring), passphrase=PASSPHRASE)
    assert "certificate for RH8" in again


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["link", "--out", "out"],
        ["report", "--out", "out"],
        ["run", "--synthetic", "--actor", "a", "--out", "out"],
        ["release", *RECIPIENT, "--actor", "a", "--out", "out"],
        ["opt-outs export", *WHO, "--out", "out.dat"],
        ["withdrawals", "--release", "r", "--key-file", "k", *WHO, "--out", "out"],
        ["subject-access", *WHO, "--out", "out.json"],
        ["explain", "--identifiable", "--source", "gp", "--record-id", "0", *WHO, "--out", "out"],
        ["clerical-review", "--identifiable", *WHO, "--out", "out"],
        ["decide", "review.csv", *WHO],
        [
            "reidentify",
            *RECIPIENT,
            *WHO,
            "--requester",
            "A81001",
            "--pseudonyms",
            "p",
            "--list",
            "l",
            "--out",
            "out",
        ],
        ["return", *RECIPIENT, *WHO, "--scores", "s", "--score", "S", "--lists", "l", "--out", "out"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_command_works_on_a_destroyed_programme(
    programme: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = Mark("Example", begun="2026-09-30T12:00:00+00:00", actor="team", reason="its end")
    mark.write(programme, SigningKey.generate())
    log = actions(programme / "audit.jsonl")
    refused = run(*arguments[0].split(), programme, *arguments[1:])
    assert (refused.returncode, "can no longer be used" in refused.stderr) == (4, True)
    assert refused.stdout == ""
    assert actions(programme / "audit.jsonl") == log
    assert not list(tmp_path.glob("out*"))


def test_a_wrong_confirmation_destroys_nothing(programme: Path, keyring: Path) -> None:
    before = sorted(programme.rglob("*"))
    wrong = run(*destroy(programme, "--confirm", "Another", "--keyring", keyring), passphrase=PASSPHRASE)
    assert (wrong.returncode, "nothing was destroyed" in wrong.stderr) == (2, True)
    assert run(*destroy(programme, "--keyring", keyring), passphrase=PASSPHRASE).returncode == 2
    assert sorted(programme.rglob("*")) == before
    assert done("check", programme, "--on", DAY)


def test_a_key_that_is_in_no_keyring_is_reported(programme: Path) -> None:
    said = done(*destroy(programme, "--confirm", "Example"))
    told = "it was in no keyring given: if it exists, it can still be used"
    assert f"NOT DESTROYED: key partner-2026: {told}" in said
    key = SigningKey.read(programme.parent / "team.pem").verify_key
    stated = verify_certificate(programme / "certificates" / "RH8.json", key)
    assert stated["keys_not_destroyed"][0] == {"id": "partner-2026", "version": None, "why": told}


def test_check_lists_what_is_outside_and_destroy_wants_it_confirmed(programme: Path, keyring: Path) -> None:
    elsewhere = programme.parent / "elsewhere.csv"
    (programme / "emergency.csv").rename(elsewhere)
    state(programme, 'data = "emergency.csv"', 'data = "../elsewhere.csv"')
    state(programme, 'work = ["release"]', 'work = ["release", "/data/nowhere/*.csv"]')
    said = done("check", programme, "--on", DAY)
    assert "at the end, destroy removes: gp.csv" in said
    (listed,) = [line for line in said.splitlines() if "outside the programme's folder" in line]
    assert str(elsewhere) in listed
    assert "/data/nowhere/*.csv" in listed
    command = destroy(programme, "--confirm", "Example", "--keyring", keyring)
    refused = run(*command, passphrase=PASSPHRASE)
    assert (refused.returncode, str(elsewhere) in refused.stderr, "--outside" in refused.stderr) == (2, True, True)
    assert elsewhere.exists()
    assert (programme / "gp.csv").exists()
    done(*command, "--outside", elsewhere, passphrase=PASSPHRASE)
    assert not elsewhere.exists()


def test_a_copy_that_keeps_the_teams_log_is_refused(programme: Path, keyring: Path, tmp_path: Path) -> None:
    log = programme.parent / "audit.jsonl"
    state(programme, 'file = "audit.jsonl"', 'file = "../audit.jsonl"')
    copy = Path(shutil.copytree(programme, programme.parent / "copy"))
    done(*destroy(programme, "--confirm", "Example", "--keyring", keyring), passphrase=PASSPHRASE)
    before = actions(log)
    for command in (["check", copy], ["run", copy, "--synthetic", "--actor", "a", "--out", tmp_path / "out"]):
        refused = run(*command, "--on", DAY)
        assert (refused.returncode, "is in the audit log" in refused.stderr) == (4, True)
    # Also where the log is named on the command line only.
    text = (copy / "programme.toml").read_text()
    text = re.sub(r"\[requesters\.[A-Z0-9]+\]\n(?:[a-z_]+ = .*\n)+", "", text)
    (copy / "programme.toml").write_text(text.replace('[audit]\nfile = "../audit.jsonl"\n', ""))
    named = ["run", copy, "--synthetic", "--on", DAY, "--actor", "a", "--audit", log, "--out", tmp_path / "out"]
    refused = run(*named)
    assert (refused.returncode, "is in the audit log" in refused.stderr) == (4, True)
    assert actions(log) == before
    assert not (tmp_path / "out").exists()
    # The copy can be destroyed as well.
    done(*destroy(copy, "--confirm", "Example", "--audit", log), passphrase=PASSPHRASE)
    assert not (copy / "gp.csv").exists()


def test_named_keys_of_several_keyrings_are_destroyed(programme: Path, keyring: Path) -> None:
    other = lc.Keyring.create(keyring.with_name("other.keys"), PASSPHRASE, cost=14)
    for name in ("ours", "not-ours"):
        other.new(name, at=now())
    named = ("--keyring", keyring, "--keyring", other.path, "--key", "ours", "--confirm", "Example")
    refused = run(*destroy(programme, *named, "--passphrase-fd", 0))
    assert (refused.returncode, "there are several keyrings" in refused.stderr) == (2, True)
    done(*destroy(programme, *named), passphrase=PASSPHRASE)
    statuses = {one.id: one.status for one in lc.Keyring.open(other.path, PASSPHRASE).versions}
    assert statuses == {"ours": "destroyed", "not-ours": "active"}
