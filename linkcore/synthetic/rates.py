"""How often each provider makes each error; every rate is a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final

from linkcore.errors import ProgrammeError

__all__ = ["DEFAULT_RATES", "ErrorRates", "with_history"]


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
_INCIDENT_POSTCODE: Final = _shares(incident=0.88, typing=0.02, missing=0.10)

_SHARES_OF_RECORDS: Final = (
    *("no_number", "wrong_number", "name", "birth_date", "postcode", "no_name", "gender"),
    *("as_of_visit", "known_as"),
)


@dataclass(frozen=True)
class ErrorRates:
    """How often one provider's records contain each error, and the kinds of each error.

    Each rate is a share of all the provider's records, from 0 to 1. In records without a usable NHS Number, every error
    except ``wrong_number`` is ``without_number`` times as frequent as in the other records.

    Parameters
    ----------
    no_number : float
        Records without a usable number: empty, a placeholder, or mistyped so that it is invalid.
    wrong_number : float
        Records with a number that passes every check but is not the person's.
    name : float
        Records with a name that is not the person's, of the records that have a name.
    birth_date : float
        Records with a wrong or missing birth date.
    postcode : float
        Records with an old, wrong or missing postcode.
    no_name : float
        Records without a name, or with a word such as UNKNOWN in its place.
    gender : float
        Records with a wrong or unstated gender.
    without_number : float
        How many times as frequent errors are in records without a usable number; 1 or more.
    as_of_visit : float
        Of the records from before a person moved, or before the family name changed: those that show the address, or
        the family name, of that time. The others show today's. This is no error, and ``without_number`` does not
        change it.
    known_as : float
        Of the patients who go by another given name than the registered one: those whose records with the provider
        all show that other name.
    no_number_kinds : mapping of str to float
        Shares of ``empty``, ``placeholder`` and ``mistyped``.
    wrong_number_kinds : mapping of str to float
        Shares of ``patient`` (number of another patient of the provider), ``household`` (number of another member of
        the household, or of another patient where there is none) and ``mistyped`` (two wrong digits that happen to pass
        the check).
    name_kinds, birth_date_kinds, postcode_kinds : mapping of str to float
        Shares of the kinds of error that :mod:`linkcore.synthetic.errors` makes. Where a kind is impossible (a nickname
        of a person who has none), the other kinds take its share.

    Raises
    ------
    ProgrammeError
        If a rate is not from 0 to 1, ``without_number`` is less than 1, or shares have an unknown name, are negative or
        are all 0.

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
    as_of_visit: float = 0.0
    known_as: float = 0.0
    no_number_kinds: Mapping[str, float] = field(default_factory=lambda: _NO_NUMBER)
    wrong_number_kinds: Mapping[str, float] = field(default_factory=lambda: _WRONG_NUMBER)
    name_kinds: Mapping[str, float] = field(default_factory=lambda: _NAME)
    birth_date_kinds: Mapping[str, float] = field(default_factory=lambda: _BIRTH_DATE)
    postcode_kinds: Mapping[str, float] = field(default_factory=lambda: _POSTCODE)

    def __post_init__(self) -> None:
        for name in _SHARES_OF_RECORDS:
            if not 0 <= getattr(self, name) <= 1:
                raise ProgrammeError(f"{name}: a rate is a share of the records; give a number from 0 to 1.")
        if self.without_number < 1:
            raise ProgrammeError(
                "without_number: it says how many times as frequent errors are without an NHS Number; give 1 or more."
            )
        for kinds in (f.name for f in fields(self) if f.name.endswith("_kinds")):
            shares = getattr(self, kinds)
            if unknown := set(shares) - _KNOWN_KINDS[kinds]:
                raise ProgrammeError(
                    f"{kinds}: unknown kind {', '.join(sorted(unknown))}; use {', '.join(sorted(_KNOWN_KINDS[kinds]))}."
                )
            if not sum(shares.values()) > 0 or min(shares.values()) < 0:
                raise ProgrammeError(f"{kinds}: shares are 0 or more, and at least one is more than 0.")


_KNOWN_KINDS: Final = {
    "no_number_kinds": set(_NO_NUMBER),
    "wrong_number_kinds": set(_WRONG_NUMBER),
    "name_kinds": set(_NAME),
    "birth_date_kinds": set(_BIRTH_DATE),
    "postcode_kinds": set(_POSTCODE) | set(_INCIDENT_POSTCODE),
}

_HOSPITAL: Final = ErrorRates(0.003, 0.0003, 0.015, 0.003, 0.08)
_MENTAL_HEALTH: Final = ErrorRates(0.01, 0.0005, 0.02, 0.005, 0.10)
_TELEPHONE: Final = ErrorRates(0.055, 0.001, 0.05, 0.01, 0.15, no_name=0.20, gender=0.005)

DEFAULT_RATES: Final[Mapping[str, ErrorRates]] = MappingProxyType(
    {
        # Published shares of records with an NHS Number: emergency 98.0 %, in-patient 99.7 %, NHS 111 96.3 %, ambulance
        # 14.4 %. The others are plausible values in between.
        "gp": ErrorRates(0.001, 0.0002, 0.005, 0.001, 0.04, gender=0.0005),
        "inpatient": _HOSPITAL,
        "outpatient": _HOSPITAL,
        "emergency": ErrorRates(0.025, 0.0005, 0.03, 0.005, 0.12, no_name=0.003),
        "community": ErrorRates(0.01, 0.0005, 0.02, 0.005, 0.08),
        "mental_health": _MENTAL_HEALTH,
        "talking_therapies": _MENTAL_HEALTH,
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
            postcode_kinds=_INCIDENT_POSTCODE,
        ),
        "nhs_111": _TELEPHONE,
        "out_of_hours": _TELEPHONE,
        "national_extract": ErrorRates(0.005, 0.0003, 0.0, 0.002, 0.10),
    }
)
"""Error rates of the twelve providers, by the name of the source."""

# A registration list shows people as they are today; so does an extract that a national body makes from it.
_OF_TODAY: Final = ("gp", "national_extract")


def with_history(
    rates: Mapping[str, ErrorRates] = DEFAULT_RATES, *, as_of_visit: float = 0.9, known_as: float = 0.4
) -> dict[str, ErrorRates]:
    """Let people move, marry and go by other names in the records of every provider that records visits.

    Parameters
    ----------
    rates : mapping of str to ErrorRates
        Error rates by source.
    as_of_visit, known_as : float
        As of :class:`ErrorRates`.

    Returns
    -------
    dict of str to ErrorRates
        The same rates, with these two where visits are recorded.

    Examples
    --------
    >>> rates = with_history()
    >>> rates["gp"].as_of_visit, rates["emergency"].as_of_visit
    (0.0, 0.9)
    """
    return {
        name: each if name in _OF_TODAY else replace(each, as_of_visit=as_of_visit, known_as=known_as)
        for name, each in rates.items()
    }
