"""A key is made in three ways, shows its id only, and its file is whole, private and unaltered, or refused."""

import copy
import dataclasses
import inspect
import io
import json
import pickle
import pprint
import resource
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.traceback import Traceback

from linkcore.errors import KeyMaterialError, LinkcoreError, ProgrammeError
from linkcore.pseudonyms.keys import Key, Secret, midstates

MATERIAL = b"MATERIAL-NOBODY-SHALL-SEE-0123456789"
KEY = Key.from_bytes("partner-2026", MATERIAL)


def shows(text: str) -> bool:
    words = midstates(Secret(MATERIAL)).reveal()
    traces = [
        "MATERIAL-",
        MATERIAL.hex(),
        str(list(MATERIAL))[1:-1],
        *map(str, words),
        *(f"{word:x}" for word in words),
    ]
    return any(trace in text for trace in traces)


def report(error: BaseException) -> str:
    """What a program prints that shows the variables of every frame: the standard library's way, and rich's."""
    plain = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    shown = io.StringIO()
    Console(file=shown, width=200).print(
        Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True)
    )
    return plain + shown.getvalue()


def test_the_search_for_traces_finds_them() -> None:
    assert all(map(shows, [repr(MATERIAL), repr(bytearray(MATERIAL)), MATERIAL.hex(), repr(list(MATERIAL))]))
    assert shows(repr(midstates(Secret(MATERIAL)).reveal()))
    with pytest.raises(LinkcoreError) as caught:
        unguarded(MATERIAL)
    assert shows(report(caught.value))


def unguarded(_material: bytes) -> None:
    raise LinkcoreError("with a variable that holds material")


@pytest.mark.parametrize("show", [repr, str, format, ascii, pprint.pformat, "{!r} {}".format, Secret(KEY).__repr__])
def test_a_key_shows_its_id_at_most(show: Callable[..., str]) -> None:
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


def test_a_key_is_not_made_by_its_class() -> None:
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


def test_material_that_is_no_bytes_is_refused_and_not_shown() -> None:
    with pytest.raises(ProgrammeError, match="not str") as caught:
        Key.from_bytes("a", MATERIAL.decode())  # type: ignore[arg-type]
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


def test_what_is_written_is_read(file: Path) -> None:
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


def test_a_place_that_cannot_be_written_is_an_error_of_ours(file: Path) -> None:
    with pytest.raises(KeyMaterialError, match="cannot be written") as caught:
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
    whole = Secret(file.read_bytes())  # so that the report shows no variable of this test
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


def test_another_keys_check_is_refused(file: Path, tmp_path: Path) -> None:
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
