"""A whole programme: its check, its governance, and its decisions."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from pyrage import x25519

import linkcore as lc
from linkcore.errors import LinkcoreError, ProgrammeError, RefusedError
from linkcore.governance.releases.earlier_cohorts import EarlierCohorts
from linkcore.programme.plan import plan
from tests.governance.extracts import signed_and_audited
from tests.programme.programmes import AGREED, DAY, GOVERNED, KEY, PEOPLE, SECOND_SOURCE, WHOLE, load


def test_for_whom_a_release_is_encrypted_and_its_integer_ids_are_stated_and_planned(folder: Path) -> None:
    public = str(x25519.Identity.generate().to_public())
    planned = plan(load(folder, WHOLE.replace(AGREED, f'{AGREED}\ninteger_id = "person_id"')), dt.date(2026, 4, 1))
    assert "gp: pseudonym, person_id, link_method, link_band, ETHNIC" in planned
    programme = load(folder, WHOLE.replace(AGREED, f'{AGREED}\nencryption = ["{public}"]'))
    assert programme.agreements()[0].encryption == lc.Encryption([public])
    assert f"encrypted in the age format, for {public}" in plan(programme, dt.date(2026, 4, 1))
    stated = f'{AGREED}\nencryption = {{passphrase_file = "partner.passphrase"}}'
    programme = load(folder, WHOLE.replace(AGREED, stated))
    assert programme.agreements()[0].encryption == lc.Encryption(passphrase_file=folder / "partner.passphrase")
    assert "partner.passphrase" in programme.to_destroy().key_files
    assert "encrypted in the age format, with a passphrase" in plan(programme, dt.date(2026, 4, 1))
    with pytest.raises(RefusedError, match=r"partner\.passphrase cannot be read"):
        lc.run_programme(programme, folder / "out", keys=lc.synthetic_keys(programme), on=dt.date(2026, 4, 1))
    assert not (folder / "out").exists()


class TestCheck:
    def test_returns_the_sources(self, folder: Path) -> None:
        assert [source.name for source in load(folder, WHOLE + SECOND_SOURCE).check()] == ["gp", "seen"]

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('"seen"', '"gp"', "two sources are called gp"),
            ('name = "seen"', 'name = "seen"\nspine = true', "gp, seen are all marked as the spine"),
            ("[linkage]", "[linkage]\naccept = 7.0", "accept is 7.0"),
            ("[linkage]", '[linkage]\nmodel = "none.json"', r"none\.json cannot be read as JSON"),
            ('"superseded.csv"', '"none.csv"', r"numbers\.superseded: there is no file .*none\.csv"),
            ('gp = ["ETHNIC"]', 'gp = ["DIAGNOSIS"]', "has no columns .*DIAGNOSIS"),
            ('gp = ["ETHNIC"]', 'gp = ["PHONE"]', "identify people"),
            ("[linkage]", '[linkage]\nwork = "none"', r"linkage\.work: there is no folder .*none"),
            (
                'purpose = "a test"',
                'purpose = "for 999 000 0018"',
                "agreement with 'partner': purpose contains an NHS Number",
            ),
            ('name = "partner"', 'name = "EX1 2AB"', "recipient contains a postcode"),
            ('key = "partner-2026"', 'key = "9990000018"', "agreement with 'partner': key contains an NHS Number"),
            ('name = "Example"', 'name = "9990000018"', r"programme\.name contains an NHS Number"),
            (
                'purpose = "a test"',
                f'purpose = "{"long " * 300}"',
                "agreement with 'partner': purpose: the audit log takes",
            ),
        ],
    )
    def test_finds_what_cannot_be_linked_or_released(self, folder: Path, old: str, new: str, says: str) -> None:
        whole = WHOLE + SECOND_SOURCE
        assert old in whole
        programme = load(folder, whole.replace(old, new, 1))
        with pytest.raises(LinkcoreError, match=says):
            programme.check()

    def test_finds_a_further_identifier_with_two_kinds(self, folder: Path) -> None:
        programme = load(folder, WHOLE + SECOND_SOURCE.replace('"exact"', '"text"'))
        with pytest.raises(ProgrammeError, match="'PHONE' is 'exact' in source 'gp' and 'text' in source 'seen'"):
            programme.check()


class TestGovernance:
    def test_a_programme_releases_what_it_states_and_nothing_else(self, governed: Path) -> None:
        programme = load(governed, GOVERNED)
        programme.check(DAY)
        linkage = programme.link()
        (agreement,) = programme.agreements()
        withheld = programme.withhold(linkage, on=DAY, purpose=agreement.purpose)
        signed = signed_and_audited(governed)
        out = lc.release(linkage, agreement, KEY, governed / "release", on=DAY, withholding=withheld, **signed).folder
        gp, hospital = (pl.read_csv(out / f"{name}.csv") for name in ("gp", "hospital"))
        # 0 opted out, 1 has a Type 1 opt-out, 3 objected, 5 is excluded, 6 is a child; 4 has a sensitive record.
        assert gp.columns[3:] == ["SMOKER", "born", "area"]
        assert gp.height == 23
        assert sorted(hospital["COST"]) == [2, *range(7, 28)]
        assert set(hospital["pseudonym"]) < set(gp["pseudonym"])
        assert not set(hospital["SPELL"]) & {f"S{i}" for i in range(28)}

    def test_an_exemption_applies_to_its_own_purpose_only(self, governed: Path) -> None:
        programme = load(governed, GOVERNED)
        linkage = programme.link()
        by_purpose = {
            purpose: programme.withhold(linkage, on=DAY, purpose=purpose) for purpose in ("planning", "finding cases")
        }
        kept = {purpose: withheld.kept["hospital"][0] for purpose, withheld in by_purpose.items() if withheld}
        assert kept == {"planning": False, "finding cases": True}

    def test_rows_with_a_type_1_opt_out_are_removed_when_read_and_counted(self, governed: Path) -> None:
        programme = load(governed, GOVERNED)
        sources, counts = programme.sources_without_type_one(DAY)
        assert counts.rows() == [("gp", "L83001", 1)]
        assert [source.scan(["NHS"]).collect().height for source in sources] == [27, 28]
        linkage = programme.link(on=DAY)
        assert linkage.links.filter(source="gp").height == 27
        rows = linkage.quality.not_read.select("source", "practice", "records").rows()
        assert rows == [("gp", "L83001", 1), ("gp", "all", 1), ("all", "all", 1)]

    def test_the_plan_describes_what_would_happen(self, governed: Path) -> None:
        said = plan(load(governed, GOVERNED), DAY)
        for words in (
            "ends on 2026-09-30",
            "source gp (spine): 1 files",
            "national: every source, as of 2026-04-13",
            "Type 1: gp, as of 2026-04-13",
            "exempt for 'finding cases': individual_care: the practice's own patients, DAB-7",
            "sensitive records of hospital: DIAGNOSIS in all reference sets of sensitive.csv; with all rows of the",
            "recipient partner (key partner-2026): planning",
            "approved by DAB-7; from 2026-04-01 to 2026-09-30",
            "on 2026-04-15: in force",
            "hospital: pseudonym, link_method, link_band, COST, SPELL (pseudonymised)",
            "gp: pseudonym, link_method, link_band, SMOKER, born (birth year)",
            "area (small area of at least 10 people)",
            "cohort: where age >= 18",
            "; at least 10 persons",
            "as csv; quasi-identifiers: SMOKER, area, born, at least k = 1",
            "audit log: audit.jsonl",
        ):
            assert words in said
        assert not any(number in said for number in PEOPLE)
        assert "REFUSED: it starts on" in plan(load(governed, GOVERNED), dt.date(2026, 3, 1))

    def test_every_file_with_identifiers_is_to_be_destroyed(self, governed: Path) -> None:
        programme = load(governed, GOVERNED)
        stated = programme.to_destroy()
        assert stated.data == {"Practices-of-Exeter": ["gp.csv"], "hospital": ["hospital.csv"]}
        named = {file for files in stated.data.values() for file in files} | set(stated.work)
        numbered = {file.name for file in governed.glob("*.csv") if any(each in file.read_text() for each in PEOPLE)}
        assert numbered <= named
        EarlierCohorts(lc.Audit(governed / "audit.jsonl"), KEY).keep(None, known={})
        assert set(programme.to_destroy().work) == {*stated.work, "audit.jsonl.cohorts"}
        assert (stated.recipients, stated.known_copies) == (("partner",), ("the hospital's own archive",))

    def test_a_programme_that_is_over_does_not_run(self, governed: Path) -> None:
        programme = load(governed, GOVERNED)
        with pytest.raises(RefusedError, match="ended on 2026-09-30"):
            programme.link(on=dt.date(2026, 10, 1))
        (governed / "destroyed.json").write_text("{}")
        for run in (programme.link, programme.check, lambda: plan(programme)):
            with pytest.raises(RefusedError):
                run()

    def test_check_finds_old_lists(self, governed: Path) -> None:
        with pytest.raises(RefusedError, match=r"opt_outs\..*: they are as of 2026-04-13, 8 days before"):
            load(governed, GOVERNED).check(dt.date(2026, 4, 21))

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('approval = "DAB-7"\n', "", r"recipient\[1\]\.terms\.approval: is required"),
            ('approval = "DAB-7"', 'approval = ""', r"recipient\[1\]\.terms: terms: approval is empty"),
            ("end = 2026-09-30", "end = 2026-03-30", r"recipient\[1\]\.terms: terms: they end on 2026-03-30, before"),
            ('format = "csv"', 'format = "xlsx"', r'recipient\[1\]\.format: must be "parquet" or "csv" or'),
            ("minimum_k = 1", "minimum_k = 0", r"recipient\[1\]\.minimum_k: must be at least 1"),
            ("age >= 18 and", "age.x and", r"recipient\[1\]\.cohort: filter, character"),
            (
                'born = "birth_year"',
                'born = "birthday"',
                r'\.derived\.gp\.born\.kind: must be "age".*; did you mean birth_year\?',
            ),
            (
                'born = "birth_year"',
                'born = {kind = "age"}',
                r"recipient\[1\]\.derived\.gp\.born: .* needs at, the day",
            ),
            ('hospital = ["SPELL"]', 'ambulance = ["SPELL"]', r"recipient\[1\]: .*pseudonymised is of"),
            ('basis = "individual_care"', 'basis = "pseudonymised"', r"opt_outs\.exemption\[1\]\.basis: must be"),
            ("the practice's own patients, DAB-7", "pseudonymised", r"opt_outs\.exemption\[1\]: .*are not exempt from"),
            ('list = "national.csv"\n', "", r"opt_outs\.national: state either list, or both asked and answer"),
            (
                'codes = "codes.csv"',
                'list = "x"\ncodes = "codes.csv"',
                r"opt_outs\.type_one: state either list or codes",
            ),
            (
                'file = "audit.jsonl"',
                'path = "audit.jsonl"',
                r"audit\.file: is required\n.*audit\.path: no such key; did you mean file\?",
            ),
            ("[opt_outs.excluded]", "[opt_outs.left_out]", r"opt_outs\.left_out: no such key"),
            (
                'toolkit = "8XX00"',
                'tool = "8XX00"',
                r"terms\.toolkit: is required\n.*recipient\[1\]\.terms\.tool: no such key",
            ),
            ("[programme]", "two_stage = {bits = 64}\n[programme]", "two_stage: stage 1: bits must be a multiple of 8"),
            ("[programme]", "two_stage = {bit = 128}\n[programme]", r"two_stage\.bit: no such key"),
            ("[programme]", 'two_stage = "hex"\n[programme]', "two_stage: must be a table of keys"),
        ],
    )
    def test_an_error_names_the_key_and_its_place(self, governed: Path, old: str, new: str, says: str) -> None:
        assert old in GOVERNED
        with pytest.raises(ProgrammeError, match=says):
            load(governed, GOVERNED.replace(old, new, 1))

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ('"national.csv"', '"none.csv"', r"opt_outs\.national\.list: there is no file"),
            ('"codes.csv"', '"none.csv"', r"opt_outs\.type_one\.codes: there is no file"),
            ('"objections.csv"', '"none.csv"', r"opt_outs\.objections\.statements: there is no file"),
            ('"sensitive.csv"', '"none.csv"', r"sensitive\[1\]\.codes: there is no file"),
            ('"areas.csv"', '"none.csv"', "there is no look-up"),
            ('columns = ["DIAGNOSIS"]', 'columns = ["NONE"]', "sensitive records: source 'hospital' has no columns"),
            ('unlinked = "release"', 'gp_sources = ["none"]', "gp_sources names none"),
            ("providers = {gp =", "providers = {none =", "destruction.providers: none is not a source"),
            (
                "providers = {gp =",
                'one_file_a_provider = ["none"]\nproviders = {gp =',
                "one_file_a_provider: none is not",
            ),
            ("Practices-of-Exeter", "Practices of Exeter", "its certificate is named after it"),
            ('PRACTICE in ("L83001"', 'NONE in ("L83001"', "cohort: source 'gp' has no columns"),
        ],
    )
    def test_check_finds_missing_files_sources_and_columns(self, governed: Path, old: str, new: str, says: str) -> None:
        assert old in GOVERNED
        with pytest.raises(ProgrammeError, match=says):
            load(governed, GOVERNED.replace(old, new, 1)).check()


def test_decisions_are_read_checked_and_destroyed_with_the_programme(folder: Path) -> None:
    stated = WHOLE.replace("[linkage]", '[linkage]\ndecisions = "decisions.csv"')
    with pytest.raises(ProgrammeError, match=r"linkage\.decisions: there is no file .*decisions\.csv"):
        load(folder, stated).check()
    header = "source,record_id,person_source,person_record_id,decision,who,when,why"
    (folder / "decisions.csv").write_text(f"{header}\ngp,1,gp,2,same,Ann,2026-04-01T09:30:00Z,twice on the list\n")
    programme = load(folder, stated)
    programme.check()
    decisions = programme.decisions()
    assert decisions is not None
    assert decisions["decision"].to_list() == ["same"]
    assert programme.link().decisions["state"].to_list() == ["lost"]
    assert "decisions.csv" in programme.to_destroy().work
    with pytest.raises(ProgrammeError, match="by their row number"):
        load(folder, stated.replace('record_id = "ID"\n', "")).check()
    assert load(folder, WHOLE).decisions() is None
