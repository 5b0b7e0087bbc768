"""The programme file: what it means, and errors that name the key and its place."""

import datetime as dt
import hashlib
from pathlib import Path

import polars as pl
import pytest
from pyrage import x25519

import linkcore as lc
from linkcore.errors import LinkcoreError, ProgrammeError, RefusedError, SourceError
from linkcore.governance.releases.earlier_cohorts import EarlierCohorts
from linkcore.programme.plan import plan
from linkcore.programme.programme import Programme
from tests.governance.extracts import numbers, signed_and_audited

WHOLE = """
[programme]
name = "Example"
synthetic = true
reference_date = 2026-03-31
seed = 3

[numbers]
usable = ["valid", "test"]
superseded = "superseded.csv"

[linkage]
conflicts = "keep"

[[source]]
name = "gp"
data = "gp.csv"
spine = true
record_id = "ID"
practice = "PRACTICE"
[source.columns]
nhs_number = "NHS"
[source.further]
PHONE = "exact"
[source.attributes]
ethnic_group = "ETHNIC"
[source.events]
start = "SEEN"

[[recipient]]
name = "partner"
key = "partner-2026"
purpose = "a test"
[recipient.columns]
gp = ["ETHNIC"]
"""


AGREED = 'purpose = "a test"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gp.csv").write_text("ID,NHS,PRACTICE,PHONE,ETHNIC,SEEN\n1,999 000 0018,L83001,1,A,2026-01-02\n")
    (tmp_path / "superseded.csv").write_text("old,new\n401 023 2137,999 000 0018\n")
    return tmp_path


def load(folder: Path, text: str) -> Programme:
    (folder / "programme.toml").write_text(text)
    return Programme.load(folder / "programme.toml")


def test_a_whole_file_is_read(folder: Path) -> None:
    programme = load(folder, WHOLE)
    (source,) = programme.sources()
    assert source.spine
    assert source.practice == "PRACTICE"
    assert source.events == {"start": "SEEN"}
    assert source.identifier_columns == {"nhs_number": "NHS"}
    assert source.files == (folder / "gp.csv",)
    exact = programme.exact()
    assert exact.usable == ("valid", "test")
    assert exact.conflicts == "keep"
    assert isinstance(exact.superseded, pl.DataFrame)
    assert exact.superseded.rows() == [(4010232137, 9990000018)]
    (agreement,) = programme.agreements()
    assert (agreement.recipient, agreement.key, agreement.purpose) == ("partner", "partner-2026", "a test")
    assert programme.programme.reference_date == dt.date(2026, 3, 31)
    agreement.check([source])
    assert programme.link().links.select("method", "nhs_number_status").rows() == [("spine", "test")]


def test_the_fallback_can_be_left_out_or_configured(folder: Path) -> None:
    assert load(folder, WHOLE).fallback() is not None
    stated = WHOLE.replace("[linkage]", '[linkage]\naccept = 0.95\nmemory = "1GB"')
    fallback = load(folder, stated).fallback()
    assert fallback is not None
    assert (fallback.accept, fallback.memory) == (0.95, "1GB")
    assert load(folder, WHOLE.replace("[linkage]", "[linkage]\nprobabilistic = false")).fallback() is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("spine = true", "spin = true", r"source\[1\]\.spin: no such key"),
        ("[linkage]", "[linking]", "linking: no such key"),
        ('name = "gp"\n', "", r"source\[1\]\.name: is required"),
        ('conflicts = "keep"', 'conflicts = "ignore"', "linkage.conflicts: Input should be 'fallback' or 'keep'"),
        (WHOLE[WHOLE.index("[[source]]") : WHOLE.index("[[recipient]]")], "", "source: is required"),
        ('PHONE = "exact"', 'PHONE = "telephone"', r"source\[1\]\.further\.PHONE: Input should be"),
        ("seed = 3", 'seed = "three"', "programme.seed: Input should be a valid integer"),
        ("seed = 3", "seed = ", "not a TOML file"),
        ("[programme]", 'folder = "/"\n[programme]', "folder: no such key"),
        ("seed = 3", "seed = " + "[" * 100_000, "not a TOML file: its tables or lists are nested too deeply"),
        ("seed = 3", "seed = " + "9" * 5_000, "not a TOML file"),
        ('data = "gp.csv"', 'data = "gp\\u0000.csv"', "a text with the character U\\+0000"),
        ("seed = 3", "seed = true", r"programme\.seed: give a number, not true"),
        ("[linkage]", "[linkage]\naccept = true", r"linkage\.accept: give a number, not true"),
        ("seed = 3", "seed = -1", r"programme\.seed: Input should be greater than or equal to 0"),
        ("seed = 3", "seed = 9223372036854775808", r"programme\.seed: Input should be less than"),
        ('key = "partner-2026"', 'key = ""', r"recipient\[1\]: .*a key's id is 1 to 64 letters"),
        ('key = "partner-2026"', 'key = "../../x"', r"recipient\[1\]: .*a key's id is 1 to 64 letters"),
        (AGREED, f"{AGREED}\nencryption = true", r"recipient\[1\]\.encryption: say for whom"),
        (AGREED, f'{AGREED}\nencryption = ["age1abc"]', r"recipient\[1\]\.encryption: this is no age public key"),
        (AGREED, f"{AGREED}\nencryption = []", r"recipient\[1\]\.encryption: .*state one of these"),
        (AGREED, f'{AGREED}\nencryption = {{passphrase = "x"}}', r"\.encryption\.passphrase: no such key"),
        (AGREED, f'{AGREED}\nencryption = {{passphrase_variable = "a b"}}', r"\.encryption: .*not a passphrase"),
        (AGREED, f"{AGREED}\ninteger_id = true", r"recipient\[1\]\.integer_id: name the column"),
        (AGREED, f'{AGREED}\ninteger_id = "a b"', r"recipient\[1\]: .*integer_id names a column"),
        ('name = "Example"', 'name = " "', r"programme\.name: it is empty"),
        ('name = "partner"', 'name = " "', r"recipient\[1\]: .*who receives the data"),
    ],
)
def test_an_error_names_the_file_the_key_and_its_place(folder: Path, old: str, new: str, says: str) -> None:
    assert old in WHOLE
    with pytest.raises(ProgrammeError, match=says) as caught:
        load(folder, WHOLE.replace(old, new, 1))
    assert str(folder / "programme.toml") in str(caught.value)


def test_a_secret_key_of_age_in_the_programme_file_is_refused_and_not_quoted(folder: Path) -> None:
    secret = str(x25519.Identity.generate())
    with pytest.raises(ProgrammeError, match="this is a secret key of age, which only its owner may have") as caught:
        load(folder, WHOLE.replace(AGREED, f'{AGREED}\nencryption = ["{secret}"]'))
    assert secret[16:] not in str(caught.value)


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


def test_a_number_of_a_requester_is_not_true(folder: Path) -> None:
    stated = '[audit]\nfile = "audit.jsonl"\n[requesters.L83001]\npractice = "L83001"\nlimit = true\n'
    with pytest.raises(ProgrammeError, match=r"requesters\.L83001: limit: give a number, not true"):
        load(folder, WHOLE + stated)


def test_a_byte_order_mark_is_not_part_of_the_programme(folder: Path) -> None:
    assert load(folder, "\ufeff" + WHOLE).programme.name == "Example"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgrammeError, match="no such programme file"):
        Programme.load(tmp_path / "programme.toml")


def test_a_programme_without_sources_is_refused(folder: Path) -> None:
    with pytest.raises(
        ProgrammeError, match=r"programme\.toml, source: there is none; state at least one \[\[source\]\]"
    ):
        load(folder, 'source = []\n[programme]\nname = "Example"\n')


OTHER_RECIPIENT = """
[[recipient]]
name = "other"
key = "other-2026"
[recipient.columns]
gp = ["ETHNIC"]
"""


class TestRecipients:
    def test_there_can_be_several(self, folder: Path) -> None:
        assert [each.recipient for each in load(folder, WHOLE + OTHER_RECIPIENT).agreements()] == ["partner", "other"]

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                "other-2026",
                "partner-2026",
                r"recipient: \[1\]\.key and \[2\]\.key are both 'partner-2026'; each needs its own",
            ),
            ('"other"', '"partner"', r"recipient: \[1\]\.name and \[2\]\.name are both 'partner'; each needs its own"),
        ],
    )
    def test_two_with_the_same_name_or_key_are_refused(self, folder: Path, old: str, new: str, says: str) -> None:
        with pytest.raises(ProgrammeError, match=says) as caught:
            load(folder, WHOLE + OTHER_RECIPIENT.replace(old, new))
        assert str(folder / "programme.toml") in str(caught.value)


SECOND_SOURCE = """
[[source]]
name = "seen"
data = "gp.csv"
[source.columns]
nhs_number = "NHS"
[source.further]
PHONE = "exact"
"""


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


class TestSuperseded:
    def test_a_missing_file_is_named(self, folder: Path) -> None:
        (folder / "superseded.csv").unlink()
        with pytest.raises(ProgrammeError, match=r"numbers\.superseded: there is no file .*superseded\.csv"):
            load(folder, WHOLE).exact()

    def test_a_file_is_read_as_strictly_as_a_source(self, folder: Path) -> None:
        (folder / "superseded.csv").write_text("old,new\n401 023 2137\n")
        with pytest.raises(SourceError, match=r"numbers\.superseded.*superseded\.csv: row 1"):
            load(folder, WHOLE).exact()

    @pytest.mark.parametrize("before", ["", "\ufeff"])
    def test_a_byte_order_mark_is_not_part_of_a_name(self, folder: Path, before: str) -> None:
        (folder / "superseded.csv").write_text(f"{before}old,new\n401 023 2137,999 000 0018\n", "utf-8")
        superseded = load(folder, WHOLE).exact().superseded
        assert isinstance(superseded, pl.DataFrame)
        assert superseded.rows() == [(4010232137, 9990000018)]


class TestBrackets:
    def test_in_the_name_of_the_folder_are_not_a_pattern(self, folder: Path) -> None:
        named = folder / "ICS [2026]"
        named.mkdir()
        for file in ("gp.csv", "superseded.csv"):
            (folder / file).rename(named / file)
        for pattern in ("gp.csv", "g*.csv", "[g]p.csv"):
            (source,) = load(named, WHOLE.replace('"gp.csv"', f'"{pattern}"')).sources()
            assert source.files == (named / "gp.csv",)

    def test_in_an_absolute_path_are_a_pattern(self, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        (folder / "gp.csv").rename(elsewhere / "gp.csv")
        (source,) = load(folder, WHOLE.replace('"gp.csv"', f'"{elsewhere}/[g]p.csv"')).sources()
        assert source.files == (elsewhere / "gp.csv",)

    def test_in_the_name_of_an_existing_file_are_not_a_pattern(self, folder: Path) -> None:
        named = folder / "[1]"
        named.mkdir()
        (folder / "gp.csv").rename(named / "gp[1].csv")
        (source,) = load(named, WHOLE.replace('"gp.csv"', '"gp[1].csv"')).sources()
        assert source.files == (named / "gp[1].csv",)


def test_paths_are_relative_to_the_file_and_not_to_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    programme = load(folder, WHOLE)
    assert programme.sources()[0].scan(["NHS"]).collect().equals(pl.DataFrame({"NHS": ["999 000 0018"]}))


GOVERNED = """
[programme]
name = "Example"
ends = 2026-09-30

[numbers]
superseded = "superseded.csv"

[linkage]
probabilistic = false

[opt_outs]
unlinked = "release"
[[opt_outs.exemption]]
purpose = "finding cases"
basis = "individual_care"
statement = "the practice's own patients, DAB-7"
[opt_outs.national]
list = "national.csv"
as_of = 2026-04-13
[opt_outs.type_one]
codes = "codes.csv"
as_of = 2026-04-13
[opt_outs.objections]
statements = "objections.csv"
as_of = 2026-04-13
[opt_outs.excluded]
list = "excluded.csv"
as_of = 2026-04-13

[[source]]
name = "gp"
data = "gp.csv"
spine = true
record_id = "ID"
practice = "PRACTICE"
[source.columns]
nhs_number = "NHS"
birth_date = "BORN"
postcode = "HOME"

[[source]]
name = "hospital"
data = "hospital.csv"
[source.columns]
nhs_number = "NHS"

[[sensitive]]
source = "hospital"
columns = ["DIAGNOSIS"]
system = "icd10"
codes = "sensitive.csv"
parent = "SPELL"

[[recipient]]
name = "partner"
key = "partner-2026"
purpose = "planning"
format = "csv"
minimum_k = 1
cohort = {where = 'age >= 18 and PRACTICE in ("L83001", "L83002")', derived = {age = {kind = "age", at = 2026-04-15}}}
[recipient.columns]
gp = ["SMOKER"]
hospital = ["COST"]
[recipient.pseudonymised]
hospital = ["SPELL"]
[recipient.derived.gp]
born = "birth_year"
area = {kind = "small_area", look_up = "areas.csv", postcode = "pcds", area = "lsoa21", least_people = 10}
[recipient.quasi_identifiers]
gp = ["SMOKER"]
[recipient.terms]
legal_basis = "UK GDPR Article 6(1)(e)"
approval = "DAB-7"
start = 2026-04-01
end = 2026-09-30
ico_registration = "ZA000000"
ico_expires = 2026-12-31
toolkit = "8XX00"
toolkit_expires = 2026-12-31
fair_processing = "https://example.org/privacy"
next_audit = 2026-12-31

[audit]
file = "audit.jsonl"

[destruction]
providers = {gp = "Practices-of-Exeter"}
work = ["release/**"]
known_copies = ["the hospital's own archive"]
"""

DAY = dt.date(2026, 4, 15)
KEY = lc.Key.from_bytes("partner-2026", hashlib.sha256(b"a key of the tests").digest())
PEOPLE = numbers(400_000_100, 28)


@pytest.fixture
def governed(tmp_path: Path) -> Path:
    """Eight people with a reason to leave or to stay, and twenty more, without whom the cohort would be too small."""
    homes = ["EX1 2AB", "TQ1 1AA"] * 14
    files = {
        "superseded.csv": ["old,new", f"{numbers(400_009_000, 1)[0]},{PEOPLE[7]}"],
        "gp.csv": ["ID,NHS,BORN,HOME,PRACTICE,SMOKER"]
        + [f"R{i},{n},{'2015' if i == 6 else '1970'}-05-{i + 1:02},{homes[i]},L83001,Y" for i, n in enumerate(PEOPLE)],
        "hospital.csv": ["NHS,DIAGNOSIS,SPELL,COST"]
        + [f"{n},{'A54.9' if i == 4 else 'J18'},S{i},{i}" for i, n in enumerate(PEOPLE)],
        "national.csv": ["nhs_number", PEOPLE[0]],
        "codes.csv": ["nhs_number,date,code", f"{PEOPLE[1]},2025-01-01,9Nu0.", f"{PEOPLE[2]},2025-01-01,9Nu1."],
        "objections.csv": ["nhs_number,date,statement", f"{PEOPLE[3]},2026-01-01,objection"],
        "excluded.csv": ["nhs_number", PEOPLE[5]],
        "sensitive.csv": ["reference_set,code_system,code", "999004381000000103,icd10,A54.9"],
        "areas.csv": ["pcds,lsoa21", "EX1 2AB,E01000001", "TQ1 1AA,E01000002"],
    }
    for name, lines in files.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


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
            ('format = "csv"', 'format = "xlsx"', r"recipient\[1\]\.format: Input should be 'parquet', 'csv' or"),
            ("minimum_k = 1", "minimum_k = 0", r"recipient\[1\]\.minimum_k: Input should be greater than or equal"),
            ("age >= 18 and", "age.x and", r"recipient\[1\]\.cohort: filter, character"),
            ('born = "birth_year"', 'born = "birthday"', r"recipient\[1\]\.derived\.gp\.born\.kind: Input should be"),
            (
                'born = "birth_year"',
                'born = {kind = "age"}',
                r"recipient\[1\]\.derived\.gp\.born: .* needs at, the day",
            ),
            ('hospital = ["SPELL"]', 'ambulance = ["SPELL"]', r"recipient\[1\]: .*pseudonymised is of"),
            ('basis = "individual_care"', 'basis = "pseudonymised"', r"opt_outs\.exemption\[1\]\.basis: Input should"),
            ("the practice's own patients, DAB-7", "pseudonymised", r"opt_outs\.exemption\[1\]: .*are not exempt from"),
            ('list = "national.csv"\n', "", r"opt_outs\.national: state either list, or both asked and answer"),
            (
                'codes = "codes.csv"',
                'list = "x"\ncodes = "codes.csv"',
                r"opt_outs\.type_one: state either list or codes",
            ),
            ('file = "audit.jsonl"', 'path = "audit.jsonl"', r"audit\.file: is required; audit\.path: no such key"),
            ("[opt_outs.excluded]", "[opt_outs.left_out]", r"opt_outs\.left_out: no such key"),
            (
                'toolkit = "8XX00"',
                'tool = "8XX00"',
                r"terms\.toolkit: is required; recipient\[1\]\.terms\.tool: no such key",
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
