"""Terms: the conditions under which a recipient may have anything, and whether they hold on a day."""

import datetime as dt
from dataclasses import dataclass, fields

from linkcore.errors import ProgrammeError, RefusedError

__all__ = ["Terms"]


@dataclass(frozen=True)
class Terms:
    """What an agreement rests on. All of it is stated, and each day that is named still counts.

    Parameters
    ----------
    legal_basis : str
        Under which law the recipient processes the data.
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
        Where people are told of this use: an address, or the name of the notice.
    next_audit : datetime.date
        The last day by which the recipient must be audited next.

    Raises
    ------
    ProgrammeError
        If a text is empty, a day is no date, or the end lies before the start.

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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is str and (not isinstance(value, str) or not value.strip()):
                raise ProgrammeError(f"terms: {field.name} is empty; state it")
            if field.type is dt.date and not _is_day(value):
                raise ProgrammeError(f"terms: {field.name} is no date; give a day, as in 2026-04-01")
        if self.end < self.start:
            raise ProgrammeError(f"terms: they end on {self.end}, before they start, on {self.start}")

    def breaches(self, on: dt.date) -> list[str]:
        """Say what forbids a release on a day.

        Parameters
        ----------
        on : datetime.date
            The day of release.

        Returns
        -------
        list of str
            Empty where nothing does.
        """
        found = []
        if on < self.start:
            found.append(f"it starts on {self.start}")
        if on > self.end:
            found.append(f"it ended on {self.end}")
        if on > self.ico_expires:
            found.append(f"its ICO registration expired on {self.ico_expires}")
        if on > self.toolkit_expires:
            found.append(f"its security toolkit assessment expired on {self.toolkit_expires}")
        if on > self.next_audit:
            found.append(f"its audit has been overdue since {self.next_audit}")
        return found

    def refuse_unless_in_force(self, recipient: str, on: dt.date) -> None:
        """Refuse where anything forbids a release.

        Parameters
        ----------
        recipient : str
            Whose terms they are.
        on : datetime.date
            The day of release.

        Raises
        ------
        RefusedError
            Naming all that does.
        """
        found = self.breaches(on)
        if found:
            raise RefusedError(
                f"agreement with {recipient!r}, on {on}: {'; '.join(found)}; nothing is released until that is mended"
            )


def _is_day(value: object) -> bool:
    # A datetime is a date to Python, and cannot be compared with one.
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)
