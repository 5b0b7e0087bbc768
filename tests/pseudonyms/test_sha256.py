"""The compression function in plain Python is SHA-256's."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from linkcore.pseudonyms.sha256 import INITIAL_STATE, compress


@given(st.binary(max_size=300))
def test_compressing_a_padded_message_block_by_block_is_sha256(message: bytes) -> None:
    padded = message + b"\x80" + bytes(-(len(message) + 9) % 64) + (8 * len(message)).to_bytes(8, "big")
    state: tuple[int, ...] = INITIAL_STATE
    for start in range(0, len(padded), 64):
        state = compress(state, padded[start : start + 64])
    assert b"".join(word.to_bytes(4, "big") for word in state) == hashlib.sha256(message).digest()
