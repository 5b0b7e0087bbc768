"""South Central and West: scores are returned, and everything is destroyed after 20 weeks."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.programme.run import run_programme
from tests.programmes.every_programme import Destroyed, EveryProgramme, Leaver, Returning, Runner
from tests.programmes.running import ACTOR, DAY, at, pseudonym, released


class TestOptumSouthCentral(Returning, Destroyed, EveryProgramme):
    name = "optum_south_central"


def test_a_practice_that_lists_everybody_is_told_about_its_own_patients_only(exits: Leaver) -> None:
    left = exits("optum_south_central")
    assert left.reidentified is not None
    assert sorted(left.reidentified["nhs_number"]) == left.running.expected["returned"]["Z90002"]
    key_id = left.running.keys("Optum").id
    assert all(pseudonym(key_id, number) == one for one, number, *_ in left.reidentified.iter_rows())


def test_the_people_in_need_of_care_are_in_the_release(exits: Leaver) -> None:
    """Otherwise the test of returned scores would prove nothing."""
    running = exits("optum_south_central").running
    gp = set(released(running.run.releases["Optum"].folder, "gp")["pseudonym"])
    assert {pseudonym("optum-2026", number) for number in running.expected["in_need_of_care"]} <= gp


def test_a_refused_run_leaves_the_earlier_run_unchanged(running: Runner, tmp_path: Path) -> None:
    ran = running("optum_south_central")
    out = tmp_path / "out"
    shutil.copytree(ran.run.folder, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for on, why in (
        (dt.date(2026, 7, 20), "ended on 2026-07-19"),
        (dt.date(2026, 4, 21), "8 days before the release; at most 7 are"),
        (dt.date(2026, 4, 12), "after the day of release"),
    ):
        with pytest.raises(RefusedError, match=why):
            run_programme(ran.programme, out, keys=ran.keyring, on=on, occasion=ran.programme.occasion(ACTOR, at(on)))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_folder_with_other_files_is_not_replaced(running: Runner, tmp_path: Path) -> None:
    ran = running("optum_south_central")
    shutil.copytree(ran.run.folder, tmp_path / "out")
    (tmp_path / "out" / "releases" / "optum-2026" / "mine.txt").write_text("mine")
    occasion = ran.programme.occasion(ACTOR, at())
    with pytest.raises(ProgrammeError, match="holds releases, which is no output of this command"):
        run_programme(ran.programme, tmp_path / "out", keys=ran.keyring, on=DAY, occasion=occasion)
