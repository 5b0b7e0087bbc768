"""Destruction: data and keys are gone, each provider gets an honest certificate, and the programme is refused."""

import hashlib
import itertools
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.check import verify_audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.destruction import certificates
from linkcore.governance.destruction import destroy as destruction
from linkcore.governance.destruction.certificates import NOT_PROVED, SURVIVORS, verify_certificate
from linkcore.governance.destruction.destroy import Destruction, attest, destroy
from linkcore.governance.destruction.inventory import Inventory
from linkcore.governance.destruction.mark import MARK, Mark, Place, refuse_if_destroyed
from linkcore.governance.exits.reidentification import held_versions
from linkcore.keys.signing import SigningKey

END = datetime(2026, 9, 30, 12, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"
MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]
SIGNING = SigningKey.generate()


class Programme:
    """A programme's folder as it is on its last day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("gp/A81001.csv", "gp/B82002.csv", "rh8.csv", "releases/optum/gp.parquet", "work/persons.arrow"):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"SECRET of {name}")
        (folder / "programme.toml").write_text("[programme]")
        lc.Key.from_bytes("supplier", MATERIAL).write(folder / "supplier.json")
        self.keyring = lc.Keyring.create(folder / "keys" / "keys.json", PASSPHRASE, cost=14)
        self.keyring.add(lc.Key.from_bytes("optum-2026", MATERIAL), at=END, recipient="Optum")
        self.keyring.rotate("optum-2026", at=END)
        self.keyring.new("elsewhere-2026", at=END)
        self.audit = Audit(folder / "audit.jsonl")

    def destroy(self, **given: Any) -> Destruction:
        inventory: dict[str, Any] = {
            "programme": "Winter planning",
            "data": {"A81001": ["gp/A81001.csv"], "RH8": ["rh8*.csv"]},
            "work": ["releases", "work", "gp/B82002.csv"],
            "key_files": ["supplier.json"],
            "recipients": ["Optum", "University"],
            "known_copies": ["The supplier holds its stage-1 key."],
            "keys": ["optum-2026", "university-2026"],
        }
        occasion: dict[str, Any] = {"at": END, "reason": "end of the programme"}
        keys: dict[str, Any] = {"keyrings": [self.keyring], "key_ids": ["optum-2026"], "outside": ()}
        assert given.keys() <= inventory.keys() | occasion.keys() | keys.keys()
        inventory, occasion, keys = (
            {name: given.get(name, value) for name, value in stated.items()} for stated in (inventory, occasion, keys)
        )
        return destroy(
            self.folder,
            Inventory(**inventory),
            **keys,
            signing_key=SIGNING,
            occasion=Occasion("trusted team", audit=self.audit, **occasion),
        )

    def reopen(self) -> lc.Keyring:
        self.keyring = lc.Keyring.open(self.keyring.path, passphrase=PASSPHRASE)
        return self.keyring

    def files(self) -> dict[str, bytes]:
        """The files in the folder, except the audit log, which differs by run, and the keyring, which has a nonce."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix not in {".jsonl", ".head"} and path.name != "keys.json"
        }


@pytest.fixture
def programme(tmp_path: Path) -> Programme:
    return Programme(tmp_path / "programme")


CERTIFICATES = [f"certificates/{name}.{end}" for name in ("A81001", "RH8") for end in ("html", "json", "json.sig")]


def test_data_and_keys_are_gone_and_each_provider_has_a_certificate(programme: Programme) -> None:
    done = programme.destroy()
    assert sorted(programme.files()) == [*CERTIFICATES, "destroyed.json", "programme.toml"]
    assert (done.files, done.keys, done.remains) == (6, 2, ())
    assert sorted(done.certificates) == ["A81001", "RH8"]
    for path in programme.folder.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == (0o644 if path.name == "programme.toml" else 0o600)
            assert b"SECRET" not in path.read_bytes()
            assert MATERIAL.hex().encode() not in path.read_bytes()
    with pytest.raises(lc.RefusedError, match="was destroyed on 2026-09-30, and can no longer be used") as raised:
        refuse_if_destroyed(programme.folder)
    assert raised.value.exit_code == 4


def test_a_destroyed_key_cannot_be_used_in_any_way_and_other_keys_can(programme: Programme) -> None:
    programme.destroy()
    for keyring in (programme.keyring, programme.reopen()):
        for use in (
            lambda: keyring["optum-2026"],  # noqa: B023
            lambda: keyring.key("optum-2026", 1),  # noqa: B023
            lambda: keyring.key("optum-2026", 2),  # noqa: B023
            lambda: held_versions(keyring, "optum-2026"),  # noqa: B023
            lambda: lc.Key.read(programme.folder / "supplier.json"),
        ):
            with pytest.raises(lc.KeyMaterialError):
                use()
        assert keyring["elsewhere-2026"].version == 1


def test_a_certificate_states_what_was_destroyed_and_what_it_cannot_prove(programme: Programme) -> None:
    said = verify_certificate(programme.destroy().certificates["RH8"], SIGNING.verify_key)
    assert said["programme"] == "Winter planning"
    assert said["files"] == [{"file": "rh8.csv", "bytes": len("SECRET of rh8.csv")}]
    assert (said["work_files"], said["key_files"]) == (3, 1)
    assert said["keys"] == [{"id": "optum-2026", "version": 1}, {"id": "optum-2026", "version": 2}]
    assert (said["begun"], said["finished"]) == ("2026-09-30T12:00:00+00:00",) * 2
    assert said["not_proved"] == list(NOT_PROVED)
    assert said["may_survive"] == [*SURVIVORS, "The supplier holds its stage-1 key."]
    assert said["recipients"] == [{"recipient": name, "attested": []} for name in ("Optum", "University")]
    # Other providers' files are not named on this certificate.
    assert "A81001" not in json.dumps(said)


def test_an_altered_certificate_does_not_verify(programme: Programme) -> None:
    place = programme.destroy().certificates["RH8"]
    with pytest.raises(lc.RefusedError):
        verify_certificate(place, SigningKey.generate().verify_key)
    place.write_bytes(place.read_bytes().replace(b"rh8.csv", b"rh9.csv"))
    with pytest.raises(lc.RefusedError):
        verify_certificate(place, SIGNING.verify_key)
    with pytest.raises(lc.ProgrammeError):
        verify_certificate(place.with_name("nobody.json"), SIGNING.verify_key)


class Page(HTMLParser):
    """Collect the text of a page, and refuse anything that could fetch or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "img", "link", "iframe", "object", "a"}
        assert not {name for name, _ in attrs} & {"src", "href", "onload", "onclick"}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_the_same_content_and_fetches_nothing(programme: Programme) -> None:
    name = "Winter <script>alert(1)</script> & planning"
    place = programme.destroy(programme=name).certificates["RH8"]
    page = Page()
    page.feed(place.with_suffix(".html").read_text())
    said = verify_certificate(place, SIGNING.verify_key)
    told = [name, "rh8.csv", "Optum", "University", "Not received yet.", "2026-09-30 12:00:00 UTC"]
    told += [*said["checked"], *said["not_proved"], *said["may_survive"]]
    told += [
        "optum-2026 version 2",
        place.with_name("RH8.json.sig").read_bytes().hex(),
        SIGNING.verify_key.text.strip(),
    ]
    plain = re.sub(r"\s+", " ", page.text)
    assert [text for text in told if re.sub(r"\s+", " ", text) not in plain] == []


def test_no_file_of_a_destruction_has_power_over_a_terminal(programme: Programme) -> None:
    copies = ("an e-mail\u202e\x9b2J", "two\nlines")
    place = programme.destroy(known_copies=copies).certificates["RH8"]
    assert set(copies) <= set(verify_certificate(place, SIGNING.verify_key)["may_survive"])
    for file in (place, place.with_suffix(".html"), programme.folder / MARK):
        text = file.read_text("utf-8")
        assert not {"\u202e", "\x9b"} & set(text)
        assert "e-mail\\u202e" in text


@pytest.mark.parametrize("field", ["by", "statement"])
def test_an_attestation_names_no_patient(programme: Programme, field: str) -> None:
    programme.destroy()
    before = programme.files()
    stated = {"by": "A. Officer", "statement": "all\ndestroyed"}
    occasion = Occasion("trusted team", END, programme.audit)
    with pytest.raises(lc.RefusedError, match=f"{field} contains an NHS Number"):
        attest(
            programme.folder,
            recipient="Optum",
            **(stated | {field: "999 000 0018"}),
            signing_key=SIGNING,
            occasion=occasion,
        )
    assert programme.files() == before
    attest(programme.folder, recipient="Optum", **stated, signing_key=SIGNING, occasion=occasion)


def test_attestations_are_added_to_the_certificates(programme: Programme) -> None:
    def send(recipient: str, statement: str, days: int) -> None:
        attest(
            programme.folder,
            recipient=recipient,
            by="A. Officer",
            statement=statement,
            signing_key=SIGNING,
            occasion=Occasion("trusted team", END + timedelta(days=days), programme.audit),
        )

    with pytest.raises(lc.RefusedError, match="nothing to attest yet"):
        send("Optum", "all destroyed", 1)
    place = programme.destroy().certificates["RH8"]
    send("Optum", "all destroyed", 1)
    send("Optum", "and the backups", 2)
    send("Optum", "and the backups", 2)  # the same letter again
    said = verify_certificate(place, SIGNING.verify_key)
    attested = [
        {"by": "A. Officer", "received": f"2026-10-0{day}T12:00:00+00:00", "statement": statement}
        for day, statement in ((1, "all destroyed"), (2, "and the backups"))
    ]
    assert said["recipients"] == [
        {"recipient": "Optum", "attested": attested},
        {"recipient": "University", "attested": []},
    ]
    assert "and the backups" in place.with_suffix(".html").read_text()
    with pytest.raises(lc.ProgrammeError, match="has no recipient"):
        send("Nobody", "all destroyed", 1)
    with pytest.raises(lc.ProgrammeError, match="what was done"):
        send("Optum", "  ", 1)


def test_every_step_is_in_the_audit_log(programme: Programme) -> None:
    programme.destroy()
    assert verify_audit(programme.audit.path).faults == ()
    lines = [json.loads(line) for line in programme.audit.path.read_text().splitlines()]
    assert [(line["action"], line["key"], line["key_version"], line["details"].get("outcome")) for line in lines] == [
        ("destruction", None, None, "begun"),
        ("key_destruction", "optum-2026", 1, None),
        ("key_destruction", "optum-2026", 2, None),
        ("destruction", None, None, "finished"),
    ]
    assert lines[0]["details"]["files"] == lines[-1]["details"]["files"]


# --- What stays, and what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"work": ["."]}, "must stay"),
        ({"work": [".."]}, "must stay"),
        ({"work": ["*.jsonl"]}, "must stay"),
        ({"work": ["keys"]}, "must stay"),
        ({"work": ["programme.toml"]}, "must stay"),
        ({"work": "work"}, "as a list"),
        ({"data": {"../RH8": ["rh8.csv"]}}, "its certificate is named after it"),
        ({"key_ids": ["nobody"]}, "no keyring given has the key 'nobody'"),
    ],
)
def test_naming_something_that_must_stay_destroys_nothing(
    programme: Programme, given: dict[str, Any], says: str
) -> None:
    programme.audit.record("release", at=END, actor="team")
    before = programme.files()
    with pytest.raises(lc.ProgrammeError, match=says):
        programme.destroy(**given)
    assert programme.files() == before
    assert len(programme.audit.path.read_text().splitlines()) == 1
    refuse_if_destroyed(programme.folder)


def test_nothing_is_destroyed_without_a_reason_or_a_whole_log(programme: Programme) -> None:
    with pytest.raises(lc.RefusedError, match="reason"):
        programme.destroy(reason="")
    programme.audit.record("release", at=END, actor="team")
    programme.audit.head_path.unlink()
    before = programme.files()
    with pytest.raises(lc.RefusedError, match="head"):
        programme.destroy()
    assert programme.files() == before


def test_files_that_were_not_named_are_reported(programme: Programme) -> None:
    done = programme.destroy(work=["releases"])
    assert done.remains == ("gp/B82002.csv", "work/persons.arrow")


def test_links_are_removed_and_their_targets_are_reported(programme: Programme, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("kept")
    (programme.folder / "work" / "latest.csv").symlink_to(outside)
    (programme.folder / "work" / "folder").symlink_to(tmp_path)
    (programme.folder / "work" / "log").symlink_to(programme.folder / "audit.jsonl")
    os.link(programme.folder / "rh8.csv", tmp_path / "second name.csv")
    done = programme.destroy()
    assert not (programme.folder / "work").exists()
    assert outside.read_text() == "kept"
    assert verify_audit(programme.audit.path).lines == 4
    told = " ".join(done.remains)
    assert all(text in told for text in ("work/latest.csv", "outside.csv", "work/folder", "rh8.csv has 1 more names"))
    assert set(done.remains) < set(verify_certificate(done.certificates["RH8"], SIGNING.verify_key)["may_survive"])


def test_files_that_an_interrupted_writer_left_are_removed_too(programme: Programme) -> None:
    for name in (".rh8.csv.partial", "keys/.keys.json.partial", ".releases.previous/gp.parquet"):
        (programme.folder / name).parent.mkdir(exist_ok=True)
        (programme.folder / name).write_text("SECRET")
    assert programme.destroy().remains == ()
    assert sorted(programme.files()) == [*CERTIFICATES, "destroyed.json", "programme.toml"]


def test_data_outside_the_folder_are_destroyed_if_they_are_named(programme: Programme, tmp_path: Path) -> None:
    extract = tmp_path / "elsewhere" / "extract.csv"
    extract.parent.mkdir()
    extract.write_text("SECRET")
    done = programme.destroy(data={"RH8": [extract]}, outside=[extract])
    assert not extract.exists()
    said = verify_certificate(done.certificates["RH8"], SIGNING.verify_key)
    assert said["files"] == [{"file": str(extract), "bytes": 6}]


def outside(programme: Programme, tmp_path: Path) -> dict[str, Any]:
    """Put a stranger's file beside the programme, and name it for destruction in every way that leads there."""
    stranger = tmp_path / "stranger" / "thesis.doc"
    stranger.parent.mkdir()
    stranger.write_text("not the programme's")
    (programme.folder / "linked").symlink_to(stranger.parent)
    return {
        "absolute": {"work": [stranger]},
        "its folder": {"work": [stranger.parent]},
        "upwards": {"work": ["../stranger/thesis.doc"]},
        "a pattern upwards": {"data": {"RH8": ["../strang*/*"]}},
        "up and down": {"key_files": ["work/../../stranger/thesis.doc"]},
        "a pattern through a link": {"work": ["linked/*"]},
        "a file through a link": {"work": ["linked/thesis.doc"]},
        "everything through a link": {"work": ["linked/**"]},
    }


@pytest.mark.parametrize("way", range(8))
def test_what_is_outside_the_folder_is_removed_only_if_it_is_confirmed(
    programme: Programme, tmp_path: Path, way: int
) -> None:
    given = list(outside(programme, tmp_path).values())[way]
    stranger = tmp_path / "stranger" / "thesis.doc"
    before = programme.files()
    with pytest.raises(lc.ProgrammeError, match=r"outside the programme's folder: .*stranger"):
        programme.destroy(**given)
    with pytest.raises(lc.ProgrammeError, match="outside the programme's folder"):
        programme.destroy(**given, outside=[tmp_path / "strange"])
    for above in (tmp_path, programme.folder, Path("/")):
        with pytest.raises(lc.ProgrammeError, match="holds the programme's own folder"):
            programme.destroy(**given, outside=[above])
    assert programme.files() == before
    assert not programme.audit.path.exists()
    programme.destroy(**given, outside=[stranger.parent])
    assert not stranger.exists()


def test_a_folder_that_became_a_link_after_the_interruption_is_not_followed(
    programme: Programme, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(destruction, "_remove_files", killed_at(1, destruction._remove_files, after=False))
        with pytest.raises(Killed):
            programme.destroy()
    elsewhere = tmp_path / "elsewhere"
    (programme.folder / "work").rename(elsewhere)
    (programme.folder / "work").symlink_to(elsewhere)
    with pytest.raises(lc.ProgrammeError, match="outside the programme's folder"):
        programme.destroy()
    assert (elsewhere / "persons.arrow").exists()


# --- What a certificate does not claim --------------------------------------------------------------------------------


def test_without_a_keyring_the_certificate_says_that_the_keys_are_alive(programme: Programme) -> None:
    done = programme.destroy(keyrings=[], key_ids=None)
    said = verify_certificate(done.certificates["RH8"], SIGNING.verify_key)
    assert said["keys"] == []
    told = "it was in no keyring given: if it exists, it can still be used"
    assert said["keys_not_destroyed"] == [
        {"id": name, "version": None, "why": told} for name in ("optum-2026", "university-2026")
    ]
    assert not [line for line in said["checked"] if "key" in line.lower()]
    assert "keys/keys.json" in said["remains"]
    page = Page()
    page.feed(done.certificates["RH8"].with_suffix(".html").read_text())
    plain = re.sub(r"\s+", " ", page.text)
    assert all(text in plain for text in ("Keys that were not destroyed", "university-2026", told, "keys/keys.json"))
    # When the keyring is given later, its keys are destroyed, and no longer stated as alive.
    again = programme.destroy()
    said = verify_certificate(again.certificates["RH8"], SIGNING.verify_key)
    assert [(key["id"], key["version"]) for key in said["keys_not_destroyed"]] == [
        ("elsewhere-2026", 1),
        ("university-2026", None),
    ]
    assert [key["id"] for key in said["keys"]] == ["optum-2026", "optum-2026"]


def test_keys_that_the_audit_log_names_are_stated_if_they_are_alive(programme: Programme) -> None:
    programme.audit.record("release", at=END, actor="team", key=lc.Key.generate("partner-2025", version=2))
    said = verify_certificate(programme.destroy().certificates["RH8"], SIGNING.verify_key)
    assert {"id": "partner-2025", "version": 2, "why": "the audit log names it; it was in no keyring given"} in said[
        "keys_not_destroyed"
    ]


def test_the_key_of_the_audit_log_stays(programme: Programme) -> None:
    log_key = programme.keyring.new("audit-2026", at=END)
    programme.audit = Audit(programme.folder / "audit.jsonl", chain_key=log_key)
    with pytest.raises(lc.ProgrammeError, match="'audit-2026' is the key of the audit log"):
        programme.destroy(key_ids=["optum-2026", "audit-2026"])
    said = verify_certificate(programme.destroy(key_ids=None).certificates["RH8"], SIGNING.verify_key)
    assert {"elsewhere-2026", "optum-2026"} == {key["id"] for key in said["keys"]}
    assert [key["id"] for key in said["keys_not_destroyed"]] == ["audit-2026", "university-2026"]
    assert verify_audit(programme.audit.path, chain_key=programme.reopen()["audit-2026"]).key == "checked"


def test_files_that_remain_are_on_the_certificate(programme: Programme) -> None:
    said = verify_certificate(programme.destroy(work=["releases"]).certificates["RH8"], SIGNING.verify_key)
    assert said["remains"][1:] == ["gp/B82002.csv", "work/persons.arrow"]
    assert "the audit log" in said["remains"][0]


# --- Forged marks and copied folders ----------------------------------------------------------------------------------


def forged_marks(programme: Programme) -> dict[str, str]:
    """Write marks of a destruction that never was, as one who knows the form but not the key does."""
    mark = Mark("Winter planning", "2026-09-30T12:00:00+00:00", "team", "its end", recipients=("Optum",))
    mark = replace(mark, named=(Place("data", "RH8", "rh8.csv"),), finished="2026-09-30T12:00:00+00:00")
    mark.write(programme.folder, SigningKey.generate())
    of_another = (programme.folder / "destroyed.json").read_text()
    mark.write(programme.folder, SIGNING)
    altered = json.loads((programme.folder / "destroyed.json").read_text())
    altered["mark"]["recipients"] = []
    return {
        "of another key": of_another,
        "altered": json.dumps(altered),
        "without a signature": json.dumps({name: value for name, value in altered.items() if name != "signature"}),
        "of an earlier version": json.dumps({"format": 1, **altered["mark"]}),
    }


@pytest.mark.parametrize("kind", ["of another key", "altered", "without a signature", "of an earlier version"])
def test_a_forged_mark_is_never_signed(programme: Programme, kind: str) -> None:
    (programme.folder / "destroyed.json").write_text(forged_marks(programme)[kind])
    before = programme.files()
    with pytest.raises(lc.RefusedError, match=r"destroyed\.json .*signature"):
        programme.destroy()
    with pytest.raises(lc.RefusedError, match=r"destroyed\.json .*signature"):
        attest(
            programme.folder,
            recipient="Optum",
            by="A. Officer",
            statement="all destroyed",
            signing_key=SIGNING,
            occasion=Occasion("trusted team", END, programme.audit),
        )
    assert programme.files() == before
    assert not programme.audit.path.exists()
    # It still stops the programme: whoever could write it could have removed the programme's files as well.
    with pytest.raises(lc.RefusedError, match="can no longer be used"):
        refuse_if_destroyed(programme.folder)


def test_a_mark_that_leads_nowhere_counts_as_destroyed(programme: Programme) -> None:
    (programme.folder / "destroyed.json").symlink_to("nowhere")
    with pytest.raises(lc.RefusedError, match="cannot be read"):
        refuse_if_destroyed(programme.folder)


def test_a_copied_folder_is_refused_by_the_audit_log_and_by_the_keyring(programme: Programme, tmp_path: Path) -> None:
    programme.audit = Audit(tmp_path / "audit.jsonl")  # the log of the team, outside the folder
    copy = Path(shutil.copytree(programme.folder, tmp_path / "copy"))
    programme.destroy()
    refuse_if_destroyed(copy)  # by the folder alone, nobody can tell
    with pytest.raises(lc.RefusedError, match="destruction of programme 'Winter planning' is in the audit log"):
        refuse_if_destroyed(copy, programme="Winter planning", audit=programme.audit)
    refuse_if_destroyed(copy, programme="Summer planning", audit=programme.audit)
    keyring = programme.reopen()
    with pytest.raises(lc.KeyMaterialError, match="destroyed"):
        keyring["optum-2026"]
    with pytest.raises(lc.KeyMaterialError, match="all its versions were destroyed"):
        keyring.rotate("optum-2026", at=END)


def test_a_file_of_two_providers_is_on_both_certificates_and_counted_once(programme: Programme) -> None:
    done = programme.destroy(data={"A81001": ["gp"], "RH8": ["gp/*.csv"]}, work=["gp", "work", "releases", "rh8.csv"])
    for provider in ("A81001", "RH8"):
        said = verify_certificate(done.certificates[provider], SIGNING.verify_key)
        assert [file["file"] for file in said["files"]] == ["gp/A81001.csv", "gp/B82002.csv"]
        assert said["work_files"] == 3
    assert (done.files, done.remains) == (6, ())


def test_an_empty_place_is_stated_on_the_certificate(programme: Programme) -> None:
    done = programme.destroy(data={"RH8": ["gone/*.csv"]})
    said = verify_certificate(done.certificates["RH8"], SIGNING.verify_key)
    assert (said["files"], said["places"], said["nothing_found_at"]) == ([], ["gone/*.csv"], ["gone/*.csv"])
    page = done.certificates["RH8"].with_suffix(".html").read_text()
    assert "When the destruction began, there was nothing at: gone/*.csv." in page
    assert "No file of RH8 was destroyed" in page
    assert [place.pattern for place in done.not_found] == ["gone/*.csv"]


def test_of_several_places_the_empty_one_is_stated(programme: Programme) -> None:
    (programme.folder / "empty").mkdir()
    done = programme.destroy(data={"RH8": ["rh8.csv", "gone.csv", "empty"]})
    programme.destroy(data={"RH8": ["rh8.csv", "gone.csv", "empty"]})  # that all is gone now says nothing
    said = verify_certificate(done.certificates["RH8"], SIGNING.verify_key)
    assert [file["file"] for file in said["files"]] == ["rh8.csv"]
    assert said["nothing_found_at"] == ["gone.csv", "empty"]
    page = done.certificates["RH8"].with_suffix(".html").read_text()
    assert "there was nothing at: gone.csv, empty." in page
    assert "No file of RH8" not in page


def test_what_a_killed_first_run_left_is_removed_where_the_place_itself_is_not_there(programme: Programme) -> None:
    for name in (".later.partial/gp.parquet", "runs/.run-1.previous/run.json", ".gone.csv.partial"):
        (programme.folder / name).parent.mkdir(exist_ok=True, parents=True)
        (programme.folder / name).write_text("SECRET")
    work = ["releases", "work", "gp/B82002.csv", "later", "runs/run-*", "gone.csv"]
    assert programme.destroy(work=work).remains == ()
    assert not (programme.folder / ".later.partial").exists()


def test_a_keyring_with_another_name_is_stated(programme: Programme, tmp_path: Path) -> None:
    os.link(programme.keyring.path, tmp_path / "second name.json")
    done = programme.destroy()
    said = verify_certificate(done.certificates["RH8"], SIGNING.verify_key)
    assert [line for line in said["may_survive"] if "keys.json had 1 more names (hard links)" in line]
    assert [line for line in done.remains if "keys.json had 1 more names" in line]


def test_a_second_destruction_of_what_came_back_states_its_own_time(programme: Programme) -> None:
    def finished(days: int) -> str:
        done = programme.destroy(at=END + timedelta(days=days))
        return str(verify_certificate(done.certificates["RH8"], SIGNING.verify_key)["finished"])

    first = finished(0)
    assert finished(1) == first  # there was nothing to do
    for days, name in ((2, "rh8.csv"), (3, "rh8-2.csv")):  # one that was destroyed is there again, and another
        (programme.folder / name).write_text("SECRET")
        assert finished(days) == (END + timedelta(days=days)).isoformat()


@pytest.mark.parametrize("name", ["rh8.csv", "rh8-2.csv", "releases/optum/gp.parquet"])
def test_nothing_is_attested_where_what_was_destroyed_is_there(programme: Programme, name: str) -> None:
    """A finished mark that is copied into a copy of the folder is signed by the right key."""
    done = programme.destroy()
    before = programme.files()
    (programme.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (programme.folder / name).write_text("SECRET")
    with pytest.raises(lc.RefusedError, match=f"{name} is still there"):
        attested(programme)
    assert programme.files().items() - {(name, b"SECRET")} == before.items()
    assert verify_certificate(done.certificates["RH8"], SIGNING.verify_key)["recipients"][0]["attested"] == []


def test_nothing_is_attested_where_a_destroyed_key_can_be_used(programme: Programme) -> None:
    whole = programme.keyring.path.read_bytes()
    programme.destroy()
    attested(programme, keyrings=[programme.reopen()])
    programme.keyring.path.write_bytes(whole)  # an older copy of the file
    with pytest.raises(lc.RefusedError, match=r"key 'optum-2026' version 1 .* can still be used"):
        attested(programme, keyrings=[programme.reopen()])


def attested(programme: Programme, **given: Any) -> None:
    attest(
        programme.folder,
        recipient="Optum",
        by="A. Officer",
        statement="all destroyed",
        signing_key=SIGNING,
        occasion=Occasion("trusted team", END, programme.audit),
        **given,
    )


# --- Interruptions ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of a process that is killed."""


def killed_at(call: int, function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Interrupt a function at its n-th call, before or after its work is done."""
    calls = itertools.count(1)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != call:
            return function(*args, **kwargs)
        if after:
            function(*args, **kwargs)
        raise Killed

    return interrupted


# Which function is interrupted, at which call, and whether that call had done its work.
STEPS = [
    (Audit, "record", 1, False),
    (Audit, "record", 1, True),
    (destruction.Mark, "write", 1, True),
    (Path, "unlink", 3, True),
    (Path, "rmdir", 1, True),
    (Audit, "record", 2, True),
    (lc.Keyring, "retire", 1, True),
    (lc.Keyring, "destroy", 1, False),
    (lc.Keyring, "destroy", 1, True),
    (lc.Keyring, "destroy", 2, True),
    (destruction, "write_certificates", 1, False),
    (certificates, "new_file", 1, False),
    (certificates, "new_file", 4, False),
    (Audit, "record", 4, True),
    (destruction.Mark, "write", 2, False),
    (destruction.Mark, "write", 2, True),
]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Programme, Destruction]:
    whole = Programme(tmp_path_factory.mktemp("whole"))
    return whole, whole.destroy()


@pytest.mark.parametrize(("owner", "step", "call", "after"), STEPS)
def test_a_destruction_interrupted_anywhere_ends_the_same_when_run_again(  # noqa: PLR0917 -- a table's columns
    programme: Programme, uninterrupted: tuple[Programme, Destruction], owner: Any, step: str, call: int, after: bool
) -> None:
    whole, expected = uninterrupted
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, step, killed_at(call, getattr(owner, step), after=after))
        with pytest.raises(Killed):
            programme.destroy()
    if (programme.folder / "destroyed.json").exists():
        with pytest.raises(lc.RefusedError, match="can no longer be used"):
            refuse_if_destroyed(programme.folder)
    programme.reopen()
    again = programme.destroy()
    assert (again.files, again.keys, again.remains) == (expected.files, expected.keys, expected.remains)
    again_files, whole_files = programme.files(), whole.files()
    place, other = str(programme.folder).encode(), str(whole.folder).encode()
    for files in (again_files, whole_files):  # the mark names the keyring's path, and so its signature differs
        files["destroyed.json"] = re.sub(rb'"signature": "[0-9a-f]{128}"', b"", files["destroyed.json"])
    assert {name: text.replace(place, other) for name, text in again_files.items()} == whole_files
    assert verify_audit(programme.audit.path).faults == ()
    # And once more changes nothing.
    before = programme.files()
    programme.destroy(at=END + timedelta(days=3))
    assert programme.files() == before


def test_a_file_that_cannot_be_removed_is_named_and_there_is_no_certificate(
    programme: Programme, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuses(path: Path, *, missing_ok: bool = False) -> None:
        if path.name == "rh8.csv":
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuses)
        with pytest.raises(lc.RefusedError, match=r"not finished: rh8\.csv is still there"):
            programme.destroy()
    assert not (programme.folder / "certificates").exists()
    with pytest.raises(lc.RefusedError, match="not finished"):
        refuse_if_destroyed(programme.folder)
    assert programme.destroy(data={}, work=[], key_files=[]).files == 6


def test_a_second_run_needs_the_keyrings_of_the_first(programme: Programme, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(lc.Keyring, "destroy", killed_at(1, lc.Keyring.destroy, after=False))
        with pytest.raises(Killed):
            programme.destroy()
    with pytest.raises(lc.ProgrammeError, match=r"give the keyring .*keys\.json again"):
        programme.destroy(keyrings=[], key_ids=None)
    with pytest.raises(lc.ProgrammeError, match="is the folder of programme 'Winter planning'"):
        programme.destroy(programme="Summer planning")


@pytest.mark.parametrize(
    "text",
    [
        *("{", "", "[]", "1", "null", "{}", "[" * 100_000, '{"mark": 1}', '{"mark": {"named": [1]}}'),
        '{"mark": {"programme": "P", "begun": 1, "actor": "a", "reason": "r"}}',
        '{"mark": {"programme": "P", "begun": "2026", "actor": "a", "reason": "r", "finished": 1}}',
    ],
)
def test_a_damaged_mark_counts_as_destroyed(programme: Programme, text: str) -> None:
    (programme.folder / "destroyed.json").write_text(text)
    with pytest.raises(lc.RefusedError, match="cannot be read"):
        refuse_if_destroyed(programme.folder)
