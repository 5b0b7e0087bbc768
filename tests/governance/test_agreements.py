"""Agreements: what they name is checked before anything is read."""

import polars as pl
import pytest

import linkcore as lc

SOURCE = lc.Source(
    "seen",
    pl.DataFrame({"NUMBER": [""], "postcode": [""], "COST": [1], "pseudonym": [""], "SCANS": [[b""]]}),
    columns={"nhs_number": "NUMBER"},
)


def test_a_sound_agreement_passes() -> None:
    lc.Agreement("partner", "key", {"seen": ["COST"]}).check([SOURCE])


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"other": ["COST"]}, lc.ProgrammeError, "no such source; there are seen"),
        ({"seen": ["NOPE"]}, lc.ProgrammeError, "no columns"),
        ({"seen": ["pseudonym"]}, lc.ProgrammeError, "adds"),
        ({"seen": ["NUMBER"]}, lc.RefusedError, "identify people"),
        ({"seen": ["postcode"]}, lc.RefusedError, "identify people"),
        ({"seen": ["SCANS"]}, lc.ProgrammeError, "bytes in lists"),
    ],
)
def test_what_cannot_be_is_said(columns: dict[str, list[str]], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        lc.Agreement("partner", "key", columns).check([SOURCE])


@pytest.mark.parametrize("columns", [{}, {"seen": ["COST", "COST"]}, {"seen": "COST"}])
def test_an_agreement_that_makes_no_sense_is_refused_when_it_is_made(columns: dict[str, list[str]]) -> None:
    with pytest.raises(lc.ProgrammeError):
        lc.Agreement("partner", "key", columns)


def test_an_agreement_cannot_be_widened_after_it_was_made() -> None:
    columns = {"seen": ["COST"]}
    agreement = lc.Agreement("partner", "key", columns)
    columns["seen"].append("nhs_number")
    columns["gp"] = ["nhs_number"]
    assert dict(agreement.columns) == {"seen": ("COST",)}
