"""The day of a release of data of real people: today, or a few days back; the audit log has it beside the time."""

import datetime as dt
import json
from pathlib import Path

import pytest

import linkcore as lc
from linkcore.governance.releases.checks import MOST_DAYS_BACK, refuse_another_day
from tests.governance.extracts import DAY, KEY, NOON, PURPOSE, linked, signed_and_audited, terms, withholding


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
