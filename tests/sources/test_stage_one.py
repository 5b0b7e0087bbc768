"""Sources with stage-1 codes: they link as their NHS Numbers would, hold no number, and never mix with numbers."""

import hashlib
import hmac

import polars as pl
import pytest

import linkcore as lc
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.stage_one import StageOne
from tests.governance.extracts import PEOPLE, linked, spine, stays

ONE = hashlib.sha256(b"another key of the tests").digest()
TWO = hashlib.sha256(b"a third key of the tests").digest()
SUPPLIERS = lc.Key.from_bytes("suppliers", ONE)
TEAM = lc.Key.from_bytes("partner", TWO)
COLUMNS = {"nhs_number": "NHS"}


def coded(frame: pl.DataFrame, stage: StageOne) -> pl.DataFrame:
    number = lc.nhs_number("NHS", usable=("test",))
    return frame.with_columns(stage.write(number, SUPPLIERS).alias("NHS"))


def sources(*, gp: StageOne | None, hospital: StageOne | None) -> list[lc.Source]:
    """Return the spine, with codes as its only identifiers, and the hospital; each writes codes in its own way."""
    frames = [frame if stage is None else coded(frame, stage) for frame, stage in ((spine(), gp), (stays(), hospital))]
    return [
        lc.Source("gp", frames[0], spine=True, columns=COLUMNS, stage_one=gp),
        lc.Source("hospital", frames[1], columns=COLUMNS, stage_one=hospital),
    ]


def test_codes_make_the_same_links_as_numbers() -> None:
    linkage = lc.link(sources(gp=StageOne(), hospital=StageOne("base64", 256)), fallback=None)
    alone = lc.link(
        [lc.Source("gp", spine(), spine=True, columns=COLUMNS), linked().sources[1]],
        exact=lc.Exact(usable=("test",)),
        fallback=None,
    )
    columns = ["source", "record_id", "person_id", "method"]
    assert linkage.links.select(columns).equals(alone.links.select(columns))
    assert set(linkage.links["nhs_number_status"]) == {"valid", "missing"}


def test_a_pseudonym_is_the_second_stage_of_the_first() -> None:
    linkage = lc.link(sources(gp=StageOne(), hospital=StageOne(bits=256)), fallback=None)
    named = linkage.persons.select(lc.pseudonymise(person_name(), TEAM)).to_series().to_list()
    expected = []
    for number in spine()["NHS"]:
        code = hmac.digest(ONE, number.encode(), "sha256").hex()[:32]
        expected.append(hmac.digest(TWO, code.encode(), "sha256").hex()[:32])
    assert named[:PEOPLE] == expected
    assert len(set(named)) == len(named)
    twice = pl.Series(spine()["NHS"]).to_frame().select(lc.pseudonymise("NHS", SUPPLIERS, TEAM)).to_series()
    assert named[:PEOPLE] == twice.to_list()


def test_persons_keep_the_identifiers_that_come_with_codes() -> None:
    people = coded(spine(), StageOne())
    names = COLUMNS | {"family_name": "FAMILY", "birth_date": "BORN"}
    gp = lc.Source("gp", people.head(9), spine=True, columns=COLUMNS, stage_one=StageOne())
    hospital = lc.Source("hospital", people, columns=names, stage_one=StageOne())
    persons = lc.link([gp, hospital], fallback=None).persons
    assert persons["source"].to_list() == ["gp"] * 9 + ["hospital"] * (PEOPLE - 9)
    assert persons["birth_date"].to_list() == [None] * 9 + spine()["BORN"].to_list()[9:]


@pytest.mark.parametrize(("gp", "hospital"), [(StageOne(), None), (None, StageOne())])
def test_a_source_with_numbers_beside_one_with_codes_is_refused(gp: StageOne | None, hospital: StageOne | None) -> None:
    with pytest.raises(lc.ProgrammeError, match="have the holder of the stage-1 key bring all of them to stage 1"):
        lc.link(sources(gp=gp, hospital=hospital), fallback=None)


def test_superseded_numbers_are_refused() -> None:
    superseded = pl.DataFrame({"old": ["4010232137"], "new": ["4000000012"]})
    with pytest.raises(lc.ProgrammeError, match="superseded is of NHS Numbers"):
        lc.link(sources(gp=StageOne(), hospital=StageOne()), exact=lc.Exact(superseded=superseded), fallback=None)


def test_codes_that_could_be_confused_are_refused() -> None:
    codes = pl.DataFrame({"nhs_number": ["ab" * 8 + "00" * 8, "ab" * 8 + "01" * 8]})
    with pytest.raises(lc.SourceError, match="two stage-1 codes begin with the same 62 bits"):
        lc.link([lc.Source("gp", codes, stage_one=StageOne())], fallback=None)


def test_a_source_at_stage_1_must_map_its_codes() -> None:
    with pytest.raises(lc.ProgrammeError, match="columns maps no column to nhs_number"):
        lc.Source("gp", spine(), columns={"birth_date": "BORN"}, stage_one=StageOne())
