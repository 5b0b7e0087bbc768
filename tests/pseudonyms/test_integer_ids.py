"""Integer ids: what they are by the standard library, and that no two persons share one."""

import hashlib
import hmac

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linkcore as lc
from linkcore.pseudonyms.integer_ids import SMALLEST_ID, integer_id, refuse_same_ids

MATERIAL = hashlib.sha256(b"a key of the tests").digest()
KEY = lc.Key.from_bytes("partner-2026", MATERIAL)
NAMES = ["9990000018", "0" * 10, "linkcore:person:00ff", "0f" * 16, "", "Zoë" * 50]


def expected(name: str, material: bytes = MATERIAL) -> int:
    digest = hmac.new(material, b"linkcore:integer:" + name.encode(), hashlib.sha256).digest()
    return int((1 << 62) | int.from_bytes(digest, "big") >> (256 - 62))


def ids(names: list[str | None], key: lc.Key = KEY) -> pl.Series:
    return pl.DataFrame({"name": names}, {"name": pl.String}).select(integer_id("name", key)).to_series()


def test_an_id_is_what_hmac_of_the_standard_library_gives() -> None:
    found = ids([*NAMES, None])
    assert found.dtype == pl.Int64
    assert found.to_list() == [*map(expected, NAMES), None]


@settings(max_examples=25)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=80), max_size=20), st.binary(min_size=32, max_size=80))
def test_any_name_has_a_positive_id_of_19_digits(names: list[str], salt: bytes) -> None:
    material = hashlib.sha512(salt).digest()
    found = ids(list(names), lc.Key.from_bytes("any", material)).to_list()
    assert found == [expected(name, material) for name in names]
    assert all(SMALLEST_ID <= each < 2 * SMALLEST_ID and len(str(each)) == 19 for each in found)


def test_it_tells_neither_the_pseudonym_nor_the_id_of_another_recipient() -> None:
    """Each is a hash of its own: no bits of one are those of another at the same place."""
    other = lc.Key.from_bytes("other-2026", MATERIAL[::-1])
    names = [f"{serial:010d}" for serial in range(2_000)]
    own, others = ids(list(names)), ids(list(names), other)
    pseudonyms = lc.pseudonymise(pl.Series(names), KEY, output="binary", length=64)
    leftmost = pseudonyms.bin.reinterpret(dtype=pl.UInt64, endianness="big") // 4 + SMALLEST_ID
    for another in (others, leftmost.cast(pl.Int64)):
        same = (own ^ another).bitwise_count_zeros() - 2  # the first two bits are those of every id
        # 62 bits, half of them the same by chance; of 2,000 the mean is 31 ± 0.09.
        assert abs(float(same.mean()) - 31) < 0.5  # type: ignore[arg-type]


def test_two_persons_with_one_id_are_refused_and_persons_without_a_name_are_not() -> None:
    refuse_same_ids(pl.Series([SMALLEST_ID, SMALLEST_ID + 1, None, None]), KEY)
    with pytest.raises(lc.RefusedError, match=r"under key 'partner-2026' version 1, two persons .*rotate the key"):
        refuse_same_ids(pl.Series([SMALLEST_ID, SMALLEST_ID + 1, SMALLEST_ID]), KEY)
