"""How often each provider makes each kind of error; every rate is a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Final

from linkcore.errors import ProgrammeError

__all__ = ["DEFAULT_RATES", "ErrorRates"]


def _shares(**shares: float) -> Mapping[str, float]:
    return MappingProxyType(shares)


_NO_NUMBER: Final = _shares(empty=0.84, placeholder=0.06, mistyped=0.10)
_WRONG_NUMBER: Final = _shares(patient=0.50, household=0.35, mistyped=0.15)
_NAME: Final = _shares(
    typing=0.32,
    phonetic=0.14,
    ocr=0.03,
    swap=0.04,
    nickname=0.15,
    initial=0.03,
    truncation=0.03,
    surname_changed=0.14,
    hyphen_lost=0.03,
    middle_name=0.06,
    newborn=0.03,
)
_BIRTH_DATE: Final = _shares(
    digit=0.33, swap=0.16, year=0.20, first_of_january=0.06, default=0.08, impossible=0.02, missing=0.15
)
_POSTCODE: Final = _shares(old=0.62, typing=0.13, pseudo=0.07, missing=0.18)
_AT_THE_SCENE: Final = _shares(incident=0.88, typing=0.02, missing=0.10)


@dataclass(frozen=True)
class ErrorRates:
    """How often the records of one provider are wrong, and in which ways.

    The rates are shares of all its records. For records without a usable NHS Number, all rates but ``wrong_number`` are
    ``without_number`` times higher than for other records.

    Parameters
    ----------
    no_number : float
        Records without a usable NHS Number: it is empty, a placeholder, or so mistyped that it is no number.
    wrong_number : float
        Records with a number that passes every check but belongs to somebody else.
    name : float
        Records with a wrong name, as a share of the records that have a name.
    birth_date : float
        Records whose birth date is wrong or missing.
    postcode : float
        Records whose postcode is old, wrong or missing.
    no_name : float
        Records without a name, or with a word that says that it is unknown.
    gender : float
        Records whose gender is wrong or not stated.
    without_number : float
        How many times more often an error is made in a record without a usable number; 1 or more.
    no_number_kinds : mapping of str to float
        Shares of ``empty``, ``placeholder``, ``mistyped``.
    wrong_number_kinds : mapping of str to float
        Shares of ``patient`` (the number of another patient of the provider), ``household`` (of a member of the
        household, or of another patient if there is none) and ``mistyped`` (two digits wrong, and the result passes).
    name_kinds, birth_date_kinds, postcode_kinds : mapping of str to float
        Shares of the kinds of error, see :mod:`linkcore.synthetic.errors`. If a kind is impossible (the nickname of
        somebody without one), the other kinds take its share.

    Raises
    ------
    ProgrammeError
        A rate is not from 0 to 1, or a share is negative, or all are 0.

    Examples
    --------
    >>> ErrorRates(no_number=0.3, name=0.05).birth_date
    0.0
    """

    no_number: float = 0.0
    wrong_number: float = 0.0
    name: float = 0.0
    birth_date: float = 0.0
    postcode: float = 0.0
    no_name: float = 0.0
    gender: float = 0.002
    without_number: float = 2.5
    no_number_kinds: Mapping[str, float] = field(default_factory=lambda: _NO_NUMBER)
    wrong_number_kinds: Mapping[str, float] = field(default_factory=lambda: _WRONG_NUMBER)
    name_kinds: Mapping[str, float] = field(default_factory=lambda: _NAME)
    birth_date_kinds: Mapping[str, float] = field(default_factory=lambda: _BIRTH_DATE)
    postcode_kinds: Mapping[str, float] = field(default_factory=lambda: _POSTCODE)

    def __post_init__(self) -> None:
        for name in ("no_number", "wrong_number", "name", "birth_date", "postcode", "no_name", "gender"):
            if not 0 <= getattr(self, name) <= 1:
                raise ProgrammeError(f"The rate {name} must be a share of records, from 0 to 1.")
        if self.without_number < 1:
            raise ProgrammeError("without_number must be 1 or more: it is how many times more often an error is made.")
        for kinds in (f.name for f in fields(self) if f.name.endswith("_kinds")):
            shares = getattr(self, kinds)
            if unknown := set(shares) - _KNOWN_KINDS[kinds]:
                raise ProgrammeError(
                    f"{kinds} names {', '.join(sorted(unknown))}; use {', '.join(sorted(_KNOWN_KINDS[kinds]))}."
                )
            if not sum(shares.values()) > 0 or min(shares.values()) < 0:
                raise ProgrammeError(f"{kinds}: no share may be negative, and not all may be 0.")


_KNOWN_KINDS: Final = {
    "no_number_kinds": set(_NO_NUMBER),
    "wrong_number_kinds": set(_WRONG_NUMBER),
    "name_kinds": set(_NAME),
    "birth_date_kinds": set(_BIRTH_DATE),
    "postcode_kinds": set(_POSTCODE) | set(_AT_THE_SCENE),
}

_ADMITTED: Final = ErrorRates(0.003, 0.0003, 0.015, 0.003, 0.08)
_IN_MIND: Final = ErrorRates(0.01, 0.0005, 0.02, 0.005, 0.10)
_ON_THE_TELEPHONE: Final = ErrorRates(0.055, 0.001, 0.05, 0.01, 0.15, no_name=0.20, gender=0.005)

DEFAULT_RATES: Final[Mapping[str, ErrorRates]] = MappingProxyType(
    {
        # Published shares of records with an NHS Number: emergency 98.0 %, in-patient 99.7 %, 111 96.3 %, ambulance
        # 14.4 %. The other providers have rates between these.
        "gp": ErrorRates(0.001, 0.0002, 0.005, 0.001, 0.04, gender=0.0005),
        "inpatient": _ADMITTED,
        "outpatient": _ADMITTED,
        "emergency": ErrorRates(0.025, 0.0005, 0.03, 0.005, 0.12, no_name=0.003),
        "community": ErrorRates(0.01, 0.0005, 0.02, 0.005, 0.08),
        "mental_health": _IN_MIND,
        "talking_therapies": _IN_MIND,
        "adult_social_care": ErrorRates(0.175, 0.001, 0.05, 0.01, 0.10),
        "ambulance": ErrorRates(
            0.55,
            0.002,
            0.08,
            0.08,
            0.50,
            no_name=0.05,
            gender=0.02,
            birth_date_kinds=_shares(digit=0.10, swap=0.05, year=0.15, default=0.10, missing=0.60),
            # The postcode is that of the incident.
            postcode_kinds=_AT_THE_SCENE,
        ),
        "nhs_111": _ON_THE_TELEPHONE,
        "out_of_hours": _ON_THE_TELEPHONE,
        "national_extract": ErrorRates(0.005, 0.0003, 0.0, 0.002, 0.10),
    }
)
"""The error rates of the twelve providers, by name of the source."""
