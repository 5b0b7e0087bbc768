"""A two-stage programme: releases, opt-outs and exits with codes that the trusted team cannot reverse."""

import hmac
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.own_patients import PatientList
from linkcore.governance.exits.reidentification import reidentify
from linkcore.governance.exits.subject_access import subject_access
from linkcore.governance.withholding.national_check import export_national_check
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.opt_out_policy import OptOutPolicy
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.withholding import withhold
from linkcore.programme.plan import plan
from linkcore.programme.programme import Programme
from linkcore.pseudonyms.stage_one import StageOne
from tests.governance.extracts import DAY, KEY, MATERIAL, NOON, PURPOSE, numbers, signed_and_audited, terms

SUPPLIERS = lc.Key.from_bytes("suppliers", MATERIAL[::-1])
STAGE = StageOne("base64", 256)
NUMBERS = numbers(400_000_100, 6)
NOBODY = pl.DataFrame({"nhs_number": []}, schema={"nhs_number": pl.String})


def codes(of: list[str | None]) -> pl.Series:
    frame = pl.DataFrame({"number": of}, schema={"number": pl.String})
    return frame.select(STAGE.write(lc.nhs_number("number"), SUPPLIERS)).to_series()


def second_stage(number: str) -> str:
    first = hmac.digest(MATERIAL[::-1], number.encode(), "sha256").hex()[:32]
    return hmac.digest(MATERIAL, first.encode(), "sha256").hex()[:32]


@pytest.fixture(scope="module")
def linkage() -> lc.Linkage:
    spine = pl.DataFrame({"CODE": codes([*NUMBERS]), "PRACTICE": ["L83001", "L83002"] * 3, "SMOKER": [True] * 6})
    stays = pl.DataFrame({"CODE": codes([NUMBERS[4], NUMBERS[1], None]), "COST": [40, 10, 0]})
    columns = {"nhs_number": "CODE"}
    return lc.link(
        [
            lc.Source("gp", spine, spine=True, practice="PRACTICE", columns=columns, stage_one=STAGE),
            lc.Source("hospital", stays, columns=columns, stage_one=STAGE),
        ],
        fallback=None,
    )


def occasion(folder: Path, reason: str) -> Occasion:
    return Occasion("team", NOON, Audit(folder / "audit.jsonl"), reason)


def opted_out(*of: str) -> OptOuts:
    return OptOuts.from_list(codes([*of]).alias("nhs_number").to_frame(), as_of=DAY, stage_one=STAGE)


def test_a_release_has_second_stage_pseudonyms_and_leaves_out_opt_outs(linkage: lc.Linkage, tmp_path: Path) -> None:
    agreement = lc.Agreement("partner", KEY.id, {"gp": ["SMOKER"], "hospital": ["COST"]}, PURPOSE, terms=terms())
    kept = withhold(
        linkage,
        OptOutPolicy(type_one_applied="the supplier"),
        OptOutLists(national=opted_out(NUMBERS[1])),
        on=DAY,
        purpose=PURPOSE,
    )
    out = lc.release(
        linkage, agreement, KEY, tmp_path / "out", on=DAY, withholding=kept, **signed_and_audited(tmp_path)
    ).folder
    gp, hospital = (pl.read_parquet(out / f"{name}.parquet") for name in ("gp", "hospital"))
    assert set(gp["pseudonym"]) == {second_stage(number) for number in NUMBERS if number != NUMBERS[1]}
    # The record without a code cannot be looked up, and stays.
    assert hospital.select("pseudonym", "COST").rows() == [(second_stage(NUMBERS[4]), 40)]


def test_opt_outs_by_nhs_number_are_refused_because_they_would_withhold_nobody(linkage: lc.Linkage) -> None:
    by_number = OptOuts.from_list(pl.DataFrame({"nhs_number": NUMBERS[:1]}), as_of=DAY)
    with pytest.raises(lc.RefusedError, match="by NHS Numbers, and the sources know people by stage-1 codes"):
        withhold(
            linkage,
            OptOutPolicy(type_one_applied="the supplier"),
            OptOutLists(national=by_number),
            on=DAY,
            purpose=PURPOSE,
        )
    numbered = lc.link([lc.Source("gp", pl.DataFrame({"nhs_number": NUMBERS}), spine=True)], fallback=None)
    with pytest.raises(lc.RefusedError, match="by stage-1 codes, and the sources know people by NHS Numbers"):
        withhold(
            numbered,
            OptOutPolicy(type_one_applied="the supplier"),
            OptOutLists(national=opted_out(NUMBERS[0])),
            on=DAY,
            purpose=PURPOSE,
        )


def test_the_national_service_is_not_asked_about_codes(linkage: lc.Linkage, tmp_path: Path) -> None:
    with pytest.raises(lc.RefusedError, match="let the holder of the stage-1 key ask the service"):
        export_national_check(linkage, tmp_path / "asked.dat", occasion=occasion(tmp_path, "check"))
    assert not (tmp_path / "asked.dat").exists()


def test_a_practice_learns_only_its_own_codes(linkage: lc.Linkage, tmp_path: Path) -> None:
    pseudonyms = [second_stage(number) for number in NUMBERS]
    answer = reidentify(
        pseudonyms,
        PatientList("L83001", codes([*NUMBERS])),
        KEY,
        requesters=[lc.Requester("L83001", practice="L83001")],
        linkage=linkage,
        occasion=occasion(tmp_path, "at risk"),
    )
    expected = {
        second_stage(number): hmac.digest(MATERIAL[::-1], number.encode(), "sha256").hex()[:32]
        for number in NUMBERS[::2]
    }
    assert dict(answer.select("pseudonym", "nhs_number").rows()) == expected


def test_subject_access_finds_a_person_by_code(linkage: lc.Linkage, tmp_path: Path) -> None:
    found = subject_access(
        linkage,
        codes([NUMBERS[4]])[0],
        out=tmp_path / "answer.json",
        occasion=occasion(tmp_path, "a request of 1 April"),
    )
    assert dict(found.records) == {"gp": 1, "hospital": 1}
    with pytest.raises(lc.ProgrammeError, match="not a stage-1 code"):
        subject_access(
            linkage,
            NUMBERS[4],
            out=tmp_path / "answer.json",
            occasion=occasion(tmp_path, "a request of 1 April"),
        )


def test_a_programme_file_declares_the_suppliers_format(tmp_path: Path) -> None:
    pl.DataFrame({"CODE": codes([*NUMBERS]), "SMOKER": "Y"}).write_csv(tmp_path / "gp.csv")
    codes([NUMBERS[1]]).alias("nhs_number").to_frame().write_csv(tmp_path / "national.csv")
    (tmp_path / "programme.toml").write_text(
        """
[programme]
name = "Two stages"
[linkage]
probabilistic = false
[two_stage]
encoding = "base64"
bits = 256
[opt_outs]
type_one_applied = "the supplier"
[opt_outs.national]
list = "national.csv"
as_of = 2026-04-15
[[source]]
name = "gp"
data = "gp.csv"
spine = true
columns = {nhs_number = "CODE"}
"""
    )
    programme = Programme.load(tmp_path / "programme.toml")
    assert "stage-1 codes instead of NHS Numbers (digits): 256 bits as base64" in plan(programme)
    linkage = programme.link()
    assert linkage.links["method"].to_list() == ["spine"] * 6
    withheld = programme.withhold(linkage, on=DAY, purpose=PURPOSE)
    assert withheld is not None
    assert withheld.kept["gp"].to_list() == [True, False, True, True, True, True]
