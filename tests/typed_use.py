"""A short program that uses the public names as a user would: mypy checks its types, and a test runs it."""

import datetime as dt
from pathlib import Path
from typing import assert_type

import polars as pl

import linkcore as lc


def sources() -> list[lc.Source]:
    """Build a register of two people, and three attendances of one of them."""
    register = pl.DataFrame(
        {
            "nhs_number": ["999 000 0018", "999 000 0026"],
            "given_name": ["Anna", "Peter"],
            "family_name": ["Smith", "Okafor"],
            "birth_date": ["1980-02-03", "2011-07-28"],
        }
    )
    attendances = pl.DataFrame(
        {
            "NHS_NO": ["9990000018", "9990000018", None],
            "SURNAME": ["Smith", "Smith", None],
            "arrived": ["2026-01-05", "2026-01-07", "2026-02-12"],
        }
    )
    columns = {"nhs_number": "NHS_NO", "family_name": "SURNAME"}
    return [lc.Source("gp", register, spine=True), lc.Source("emergency", attendances, columns=columns)]


def link(folder: Path) -> lc.Linkage:
    """Link the sources on the NHS Number, and save what was found."""
    linkage = lc.link(
        sources(),
        exact=lc.Exact(usable=["valid", "test"]),
        fallback=None,
        reference_date=dt.date(2026, 4, 1),
    )
    assert_type(linkage, lc.Linkage)
    assert_type(linkage.links, pl.DataFrame)
    assert_type(linkage.persons, pl.DataFrame)
    assert_type(linkage.quality, lc.Quality)
    store_key = lc.Key.generate("linkage-2026")
    linkage.save(folder / "work", key=store_key)
    assert_type(lc.Linkage.load(folder / "work", sources(), key=store_key), lc.Linkage)
    lc.write_report(linkage, folder / "report.html")
    return linkage


def release(linkage: lc.Linkage, folder: Path) -> lc.Release:
    """Release the time of each attendance to one recipient, under a key from a keyring."""
    keyring = lc.Keyring.create(folder / "team.keys", "four words of nobody's")
    key = lc.Key.generate("partner-2026")
    keyring.add(key, at=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))
    assert_type(keyring["partner-2026"], lc.Key)
    agreement = lc.Agreement("partner", key.id, {"emergency": ["arrived"]}, purpose="winter planning")
    released = lc.release(linkage, agreement, key, folder / "release")
    assert_type(released, lc.Release)
    return released


def pseudonyms(numbers: pl.DataFrame, key: lc.Key) -> pl.DataFrame:
    """Replace NHS Numbers with pseudonyms."""
    expression = lc.pseudonymise(lc.nhs_number("NHS_NO", usable=["test"]), key)
    assert_type(expression, pl.Expr)
    return numbers.select(expression)


def refused(linkage: lc.Linkage, folder: Path) -> lc.LinkcoreError | None:
    """Try to release a birth date, and return the error."""
    key = lc.Key.generate("partner-2026")
    try:
        lc.release(linkage, lc.Agreement("partner", key.id, {"gp": ["birth_date"]}), key, folder / "refused")
    except lc.RefusedError as error:
        return error
    return None
