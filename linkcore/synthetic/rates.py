"""How often each provider gets what wrong: every figure a parameter."""

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
    """How often one provider's records are wrong, and how.

    The rates are of all its records. Among records without a usable number all but ``wrong_number`` are
    ``without_number`` times what they are among the others.

    Parameters
    ----------
    no_number : float
        No number to link by: none, a placeholder, or one so mistyped that it is no number.
    wrong_number : float
        A number that passes every check but is not the person's.
    name : float
        A name other than the person's; of the records that have one.
    birth_date : float
        Wrong or missing.
    postcode : float
        Old, wrong or missing.
    no_name : float
        None, or a word that says so.
    gender : float
        Wrong or not stated.
    without_number : float
        How many times likelier each is where there is no number.
    no_number_kinds : mapping of str to float
        Shares of ``empty``, ``placeholder``, ``mistyped``.
    wrong_number_kinds : mapping of str to float
        Shares of ``patient`` (another of the same provider), ``household`` (a member of the person's; of another
        patient where there is none) and ``mistyped`` (two digits, by chance a number that passes).
    name_kinds, birth_date_kinds, postcode_kinds : mapping of str to float
        Shares of the kinds of error, see :mod:`linkcore.synthetic.errors`. Where a kind cannot be (a nickname of
        somebody who has none) the others take its share.

    Raises
    ------
    ProgrammeError
        If a rate is no probability, or shares are none.

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
                raise ProgrammeError(f"The rate {name} is a share of records, from 0 to 1.")
        if self.without_number < 1:
            raise ProgrammeError("without_number says how many times likelier an error is: 1 or more.")
        for kinds in (f.name for f in fields(self) if f.name.endswith("_kinds")):
            shares = getattr(self, kinds)
            if unknown := set(shares) - _KNOWN_KINDS[kinds]:
                raise ProgrammeError(
                    f"{kinds} knows no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_KNOWN_KINDS[kinds]))}."
                )
            if not sum(shares.values()) > 0 or min(shares.values()) < 0:
                raise ProgrammeError(f"{kinds} needs shares that are not negative and not all 0.")


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
        # NHS Number present: emergency 98.0 %, in-patient 99.7 %, 111 96.3 %, ambulance 14.4 % in published figures;
        # the others are a fair middle.
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
            # The postcode is of the place of the incident.
            postcode_kinds=_AT_THE_SCENE,
        ),
        "nhs_111": _ON_THE_TELEPHONE,
        "out_of_hours": _ON_THE_TELEPHONE,
        "national_extract": ErrorRates(0.005, 0.0003, 0.0, 0.002, 0.10),
    }
)
"""The rates of the twelve providers, by the name of the source."""
