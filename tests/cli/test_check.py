"""The verdict of `check`: whether a programme is linkable, and to whom it is releasable on a day."""

from pathlib import Path

from tests.cli.commands import DAY, PASSPHRASE, done, run, state


def verdict(said: str) -> dict[str, str]:
    lines = [line for line in said.splitlines() if line.startswith(("linkable", "releasable"))]
    return dict(line.split(": ", 1) for line in lines)


def partner(said: str) -> str:
    return verdict(said)[f"releasable on {DAY} to Partner"]


def test_a_programme_with_all_that_it_needs_is_releasable(programme: Path, keyring: Path) -> None:
    said = done("check", programme, "--on", DAY, "--keyring", keyring, passphrase=PASSPHRASE)
    assert verdict(said) == {"linkable": "yes", f"releasable on {DAY} to Partner": "yes"}
    unkeyed = done("check", programme, "--on", DAY)
    assert partner(unkeyed) == "yes (not looked at: the recipients' keys)"


def test_each_reason_is_told_for_each_recipient(programme: Path, keyring: Path) -> None:
    file = programme / "programme.toml"
    file.write_text(
        file.read_text() + '[[recipient]]\nname = "Other"\nkey = "other"\ncolumns = {gp = ["CONDITIONS"]}\n'
    )
    state(programme, "start = 2026-04-01", "start = 2026-05-01")
    state(programme, "synthetic = true\n", "")
    checked = run("check", programme, "--on", DAY, "--keyring", keyring, passphrase=PASSPHRASE)
    assert checked.returncode == 4
    assert checked.stderr.endswith("2 of 2 recipients would get nothing: the reasons are listed above\n")
    found = verdict(checked.stdout)
    assert found["linkable"] == "yes"
    assert found[f"releasable on {DAY} to Partner"].startswith("no, because ")
    assert "it starts on 2026-05-01" in found[f"releasable on {DAY} to Partner"]
    other = found[f"releasable on {DAY} to Other"]
    assert "recipient[2]: it states no terms" in other
    assert "its key 'other' is not among the keys given" in other


def test_opt_outs_that_are_missing_or_too_old_forbid_every_release(programme: Path) -> None:
    state(programme, '[opt_outs.national]\nas_of = 2026-04-10\nlist = "national.csv"\n', "")
    assert "there is no National Data Opt-out to apply" in partner(run("check", programme, "--on", DAY).stdout)
    state(programme, "[opt_outs.type_one]\nas_of = 2026-04-10", "[opt_outs.type_one]\nas_of = 2026-04-01")
    assert "at most 7 are allowed" in partner(run("check", programme, "--on", DAY).stdout)


def test_real_data_need_opt_outs_and_an_audit_log(programme: Path) -> None:
    text = (programme / "programme.toml").read_text()
    first, rest = text.index("[opt_outs.national]"), text.index("[[recipient]]")
    text = text[:first] + text[rest : text.index("[requesters")]
    text = text.replace("synthetic = true\n", "").replace('[audit]\nfile = "audit.jsonl"\n', "")
    (programme / "programme.toml").write_text(text)
    said = partner(run("check", programme, "--on", DAY).stdout)
    assert "opt_outs: none are stated" in said
    assert "audit: none is stated" in said


def test_an_audit_log_under_a_key_that_is_not_there_forbids_every_release(programme: Path, keyring: Path) -> None:
    state(programme, 'file = "audit.jsonl"', 'file = "audit.jsonl"\nkey = "audit-2026"')
    said = run("check", programme, "--on", DAY, "--keyring", keyring, passphrase=PASSPHRASE).stdout
    assert "line 15, audit.key: the keyring" in partner(said)
    assert partner(done("check", programme, "--on", DAY)).endswith("the recipients' keys, the audit log)")


def test_what_cannot_be_linked_cannot_be_released(programme: Path) -> None:
    (programme / "gp.csv").unlink()
    checked = run("check", programme, "--on", DAY)
    assert checked.returncode == 3
    assert verdict(checked.stdout)["linkable"] == "no"
    assert partner(checked.stdout).startswith("no, because it cannot be linked")
    assert "line 16, source[1]: source 'gp': no file matches" in checked.stderr


def test_check_writes_nothing(programme: Path, keyring: Path) -> None:
    before = {file: file.read_bytes() for file in programme.rglob("*") if file.is_file()}
    done("check", programme, "--on", DAY, "--keyring", keyring, passphrase=PASSPHRASE)
    assert {file: file.read_bytes() for file in programme.rglob("*") if file.is_file()} == before
