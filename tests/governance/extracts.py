"""Small extracts to release: a spine and a hospital, with test numbers or with numbers of the real range."""

import contextlib
import datetime as dt
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.releases.terms import Terms
from linkcore.governance.withholding.withholding import Withholding
from linkcore.keys.signing import SigningKey
from tests.naive_linkage import ten_digits

MATERIAL = hashlib.sha256(b"a key of the tests").digest()
KEY = lc.Key.from_bytes("partner-2026", MATERIAL)
OTHER = lc.Key.from_bytes("other-2026", MATERIAL[::-1])
PEOPLE = 24
DAY = dt.date(2026, 4, 15)
NOON = dt.datetime(2026, 4, 15, 12, tzinfo=dt.UTC)
SIGNING = SigningKey.generate()
PURPOSE = "winter planning"
GIVEN = ("ANNE", "BORIS", "CARLA", "DAVID")
FAMILY = ("ABBOTT", "BAKER", "CARTER", "DEAN", "ELLIS", "FROST")


def terms(**changes: object) -> Terms:
    stated = {
        "legal_basis": "UK GDPR Article 6(1)(e)",
        "approval": "DAB-7",
        "start": dt.date(2026, 4, 1),
        "end": dt.date(2026, 9, 30),
        "ico_registration": "ZA000000",
        "ico_expires": dt.date(2026, 12, 31),
        "toolkit": "8XX00",
        "toolkit_expires": dt.date(2026, 12, 31),
        "fair_processing": "https://example.org/privacy",
        "next_audit": dt.date(2026, 12, 31),
    }
    return Terms(**(stated | changes))  # type: ignore[arg-type]


def signed_and_audited(folder: Path) -> dict[str, Any]:
    """What a release of data of real people needs: a signing key, and an occasion whose log lies in the folder."""
    return {"signing_key": SIGNING, "occasion": Occasion("team", NOON, Audit(folder / "audit.jsonl"))}


def numbers(first_nine: int, count: int = PEOPLE) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        with contextlib.suppress(AssertionError):  # one in eleven numbers has no check digit
            found.append(ten_digits(first_nine))
        first_nine += 1
    return found


def spine(*, real: bool = False) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "NHS": numbers(400_000_100 if real else 999_000_100),
            "GIVEN": [GIVEN[i % 4] for i in range(PEOPLE)],
            "FAMILY": [FAMILY[i // 4] for i in range(PEOPLE)],
            "BORN": [dt.date(1950 + 3 * i, 1 + i % 12, 1 + i) for i in range(PEOPLE)],
            "SEX": ["12"[i % 2] for i in range(PEOPLE)],
            "HOME": [f"{('EX', 'TQ', 'PL')[i % 3]}{1 + i % 2} {i % 10}AB" for i in range(PEOPLE)],
            "PRACTICE": [f"L8300{1 + i % 3}" for i in range(PEOPLE)],
            "SMOKER": [None if i == 5 else i % 2 == 0 for i in range(PEOPLE)],
        }
    )


def stays(*, real: bool = False) -> pl.DataFrame:
    """Three records for each person; every fourth record has no number."""
    people = spine(real=real)["NHS"]
    rows = range(3 * PEOPLE)
    return pl.DataFrame(
        {
            "SPELL": [f"S{1000 + i // 2}" for i in rows],
            "NHS": [None if i % 4 == 3 else people[i % PEOPLE] for i in rows],
            "COST": [float(i % 7) for i in rows],
            "WARD": [("ROSE", "OAK", "ALEXANDRA")[i % 3] for i in rows],
            "ON": [dt.date(2026, 1, 1 + i % 28) for i in rows],
        }
    )


@cache
def linked(*, real: bool = False) -> lc.Linkage:
    gp = lc.Source(
        "gp",
        spine(real=real),
        spine=True,
        practice="PRACTICE",
        columns={
            "nhs_number": "NHS",
            "given_name": "GIVEN",
            "family_name": "FAMILY",
            "birth_date": "BORN",
            "gender": "SEX",
            "postcode": "HOME",
        },
    )
    hospital = lc.Source("hospital", stays(real=real), columns={"nhs_number": "NHS"})
    return lc.link([gp, hospital], exact=lc.Exact(usable=("valid", "test")), fallback=None)


def withholding(
    linkage: lc.Linkage, *, without: range = range(0), on: dt.date = DAY, purpose: str = PURPOSE
) -> Withholding:
    """Withhold, in each source, the rows whose positions are in ``without``."""
    kept = {
        name: pl.Series([position not in without for position in range(rows.height)], dtype=pl.Boolean)
        for name, rows in linkage.rows.items()
    }
    counts = pl.DataFrame(
        [{"source": name, "reason": "national", "records": int((~rows).sum())} for name, rows in kept.items()]
    )
    return Withholding(kept, counts, {"national": "a list of 2026-04-14"}, on=on, purpose=purpose)
