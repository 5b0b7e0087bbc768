"""Identifiers in the texts of the audit log: NHS Numbers, postcodes and birth dates, however they are written.

This catches accidents. Names cannot be recognised, and neither can a number that is spelled out or split by words. A
text that is no identifier must pass: a check that refuses "review of Q1 2nd wave" is soon switched off.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

import polars as pl

from linkcore.errors import RefusedError
from linkcore.identifiers.nhs_number import NUMBERED, nhs_number_status

__all__ = ["refuse_identifiers"]

_RECENT: Final = dt.timedelta(days=2 * 365)

_DIGEST: Final = re.compile(r"[0-9a-f]{16,}")
_TEN_DIGITS: Final = re.compile(r"(?<!\d)(?=(\d(?:[^0-9A-Za-z]{0,3}\d){9})(?!\d))")
# Royal Mail's postcode areas; no inward code has C, I, K, M, O or V. The NHS's ZZ99 is the area of no place.
_AREA: Final = (
    "A[BL]|B[ABDFHLNRSTX]?|C[ABFHMORTVW]|D[ADEGHLNTY]|E[CHNX]?|F[KY]|G[LUY]?|H[ADGPRSUX]|I[GMPV]|JE|K[ATWY]|"
    "L[ADELNSU]?|M[EKL]?|N[EGNPRW]?|O[LX]|P[AEHLOR]|R[GHM]|S[AEGKLMNOPRSTWY]?|T[ADFNQRSW]|UB|W[ACDFNRSV]?|YO|ZE"
)
_POSTCODE: Final = re.compile(
    rf"(?<![A-Z0-9])(?:(?:(?:{_AREA})[0-9][0-9A-Z]?|GIR)[^0-9A-Z]{{0,3}}[0-9][ABD-HJLNP-UW-Z]{{2}}"
    r"|ZZ99[^0-9A-Z]{0,3}[0-9][A-Z]{2})(?![A-Z0-9])"
)
_ORDINAL: Final = re.compile(r"(?<![A-Za-z0-9])(?:1st|2nd|3rd|[4-9]th)\b")  # in lower case: "E1 2ND" is a postcode
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = rf"(?P<month>\d{{1,2}}|(?:{'|'.join(_MONTHS)})[a-z]*)"
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_BETWEEN: Final = r"\s?[\s/.,-]\s?"
_ALONE: Final = r"(?<!\d)(?<!\d[./,-]){}(?!\.?\d)"  # not a part of a longer number, of a version or of an IP address
_DATES: Final = tuple(
    re.compile(_ALONE.format(form), re.IGNORECASE)
    for form in (
        rf"{_DAY}{_BETWEEN}(?:of )?{_MONTH}{_BETWEEN}(?P<year>\d{{4}}|\d{{2}})",
        rf"{_MONTH}{_BETWEEN}{_DAY}{_BETWEEN}(?P<year>\d{{4}})",
        rf"(?P<year>\d{{4}}){_BETWEEN}{_MONTH}{_BETWEEN}{_DAY}",
        r"(?P<day>\d{2})(?P<month>\d{2})(?P<year>\d{4})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
    )
)
_OF_BIRTH: Final = re.compile(r"\b(?:born|birth|d\.?o\.?b)\b\D{0,20}$", re.IGNORECASE)


def refuse_identifiers(name: str, text: str, typed: dt.datetime | None = None) -> None:
    """Refuse a text with an NHS Number, a postcode, or a date that may be a birth date.

    Only a text that a person ``typed`` for one occasion is searched for dates, with the time when it was typed: a date
    may be a birth date if it is called so, or is two years old. Other texts have dates of papers, files and days.

    Examples
    --------
    >>> refuse_identifiers("reason", "letter of 12 March 2026", dt.datetime(2026, 4, 1))
    >>> refuse_identifiers("purpose", "records since 1 April 2019")
    >>> refuse_identifiers("reason", "the man of 12/03/1956", dt.datetime(2026, 4, 1))
    Traceback (most recent call last):
    linkcore.errors.RefusedError: reason contains a date that may be a birth date: take it out, or write the year ...
    """
    if _DIGEST.fullmatch(text):  # it may contain ten digits by chance
        return
    plain = "".join(map(_plain, unicodedata.normalize("NFKC", text)))
    dates = list(_dates(plain, typed))
    if typed is not None and any(
        date < typed.date() - _RECENT or _OF_BIRTH.search(plain[:start]) for date, start, _ in dates
    ):
        raise RefusedError(
            f"{name} contains a date that may be a birth date: take it out, or write the year alone; the audit log "
            "holds no identifiers"
        )
    for _, start, end in dates:  # of equal length, so that the places stay
        plain = plain[:start] + "x" * (end - start) + plain[end:]
    if _has_nhs_number(plain):
        raise RefusedError(f"{name} contains an NHS Number: take it out, the audit log holds no identifiers")
    if _POSTCODE.search(_ORDINAL.sub("x", plain).upper()):
        raise RefusedError(f"{name} contains a postcode: take it out, the audit log holds no identifiers")


def _has_nhs_number(plain: str) -> bool:
    """Whether ten digits pass the check; a Scottish number begins with a birth date, so no case of 2026 is one."""
    tens = {re.sub(r"\D", "", found[1]) for found in _TEN_DIGITS.finditer(plain)}
    status = nhs_number_status("ten")
    begins_with_day = pl.col("ten").str.slice(2, 2).is_between(pl.lit("01"), pl.lit("12"))
    return bool(
        tens
        and pl.DataFrame({"ten": sorted(tens)})
        .select((status.is_in(list(NUMBERED)) & ((status != "scotland") | begins_with_day)).any())
        .item()
    )


def _plain(character: str) -> str:
    """Write digits of every script as 0 to 9, and every dash as a hyphen."""
    if unicodedata.category(character) == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _dates(text: str, typed: dt.datetime | None) -> Iterator[tuple[dt.date, int, int]]:
    """Yield each date of these centuries, with its place; two digits are a year that had begun when it was typed."""
    for form in _DATES:
        for found in form.finditer(text):
            day, month, year = int(found["day"]), _month(found["month"]), int(found["year"])
            if year < 100:
                year += 2000 if typed is None or year <= typed.year % 100 else 1900
            if month > 12:  # written in the American order
                day, month = month, day
            try:
                date = dt.date(year, month, day)
            except ValueError:
                continue
            if 1870 < year < 2050:
                yield date, *found.span()


def _month(text: str) -> int:
    return int(text) if text.isdigit() else 1 + _MONTHS.index(text[:3].lower())
