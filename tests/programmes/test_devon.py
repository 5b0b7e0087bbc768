"""Devon: people object after a release, and one of them withdraws the objection."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from linkcore.errors import RefusedError
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.programme.programme import Programme
from linkcore.programme.run import run_programme
from tests.programmes.every_programme import EveryProgramme, Leaver, Runner, counted
from tests.programmes.running import ACTOR, DAY, at, pseudonym, released


class TestDevon(EveryProgramme):
    name = "devon"


@pytest.mark.parametrize("day", ["2026-04-21", "2026-04-28"])
def test_the_recipient_gets_the_pseudonyms_to_remove_and_no_others(exits: Leaver, day: str) -> None:
    left = exits("devon")
    key_id = "devon-analysts-2026"
    told = pl.read_csv(left.folder / f"withdrawals-{day}" / f"{key_id}.csv", infer_schema=False)
    assert sorted(told["pseudonym"]) == sorted(
        pseudonym(key_id, number) for number in left.running.expected["withdrawn"][day]
    )
    assert left.withdrawn[day].select("recipient", "pseudonyms", "in_part").rows() == [
        ("Devon ICB analysts", told.height, 0)
    ]


@pytest.mark.parametrize("day", ["2026-04-21", "2026-04-28"])
def test_the_next_release_leaves_out_objectors_and_their_records_without_a_number(exits: Leaver, day: str) -> None:
    left = exits("devon")
    done, withheld = left.later[day]
    assert {done.manifest["recipient"]: counted(done.counts, withheld)} == left.running.expected["later"][day]


def test_after_a_withdrawn_objection_the_person_is_back_under_the_same_pseudonym(exits: Leaver) -> None:
    left = exits("devon")
    first, gone, back = (
        set(released(each.folder, "gp")["pseudonym"])
        for each in (left.running.run.releases["Devon ICB analysts"], *(done for done, _ in left.later.values()))
    )
    (again,) = set(left.running.expected["withdrawn"]["2026-04-21"]) - set(
        left.running.expected["withdrawn"]["2026-04-28"]
    )
    one = pseudonym("devon-analysts-2026", again)
    assert (one in first, one in gone, one in back) == (True, False, True)


def test_a_record_without_a_number_is_withheld_if_the_fallback_links_it_to_an_objector(exits: Leaver) -> None:
    """The objector rang NHS 111, and no number was written down."""
    running = exits("devon").running
    objectors = OptOuts.from_statements(running.folder / "opt_outs" / "objections.csv", as_of=DAY)
    standing = objectors.in_force(DAY)
    links = running.linkage.links_of("nhs_111").with_columns(
        running.linkage.persons["nhs_number"][running.linkage.links_of("nhs_111")["person_id"]].alias("of")
    )
    (withholding,) = running.run.withholdings.values()
    theirs = links["of"].is_in(standing.implode()) & (links["method"] == "probabilistic")
    assert theirs.sum() >= 1
    assert not (withholding.kept["nhs_111"] & theirs.fill_null(False)).any()


def test_if_every_recipient_is_refused_nothing_is_linked(running: Runner, tmp_path: Path) -> None:
    ran = running("devon")
    steps: list[str] = []
    folder = tmp_path / "devon"
    shutil.copytree(ran.folder, folder, ignore=shutil.ignore_patterns("run-*", "withdrawals-*"))
    file = folder / "programme.toml"
    file.write_text(file.read_text("utf-8").replace("start = 2026-04-01", "start = 2026-05-01"), "utf-8")
    programme = Programme.load(file)
    with pytest.raises(RefusedError, match=r"no recipient may have anything: .*it starts on 2026-05-01"):
        run_programme(
            programme,
            tmp_path / "out",
            keys=ran.keyring,
            on=DAY,
            occasion=programme.occasion(ACTOR, at()),
            progress=lambda step, _done, _steps: steps.append(step),
        )
    assert steps == []
