"""The description of a run: everything that decides it, and neither values nor places of the sources."""

import datetime as dt
import json
from pathlib import Path

import polars as pl

import linkcore as lc


def test_a_run_has_settings_versions_and_times_and_no_place_or_value(tmp_path: Path) -> None:
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
    described = json.dumps([run.settings, run.libraries])
    assert "Okafor" not in described
    assert "4010232137" not in described
    assert str(tmp_path) not in described
