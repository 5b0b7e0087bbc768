"""The pseudonym of one text, computed in a slow and obvious way."""

import hmac


def pseudonym(text: str, *keys: bytes, bits: int = 128) -> str:
    for key in keys[:-1]:
        text = hmac.digest(key, text.encode(), "sha256").hex()[:32]
    return hmac.digest(keys[-1], text.encode(), "sha256").hex()[: bits // 4]
