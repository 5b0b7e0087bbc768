"""Every row of an Arrow array is hashed as `hmac` hashes it, in any layout, with any number of lanes and threads."""

import hashlib
import hmac
import struct
import traceback
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkcore.errors import LinkcoreError
from linkcore.keys.key import midstates
from linkcore.keys.secret import Secret
from linkcore.keys.sha256 import INITIAL_STATE, compress
from linkcore.pseudonyms import columns
from linkcore.pseudonyms.columns import SHA_INSTRUCTIONS, VECTORS, hash_array, lanes_of_host, lanes_that_run
from linkcore.pseudonyms.kernels import Lanes
from tests.pseudonyms.cavp import HMAC_SHA_256, SHA_256
from tests.pseudonyms.reference import pseudonym

KEY = bytes(range(100, 132))
STAGE = midstates(Secret(KEY))

# RFC 4231, section 4: key, text, HMAC-SHA-256.
RFC_4231 = {
    1: (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    2: (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    3: (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    4: (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    5: (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    6: (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    7: (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
        b"hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}

every_lanes = pytest.mark.parametrize(
    "lanes", lanes_that_run(), ids=lambda lanes: f"{len(lanes)} {'by instructions' if any(lanes) else 'in vectors'}"
)

texts = st.lists(st.none() | st.text(max_size=12) | st.text(max_size=300), max_size=40)


def string_views(rows: list[bytes | None]) -> pa.Array:
    """Return string views of any bytes, because not all published texts are UTF-8."""
    array = pa.array(rows, pa.binary_view())
    return pa.Array.from_buffers(pa.string_view(), len(array), array.buffers(), array.null_count)


@every_lanes
@pytest.mark.parametrize("case", RFC_4231)
def test_published_answers_are_met(case: int, lanes: Lanes) -> None:
    key, text, digest = RFC_4231[case]
    hashed = hash_array(string_views([text] * 37), [midstates(Secret(key))], width=len(digest), lanes=lanes)
    assert hashed.to_pylist() == [digest] * 37


@every_lanes
def test_nists_answers_for_hmac_are_met(lanes: Lanes) -> None:
    for key, text, digest in HMAC_SHA_256:
        stage = midstates(Secret(bytes.fromhex(key)))
        hashed = hash_array(string_views([bytes.fromhex(text)] * 17), [stage], width=len(digest), lanes=lanes)
        assert hashed.to_pylist() == [digest] * 17


@every_lanes
def test_nists_answers_for_sha_256_are_met(lanes: Lanes) -> None:
    """Check SHA-256 of any message longer than a block: the inner hash of HMAC is SHA-256 of a block and a text."""
    outer = midstates(Secret(KEY)).reveal()[8:]
    long = [(bytes.fromhex(text), bytes.fromhex(digest)) for text, digest in SHA_256 if len(text) >= 128]
    assert len(long) >= 5
    for message, digest in long:
        stage = Secret(compress(INITIAL_STATE, message[:64]) + outer)
        hashed = hash_array(string_views([message[64:]] * 17), [stage], width=64, lanes=lanes)
        after = compress(outer, digest + b"\x80" + bytes(23) + (8 * 96).to_bytes(8, "big"))
        assert hashed.to_pylist() == ["".join(f"{word:08x}" for word in after)] * 17


@settings(deadline=None)
@given(
    texts,
    st.lists(st.binary(max_size=200), min_size=1, max_size=3),
    st.sampled_from(lanes_that_run()),
    st.integers(8, 32),
    st.data(),
)
def test_any_text_under_any_keys_is_hashed_right(
    rows: list[str | None], keys: list[bytes], lanes: Lanes, size: int, data: st.DataObject
) -> None:
    stages = [midstates(Secret(key)) for key in keys]
    array = pa.concat_arrays([pa.array(rows, pa.string_view()), pa.array(rows[::-1], pa.string_view())])
    start = data.draw(st.integers(0, len(array)))
    array = array.slice(start, data.draw(st.integers(0, len(array) - start)))
    expected = [None if row is None else pseudonym(row, *keys, bits=8 * size) for row in array.to_pylist()]

    spelled = hash_array(array, stages, width=2 * size, lanes=lanes)
    raw = hash_array(array, stages, width=size, hexadecimal=False, lanes=lanes)
    spelled.validate(full=True)
    raw.validate(full=True)
    assert spelled.to_pylist() == expected
    assert raw.to_pylist() == [None if row is None else bytes.fromhex(row) for row in expected]


@every_lanes
def test_every_length_up_to_300_bytes_is_hashed_right(lanes: Lanes) -> None:
    rows = ["x" * length for length in range(301)]
    expected = [pseudonym(row, KEY) for row in rows]
    assert hash_array(pa.array(rows, pa.string_view()), [STAGE], lanes=lanes).to_pylist() == expected
    for row, answer in zip(rows, expected, strict=True):  # and beside texts of its own length only
        alike = hash_array(pa.array([row] * len(lanes), pa.string_view()), [STAGE], lanes=lanes)
        assert alike.to_pylist() == [answer] * len(lanes)


@settings(deadline=None)
@given(
    st.lists(st.none() | st.integers(0, 9_999_999_999), max_size=40),
    st.sampled_from(lanes_that_run()),
    st.sampled_from([pa.int64(), pa.uint64()]),
    st.integers(0, 40),
)
@example([0, 99, 100, 9_999, 10_000, 999_999, 10**6, 10**8 - 1, 10**8, 9_999_999_999], VECTORS[0], pa.int64(), 0)
def test_numbers_are_hashed_as_ten_digits(rows: list[int | None], lanes: Lanes, kind: pa.DataType, start: int) -> None:
    array = pa.array(rows, kind).slice(start)
    expected = [None if row is None else pseudonym(f"{row:010}", KEY) for row in rows[start:]]
    assert hash_array(array, [STAGE], lanes=lanes).to_pylist() == expected


@every_lanes
def test_bytes_after_a_short_text_in_its_view_make_no_difference(lanes: Lanes) -> None:
    views = b"".join(struct.pack("<i", length) + b"abcdefghijkl" for length in range(13)) * 3
    array = pa.Array.from_buffers(pa.string_view(), 39, [None, pa.py_buffer(views)])
    expected = [pseudonym("abcdefghijkl"[:length], KEY) for length in range(13)] * 3
    assert hash_array(array, [STAGE], lanes=lanes).to_pylist() == expected


@pytest.mark.parametrize("hexadecimal", [True, False])
@pytest.mark.parametrize("width", [8, 32])
@every_lanes
def test_the_value_behind_a_null_is_neither_read_nor_written(lanes: Lanes, width: int, hexadecimal: bool) -> None:
    # Every third row is null. Null rows point to no memory, so reading them would crash.
    nowhere, here = struct.pack("<iiii", 1 << 30, 0, 77, 1 << 30), struct.pack("<i", 4) + b"here".ljust(12, b"\0")
    rows = 50
    views = b"".join(nowhere if row % 3 == 0 else here for row in range(rows))
    bits = sum(1 << row for row in range(rows) if row % 3).to_bytes(8, "little")
    array = pa.Array.from_buffers(pa.string_view(), rows, [pa.py_buffer(bits), pa.py_buffer(views)])

    hashed = hash_array(array, [STAGE], width=width, hexadecimal=hexadecimal, lanes=lanes)
    assert [row is None for row in hashed.to_pylist()] == [row % 3 == 0 for row in range(rows)]
    _, views_out, *data = hashed.buffers()
    for row in range(0, rows, 3):
        assert views_out.to_pybytes()[16 * row : 16 * row + 16] == bytes(16)
        assert not data or data[0].to_pybytes()[width * row : width * (row + 1)] == bytes(width)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_the_answer(threads: int) -> None:
    rows = [str(number) if number % 7 else None for number in range(9_000_000_000, 9_000_300_000)]
    expected = [None if row is None else pseudonym(row, KEY) for row in rows]
    assert hash_array(pa.array(rows, pa.string_view()), [STAGE], threads=threads).to_pylist() == expected


def test_a_text_of_many_megabytes_is_hashed_right() -> None:
    long = "0123456789abcdef" * 300_000
    assert hash_array(pa.array([long, "short"], pa.string_view()), [STAGE]).to_pylist() == [
        pseudonym(long, KEY),
        pseudonym("short", KEY),
    ]


def test_read_only_buffers_are_read() -> None:
    array = pa.array(["9434765919", "x" * 40], pa.string_view())
    copied = [buffer and pa.py_buffer(buffer.to_pybytes()) for buffer in array.buffers()]
    assert not any(buffer.is_mutable for buffer in copied if buffer)
    hashed = hash_array(pa.Array.from_buffers(pa.string_view(), 2, copied), [STAGE])
    assert hashed.to_pylist() == [pseudonym("9434765919", KEY), pseudonym("x" * 40, KEY)]


def test_an_empty_array_gives_an_empty_array() -> None:
    assert hash_array(pa.array([], pa.string_view()), [STAGE]).type == pa.string_view()
    assert hash_array(pa.array([], pa.string_view()), [STAGE], hexadecimal=False).type == pa.binary_view()


def test_midstates_are_the_states_after_the_key_blocks_of_hmac() -> None:
    """To continue from the midstates gives HMAC, for keys shorter and longer than a block."""
    for key in (b"", KEY, bytes(64), bytes(range(65)), bytes(200)):
        words = midstates(Secret(key)).reveal()
        inner, outer = words[:8], words[8:]
        for size in (0, 55):
            text = bytes(range(size))
            ended = text.ljust(56, b"\0")
            block = ended[:size] + b"\x80" + ended[size + 1 :] + (8 * (64 + size)).to_bytes(8, "big")
            digest = b"".join(word.to_bytes(4, "big") for word in compress(inner, block))
            block = digest + b"\x80" + bytes(23) + (8 * 96).to_bytes(8, "big")
            digest = b"".join(word.to_bytes(4, "big") for word in compress(outer, block))
            assert digest == hmac.new(key, text, hashlib.sha256).digest()


@pytest.fixture
def published_answers_altered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    columns._check_answers.cache_clear()
    altered = [(key, text, "00" + digest[2:]) for key, text, digest in columns._ANSWERS]
    monkeypatch.setattr(columns, "_ANSWERS", altered)
    yield
    columns._check_answers.cache_clear()


@pytest.mark.usefixtures("published_answers_altered")
def test_a_kernel_that_disagrees_with_the_published_answers_hashes_nothing() -> None:
    for _ in range(2):  # refused again, not only once
        with pytest.raises(LinkcoreError, match="nothing was pseudonymised"):
            hash_array(pa.array(["9434765919"], pa.string_view()), [STAGE])


def test_a_traceback_with_local_variables_shows_no_midstate() -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- whatever pyarrow raises
        hash_array(pa.array(["9434765919"], pa.string_view()), [STAGE], width=1 << 62)
    report = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "words = <Secret>" in report  # the report shows local variables
    for word in STAGE.reveal():
        assert str(word) not in report
        assert f"{word:x}" not in report


def test_the_processor_decides_how_to_hash() -> None:
    import llvmlite.binding

    has = llvmlite.binding.get_host_cpu_features().get
    instructions = has("sha") or has("sha2")
    without = SHA_INSTRUCTIONS if instructions else VECTORS[1] if has("avx2") else VECTORS[0]
    assert lanes_of_host() == (VECTORS[2] if has("avx512f") else without)
    assert lanes_that_run() == (*VECTORS, SHA_INSTRUCTIONS)[: 4 if instructions else 3]


def test_instructions_that_the_processor_lacks_are_never_emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_features", frozenset)  # a processor without any
    assert lanes_of_host() == VECTORS[0]
    with pytest.raises(AssertionError, match="end the process"):
        hash_array(pa.array(["9434765919"], pa.string_view()), [STAGE], lanes=SHA_INSTRUCTIONS)
