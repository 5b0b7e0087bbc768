"""What must hold before a release: its day, and a key that no other recipient has; the audit log has both."""

import datetime as dt
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

import linkcore as lc
import linkcore.governance.releases.release as release_module
from linkcore.governance.releases.checks import MOST_DAYS_BACK, refuse_another_day
from linkcore.governance.releases.tables import write_table
from linkcore.keys.secret import Secret
from tests.governance.extracts import (
    DAY,
    KEY,
    MATERIAL,
    NOON,
    OTHER,
    PURPOSE,
    linked,
    signed_and_audited,
    terms,
    withholding,
)


@pytest.mark.parametrize(
    ("back", "refused"), [(-1, True), (0, False), (MOST_DAYS_BACK, False), (MOST_DAYS_BACK + 1, True), (400, True)]
)
def test_another_day_is_for_synthetic_data(tmp_path: Path, back: int, refused: bool) -> None:
    at = dt.datetime(2026, 4, 10, 8, tzinfo=dt.UTC)
    occasion = lc.Occasion("team", at, lc.Audit(tmp_path / "audit.jsonl"))
    on = at.date() - dt.timedelta(days=back)
    refuse_another_day(on, occasion, synthetic=True)
    if refused:
        with pytest.raises(lc.RefusedError, match="at most 3 days back"):
            refuse_another_day(on, occasion, synthetic=False)
    else:
        refuse_another_day(on, occasion, synthetic=False)


def test_a_release_of_real_data_as_of_another_day_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    linkage = linked(real=True)
    agreement = lc.Agreement("partner", KEY.id, {"gp": ["SMOKER"]}, PURPOSE, terms=terms())
    stated = signed_and_audited(tmp_path)
    late = lc.Occasion("team", NOON + dt.timedelta(days=10), stated["occasion"].audit)
    out = tmp_path / "release"
    with pytest.raises(lc.RefusedError, match="at most 3 days back"):
        lc.release(
            linkage, agreement, KEY, out, on=DAY, withholding=withholding(linkage), **stated | {"occasion": late}
        )
    assert not out.exists()
    lc.release(linkage, agreement, KEY, out, on=DAY, withholding=withholding(linkage), **stated)
    line = json.loads((tmp_path / "audit.jsonl").read_text("utf-8").splitlines()[-1])
    assert str(DAY) in json.dumps(line)
    assert str(NOON.date()) in json.dumps(line)


class TestOneKeyForTwoRecipients:
    """Two releases under one material can be joined, whatever the key is called: the audit log is searched for it."""

    AGREEMENT = lc.Agreement("partner", KEY.id, {"gp": ["SMOKER"]}, PURPOSE)

    def occasion(self, folder: Path) -> lc.Occasion:
        return lc.Occasion("team", NOON, lc.Audit(folder / "audit.jsonl"))

    def test_a_release_under_the_key_of_another_recipients_release_is_refused(self, tmp_path: Path) -> None:
        occasion = self.occasion(tmp_path)
        lc.release(linked(), self.AGREEMENT, KEY, tmp_path / "partner", on=DAY, occasion=occasion)
        lines = occasion.audit.head.lines
        for material in (MATERIAL, MATERIAL + b"\0"):  # HMAC fills a key up with zeros
            again = lc.Key.from_bytes("new-2027", material, version=3)
            agreement = lc.Agreement("newcomer", again.id, {"gp": ["SMOKER"]}, PURPOSE)
            with pytest.raises(lc.RefusedError, match=r"'partner' had a release under the same key, by line 1 of"):
                lc.release(linked(), agreement, again, tmp_path / "newcomer", on=DAY, occasion=occasion)
        assert not (tmp_path / "newcomer").exists()
        assert occasion.audit.head.lines == lines
        newcomer = lc.Agreement("newcomer", OTHER.id, {"gp": ["SMOKER"]}, PURPOSE)
        lc.release(linked(), newcomer, OTHER, tmp_path / "newcomer", on=DAY, occasion=occasion)
        lc.release(linked(), self.AGREEMENT, KEY, tmp_path / "again", on=DAY, occasion=occasion)

    def test_of_two_releases_at_once_the_later_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other release is recorded while this one writes its tables."""
        occasion = self.occasion(tmp_path)

        def record_another(*arguments: Any) -> Any:
            occasion.record("release", KEY, recipient="another", key_fingerprint=KEY.fingerprint)
            return write_table(*arguments)

        monkeypatch.setattr(release_module, "write_table", record_another)
        with pytest.raises(lc.RefusedError, match="'another' had a release under the same key"):
            lc.release(linked(), self.AGREEMENT, KEY, tmp_path / "partner", on=DAY, occasion=occasion)
        assert not (tmp_path / "partner").exists()

    def test_a_log_with_an_altered_line_says_nothing_about_keys(self, tmp_path: Path) -> None:
        occasion = self.occasion(tmp_path)
        for recipient, key in (("partner", KEY), ("newcomer", OTHER)):
            agreement = lc.Agreement(recipient, key.id, {"gp": ["SMOKER"]}, PURPOSE)
            lc.release(linked(), agreement, key, tmp_path / recipient, on=DAY, occasion=occasion)
        log = occasion.audit.path
        log.write_text(log.read_text("utf-8").replace(KEY.fingerprint, OTHER.fingerprint), "utf-8")
        agreement = lc.Agreement("third", KEY.id, {"gp": ["SMOKER"]}, PURPOSE)
        with pytest.raises(lc.RefusedError, match="verify_audit"):
            lc.release(linked(), agreement, KEY, tmp_path / "third", on=DAY, occasion=occasion)

    def test_the_fingerprint_is_of_the_material_alone_and_no_persons_pseudonym(self) -> None:
        named = lc.Key.from_bytes("another", MATERIAL, version=7)
        assert named.fingerprint == KEY.fingerprint != OTHER.fingerprint
        assert KEY.fingerprint == hmac.digest(MATERIAL, b"linkcore:fingerprint", "sha256").hex()[:32]

    def test_a_weak_key_that_an_old_keyring_holds_releases_nothing(self, tmp_path: Path) -> None:
        weak = lc.Key._build(KEY.id, Secret(bytes(32)))
        with pytest.raises(lc.RefusedError, match="key 'partner-2026': its material holds the same few bytes"):
            lc.release(linked(), self.AGREEMENT, weak, tmp_path / "out", on=DAY)
