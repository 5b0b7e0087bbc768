"""Describe a provider: its extract, how it writes values, and its patients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from linkcore.synthetic.payload import Payload

__all__ = ["CODED", "Provider"]

CODED: Final = {1: "1", 2: "2", 9: "9", 0: "X"}
"""PERSON STATED GENDER CODE of the NHS Data Dictionary."""

Curve = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Provider:
    """One provider: its extract, how it writes values, and its patients.

    Parameters
    ----------
    name : str
        Name of the source.
    data : str
        The file of the extract, or a glob of ``files`` files, relative to the programme file. The ending is the format.
    records_per_person : float
        Average number of records over all people.
    by_age : (ages, relative use)
        How use depends on age; linear between the points.
    columns : mapping of str to str
        Maps standard identifiers to the provider's own columns, in the order of the file.
    payload : mapping of str to Payload
        All other columns.
    record_id : str or None
        The column that names each record; None if only the row number does.
    number : {"plain", "spaced", "integer"}
        How NHS Numbers are written: 9434765919, 943 476 5919, or as an integer.
    dates : str or None
        How dates are written, as a ``strftime`` format; None for a column of dates.
    gender : mapping of int to str
        How genders are written: 1 male, 2 female, 9 indeterminate, 0 not known.
    title_case : bool
        Whether names are written Like This; otherwise LIKE THIS.
    accents : bool
        Whether the system can write accents.
    trust : str, optional
        The trust whose patient index gives the local patient identifiers; its providers share the index.
    unlisted : float
        Use by people who are not on the GP list, relative to those who are.
    spine : bool
        Whether the source is the spine.
    files : int
        Number of files of the extract.
    ethnic_group, deprivation, practice : str, optional
        The columns with the ethnic group, the deprivation decile and the practice code.
    events : mapping of str to str
        Columns of payload with events, by :data:`linkcore.sources.source.EVENTS`.
    withheld : tuple of str
        Columns of payload that the example recipient does not get.
    note : str, optional
        A comment for the programme file.
    """

    name: str
    data: str
    records_per_person: float
    columns: Mapping[str, str]
    payload: Mapping[str, Payload]
    by_age: Curve = ((0, 110), (1, 1))
    record_id: str | None = None
    number: Literal["plain", "spaced", "integer"] = "plain"
    dates: str | None = None
    gender: Mapping[int, str] = field(default_factory=lambda: CODED)
    title_case: bool = False
    accents: bool = False
    trust: str | None = None
    unlisted: float = 0.4
    spine: bool = False
    files: int = 1
    ethnic_group: str | None = None
    deprivation: str | None = None
    practice: str | None = None
    events: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    note: str | None = None
