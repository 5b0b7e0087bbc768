"""The commands on opt-outs: the national check, and the pseudonyms that recipients must remove."""

from pathlib import Path

import linkcore as lc
from linkcore.cli.opening import now
from tests.cli.commands import (
    DAY,
    OBJECTOR,
    PASSPHRASE,
    PEOPLE,
    WHO,
    actions,
    done,
    lines,
    object_to,
    pseudonyms,
    rows,
    run,
    state,
)


def test_the_national_check_has_everybody_and_is_recorded(programme: Path, tmp_path: Path) -> None:
    state(programme, "ends = 2026-12-31", "ends = 2199-12-31")
    asked = tmp_path / "asked.dat"
    done("opt-outs", "export", programme, *WHO, "--out", asked)
    assert asked.read_bytes() == "".join(f"{one},\n" for one in sorted(PEOPLE)).encode()
    assert asked.stat().st_mode & 0o777 == 0o600
    last = lines(programme / "audit.jsonl")[-1]
    assert (last["action"], last["actor"], last["reason"]) == ("opt_outs_export", "trusted team", "case 7")
    assert last["details"] == {"numbers": 20, "file": "asked.dat"}


def withdraw(programme: Path, *more: object, on: str = DAY) -> list[object]:
    return ["withdrawals", programme, "--release", programme / "release", *WHO, "--on", on, *more]


def test_a_recipient_is_told_which_pseudonyms_to_remove_and_no_others(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    out = tmp_path / "withdrawn"
    lc.Keyring.open(keyring, PASSPHRASE).rotate("partner-2026", at=now())
    object_to(programme, OBJECTOR)
    said = done(*withdraw(programme, "--keyring", keyring, "--out", out), passphrase=PASSPHRASE)
    told = rows(out / "partner-2026.csv")
    # The release has the first version of the key, which is retired now.
    assert told == [{"pseudonym": pseudonyms(key, [OBJECTOR])[0], "key_version": "1"}]
    assert "Partner" in said
    assert OBJECTOR not in said
    assert actions(programme / "audit.jsonl")[-1] == "withdrawals"


def test_withdrawals_need_objections_and_the_key(programme: Path, tmp_path: Path) -> None:
    lc.Key.generate("another").write(tmp_path / "k.json")
    arguments = withdraw(programme, "--key-file", tmp_path / "k.json", "--out", tmp_path / "out")
    refused = run(*arguments)
    assert (refused.returncode, "'partner-2026' version 1, which is not given" in refused.stderr) == (4, True)
    state(programme, '[opt_outs.objections]\nas_of = 2026-04-14\nstatements = "objections.csv"', "")
    refused = run(*arguments)
    assert (refused.returncode, "states no [opt_outs.objections]" in refused.stderr) == (2, True)
    assert not (tmp_path / "out").exists()
