"""A few people with test numbers at two practices and a hospital, and their pseudonyms by the standard library."""

import hashlib
import hmac
from datetime import UTC, datetime

import polars as pl

import linkcore as lc

MATERIAL = hashlib.sha384(b"material that nobody shall see").digest()[:36]
KEY = lc.Key.from_bytes("partner-2026", MATERIAL)
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)

# Numbers of the test range (999) with their check digits: they belong to nobody.
NUMBERS = [
    f"{nine}{check}"
    for nine in range(999_000_100, 999_000_140)
    for check in [(11 - sum(int(digit) * (10 - place) for place, digit in enumerate(str(nine))) % 11) % 11]
    if check < 10
][:12]
NORTH, SOUTH, ABROAD = NUMBERS[:5], NUMBERS[5:9], NUMBERS[9:]
"""Registered with A81001, with B82002, and with no practice here."""


def spine() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "nhs_number": [*NORTH, *SOUTH],
            "family_name": ["SMITH", "JONES", "TAYLOR", "BROWN", "WALKER", "HALL", "GREEN", "WOOD", "HILL"],
            "practice": [*["A81001"] * len(NORTH), *["b82002 "] * len(SOUTH)],
        }
    )


def hospital() -> pl.DataFrame:
    """Two people of one practice, one of the other, one of neither, and a record without a number."""
    seen = [NORTH[0], NORTH[1], SOUTH[0], ABROAD[0], None, NORTH[0]]
    return pl.DataFrame(
        {
            "ID": [f"H{number}" for number in range(len(seen))],
            "nhs_number": seen,
            "COST": range(len(seen)),
            "NOTE": ["=1+1", "b", "c", "d", "e", "f"],
        }
    )


def linked(superseded: pl.DataFrame | None = None) -> lc.Linkage:
    gp = lc.Source("gp", spine(), spine=True, practice="practice")
    seen = lc.Source("hospital", hospital(), columns={"nhs_number": "nhs_number"}, record_id="ID")
    exact = lc.Exact(usable=("valid", "test"), superseded=superseded)
    return lc.link([gp, seen], exact=exact, fallback=None)


def integer_id(number: str, material: bytes = MATERIAL) -> int:
    digest = hmac.digest(material, b"linkcore:integer:" + number.encode(), "sha256")
    return 2**62 + int.from_bytes(digest[:8], "big") // 4


def pseudonym(number: str, material: bytes = MATERIAL) -> str:
    return hmac.digest(material, number.encode(), "sha256").hex()[:32]
