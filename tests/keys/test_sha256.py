"""The compression function in plain Python is that of SHA-256."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkcore.keys.sha256 import INITIAL_STATE, compress
from tests.pseudonyms.cavp import SHA_256


def digest(message: bytes) -> bytes:
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + (8 * len(message)).to_bytes(8, "big")
    state: tuple[int, ...] = INITIAL_STATE
    for start in range(0, len(padded), 64):
        state = compress(state, padded[start : start + 64])
    return b"".join(word.to_bytes(4, "big") for word in state)


@given(st.binary(max_size=300))
def test_compressing_a_padded_message_block_by_block_is_sha256(message: bytes) -> None:
    assert digest(message) == hashlib.sha256(message).digest()


@pytest.mark.parametrize(("message", "answer"), SHA_256)
def test_answers_of_nist_are_met(message: str, answer: str) -> None:
    assert digest(bytes.fromhex(message)).hex() == answer
