"""Terms: the conditions of an agreement, and whether they are in force on a day."""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Final

from linkcore.errors import ProgrammeError, RefusedError

__all__ = ["LEAST_COHORT", "Terms"]

LEAST_COHORT: Final = 10
"""The least number of persons in a cohort, and in the difference of two, unless terms state more."""


@dataclass(frozen=True)
class Terms:
    """The conditions of an agreement. All but the last must be stated. Every last day is included.

    Parameters
    ----------
    legal_basis : str
        The law under which the recipient processes the data.
    approval : str
        The reference of the board's approval.
    start, end : datetime.date
        The first and the last day on which anything may be released.
    ico_registration : str
        The recipient's registration with the Information Commissioner's Office.
    ico_expires : datetime.date
        The last day of that registration.
    toolkit : str
        The recipient's entry in the Data Security and Protection Toolkit.
    toolkit_expires : datetime.date
        The last day for which its assessment holds.
    fair_processing : str
        Where people are told about this use: an address, or the name of the notice.
    next_audit : datetime.date
        The last day by which the recipient must be audited next.
    least_cohort : int
        The least number of persons whose records a cohort releases, and by whom two cohorts of the recipient may
        differ: 10 or more.

    Raises
    ------
    ProgrammeError
        If a text is empty, a day is no date, the end lies before the start, or the least size is below 10.

    Examples
    --------
    >>> terms = Terms(
    ...     legal_basis="UK GDPR Article 6(1)(e), 9(2)(h)",
    ...     approval="DAB-2026-07",
    ...     start=dt.date(2026, 4, 1),
    ...     end=dt.date(2026, 9, 30),
    ...     ico_registration="ZA000000",
    ...     ico_expires=dt.date(2026, 8, 31),
    ...     toolkit="8XX00",
    ...     toolkit_expires=dt.date(2027, 6, 30),
    ...     fair_processing="https://example.org/privacy",
    ...     next_audit=dt.date(2026, 9, 1),
    ... )
    >>> terms.breaches(dt.date(2026, 4, 1))
    []
    >>> terms.breaches(dt.date(2026, 9, 1))
    ['its ICO registration expired on 2026-08-31']
    """

    legal_basis: str
    approval: str
    start: dt.date
    end: dt.date
    ico_registration: str
    ico_expires: dt.date
    toolkit: str
    toolkit_expires: dt.date
    fair_processing: str
    next_audit: dt.date
    least_cohort: int = LEAST_COHORT

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is str and (not isinstance(value, str) or not value.strip()):
                raise ProgrammeError(f"terms: {field.name} is empty; state it")
            if field.type is dt.date and not _is_day(value):
                raise ProgrammeError(f"terms: {field.name} is no date; give a day, such as 2026-04-01")
        if self.end < self.start:
            raise ProgrammeError(f"terms: they end on {self.end}, before they start, on {self.start}")
        if type(self.least_cohort) is not int or self.least_cohort < LEAST_COHORT:
            raise ProgrammeError(f"terms: least_cohort is a whole number from {LEAST_COHORT} on")

    def breaches(self, on: dt.date) -> list[str]:
        """List what forbids a release on a day.

        Parameters
        ----------
        on : datetime.date
            The day of release.

        Returns
        -------
        list of str
            Empty if nothing does.
        """
        breaches = []
        if on < self.start:
            breaches.append(f"it starts on {self.start}")
        if on > self.end:
            breaches.append(f"it ended on {self.end}")
        if on > self.ico_expires:
            breaches.append(f"its ICO registration expired on {self.ico_expires}")
        if on > self.toolkit_expires:
            breaches.append(f"its security toolkit assessment expired on {self.toolkit_expires}")
        if on > self.next_audit:
            breaches.append(f"its audit has been overdue since {self.next_audit}")
        return breaches

    def refuse_unless_in_force(self, recipient: str, on: dt.date) -> None:
        """Refuse a release on a day on which the terms are not in force.

        Parameters
        ----------
        recipient : str
            The recipient, named in the error.
        on : datetime.date
            The day of release.

        Raises
        ------
        RefusedError
            If anything forbids it. The error names everything that does.
        """
        breaches = self.breaches(on)
        if breaches:
            raise RefusedError(
                f"agreement with {recipient!r}, on {on}: {'; '.join(breaches)}; nothing is released until that is "
                "mended"
            )


def _is_day(value: object) -> bool:
    # A datetime is a date to Python, and cannot be compared with one.
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)
