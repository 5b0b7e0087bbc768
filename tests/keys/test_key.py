"""Keys: how they are made, that they never show their material, and that damaged or open key files are refused."""

import base64
import copy
import dataclasses
import hashlib
import inspect
import json
import pickle
import pprint
import resource
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError
from linkcore.keys.key import Key, midstates
from linkcore.keys.secret import Secret
from tests.pseudonyms import traces
from tests.pseudonyms.traces import report

MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]
KEY = Key.from_bytes("partner-2026", MATERIAL)


def shows(content: str | bytes) -> bool:
    return traces.shows(content, MATERIAL)


def test_the_search_for_traces_finds_them() -> None:
    assert all(map(shows, [repr(MATERIAL), repr(bytearray(MATERIAL)), MATERIAL.hex(), repr(list(MATERIAL))]))
    words = midstates(Secret(MATERIAL)).reveal()
    assert shows(repr(words))
    assert shows(struct.pack("<16I", *words))
    assert shows(struct.pack(">16I", *words))
    assert shows(MATERIAL)
    assert shows(base64.b64encode(MATERIAL))
    with pytest.raises(LinkcoreError) as caught:
        unguarded(MATERIAL)
    assert shows(report(caught.value))


def unguarded(_material: bytes) -> None:
    raise LinkcoreError("with a variable that holds material")


@pytest.mark.parametrize("show", [repr, str, format, ascii, pprint.pformat, "{!r} {}".format, Secret(KEY).__repr__])
def test_a_key_never_shows_its_material(show: Callable[..., str]) -> None:
    shown = show(KEY, KEY) if show == "{!r} {}".format else show() if inspect.ismethod(show) else show(KEY)
    assert not shows(shown)


def test_a_key_shows_its_id() -> None:
    assert repr(KEY) == "Key('partner-2026')"
    assert KEY.id == "partner-2026"


def test_no_attribute_shows_the_material() -> None:
    values = [getattr(KEY, name) for name in dir(KEY) if name not in {"__getstate__", "__reduce__", "__reduce_ex__"}]
    assert not any(map(shows, map(repr, values)))
    assert not shows(repr(inspect.getmembers_static(KEY)))
    with pytest.raises(TypeError):
        vars(KEY)


def test_a_dataclass_that_holds_a_key_shows_no_material() -> None:
    @dataclasses.dataclass
    class Settings:
        key: Key

    assert dataclasses.asdict(Settings(KEY)) == {"key": KEY}
    assert not shows(repr(dataclasses.asdict(Settings(KEY))) + repr(Settings(KEY)))
    with pytest.raises(TypeError):
        dataclasses.asdict(KEY)  # type: ignore[call-overload]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_cannot_be_pickled(protocol: int) -> None:
    for held in (KEY, [KEY], Secret(MATERIAL), KEY._material):
        with pytest.raises(KeyMaterialError) as caught:
            pickle.dumps(held, protocol)
        assert not shows(report(caught.value))


@pytest.mark.parametrize("method", ["__reduce__", "__getstate__"])
def test_a_key_gives_no_state(method: str) -> None:
    with pytest.raises(KeyMaterialError):
        getattr(KEY, method)()


def test_a_copy_of_a_key_is_the_key() -> None:
    assert copy.copy(KEY) is KEY
    assert copy.deepcopy([KEY])[0] is KEY


def test_a_key_cannot_be_changed() -> None:
    for name in ("id", "_material", "other"):
        with pytest.raises(AttributeError):
            setattr(KEY, name, "other")
        with pytest.raises(AttributeError):
            delattr(KEY, name)
    assert KEY.id == "partner-2026"


def test_keys_are_equal_only_to_themselves() -> None:
    assert KEY == KEY  # noqa: PLR0124
    assert Key.from_bytes("partner-2026", MATERIAL) != KEY
    assert KEY in {KEY}


def test_the_constructor_refuses_and_names_the_ways_to_make_a_key() -> None:
    with pytest.raises(ProgrammeError, match=r"Key\.generate"):
        Key()


def test_generated_keys_differ() -> None:
    assert Key.generate("a")._material.reveal() != Key.generate("a")._material.reveal()
    assert len(Key.generate("a")._material.reveal()) == 32


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_material_may_be_any_kind_of_bytes(kind: Callable[[bytes], bytes]) -> None:
    assert Key.from_bytes("a", kind(MATERIAL))._material.reveal() == MATERIAL


def test_changing_the_bytes_afterwards_does_not_change_the_key() -> None:
    material = bytearray(MATERIAL)
    key = Key.from_bytes("a", material)
    material[0] ^= 1
    assert key._material.reveal() == MATERIAL


def test_short_material_is_refused_and_not_shown() -> None:
    Key.from_bytes("a", MATERIAL[:32])
    with pytest.raises(KeyMaterialError, match="32 bytes") as caught:
        Key.from_bytes("a", MATERIAL[:31])
    assert not shows(report(caught.value))


def test_material_that_is_not_bytes_is_refused_and_not_shown() -> None:
    with pytest.raises(ProgrammeError, match="not str") as caught:
        Key.from_bytes("a", MATERIAL.hex())  # type: ignore[arg-type]
    assert not shows(report(caught.value))


@pytest.mark.parametrize("name", ["", "a b", "../a", "a/b", ".hidden", "a\n", "a" * 65, "é", 7, None])
def test_an_id_that_could_not_name_a_file_is_refused(name: str) -> None:
    with pytest.raises(ProgrammeError, match="id"):
        Key.generate(name)


# --- Files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "partner.json"
    KEY.write(place)
    return place


def test_a_key_that_is_written_is_read_back(file: Path) -> None:
    key = Key.read(str(file))
    assert key.id == "partner-2026"
    assert key._material.reveal() == MATERIAL
    assert key._midstates.reveal() == KEY._midstates.reveal()


def test_a_key_file_is_private_and_nothing_is_left_beside_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_key_file_is_never_overwritten(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(KeyMaterialError, match="never overwritten"):
        Key.generate("other").write(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_raises_an_error_of_linkcore(file: Path) -> None:
    with pytest.raises(LinkcoreError, match="cannot be written") as caught:
        KEY.write(file / "below-a-file.json")
    assert not shows(report(caught.value))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o700, 0o610, 0o644])
def test_a_wider_mode_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(KeyMaterialError, match=f"mode 0{mode:o}.*chmod 600") as caught:
        Key.read(file)
    assert not shows(report(caught.value))


def test_a_narrower_mode_is_read(file: Path) -> None:
    file.chmod(0o400)
    assert Key.read(file).id == "partner-2026"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="cannot be read"):
        Key.read(tmp_path / "missing.json")


def test_a_truncated_file_is_refused_wherever_it_ends(file: Path) -> None:
    whole = Secret(file.read_bytes())  # hidden, so that a failure report does not show it
    for size in range(len(whole.reveal())):
        file.write_bytes(whole.reveal()[:size])
        with pytest.raises(KeyMaterialError, match="truncated or altered") as caught:
            Key.read(file)
    assert not shows(report(caught.value))


def test_an_altered_character_is_refused_wherever_it_is(file: Path) -> None:
    whole = Secret(file.read_bytes())
    printed = {place for place, byte in enumerate(whole.reveal()) if not chr(byte).isspace()}
    for place in printed:
        altered = bytearray(whole.reveal())
        altered[place] ^= 1
        file.write_bytes(altered)
        del altered
        with pytest.raises(KeyMaterialError, match="truncated or altered") as caught:
            Key.read(file)
        assert not shows(str(caught.value))


@pytest.mark.parametrize("name", ["id", "material", "check"])
@pytest.mark.parametrize("value", [None, 7, [], "zz", "00", ""])
def test_a_file_with_a_wrong_value_is_refused(file: Path, name: str, value: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    with pytest.raises(KeyMaterialError, match="truncated or altered") as caught:
        Key.read(file)
    assert not shows(report(caught.value))


def test_a_file_of_nested_lists_is_refused(file: Path) -> None:
    file.write_text("[" * 100_000)
    with pytest.raises(KeyMaterialError, match="truncated or altered"):
        Key.read(file)


def test_the_checksum_of_another_key_is_refused(file: Path, tmp_path: Path) -> None:
    Key.from_bytes("other-2026", MATERIAL).write(tmp_path / "other.json")
    other = json.loads((tmp_path / "other.json").read_text())
    file.write_text(json.dumps({**json.loads(file.read_text()), "check": other["check"]}))
    with pytest.raises(KeyMaterialError, match="truncated or altered"):
        Key.read(file)


def test_nothing_appears_when_writing_fails(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # as if the disk were full
    try:
        with pytest.raises(KeyMaterialError, match="cannot be written"):
            KEY.write(tmp_path / "partner.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


# --- Versions --------------------------------------------------------------------------------------------------------


def test_a_version_is_shown_and_written_and_read(tmp_path: Path) -> None:
    second = Key.from_bytes("partner-2026", MATERIAL, version=2)
    assert repr(second) == "Key('partner-2026', version=2)"
    second.write(tmp_path / "key.json")
    assert Key.read(tmp_path / "key.json").version == 2
    assert Key.generate("a").version == 1
    assert Key.generate("a", version=3).version == 3


def test_a_key_file_without_a_version_holds_version_1(file: Path) -> None:
    content = json.loads(file.read_text())
    del content["version"]
    file.write_text(json.dumps(content))
    assert Key.read(file).version == 1


@pytest.mark.parametrize("version", [2, 0, "1", True, None])
def test_an_altered_version_is_refused(file: Path, version: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": version}))
    with pytest.raises(KeyMaterialError, match="truncated or altered"):
        Key.read(file)


@pytest.mark.parametrize("version", [0, -1, 1.0, True, "1", None])
def test_a_wrong_version_is_refused(version: int) -> None:
    with pytest.raises(ProgrammeError, match="version"):
        Key.generate("a", version=version)


# --- Keys of other programs ------------------------------------------------------------------------------------------

BINARY = hashlib.shake_256(b"binary").digest(40)  # is not text, and its base64 is not only hex digits
BASE64 = base64.b64encode(BINARY).decode()
RAW = {
    "hex": [BINARY.hex(), BINARY.hex().upper() + "\n", BINARY.hex(" "), BINARY.hex()[:40] + "\r\n" + BINARY.hex()[40:]],
    "base64": [BASE64, BASE64 + "\n", BASE64[:20] + "\n" + BASE64[20:], base64.urlsafe_b64encode(BINARY).decode()],
}


assert RAW["base64"][3] != BASE64  # the alphabet for URLs makes a difference here


def raw(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    place = folder / "raw.key"
    place.touch(mode=mode)
    place.chmod(mode)
    place.write_bytes(content)
    return place


@pytest.mark.parametrize(("encoding", "text"), [(encoding, text) for encoding in RAW for text in RAW[encoding]])
def test_a_raw_key_is_read_in_every_encoding(tmp_path: Path, encoding: Any, text: str) -> None:
    key = Key.read_raw("supplier", raw(tmp_path, text.encode()), encoding=encoding, version=4)
    assert key._material.reveal() == BINARY
    assert (key.id, key.version) == ("supplier", 4)


def test_a_binary_raw_key_is_read_as_it_is(tmp_path: Path) -> None:
    for content in (BINARY, BINARY + b"\n", b"\n" + BINARY):
        assert Key.read_raw("s", raw(tmp_path, content), encoding="binary")._material.reveal() == content


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("hex", MATERIAL),
        ("hex", BASE64.encode()),
        ("hex", MATERIAL.hex().encode()[:-1]),
        ("hex", BINARY),
        ("base64", MATERIAL.hex().encode()),
        ("base64", BINARY),
        ("base64", b"=" + BASE64.encode()),
        ("base64", BASE64.encode()[:-2]),
        ("base64", b""),
        ("binary", MATERIAL.hex().encode()),
        ("binary", base64.b64encode(MATERIAL) + b"\n"),
        ("binary", b""),
    ],
)
def test_a_raw_key_in_another_encoding_is_refused_and_not_shown(tmp_path: Path, encoding: Any, content: bytes) -> None:
    place, hidden = raw(tmp_path, content), Secret(content)
    del content
    with pytest.raises(KeyMaterialError, match=f"is not {encoding}") as caught:
        Key.read_raw("supplier", place, encoding=encoding)
    assert not shows(str(caught.value))
    assert hidden.reveal() == place.read_bytes()


def test_a_raw_key_that_is_short_open_or_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="32 bytes"):
        Key.read_raw("s", raw(tmp_path, MATERIAL[:31].hex().encode()), encoding="hex")
    with pytest.raises(KeyMaterialError, match="mode 0640"):
        Key.read_raw("s", raw(tmp_path, MATERIAL.hex().encode(), 0o640), encoding="hex")
    with pytest.raises(KeyMaterialError, match="cannot be read"):
        Key.read_raw("s", tmp_path / "missing", encoding="hex")
    with pytest.raises(ProgrammeError, match="hex, base64, binary"):
        Key.read_raw("s", tmp_path / "raw.key", encoding="pem")  # type: ignore[arg-type]
