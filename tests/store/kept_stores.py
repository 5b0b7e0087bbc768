"""Small stores as each format of the linkage store was written, with the sources that were linked; nobody exists.

    python -m tests.store.kept_stores

writes those of this version to ``tests/store/kept``. Do so when the format in `linkcore.store.folder` gets a new
number, or when the lock file names another Polars. Earlier formats stay: later versions open them, or say what to do.
"""

import datetime as dt
import hashlib
import shutil
from pathlib import Path

import polars as pl

import linkcore as lc

KEPT = Path(__file__).parent / "kept"
KEY = lc.Key.from_bytes("linkage-2026", hashlib.sha256(b"the key of a test, which protects nothing").digest())
EXACT = lc.Exact(usable=["test"], superseded=pl.DataFrame({"old": ["9990000417"], "new": ["9990000018"]}))
PEOPLE = 40


def sources(folder: Path) -> list[lc.Source]:
    """The sources of the month in which the stores were written."""
    gp = lc.Source("gp", folder / "gp.parquet", spine=True, record_id="id", practice="practice")
    return [gp, lc.Source("seen", folder / "seen.parquet", record_id="id")]


def people() -> pl.DataFrame:
    """Forty people of the test range of NHS Numbers."""
    numbers = [f"99900{n:04}" for n in range(1, 90)]
    # Modulus 11: the check digit makes the weighted sum a multiple of 11, and none is 10.
    sums = [(11 - sum((10 - at) * int(digit) for at, digit in enumerate(number)) % 11) % 11 for number in numbers]
    valid = [f"{number}{check}" for number, check in zip(numbers, sums, strict=True) if check < 10][:PEOPLE]
    given, family = (
        ("ANNA", "BEN", "CHIDI", "DEVI", "EWAN", "FATIMA", "GWEN"),
        ("NG", "OKORO", "PATEL", "QUINN", "REES"),
    )
    return pl.DataFrame(
        {
            "id": [f"G{n}" for n in range(PEOPLE)],
            "nhs_number": valid,
            "given_name": [given[n % 7] for n in range(PEOPLE)],
            "family_name": [family[n % 5] for n in range(PEOPLE)],
            "birth_date": [dt.date(1950, 1, 1) + dt.timedelta(days=541 * n) for n in range(PEOPLE)],
            "gender": ["female" if n % 2 else "male" for n in range(PEOPLE)],
            "postcode": [f"EX{n % 9 + 1} {n % 10}AB" for n in range(PEOPLE)],
            "practice": ["A81001" if n < 25 else "B82002" for n in range(PEOPLE)],
            "cost": range(PEOPLE),
        }
    )


def linkage(folder: Path) -> lc.Linkage:
    """The linkage of the second month; every table of its store has rows, but for what clerks decided."""
    spine, *others = sources(folder)
    earlier = people().vstack(people().head(3).with_columns(id=pl.col("id") + "x", nhs_number=None, gender=None))
    first = lc.Source("seen", earlier.with_columns(given_name=pl.lit("ZOE")).tail(3).drop("practice"), record_id="id")
    before = lc.link([lc.Source("gp", people().head(30), spine=True, record_id="id"), first], exact=EXACT)
    opted_out = lc.OptOuts.from_list(people().select("nhs_number").tail(1), as_of=dt.date(2026, 3, 1))
    left, _ = lc.without_type_one(spine, opted_out, on=dt.date(2026, 3, 1))
    return lc.link([left, *others], exact=EXACT, previous=before, reference_date=dt.date(2026, 3, 31), synthetic=True)


def write(folder: Path) -> None:
    """Write the sources and both stores to a new folder."""
    folder.mkdir(parents=True)
    seen = people().drop("practice").with_columns(id="S" + pl.col("id"))
    without = pl.col("id").str.ends_with("7") | pl.col("id").str.ends_with("2")
    people().write_parquet(folder / "gp.parquet")
    seen.with_columns(nhs_number=pl.when(~without).then("nhs_number")).write_parquet(folder / "seen.parquet")
    made = linkage(folder)
    made.save(folder / "plain")
    made.save(folder / "encrypted", key=KEY)


if __name__ == "__main__":
    from linkcore.store.folder import FORMAT

    place = KEPT / FORMAT.replace(" ", "_")
    shutil.rmtree(place, ignore_errors=True)
    write(place)
