"""Somerset: a permanent platform, and risk scores that are returned."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.errors import ProgrammeError, RefusedError
from linkcore.programme.programme import Programme
from linkcore.programme.run import run_programme, synthetic_keys
from tests.programmes.every_programme import EveryProgramme, Returning, Runner
from tests.programmes.running import ACTOR, DAY, FIXTURES, at, pseudonym, released


class TestSomerset(Returning, EveryProgramme):
    name = "somerset"


def test_the_national_opt_out_holds_for_section_251_and_not_for_the_patients_own_care(running: Runner) -> None:
    ran = running("somerset")
    opted_out = pl.read_csv(ran.folder / "opt_outs" / "national.csv", infer_schema=False)["nhs_number"]
    platform, stratified = (
        {one for source in each.rows for one in released(each.folder, source)["pseudonym"]}
        for each in (ran.run.releases["Somerset platform"], ran.run.releases["Risk Stratification Ltd"])
    )
    assert opted_out.len() > 10
    assert {pseudonym("somerset-platform", number) for number in opted_out} <= platform
    assert not {pseudonym("risk-stratification-2026", number) for number in opted_out} & stratified


def test_no_record_of_an_excluded_person_leaves(running: Runner) -> None:
    ran = running("somerset")
    (excluded,) = pl.read_csv(ran.folder / "opt_outs" / "excluded.csv", infer_schema=False)["nhs_number"]
    for each in ran.run.releases.values():
        one = pseudonym(each.manifest["key"], excluded)
        assert all(one not in set(released(each.folder, source)["pseudonym"]) for source in each.rows)


def test_a_second_run_gives_the_same_bytes_except_for_times(running: Runner, tmp_path: Path) -> None:
    ran = running("somerset")
    again = run_programme(
        ran.programme,
        tmp_path / "again",
        keys=ran.keyring,
        signing_key=ran.signing_key,
        on=DAY,
        occasion=ran.programme.occasion(ACTOR, at()),
    )
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (ran.run.folder, again.folder)
    )
    true = Path("trusted_team_only.json")
    timed = {Path("report.html"), Path("quality.json"), true}
    assert {path for path in first if first[path] != second.get(path)} <= timed
    assert first.keys() == second.keys()
    qualities = [json.loads(each[Path("quality.json")]) for each in (first, second)]
    of_team = [json.loads(each[true]) for each in (first, second)]
    for quality in (*qualities, *(each["quality"] for each in of_team)):
        assert quality["run"].pop("seconds")
    assert qualities[0] == qualities[1]
    assert of_team[0] == of_team[1]


def test_missing_or_shared_keys_are_refused_before_anything_is_read(running: Runner, tmp_path: Path) -> None:
    ran = running("somerset")
    keys = {each.key: ran.keyring[each.key] for each in ran.programme.agreements()}
    lines = ran.audit.head.lines

    def run(keys: dict[str, lc.Key]) -> None:
        occasion = ran.programme.occasion(ACTOR, at())
        run_programme(ran.programme, tmp_path / "out", keys=keys, on=DAY, occasion=occasion)

    with pytest.raises(RefusedError, match="'Risk Stratification Ltd': its key 'risk-stratification-2026' is not"):
        run({"somerset-platform": keys["somerset-platform"]})
    one = bytes(range(32))
    with pytest.raises(RefusedError, match="have the same key material"):
        run({name: lc.Key.from_bytes(name, one) for name in keys})
    assert ran.audit.head.lines == lines
    assert not (tmp_path / "out").exists()


def test_only_a_synthetic_programme_runs_unsigned_or_with_generated_keys(tmp_path: Path) -> None:
    folder = tmp_path / "somerset"
    shutil.copytree(FIXTURES / "programmes" / "somerset", folder)
    synthetic = Programme.load(folder / "programme.toml")
    assert set(synthetic_keys(synthetic)) == {"somerset-platform", "risk-stratification-2026"}
    file = folder / "programme.toml"
    file.write_text(file.read_text("utf-8").replace("synthetic = true", "synthetic = false"), "utf-8")
    real = Programme.load(file)
    with pytest.raises(RefusedError, match="does not say that it is synthetic"):
        synthetic_keys(real)
    with pytest.raises(RefusedError, match="data of real people are released only signed and audited"):
        run_programme(
            real,
            tmp_path / "out",
            keys=synthetic_keys(synthetic),
            on=DAY,
            occasion=real.occasion(ACTOR, at()),
        )


def test_a_run_without_an_occasion_is_refused_where_the_programme_states_an_audit_log(tmp_path: Path) -> None:
    programme = Programme.load(FIXTURES / "programmes" / "somerset" / "programme.toml")
    with pytest.raises(ProgrammeError, match="every run needs an occasion"):
        run_programme(programme, tmp_path / "out", keys=synthetic_keys(programme), on=DAY)
    assert not list(tmp_path.iterdir())
