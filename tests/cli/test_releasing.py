"""Releases and runs: what must hold before one, what is told of it, and that its recipient can check it."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pyrage
import pytest

import linkcore as lc
from tests.cli.commands import (
    DAY,
    NATIONAL,
    OBJECTOR,
    PASSPHRASE,
    PEOPLE,
    REQUESTERS,
    TYPE_ONE,
    Done,
    actions,
    done,
    lines,
    object_to,
    pseudonyms,
    run,
    state,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "programmes"


def release(programme: Path, *more: object, on: str = DAY, out: Path | None = None) -> Done:
    return run(
        *("release", programme, "--recipient", "Partner", "--keyring", programme.parent / "team.keys"),
        *("--actor", "team", "--on", on, "--out", out or programme / "release"),
        *(more or ("--signing-key", programme.parent / "team.pem")),
        passphrase=PASSPHRASE,
    )


def test_a_release_has_everybody_who_did_not_opt_out_and_is_recorded(
    programme: Path, key: lc.Key, tmp_path: Path
) -> None:
    object_to(programme, OBJECTOR)
    said = release(programme, out=tmp_path / "out")
    assert (said.returncode, said.stderr) == (0, "")
    gp, seen = (pl.read_parquet(tmp_path / "out" / f"{name}.parquet")["pseudonym"] for name in ("gp", "emergency"))
    stays = {NATIONAL, TYPE_ONE, OBJECTOR}
    assert set(gp) == set(pseudonyms(key, [one for one in PEOPLE if one not in stays]))
    # Type 1 is of GP data alone.
    assert set(seen) == set(pseudonyms(key, [one for one in PEOPLE[::2] if one not in {NATIONAL, OBJECTOR}]))
    ours = said.stdout.partition("true counts, for the trusted team only:")[2]
    assert "gp, practice A81001: 1 rows left out, Type 1" in ours
    assert "gp: 17 rows; 2 withheld" in ours
    assert "gp.parquet, gp: 17 rows" in done("verify", tmp_path / "out")  # counted in the file
    stated = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert stated["files"][0]["rows"] in {"*", 15}
    assert stated["written"] > DAY
    line = lines(programme / "audit.jsonl")[-1]
    assert (line["action"], line["actor"], line["key"]) == ("release", "team", "partner-2026")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("old", "new", "on", "says"),
    [
        ("", "", "2026-04-30", "20 days before the release; at most 7"),
        ("end = 2026-12-31", "end = 2026-04-14", DAY, "it ended on 2026-04-14"),
        ("ends = 2026-12-31", "ends = 2026-04-14", DAY, "ended on 2026-04-14; destroy its data and keys"),
        ('gp = ["CONDITIONS"]', 'gp = ["SURNAME"]', DAY, "SURNAME"),
        ('key = "partner-2026"', 'key = "another"', DAY, "no key 'another'"),
    ],
)
def test_a_refused_release_leaves_the_earlier_release_and_the_audit_log_unchanged(
    programme: Path, old: str, new: str, on: str, says: str
) -> None:
    before = (programme / "release" / "manifest.json").read_bytes()
    log = (programme / "audit.jsonl").read_bytes()
    state(programme, old or "[programme]", new or "[programme]")
    refused = release(programme, on=on)
    assert refused.returncode == 4
    assert says in refused.stderr
    assert (programme / "release" / "manifest.json").read_bytes() == before
    assert (programme / "audit.jsonl").read_bytes() == log


def test_data_of_real_people_are_released_only_signed_and_audited(programme: Path) -> None:
    state(programme, "synthetic = true", "synthetic = false")
    unsigned = release(programme, "--apart-from", programme / "release")
    state(programme, '[audit]\nfile = "audit.jsonl"', "")
    state(programme, REQUESTERS, "")  # their limits need the log
    unwritten = release(programme)
    for refused in (unsigned, unwritten):
        assert (refused.returncode, "released only signed and audited" in refused.stderr) == (
            4,
            True,
        )
    there = release(programme, "--signing-key", programme.parent / "team.pem", "--audit", programme / "other.jsonl")
    assert there.returncode == 0
    assert actions(programme / "other.jsonl") == ["release"]


def test_a_second_audit_log_is_refused(programme: Path, tmp_path: Path) -> None:
    refused = release(programme, "--audit", tmp_path / "other.jsonl")
    assert (refused.returncode, "take --audit away" in refused.stderr) == (2, True)
    assert not (tmp_path / "other.jsonl").exists()


def test_two_recipients_with_one_key_are_refused(programme: Path, tmp_path: Path) -> None:
    manifest = programme / "release" / "manifest.json"
    stated = json.loads(manifest.read_text()) | {"recipient": "Somebody else"}
    manifest.write_text(json.dumps(stated))
    refused = release(programme, "--apart-from", programme / "release", out=tmp_path / "out")
    assert (refused.returncode, "the same key" in refused.stderr) == (4, True)


def test_an_unknown_recipient_is_refused_as_wrong_usage(programme: Path, tmp_path: Path) -> None:
    refused = run(
        *("release", programme, "--recipient", "nobody", "--key-file", tmp_path / "k", "--actor", "a"),
        *("--on", DAY, "--out", tmp_path / "out"),
    )
    assert (refused.returncode, "no recipient 'nobody'" in refused.stderr) == (2, True)


# --- Verify ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def public(signing_key: Path, tmp_path: Path) -> Path:
    file = tmp_path / "public.pem"
    file.write_text(done("keys", "signing", "public", signing_key))
    return file


def test_verify_opens_an_encrypted_release_for_who_has_the_key_and_nobody_else(
    programme: Path, public: Path, tmp_path: Path
) -> None:
    pair, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    state(programme, 'purpose = "Planning"', f'purpose = "Planning"\nencryption = ["{pair.to_public()}"]')
    assert release(programme, out=tmp_path / "out").returncode == 0
    for name, each in (("key.txt", pair), ("other.txt", other)):
        (tmp_path / name).write_text(f"{each}\n")
        (tmp_path / name).chmod(0o600)
    verify = ("verify", tmp_path / "out", "--verify-key", public)
    assert "gp.parquet.age, gp: encrypted; its rows were not looked at" in done(*verify)
    assert "gp.parquet.age, gp: encrypted; opens to what was released" in done(
        *verify, "--identity", tmp_path / "key.txt"
    )
    refused = run(*verify, "--identity", tmp_path / "other.txt")
    assert (refused.returncode, "was not encrypted for age1" in refused.stderr) == (4, True)
    pyrage.decrypt_file(str(tmp_path / "out/gp.parquet.age"), str(tmp_path / "out/gp.parquet"), [pair])
    assert "gp.parquet, gp: 18 rows" in done(*verify)


def test_verify_finds_a_changed_release(programme: Path, public: Path, tmp_path: Path) -> None:
    said = done("verify", programme / "release", "--verify-key", public)
    assert "release to Partner: whole; signed by key" in said
    assert "was not checked" in done("verify", programme / "release")
    lc.SigningKey.generate().verify_key.write(tmp_path / "other.pem")
    assert run("verify", programme / "release", "--verify-key", tmp_path / "other.pem").returncode == 4
    with (programme / "release" / "gp.parquet").open("ab") as file:
        file.write(b"\0")
    touched = run("verify", programme / "release", "--verify-key", public)
    assert (touched.returncode, "gp.parquet is not as it was written" in touched.stderr) == (4, True)
    assert run("verify", tmp_path, "--verify-key", public).returncode == 3


# --- Run -------------------------------------------------------------------------------------------------------------


def test_run_does_everything_that_an_example_programme_states(tmp_path: Path) -> None:
    folder = tmp_path / "somerset"
    shutil.copytree(FIXTURES / "somerset", folder, ignore=shutil.ignore_patterns("run-*", "audit.jsonl*"))
    said = done("run", folder, "--synthetic", "--on", DAY, "--actor", "team", "--out", tmp_path / "run")
    assert {path.name for path in (tmp_path / "run" / "releases").iterdir()} == {
        "somerset-platform",
        "risk-stratification-2026",
    }
    assert "released to Somerset platform" in said
    assert (tmp_path / "run" / "report.html").exists()
    assert actions(folder / "audit.jsonl") == ["programme_run", "release", "release"]


def test_run_takes_a_keyring_or_key_files_and_exits_with_4_if_a_recipient_got_nothing(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    arguments = ("run", programme, "--on", DAY, "--actor", "team")
    key.write(tmp_path / "key.json")
    done(*arguments, "--keyring", keyring, "--out", tmp_path / "one", passphrase=PASSPHRASE)
    done(*arguments, "--key-file", tmp_path / "key.json", "--out", tmp_path / "two")
    one, two = (tmp_path / name / "releases" / "partner-2026" / "gp.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    another = (programme / "programme.toml").read_text().partition("[[recipient]]")[2].partition("[destruction]")[0]
    another = another.replace("Partner", "Other").replace("partner-2026", "other").replace("end = 2026", "end = 2025")
    state(
        programme, "[destruction]\n", f"[[recipient]]{another.replace('start = 2026', 'start = 2025')}[destruction]\n"
    )
    partly = run(*arguments, "--synthetic", "--out", tmp_path / "three")
    assert partly.returncode == 4
    assert "1 of 2 recipients got nothing" in partly.stderr
    assert "REFUSED: " in partly.stdout
    assert [path.name for path in (tmp_path / "three" / "releases").iterdir()] == ["partner-2026"]


def test_run_makes_no_keys_for_a_programme_that_is_not_synthetic(programme: Path, tmp_path: Path) -> None:
    state(programme, "synthetic = true", "synthetic = false")
    refused = run("run", programme, "--synthetic", "--on", DAY, "--actor", "team", "--out", tmp_path / "run")
    assert (refused.returncode, "does not say that it is synthetic" in refused.stderr) == (4, True)


def test_a_refusal_tells_no_count_but_to_the_trusted_team(tmp_path: Path) -> None:
    folder = tmp_path / "cp"
    ignored = shutil.ignore_patterns("run-*", "audit.jsonl*")
    shutil.copytree(FIXTURES / "cambridgeshire_peterborough", folder, ignore=ignored)
    state(folder, "[opt_outs.national]\n", "[opt_outs]\nplausible = [0.9, 0.95]\n\n[opt_outs.national]\n")
    state(folder, "[opt_outs.type_one]\n", "[opt_outs.type_one]\nexpected = [0, 1000]\n")
    partly = run("run", folder, "--synthetic", "--on", DAY, "--actor", "team", "--out", tmp_path / "run")
    assert partly.returncode == 4
    for text in (partly.stdout, *((tmp_path / "run" / name).read_text() for name in ("summary.txt", "run.json"))):
        assert "by this file, some of the people on the spine have opted out" in text
    true = json.loads((tmp_path / "run" / "trusted_team_only.json").read_text())
    assert any(re.search(r"by this file, 1 in \d+ of the people", text) for text in true["refused"].values())
