"""Month after month: each linkage follows the one before, so people keep their pseudonyms."""

import datetime as dt
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import linkcore as lc
from linkcore.files import earlier_folder
from linkcore.store.encryption import StoreLock
from tests.cli.commands import DAY, PASSPHRASE, PEOPLE, done, lines, run, state

WALK_IN = "ZOE,QUINN,1971-05-06,EX1 2AB"


@pytest.fixture
def monthly(programme: Path, keyring: Path) -> Path:
    """The small programme, with walk-in visits by row number and without an NHS Number, linked for the first time."""
    lc.Keyring.open(keyring, PASSPHRASE).new("linkage-2026", at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    state(programme, "synthetic = true\n", "synthetic = true\nreference_date = 2026-04-01\n")
    state(programme, "[linkage]\n", '[linkage]\nstore_key = "linkage-2026"\n')
    walk_in = '[[source]]\nname = "walk-in"\ndata = "walk_in.csv"\n\n[opt_outs.national]'
    state(programme, "[opt_outs.national]", walk_in)
    visits(programme, WALK_IN)
    assert "previous linkage: none, so people without an NHS Number have new pseudonyms" in link(programme)
    return programme


def visits(programme: Path, *rows: str) -> None:
    text = "".join(f"{row}\n" for row in ("given_name,family_name,birth_date,postcode", *rows))
    (programme / "walk_in.csv").write_text(text)


def link(programme: Path, *options: object, out: str = "work") -> str:
    keyring = programme.parent / "team.keys"
    options = ("--on", DAY, "--linkage-keyring", keyring, "--out", programme / out, *options)
    return done("link", programme, *options, passphrase=PASSPHRASE)


def known(programme: Path, out: str = "work") -> lc.KnownPersons:
    keyring = lc.Keyring.open(programme.parent / "team.keys", PASSPHRASE)
    return lc.Linkage.load(programme / out, None, key=keyring).known_persons()


def tokens(programme: Path, out: str = "work") -> set[str]:
    """The tokens of people without a number who are in the linkage now, or were before."""
    return {name for name in known(programme, out).persons["name"] if not name.isdigit()}


def test_the_linkage_that_is_replaced_is_followed(monthly: Path) -> None:
    first, digest = tokens(monthly), known(monthly).linkage
    visits(monthly, "ADAM,STONE,1980-02-03,EX1 2AC", WALK_IN)
    said = link(monthly)
    assert f"previous linkage: {digest}; people in it keep their pseudonyms" in said
    assert "persons: kept 20, new 1" in said
    assert first < tokens(monthly)
    assert len(tokens(monthly)) == 2


def test_the_same_link_again_changes_no_name(monthly: Path) -> None:
    visits(monthly, "ADAM,STONE,1980-02-03,EX1 2AC", WALK_IN)
    link(monthly)
    before = known(monthly)
    link(monthly)
    after = known(monthly)
    assert after.persons.equals(before.persons)
    assert after.superseded.equals(before.superseded)


def test_a_linkage_elsewhere_follows_the_one_that_is_named(monthly: Path) -> None:
    visits(monthly, "ADAM,STONE,1980-02-03,EX1 2AC", WALK_IN)
    link(monthly, "--previous", monthly / "work", out="may")
    assert tokens(monthly) < tokens(monthly, "may")
    state(monthly, "[linkage]\n", '[linkage]\nprevious = "work"\n')
    assert f"previous linkage: {known(monthly).linkage}" in link(monthly, out="stated")
    assert known(monthly, "stated").persons.equals(known(monthly, "may").persons)
    assert "keep their pseudonyms: work" in done("check", monthly, "--on", DAY)


def test_anew_breaks_with_what_was(monthly: Path) -> None:
    first = tokens(monthly)
    visits(monthly, "ADAM,STONE,1980-02-03,EX1 2AC", WALK_IN)
    state(monthly, "[linkage]\n", '[linkage]\nprevious = "work"\n')
    assert "previous linkage: none" in link(monthly, "--anew")
    assert tokens(monthly).isdisjoint(first)


def test_a_linkage_that_cannot_be_followed_is_not_replaced(monthly: Path) -> None:
    """Not by default: a pipeline that broke would give everybody without a number a new pseudonym."""
    keyring, work = monthly.parent / "team.keys", monthly / "work"
    command = ("link", monthly, "--on", DAY, "--linkage-keyring", keyring, "--out", work)
    before = {file.name: file.read_bytes() for file in work.iterdir()}

    state(monthly, "reference_date = 2026-04-01\n", "")
    refused = run(*command, passphrase=PASSPHRASE)
    assert refused.returncode == 2
    assert "programme.reference_date: a linkage that follows another one needs it" in refused.stderr
    assert "give --anew if that is meant" in refused.stderr
    with pytest.raises(lc.ProgrammeError, match=r"programme\.reference_date: a linkage that follows"):
        lc.Programme.load(monthly / "programme.toml").link(previous=known(monthly))
    state(monthly, "synthetic = true\n", "synthetic = true\nreference_date = 2026-05-01\n")

    other = lc.Keyring.create(monthly.parent / "other.keys", PASSPHRASE, cost=14)
    other.new("linkage-2026", at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    refused = run(*command[:4], "--linkage-keyring", other.path, *command[6:], passphrase=PASSPHRASE)
    assert (refused.returncode, "give --anew if that is meant" in refused.stderr) == (4, True)

    header = (work / "store.json").read_bytes()
    (work / "store.json").write_bytes(header[:-20])
    refused = run(*command, passphrase=PASSPHRASE)
    assert (refused.returncode, "give --anew if that is meant" in refused.stderr) == (3, True)
    (work / "store.json").write_bytes(header)
    assert {file.name: file.read_bytes() for file in work.iterdir()} == before


def test_an_older_store_without_a_header_is_not_replaced_either(monthly: Path) -> None:
    (monthly / "old").mkdir()
    (monthly / "old" / "links.parquet").write_bytes(b"")
    keyring = monthly.parent / "team.keys"
    command = ("link", monthly, "--on", DAY, "--linkage-keyring", keyring, "--out", monthly / "old")
    refused = run(*command, passphrase=PASSPHRASE)
    assert (refused.returncode, "written by an earlier version of linkcore" in refused.stderr) == (2, True)


def test_a_link_that_was_killed_between_its_renames_is_followed(monthly: Path) -> None:
    """Then the old linkage lies aside, and nothing is in its place."""
    first = tokens(monthly)
    (monthly / "work").rename(earlier_folder(monthly / "work"))
    visits(monthly, "ADAM,STONE,1980-02-03,EX1 2AC", WALK_IN)
    assert "persons: kept 20, new 1" in link(monthly)
    assert first < tokens(monthly)


def test_a_link_that_fails_while_it_writes_leaves_the_linkage_before(
    monthly: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known(monthly)
    written = StoreLock.encrypted

    def fails(self: StoreLock, name: str, frame: pl.DataFrame) -> bytes:
        if name == "persons.parquet":
            raise KeyboardInterrupt
        return written(self, name, frame)

    with monkeypatch.context() as patch:
        patch.setattr(StoreLock, "encrypted", fails)
        keyring = monthly.parent / "team.keys"
        ran = run(
            "link", monthly, "--on", DAY, "--linkage-keyring", keyring, "--out", monthly / "work", passphrase=PASSPHRASE
        )
    assert ran.returncode == 130
    assert known(monthly).linkage == before.linkage
    link(monthly)
    assert known(monthly).persons.equals(before.persons)


def test_a_plain_linkage_is_not_followed_by_one_of_real_people(monthly: Path) -> None:
    state(monthly, 'store_key = "linkage-2026"\n', "")
    done("link", monthly, "--on", DAY, "--out", monthly / "plain")
    state(monthly, "synthetic = true\n", "")
    state(monthly, "[linkage]\n", '[linkage]\nprevious = "plain"\n')
    refused = run("check", monthly, "--on", DAY)
    assert (refused.returncode, "kept encrypted only" in refused.stderr) == (4, True)


def test_a_release_that_links_follows_the_linkage_before_and_says_which(
    monthly: Path, keyring: Path, signing_key: Path
) -> None:
    shutil.rmtree(monthly / "release")
    command = (
        *("release", monthly, "--recipient", "Partner", "--keyring", keyring, "--on", DAY),
        *("--signing-key", signing_key, "--actor", "team"),
    )
    done(*command, "--previous", monthly / "work", "--out", monthly / "release", passphrase=PASSPHRASE)
    manifest = json.loads((monthly / "release" / "manifest.json").read_text())
    assert manifest["previous_linkage"] == known(monthly).linkage
    assert lines(monthly / "audit.jsonl")[-1]["details"]["previous_linkage"] == known(monthly).linkage
    # The table of superseded pseudonyms is there because there was a linkage before.
    assert (monthly / "release" / "superseded.parquet").exists()
    done("run", monthly, *command[4:], "--previous", monthly / "work", "--out", monthly / "run", passphrase=PASSPHRASE)
    manifest = json.loads((monthly / "run" / "releases" / "partner-2026" / "manifest.json").read_text())
    assert manifest["previous_linkage"] == known(monthly).linkage


def test_a_linkage_that_followed_another_opens_as_any(monthly: Path, tmp_path: Path) -> None:
    link(monthly)
    keyring = monthly.parent / "team.keys"
    command = ("report", monthly, "--linkage", monthly / "work", "--linkage-keyring", keyring, "--on", DAY)
    done(*command, "--out", tmp_path / "report", passphrase=PASSPHRASE)
    quality = json.loads((tmp_path / "report" / "quality.json").read_text())
    assert "previous_linkage" in quality["run"]["settings"]
    became = {row["became"]: row["times"] for row in quality["tables"]["earlier_persons"] if row["source"] == "all"}
    assert (became["kept"], became["new"]) == (20, 0)
    assert "People of the linkage before" in (tmp_path / "report" / "report.html").read_text()
    opened = lc.Linkage.load(
        monthly / "work",
        lc.Programme.load(monthly / "programme.toml").sources(),
        key=lc.Keyring.open(keyring, PASSPHRASE),
    )
    assert opened.history.by_source == {"walk-in": {"kept": 1, "new": 0}}


def test_a_previous_linkage_is_destroyed_with_the_programme(monthly: Path) -> None:
    state(monthly, "[linkage]\n", '[linkage]\nprevious = "work"\n')
    assert "work" in lc.Programme.load(monthly / "programme.toml").to_destroy().work


def test_persons_are_read_from_a_store_whose_sources_have_changed(monthly: Path) -> None:
    sources = lc.Programme.load(monthly / "programme.toml").sources()
    keyring = lc.Keyring.open(monthly.parent / "team.keys", PASSPHRASE)
    whole = lc.Linkage.load(monthly / "work", sources, key=keyring).known_persons()
    (monthly / "gp.csv").unlink()
    assert PEOPLE[0] in whole.persons["name"]
    for name in ("persons", "records", "superseded", "described"):
        assert getattr(known(monthly), name).equals(getattr(whole, name))
