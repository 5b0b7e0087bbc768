"""Withdrawals: each recipient gets the objectors' pseudonyms from its own releases, and no others."""

import datetime as dt
import hashlib
import json
from pathlib import Path

import polars as pl
import pyrage
import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.exits.withdrawals import LIST_OF_WITHDRAWALS, withdrawals
from linkcore.governance.withholding.opt_outs import OptOuts
from tests.governance.releases.test_release import numbers

DAY = dt.date(2026, 3, 1)
AT = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
ADA, BEN, CAT, OLD, NEW, AWAY = numbers()[:6]
KEYS = {name: lc.Key.from_bytes(name, hashlib.sha256(bytes([i])).digest()) for i, name in enumerate(["one", "two"])}
SUPERSEDED = pl.DataFrame({"old": [OLD], "new": [NEW]})
EXACT = lc.Exact(usable=("test",), superseded=SUPERSEDED)


def linkage(people: list[str]) -> lc.Linkage:
    gp = lc.Source("gp", pl.DataFrame({"nhs_number": people, "cost": range(len(people))}), spine=True)
    seen = lc.Source("seen", pl.DataFrame({"nhs_number": [ADA, BEN, OLD], "cost": [1, 2, 3]}))
    return lc.link([gp, seen], exact=EXACT, fallback=None)


def objections(*rows: tuple[str, str, str]) -> OptOuts:
    frame = pl.DataFrame(rows, {"nhs_number": pl.String, "date": pl.String, "statement": pl.String}, orient="row")
    return OptOuts.from_statements(frame, as_of=DAY)


def pseudonyms(key: lc.Key, *people: str) -> list[str]:
    return sorted(lc.pseudonymise(pl.Series(people, dtype=pl.String), key))


@pytest.fixture(params=["parquet", "csv", "duckdb"])
def folders(tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    """Releases to two recipients: one has both sources, the other has hospital data only."""
    before = linkage([ADA, BEN, CAT, NEW, AWAY])
    sources = {"one": {"gp": ["cost"], "seen": ["cost"]}, "two": {"seen": ["cost"]}}
    for name, columns in sources.items():
        agreement = lc.Agreement(f"Recipient {name}", name, columns, format=request.param)
        lc.release(before, agreement, KEYS[name], tmp_path / name)
    return [tmp_path / name for name in sources]


def run(folders: list[Path], said: OptOuts, *, keys: list[lc.Key] | None = None, out: str = "out") -> pl.DataFrame:
    parent = folders[0].parent
    return withdrawals(
        # AWAY has moved, and is no longer there.
        linkage([ADA, BEN, CAT, NEW]),
        said,
        folders,
        list(KEYS.values()) if keys is None else keys,
        parent / out,
        on=DAY,
        occasion=Occasion("analyst", AT, Audit(parent / "audit.jsonl"), "objections"),
    )


def test_each_recipient_gets_pseudonyms_from_its_own_releases_and_no_others(folders: list[Path]) -> None:
    said = objections(
        (ADA, "2026-02-01", "objection"),
        (CAT, "2026-02-01", "objection"),  # has GP data only
        (AWAY, "2026-02-01", "objection"),
        (OLD, "2026-02-01", "objection"),  # released under the number that superseded it
        (BEN, "2026-02-01", "objection"),
        (BEN, "2026-02-02", "withdrawal"),
    )
    counts = run(folders, said)
    out = folders[0].parent / "out"
    expected = {
        "one": pseudonyms(KEYS["one"], ADA, CAT, AWAY, NEW),
        "two": pseudonyms(KEYS["two"], ADA, NEW),
    }
    for name, theirs in expected.items():
        told = pl.read_csv(out / f"{name}.csv", infer_schema=False)
        assert told.rows() == [(each, "1") for each in theirs]
    assert counts.rows() == [("Recipient one", "one", 1, 4, 0), ("Recipient two", "two", 1, 2, 0)]
    assert sorted(file.name for file in out.iterdir()) == ["one.csv", "two.csv", LIST_OF_WITHDRAWALS]
    assert all(oct(file.stat().st_mode)[-3:] == "600" for file in out.iterdir())
    everything = "".join(file.read_text() for file in [*out.iterdir(), folders[0].parent / "audit.jsonl"])
    assert not any(number in everything for number in numbers())
    assert json.loads((out / LIST_OF_WITHDRAWALS).read_text())["on"] == "2026-03-01"


def test_a_release_is_read_from_its_own_folder_and_no_other_that_its_name_matches_as_a_pattern(
    folders: list[Path],
) -> None:
    """As a pattern, ``rel[1]`` matches ``rel1``, where another release lies: there, nobody would be found."""
    odd, other = folders[0].with_name("rel[1]"), folders[0].with_name("rel1")
    folders[0].rename(odd)
    other.mkdir()
    for file in odd.glob("*"):
        if file.suffix == ".csv":
            (other / file.name).write_text("pseudonym\n")
        elif file.suffix == ".parquet":
            pl.DataFrame({"pseudonym": [""]}).write_parquet(other / file.name)
    run([odd, folders[1]], objections((ADA, "2026-02-01", "objection")))
    told = pl.read_csv(odd.parent / "out" / "one.csv", infer_schema=False)["pseudonym"].to_list()
    assert told == pseudonyms(KEYS["one"], ADA)


def test_a_release_that_is_not_as_its_manifest_states_is_not_believed(folders: list[Path]) -> None:
    """With rows cut off, objectors would be missed."""
    file = next(file for file in sorted(folders[0].iterdir()) if file.suffix in {".csv", ".parquet", ".duckdb"})
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(lc.RefusedError, match=f"{file.name} is not as it was written"):
        run(folders, objections((ADA, "2026-02-01", "objection")))
    assert not (folders[0].parent / "out").exists()


def test_an_encrypted_release_is_looked_into_once_it_is_opened(tmp_path: Path) -> None:
    """The trusted team's own key can be one of those that open it; without any, nobody can tell who is in it."""
    team, out = pyrage.x25519.Identity.generate(), tmp_path / "one"
    encryption = lc.Encryption([lc.AgeIdentity.generate().public_key, str(team.to_public())])
    agreement = lc.Agreement("Recipient one", "one", {"gp": ["cost"]}, encryption=encryption)
    lc.release(linkage([ADA, BEN, CAT, NEW, AWAY]), agreement, KEYS["one"], out)
    said = objections((ADA, "2026-02-01", "objection"))
    with pytest.raises(lc.RefusedError, match=r"this release is encrypted.*open its files with the trusted team's key"):
        run([out], said)
    assert not (tmp_path / "out").exists()
    pyrage.decrypt_file(str(out / "gp.parquet.age"), str(out / "gp.parquet"), [team])
    assert run([out], said)["pseudonyms"].to_list() == [1]


@pytest.mark.parametrize("recipients", [[], [{"key": "one"}], None])
def test_a_list_of_withdrawals_claims_only_the_file_of_each_key(
    tmp_path: Path, recipients: list[dict[str, str]] | None
) -> None:
    before = linkage([ADA])
    lc.release(before, lc.Agreement("Recipient", "one", {"gp": ["cost"]}), KEYS["one"], tmp_path / "one")
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "my notes.csv"
    file.write_text("mine")
    content = {"recipients": recipients, "files": {file.name: hashlib.sha256(b"mine").hexdigest()}}
    (tmp_path / "out" / LIST_OF_WITHDRAWALS).write_text(json.dumps(content))
    with pytest.raises(lc.ProgrammeError, match=r"my notes\.csv"):
        run([tmp_path / "one"], objections())
    assert file.read_text() == "mine"


def test_withdrawals_are_recorded_and_replace_an_earlier_list(folders: list[Path]) -> None:
    parent = folders[0].parent
    run(folders, objections((ADA, "2026-02-01", "objection")))
    run(folders, objections())
    assert pl.read_csv(parent / "out" / "one.csv").height == 0
    lines = [json.loads(line) for line in (parent / "audit.jsonl").read_text().splitlines()]
    assert [(line["key"], line["details"]["pseudonyms"]) for line in lines] == [
        ("one", 1),
        ("two", 1),
        ("one", 0),
        ("two", 0),
    ]
    (parent / "out" / "mine.txt").write_text("mine")
    with pytest.raises(lc.ProgrammeError, match=r"mine\.txt"):
        run(folders, objections())
    (parent / "out" / "mine.txt").unlink()
    for text in ("a note of mine", None):
        file = parent / "out" / "one.csv"
        before = file.read_text()
        if text is None:
            file.rename(parent / "elsewhere.csv")
            file.symlink_to(parent / "elsewhere.csv")
        else:
            file.write_text(text)
        with pytest.raises(lc.ProgrammeError, match=r"one\.csv"):
            run(folders, objections())
        if text is not None:
            file.write_text(before)


def test_a_person_whose_only_record_may_be_an_objectors_is_withdrawn(tmp_path: Path) -> None:
    """The number contradicts the name and the birth date, so the record is a person of its own."""
    people = pl.DataFrame(
        {
            "nhs_number": [ADA, BEN],
            "given_name": ["ADA", "BEN"],
            "family_name": ["NG", "OKORO"],
            "birth_date": ["1980-02-03", "1975-11-30"],
        }
    )
    odd = pl.DataFrame([(ADA, "ZOE", "SMITH", "1999-07-08"), *people.rows()], people.columns, orient="row")
    sources = [lc.Source("gp", people, spine=True), lc.Source("seen", odd.with_columns(cost=pl.lit(1)))]
    made = lc.link(sources, exact=EXACT, fallback=None)
    assert made.links["conflict"].sum() == 1
    lc.release(made, lc.Agreement("Recipient", "one", {"seen": ["cost"]}), KEYS["one"], tmp_path / "one")
    counts = withdrawals(
        made,
        objections((ADA, "2026-02-01", "objection")),
        [tmp_path / "one"],
        [KEYS["one"]],
        tmp_path / "out",
        on=DAY,
        occasion=Occasion("analyst", AT, Audit(tmp_path / "audit.jsonl"), "objections"),
    )
    told = set(pl.read_csv(tmp_path / "out" / "one.csv", infer_schema=False)["pseudonym"])
    released = pl.read_parquet(tmp_path / "one" / "seen.parquet")["pseudonym"]
    assert counts["pseudonyms"].item() == 2
    assert set(released) - told == set(pseudonyms(KEYS["one"], BEN))


def test_a_person_with_only_some_records_that_may_be_an_objectors_stays_and_is_counted(tmp_path: Path) -> None:
    people = pl.DataFrame(
        {
            "nhs_number": [ADA, BEN],
            "given_name": ["ADA", "BEN"],
            "family_name": ["NG", "OKORO"],
            "birth_date": ["1980-02-03", "1975-11-30"],
        }
    )
    # The second record has the first one's name, birth date and hospital id, and another person's number.
    seen = pl.concat([people[1:], people[1:].with_columns(nhs_number=pl.lit(ADA))]).with_columns(
        local_patient_id=pl.lit("H1"), cost=pl.lit(1)
    )
    made = lc.link([lc.Source("gp", people, spine=True), lc.Source("seen", seen)], exact=EXACT, fallback=None)
    assert made.links.filter(source="seen")["person_id"].n_unique() == 1
    lc.release(made, lc.Agreement("Recipient", "one", {"seen": ["cost"]}), KEYS["one"], tmp_path / "one")
    counts = withdrawals(
        made,
        objections((ADA, "2026-02-01", "objection")),
        [tmp_path / "one"],
        [KEYS["one"]],
        tmp_path / "out",
        on=DAY,
        occasion=Occasion("analyst", AT, Audit(tmp_path / "audit.jsonl"), "objections"),
    )
    assert counts.rows() == [("Recipient", "one", 1, 0, 1)]


@pytest.mark.parametrize("folders", ["parquet"], indirect=True)
def test_missing_keys_old_objections_and_broken_releases_are_refused(folders: list[Path]) -> None:
    said = objections((ADA, "2026-02-01", "objection"))
    with pytest.raises(lc.RefusedError, match="key 'two' version 1, which is not given"):
        run(folders, said, keys=[KEYS["one"]])
    with pytest.raises(lc.RefusedError, match="28 days before"):
        run(folders, OptOuts(said.statements, dt.date(2026, 2, 1)))
    file, manifest = folders[0] / "gp.parquet", folders[0] / "manifest.json"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"broken")
    manifest.write_text(manifest.read_text().replace(before, hashlib.sha256(b"broken").hexdigest()))
    with pytest.raises(lc.SourceError, match="cannot be read"):
        run(folders, said)
    assert not (folders[0].parent / "out").exists()


def test_a_pseudonym_that_was_superseded_is_withdrawn_from_the_release_that_has_it(tmp_path: Path) -> None:
    """In February DEE has no number, in March she has one and objects; EVE has never had one."""

    def linked(number: str | None, date: dt.date, previous: lc.Linkage | None = None) -> lc.Linkage:
        gp = lc.Source("gp", pl.DataFrame({"nhs_number": [ADA, BEN], "cost": [1, 2]}), spine=True)
        rows = {"record_id": ["D", "E"], "nhs_number": [number, None], "family_name": ["NG", "FOX"], "cost": [3, 4]}
        seen = lc.Source("seen", pl.DataFrame(rows, schema_overrides={"nhs_number": pl.String}))
        return lc.link([gp, seen], exact=EXACT, fallback=None, reference_date=date, previous=previous, synthetic=True)

    february = linked(None, dt.date(2026, 2, 1))
    march = linked(CAT, DAY, february)
    lc.release(february, lc.Agreement("Recipient one", "one", {"seen": ["cost"]}), KEYS["one"], tmp_path / "one")
    audit = Audit(tmp_path / "audit.jsonl")
    withdrawals(
        march,
        objections((CAT, "2026-03-01", "objection")),
        [tmp_path / "one"],
        list(KEYS.values()),
        tmp_path / "out",
        on=DAY,
        occasion=Occasion("analyst", AT, audit, "objections"),
    )
    token = february.persons.filter(record_id="D")["token"].item()
    listed = pl.read_csv(tmp_path / "out" / "one.csv")["pseudonym"].to_list()
    assert listed == pseudonyms(KEYS["one"], f"linkcore:person:{token}")
