"""Commands with --linkage: they link nothing, and do what they do from a fresh linkage, byte for byte."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.programme import programme as programme_module
from tests.cli.commands import DAY, PASSPHRASE, PEOPLE, TYPE_ONE, WHO, done, object_to, pseudonyms, run, state


@pytest.fixture
def store(programme: Path, keyring: Path) -> Path:
    """The linkage of the small programme, encrypted; the programme states it."""
    opened = lc.Keyring.open(keyring, PASSPHRASE)
    opened.new("linkage-2026", at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    state(programme, "[linkage]\n", '[linkage]\nstore = "work"\nstore_key = "linkage-2026"\n')
    said = done("link", programme, "--on", DAY, "--linkage-keyring", keyring, passphrase=PASSPHRASE)
    assert f"linkage: {programme / 'work'} (encrypted under key linkage-2026; it has identifiers" in said
    return programme / "work"


@pytest.fixture
def nothing_is_linked(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """From here on, nothing is linked: whatever is asked for must come from the store."""

    def link(*_: object, **__: object) -> None:
        raise AssertionError("it linked again")

    monkeypatch.setattr(programme_module, "link", link)
    return store


def content(place: Path) -> dict[str, Any]:
    """The bytes of each file; of those that state times, what they state without these."""
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    return {path.relative_to(place).as_posix(): _without_times(path) for path in files if path.suffix != ".sig"}


def _without_times(path: Path) -> Any:
    if path.suffix != ".json":
        return path.read_bytes()

    def plain(value: Any) -> Any:
        times = {"written", "at", "seconds"} | ({"files"} if path.name == "run.json" else set())
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items() if name not in times}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return plain(json.loads(path.read_text("utf-8")))


def both(programme: Path, out: Path, *command: object, stdin: str = "") -> None:
    """Run a command on a fresh linkage, then on the kept one; compare what is said and written."""
    said = {}
    kept = programme.with_name("kept")
    shutil.copytree(programme, kept)
    for name, folder in (("fresh", programme), ("kept", kept)):
        if name == "fresh":
            state(folder, 'store = "work"\nstore_key = "linkage-2026"\n', "")
        place = out.with_name(f"{name}-{out.name}")
        arguments = [folder if each is programme else place if each is out else each for each in command]
        said[name] = done(*arguments, passphrase=PASSPHRASE, stdin=stdin).replace(str(place), "OUT")
    assert said["fresh"] == said["kept"]
    fresh, opened = (content(out.with_name(f"{name}-{out.name}")) for name in said)
    assert fresh
    assert fresh == opened


@pytest.mark.usefixtures("store")
def test_a_release_from_the_store_is_the_release_of_a_fresh_linkage(
    programme: Path, keyring: Path, signing_key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    both(
        programme,
        out,
        *("release", programme, "--recipient", "Partner", "--keyring", keyring, "--on", DAY),
        *("--signing-key", signing_key, "--actor", "team", "--out", out),
    )
    tables = {path.name for path in (tmp_path / "kept-out").iterdir()}
    assert {"gp.parquet", "emergency.parquet", "manifest.json"} <= tables
    assert lc.verify_release(tmp_path / "kept-out")["recipient"] == "Partner"


@pytest.mark.usefixtures("store")
def test_a_run_from_the_store_is_the_run_of_a_fresh_linkage(
    programme: Path, keyring: Path, signing_key: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--keyring", keyring, "--on", DAY, "--signing-key", signing_key, "--actor", "team", "--out", out)
    for name in ("fresh", "kept"):
        folder = programme if name == "kept" else Path(shutil.copytree(programme, tmp_path / "fresh"))
        if name == "fresh":
            state(folder, 'store = "work"\nstore_key = "linkage-2026"\n', "")
        place = tmp_path / f"{name}-out"
        done("run", folder, *options[:-1], place, passphrase=PASSPHRASE)
    fresh, kept = (content(tmp_path / f"{name}-out") for name in ("fresh", "kept"))
    assert fresh.keys() == kept.keys()
    # The page shows how long each step took.
    assert [name for name in fresh if fresh[name] != kept[name]] in ([], ["report.html"])


@pytest.mark.usefixtures("store")
def test_exits_from_the_store_are_those_of_a_fresh_linkage(
    programme: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    people = [one for one in PEOPLE if one != TYPE_ONE]
    pl.DataFrame({"pseudonym": pseudonyms(key, people), "risk": range(len(people))}).write_csv(tmp_path / "some.csv")
    (tmp_path / "lists").mkdir()
    pl.DataFrame({"nhs_number": people}).write_csv(tmp_path / "lists" / "B82002.csv")
    common = ("--recipient", "Partner", "--keyring", keyring, *WHO)
    out = tmp_path / "found.csv"
    both(
        programme,
        out,
        *("reidentify", programme, "--pseudonyms", tmp_path / "some.csv", "--requester", "B82002"),
        *("--list", tmp_path / "lists" / "B82002.csv", *common, "--out", out),
    )
    assert len((tmp_path / "kept-found.csv").read_text().splitlines()) > 5
    shutil.rmtree(programme.with_name("kept"))
    state(programme, "[linkage]\n", '[linkage]\nstore = "work"\nstore_key = "linkage-2026"\n')
    out = tmp_path / "scores"
    both(
        programme,
        out,
        *("return", programme, "--scores", tmp_path / "some.csv", "--score", "risk"),
        *("--lists", tmp_path / "lists", *common, "--out", out),
    )


@pytest.mark.usefixtures("store")
def test_withdrawals_from_the_store_are_those_of_a_fresh_linkage(
    programme: Path, keyring: Path, tmp_path: Path
) -> None:
    object_to(programme, PEOPLE[5], PEOPLE[8])
    out = tmp_path / "out"
    both(
        programme,
        out,
        *("withdrawals", programme, "--release", programme / "release", "--keyring", keyring, "--on", DAY, *WHO),
        *("--out", out),
    )


@pytest.mark.usefixtures("store")
def test_subject_access_from_the_store_knows_all_rows_or_is_refused(
    programme: Path, keyring: Path, tmp_path: Path
) -> None:
    command = ("subject-access", programme, "--linkage-keyring", keyring, *WHO, "--out", tmp_path / "answer.json")
    refused = run(*command, stdin=PEOPLE[4], passphrase=PASSPHRASE)
    assert (refused.returncode, "source 'gp': rows with a Type 1 opt-out were left out" in refused.stderr) == (4, True)
    assert not (tmp_path / "answer.json").exists()
    (programme / "gp.csv").write_text("".join(_rows_but(programme / "gp.csv", TYPE_ONE)))
    done("link", programme, "--on", DAY, "--anew", "--linkage-keyring", keyring, passphrase=PASSPHRASE)
    out = tmp_path / "answer.json"
    both(
        programme,
        out,
        *("subject-access", programme, "--keyring", keyring, "--release", programme / "release", *WHO, "--out", out),
        stdin=PEOPLE[4],
    )


def _rows_but(file: Path, person: str) -> list[str]:
    return [line for line in file.read_text().splitlines(keepends=True) if person not in line]


def test_commands_with_a_store_do_not_link(
    programme: Path, nothing_is_linked: Path, keyring: Path, key: lc.Key, tmp_path: Path
) -> None:
    pl.DataFrame({"pseudonym": pseudonyms(key, PEOPLE)}).write_csv(tmp_path / "some.csv")
    pl.DataFrame({"nhs_number": PEOPLE}).write_csv(tmp_path / "list.csv")
    done(
        *("reidentify", programme, "--pseudonyms", tmp_path / "some.csv", "--requester", "B82002"),
        *("--list", tmp_path / "list.csv", "--recipient", "Partner", "--keyring", keyring, *WHO),
        *("--out", tmp_path / "found.csv"),
        passphrase=PASSPHRASE,
    )
    done("report", nothing_is_linked, "--linkage-keyring", keyring, "--out", tmp_path / "one", passphrase=PASSPHRASE)
    done("report", programme, "--linkage-keyring", keyring, "--out", tmp_path / "two", passphrase=PASSPHRASE)
    options = ("--source", "gp", "--record-id", "3", "--identifiable", "--linkage-keyring", keyring, *WHO)
    done("explain", programme, *options, "--out", tmp_path / "why.txt", passphrase=PASSPHRASE)
    needed = run("report", nothing_is_linked, "--out", tmp_path / "three")
    assert (needed.returncode, "give its keyring as --linkage-keyring" in needed.stderr) == (4, True)


@pytest.mark.usefixtures("store")
def test_a_source_that_changed_and_a_setting_that_changed_are_named(
    programme: Path, keyring: Path, tmp_path: Path
) -> None:
    command = ("report", programme, "--linkage-keyring", keyring, "--on", DAY, "--out", tmp_path / "report")
    seen = programme / "emergency.csv"
    before = seen.read_text()
    seen.write_text(before.replace("2026-03-01", "2026-03-31"))  # payload only
    changed = run(*command, passphrase=PASSPHRASE)
    assert changed.returncode == 3
    assert "source 'emergency': its data are not those that were linked" in changed.stderr
    seen.write_text(before)
    state(programme, "probabilistic = false", 'conflicts = "keep"\nprobabilistic = false')
    changed = run(*command, passphrase=PASSPHRASE)
    assert changed.returncode == 2
    assert "the programme file states another exact.conflicts than the kept linkage was made with" in changed.stderr


@pytest.mark.usefixtures("store")
def test_a_type_1_opt_out_that_came_after_linking_is_withheld(
    programme: Path, keyring: Path, signing_key: Path, tmp_path: Path
) -> None:
    (programme / "type_one.csv").write_text(f"nhs_number\n{TYPE_ONE}\n{PEOPLE[6]}\n")
    said = done(
        *("release", programme, "--recipient", "Partner", "--keyring", keyring, "--on", DAY),
        *("--signing-key", signing_key, "--actor", "team", "--out", tmp_path / "out"),
        passphrase=PASSPHRASE,
    )
    before = pl.read_parquet(programme / "release" / "gp.parquet").height
    assert pl.read_parquet(tmp_path / "out" / "gp.parquet").height == before - 1
    assert "gp, practice A81001: 1 rows left out, Type 1" in said


def test_a_programme_of_real_people_needs_a_key_for_its_store(programme: Path, tmp_path: Path) -> None:
    state(programme, "synthetic = true\n", "")
    refused = run("link", programme, "--on", DAY, "--out", tmp_path / "work")
    assert (refused.returncode, "kept encrypted only" in refused.stderr) == (4, True)
    assert not (tmp_path / "work").exists()
    state(programme, "[linkage]\n", '[linkage]\nstore = "work"\n')
    refused = run("check", programme, "--on", DAY)
    assert (refused.returncode, "linkage.store_key: a linkage of real people" in refused.stderr) == (2, True)
    state(programme, 'store = "work"\n', 'store = "work"\nstore_key = "partner-2026"\n')
    refused = run("check", programme, "--on", DAY)
    assert (refused.returncode, "give the store a key of its own" in refused.stderr) == (2, True)


def test_a_plain_store_does_not_pass_for_the_encrypted_one(programme: Path, keyring: Path, tmp_path: Path) -> None:
    done("link", programme, "--on", DAY, "--out", programme / "work")
    state(programme, "[linkage]\n", '[linkage]\nstore = "work"\nstore_key = "linkage-2026"\n')
    command = ("report", programme, "--linkage-keyring", keyring, "--on", DAY, "--out", tmp_path / "report")
    refused = run(*command, passphrase=PASSPHRASE)
    assert (refused.returncode, "work is not encrypted, though linkage.store_key" in refused.stderr) == (4, True)
    state(programme, 'store_key = "linkage-2026"\n', "")
    done(*command)
    state(programme, 'store = "work"\n', "")
    state(programme, "synthetic = true\n", "")
    refused = run("report", programme, "--linkage", programme / "work", "--out", tmp_path / "report", "--on", DAY)
    assert (refused.returncode, "states another synthetic than the kept linkage" in refused.stderr) == (2, True)


@pytest.mark.usefixtures("store")
def test_the_store_and_its_key_are_destroyed_with_the_programme(programme: Path) -> None:
    inventory = lc.Programme.load(programme / "programme.toml").to_destroy()
    assert "work" in inventory.work
    assert "linkage-2026" in inventory.keys


def test_review_and_explanations_from_the_store_are_those_of_a_fresh_linkage(ics: Path, tmp_path: Path) -> None:
    """Of a programme with a fallback, whose candidates and models are kept."""
    folder = Path(shutil.copytree(ics, tmp_path / "ics"))
    done("link", folder, "--on", DAY, "--out", tmp_path / "work")
    record = pl.read_parquet(tmp_path / "work" / "links.parquet").filter(method="probabilistic")[0]
    chosen = ("--source", record["source"].item(), "--record-id", record["record_id"].item())
    commands = {
        "review.csv": ("clerical-review", folder, "--records", 50, "--identifiable"),
        "why.txt": ("explain", folder, *chosen, "--identifiable"),
    }
    log = ("--audit", tmp_path / "audit.jsonl", *WHO)
    for file, command in commands.items():
        for name, options in (("fresh", ()), ("kept", ("--linkage", tmp_path / "work"))):
            done(*command, "--on", DAY, *log, *options, "--out", tmp_path / f"{name}-{file}")
        fresh, kept = ((tmp_path / f"{name}-{file}").read_bytes() for name in ("fresh", "kept"))
        assert fresh == kept
        assert len(kept) > 200
