"""The five example programmes, run as a trusted team would: in a copy of the folder, with keys that the tests know."""

import datetime as dt
import hashlib
import hmac
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

import linkcore as lc
from linkcore.governance.audit.audit import Audit
from linkcore.keys.signing import SigningKey
from linkcore.programme.programme import Programme
from linkcore.programme.run import ProgrammeRun, run_programme

FIXTURES = Path(__file__).parents[2] / "fixtures"
NAMES = (
    "optum_south_central",
    "cambridgeshire_peterborough",
    "devon",
    "somerset",
    "herefordshire_worcestershire",
)
DAY = dt.date(2026, 4, 15)
PASSPHRASE = "correct horse battery staple"
ACTOR = "trusted team"


def at(day: dt.date = DAY, hour: int = 9) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, hour, tzinfo=dt.UTC)


def material(key_id: str) -> bytes:
    """Key material that the leak tests can look for."""
    return hashlib.sha256(f"nobody shall see the key {key_id}".encode()).digest()


def pseudonym(key_id: str, text: str) -> str:
    """Compute a pseudonym with the standard library, as DESIGN.md defines it."""
    return hmac.digest(material(key_id), text.encode(), "sha256").hex()[:32]


@dataclass
class Running:
    """A programme in its own folder, after a run."""

    name: str
    folder: Path
    programme: Programme
    keyring: lc.Keyring
    signing_key: SigningKey
    audit: Audit
    run: ProgrammeRun
    expected: dict[str, Any]

    @property
    def linkage(self) -> lc.Linkage:
        return self.run.linkage

    def keys(self, recipient: str) -> lc.Key:
        (key_id,) = [each.key for each in self.programme.agreements() if each.recipient == recipient]
        return self.keyring[key_id]

    def numbers_in(self, source: str, **where: str) -> pl.Series:
        """The NHS Numbers (or codes) of a source as it was sent, optionally of one practice."""
        (found,) = [each for each in self.programme.sources() if each.name == source]
        frame = found.scan(found.column_names).collect()
        for column, value in where.items():
            frame = frame.filter(pl.col(column) == value)
        return frame[found.identifier_columns["nhs_number"]].drop_nulls()

    def practices(self) -> dict[str, pl.Series]:
        """Each practice's own patient list."""
        (gp,) = [each for each in self.programme.sources() if each.name == "gp"]
        codes = gp.scan(["PRACTICE_CODE"]).collect().to_series().unique().sort()
        return {code: self.numbers_in("gp", PRACTICE_CODE=code) for code in codes}


def start(name: str, folder: Path) -> Running:
    """Copy a programme, make its keys, and run it."""
    folder = folder / name
    shutil.copytree(FIXTURES / "programmes" / name, folder, ignore=shutil.ignore_patterns("expected.json", "run-*"))
    programme = Programme.load(folder / "programme.toml")
    keyring = lc.Keyring.create(folder / "keys.json", PASSPHRASE, cost=14)
    for agreement in programme.agreements():
        key = lc.Key.from_bytes(agreement.key, material(agreement.key))
        keyring.add(key, at=at(), recipient=agreement.recipient)
    signing_key = SigningKey.generate()
    audit = programme.audit_log()
    assert audit is not None
    occasion = programme.occasion(ACTOR, at())
    run = run_programme(programme, folder / "run-1", keys=keyring, signing_key=signing_key, on=DAY, occasion=occasion)
    expected = json.loads((FIXTURES / "programmes" / name / "expected.json").read_text("utf-8"))
    return Running(name, folder, programme, keyring, signing_key, audit, run, expected)


def released(folder: Path, source: str) -> pl.DataFrame:
    """Read one source's table of a release, whatever its format."""
    if (folder / "release.duckdb").exists():
        import duckdb

        with duckdb.connect(folder / "release.duckdb", read_only=True) as connection:
            return connection.sql(f'SELECT * FROM "{source}"').pl()
    if (folder / f"{source}.csv").exists():
        return pl.read_csv(folder / f"{source}.csv", infer_schema=False)
    return pl.read_parquet(folder / f"{source}.parquet")
