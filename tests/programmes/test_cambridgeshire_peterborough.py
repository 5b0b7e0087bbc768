"""Cambridgeshire and Peterborough: two purposes, the national check, destruction at both ends."""

from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import RefusedError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.destruction.certificates import verify_certificate
from tests.programmes.every_programme import Destroyed, EveryProgramme, Leaver


class TestCambridgeshirePeterborough(Destroyed, EveryProgramme):
    name = "cambridgeshire_peterborough"


def test_the_national_check_file_has_every_number_and_nothing_else(exits: Leaver) -> None:
    left = exits("cambridgeshire_peterborough")
    content = (left.folder / "check.dat").read_bytes().decode("ascii")
    all_numbers = {
        number.replace(" ", "")
        for source in left.linkage_sources
        for number in left.running.numbers_in(source).cast(pl.String)
        if number
    }
    left_out = {
        number
        for number in left.running.numbers_in("gp").cast(pl.String)
        if number not in content  # people with a Type 1 opt-out and no other record with a number
    }
    assert content == "".join(f"{number},\n" for number in sorted(all_numbers - left_out))
    assert left.asked == len(all_numbers - left_out)
    listed = set((left.folder / "opt_outs" / "type_one.csv").read_text("utf-8").split()[1:])
    assert left_out <= listed


def test_an_altered_certificate_or_audit_log_is_detected(exits: Leaver, tmp_path: Path) -> None:
    left = exits("cambridgeshire_peterborough")
    folder = left.destroyed_folder
    for part in ("json", "json.sig"):
        (tmp_path / f"ZC3.{part}").write_bytes((folder / "certificates" / f"ZC3.{part}").read_bytes())
    altered = (tmp_path / "ZC3.json").read_bytes().replace(b"2026-08-03", b"2026-08-04")
    (tmp_path / "ZC3.json").write_bytes(altered)
    with pytest.raises(RefusedError, match="the signature does not verify"):
        verify_certificate(tmp_path / "ZC3.json", left.running.signing_key.verify_key)
    lines = (folder / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[:2] + lines[3:]))
    (tmp_path / "audit.jsonl.head").write_bytes((folder / "audit.jsonl.head").read_bytes())
    assert any("line 3 is missing" in fault for fault in verify_audit(tmp_path / "audit.jsonl").faults)
    assert Audit(folder / "audit.jsonl").head.lines == len(lines)
