"""Manifests: any change to a release is found."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import linkcore as lc
from linkcore.governance.manifest import MANIFEST, SIGNATURE, read_manifest, verify_release
from linkcore.governance.releases.formats import FORMATS, Format
from linkcore.keys.signing import SigningKey
from tests.governance.extracts import KEY, linked

AGREEMENT = lc.Agreement("partner", KEY.id, {"hospital": ["COST"], "gp": ["SMOKER"]})
SIGNING = SigningKey.generate()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return lc.release(linked(), AGREEMENT, KEY, tmp_path / "out", signing_key=SIGNING).folder


def test_a_release_as_it_was_written_verifies(out: Path) -> None:
    assert verify_release(out, SIGNING.verify_key)["recipient"] == "partner"
    assert verify_release(out)["files"][0]["source"] == "gp"
    assert (out / SIGNATURE).stat().st_size == 64


@pytest.mark.parametrize("kind", FORMATS)
def test_a_release_in_every_format_verifies(tmp_path: Path, kind: Format) -> None:
    agreement = lc.Agreement("partner", KEY.id, {"hospital": ["COST"], "gp": ["SMOKER"]}, format=kind)
    for _ in range(2):  # the second replaces the first
        out = lc.release(linked(), agreement, KEY, tmp_path / "out").folder
    assert len(verify_release(out)["files"]) == 2


def test_a_manifest_has_no_power_over_a_terminal(tmp_path: Path) -> None:
    purpose = "harmless\u202e\x9b2J"
    agreement = lc.Agreement("partner", KEY.id, {"gp": []}, purpose)
    out = lc.release(linked(), agreement, KEY, tmp_path / "out").folder
    assert verify_release(out)["purpose"] == purpose
    assert (out / MANIFEST).read_bytes().isascii()


def test_a_release_that_is_not_signed_verifies_only_without_a_key(tmp_path: Path) -> None:
    out = lc.release(linked(), AGREEMENT, KEY, tmp_path / "out").folder
    verify_release(out)
    with pytest.raises(lc.RefusedError, match="not signed"):
        verify_release(out, SIGNING.verify_key)


def rewritten(out: Path) -> None:
    """Alter a file, and the manifest to fit it, as somebody who knows how would."""
    import hashlib

    file, stated = out / "gp.parquet", json.loads((out / MANIFEST).read_text())
    file.write_bytes(file.read_bytes() + b"\0")
    for each in stated["files"]:
        if each["file"] == file.name:
            each |= {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    (out / MANIFEST).write_text(json.dumps(stated))


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def linked_elsewhere(file: Path) -> None:
    """Put a link in the place of a file; what it leads to has the same content."""
    file.rename(file.parent.with_name("elsewhere"))
    file.symlink_to(file.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda out: flipped(out / "gp.parquet"), "gp.parquet is not as it was written"),
        (lambda out: (out / "gp.parquet").write_bytes(b""), "gp.parquet is not as it was written"),
        (lambda out: (out / "gp.parquet").unlink(), "gp.parquet is missing"),
        (
            lambda out: (out / "gp.parquet").rename(out / "hospital.parquet"),
            "gp.parquet is missing; hospital.parquet is",
        ),
        (lambda out: (out / "more.csv").write_text("x"), "more.csv is no part of it"),
        (lambda out: linked_elsewhere(out / "gp.parquet"), "gp.parquet is a link, not a file"),
        (lambda out: linked_elsewhere(out / MANIFEST), "manifest.json is a link, not a file"),
        (lambda out: linked_elsewhere(out / SIGNATURE), "manifest.json.sig is a link, not a file"),
        (rewritten, "the signature does not verify"),
        (lambda out: flipped(out / SIGNATURE), "the signature does not verify"),
        (lambda out: (out / SIGNATURE).write_bytes(b""), "the signature does not verify"),
    ],
)
def test_every_change_to_a_release_is_found(out: Path, tamper: Callable[[Path], object], says: str) -> None:
    tamper(out)
    with pytest.raises(lc.RefusedError, match=says):
        verify_release(out, SIGNING.verify_key)


def test_a_signature_of_another_team_is_refused(out: Path) -> None:
    with pytest.raises(lc.RefusedError, match="signed"):
        verify_release(out, SigningKey.generate().verify_key)


DIGEST = "0" * 64
ENTRY: dict[str, object] = {"file": "gp.parquet", "source": "gp", "sha256": DIGEST}
WHOLE: dict[str, object] = {"format": 3, "recipient": "partner", "key": KEY.id, "key_version": 1, "files": [ENTRY]}


def manifest(**changed: object) -> str:
    return json.dumps(WHOLE | changed)


def test_a_manifest_of_a_release_is_read(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(manifest())
    assert read_manifest(tmp_path) == WHOLE


def test_no_release_replaces_a_folder_whose_manifest_is_of_something_else(tmp_path: Path) -> None:
    """Other programs write a file of this name, too."""
    for text in ('{"files": []}', manifest(files=[])):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(lc.ProgrammeError, match=r"holds manifest\.json"):
            lc.release(linked(), AGREEMENT, KEY, tmp_path)
        assert (tmp_path / MANIFEST).read_text() == text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "\0",
        manifest(files=[1]),
        manifest(files={}),
        manifest(files=[]),
        *(json.dumps({name: value for name, value in WHOLE.items() if name != left_out}) for left_out in WHOLE),
        *(manifest(recipient=odd) for odd in (None, 1, ["partner"], {})),
        *(manifest(key=odd) for odd in (None, [KEY.id])),
        *(manifest(key_version=odd) for odd in (None, "1", [1], True, 1.0)),
        '{"files": ' + "[" * 100_000,
        *(
            manifest(files=[ENTRY | {"file": name}])
            for name in ("../gp.parquet", "/etc/passwd", "a/gp.parquet", "..", ".", "", ".parquet", "gp", "gp.exe", 1)
        ),
        *(manifest(files=[ENTRY | {"file": name}]) for name in (MANIFEST, SIGNATURE, "gp\\x.csv", "gp.csv\0")),
        *(manifest(files=[ENTRY | {"sha256": digest}]) for digest in ("", "0" * 63, "G" * 64, 0, None)),
        manifest(files=[ENTRY, ENTRY | {"sha256": "1" * 64}]),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(lc.SourceError, match="no manifest of a release"):
        verify_release(tmp_path)


def test_a_folder_without_a_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lc.SourceError, match="name the folder of a release"):
        verify_release(tmp_path)
