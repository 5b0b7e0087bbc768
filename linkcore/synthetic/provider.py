"""What distinguishes one provider of records from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from linkcore.synthetic.payload import Payload

__all__ = ["Provider"]

# PERSON STATED GENDER CODE of the NHS Data Dictionary.
_GENDER_CODES: Final = {1: "1", 2: "2", 9: "9", 0: "X"}

Curve = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Provider:
    """One provider: its extract, how it writes its data, and who uses it.

    Parameters
    ----------
    name : str
        Name of the source.
    data : str
        File of the extract, or the glob of ``files`` files, relative to the programme file. Its suffix is its format.
    records_per_person : float
        Average number of records per person of the area.
    columns : mapping of str to str
        The provider's column for each standard identifier, in the order of the file.
    payload : mapping of str to Payload
        All other columns.
    by_age : (ages, relative use)
        How use changes with age, linear between the points.
    record_id : str or None
        Column that names a record; None where only the row number does.
    number : {"plain", "spaced", "integer"}
        How NHS Numbers are written: 9434765919, 943 476 5919, or as an integer column.
    dates : str or None
        ``strftime`` format of dates; None for date columns.
    gender : mapping of int to str
        How 1 (male), 2 (female), 9 (indeterminate) and 0 (not known) are written.
    title_case : bool
        Whether names are written Like This; otherwise LIKE THIS.
    accents : bool
        Whether the provider's system can store accents.
    trust : str, optional
        Patient index that issues the local patient identifiers; providers of one trust share it.
    unlisted : float
        How much people who are not on the GP list use the provider, relative to people who are.
    spine : bool
        Whether this source is the GP registration list.
    files : int
        Number of files of the extract.
    ethnic_group, deprivation, practice : str, optional
        Columns that hold these.
    events : mapping of str to str
        Payload columns that describe events, by the names in :data:`linkcore.sources.source.EVENTS`.
    withheld : tuple of str
        Payload columns that the example recipient does not receive.
    note : str, optional
        Comment for the programme file.
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
    gender: Mapping[int, str] = field(default_factory=lambda: _GENDER_CODES)
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
