"""Stage 1: what a supplier writes is what the trusted team reads, in every format that can be declared."""

import base64
import hashlib
import hmac
from typing import Any

import polars as pl
import pytest

import linkcore as lc
from linkcore.pseudonyms.stage_one import StageOne

MATERIAL = hashlib.sha256(b"a key of the tests").digest()
KEY = lc.Key.from_bytes("suppliers", MATERIAL)
NUMBERS = [9434765919, 4010232137, None, 101299877]


def by_hand(number: int | None, stage: StageOne) -> tuple[str, str] | None:
    """Return the code that the supplier writes, and the 32 hex digits that are read from it."""
    if number is None:
        return None
    text = f"{number:010d}"
    if stage.text == "spaced":
        text = f"{text[:3]} {text[3:6]} {text[6:]}"
    code = hmac.digest(MATERIAL, text.encode(), "sha256")[: stage.bits // 8]
    written = code.hex() if stage.encoding == "hex" else base64.b64encode(code).decode()
    return written, code.hex()[:32]


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("bits", [128, 136, 160, 256])
@pytest.mark.parametrize("text", ["digits", "spaced"])
def test_codes_are_hmac_and_their_leftmost_128_bits_are_read(encoding: Any, bits: int, text: Any) -> None:
    stage = StageOne(encoding, bits, text)
    expected = [by_hand(number, stage) for number in NUMBERS]
    frame = pl.DataFrame({"number": NUMBERS}).select(stage.write(pl.col("number"), KEY).alias("code"))
    assert frame["code"].to_list() == [each and each[0] for each in expected]
    read = frame.select(stage.read(pl.col("code"))).unnest("code")
    assert read["code"].to_list() == [each and each[1] for each in expected]
    assert read["status"].to_list() == ["valid", "valid", "missing", "valid"]
    values = [each and (int(each[1][:16], 16) >> 2) + (1 << 62) for each in expected]
    assert read["value"].to_list() == values
    assert all(value > 9_999_999_999 for value in values if value)


def test_upper_case_and_outer_spaces_make_no_difference() -> None:
    code = "dd5c602eeb31d60c7c0d662c897231dd"
    frame = pl.DataFrame({"code": [code, f" {code.upper()} "]})
    assert frame.select(StageOne().read(pl.col("code")).struct.field("code")).to_series().to_list() == [code, code]


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_value_that_is_no_code_is_set_aside(encoding: Any) -> None:
    values = ["9434765919", "dd5c", "x" * 32, "d" * 64, "?" + "A" * 31, "é" * 32, "unknown", "", None]
    read = pl.DataFrame({"code": values}).select(StageOne(encoding).read(pl.col("code"))).unnest("code")
    assert read["code"].null_count() == read["value"].null_count() == len(values)
    assert read["status"].to_list() == ["malformed"] * 6 + ["missing"] * 3


@pytest.mark.parametrize("stated", [{"encoding": "base32"}, {"bits": 64}, {"bits": 132}, {"text": "binary"}])
def test_wrong_settings_are_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(lc.ProgrammeError, match="stage 1"):
        StageOne(**stated)
