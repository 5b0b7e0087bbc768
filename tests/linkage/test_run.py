"""What is told of a run: all that decides it, and nothing of what the sources hold or where they lie."""

import datetime as dt
import json
from pathlib import Path

import polars as pl

import linkcore as lc


def test_settings_versions_and_times_are_told_and_no_place_or_value(tmp_path: Path) -> None:
    file = tmp_path / "gp.csv"
    pl.DataFrame({"NHS": ["4010232137"], "SURNAME": ["Okafor"]}).write_csv(file)
    gp = lc.Source("gp", file, columns={"nhs_number": "NHS", "family_name": "SURNAME"}, spine=True)
    fallback = lc.Fallback(accept=0.95)
    run = lc.link([gp], fallback=fallback, reference_date=dt.date(2026, 3, 31), seed=9).quality.run
    assert (run.version, run.seed, run.reference_date) == (lc.__version__, 9, "2026-03-31")
    assert run.libraries["polars"] == pl.__version__
    assert run.settings["probabilistic"]["accept"] == 0.95
    assert run.settings["sources"]["gp"]["columns"] == {"nhs_number": "NHS", "family_name": "SURNAME"}
    assert list(run.seconds) == ["read gp", "link on the NHS Number", "count"]
    assert all(seconds >= 0 for seconds in run.seconds.values())
    told = json.dumps([run.settings, run.libraries])
    assert "Okafor" not in told
    assert "4010232137" not in told
    assert str(tmp_path) not in told
