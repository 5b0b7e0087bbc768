"""What sets one provider of records apart from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from linkcore.synthetic.payload import Payload

__all__ = ["CODED", "Provider"]

CODED: Final = {1: "1", 2: "2", 9: "9", 0: "X"}
"""PERSON STATED GENDER CODE, as the NHS Data Dictionary has it."""

Curve = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Provider:
    """One provider: its extract, its habits, its patients.

    Parameters
    ----------
    name : str
        Of the source.
    data : str
        The file of the extract, or a glob of ``files`` files, relative to the programme file. Its ending is its format.
    records_per_person : float
        On average, over everybody.
    by_age : (ages, relative use)
        How use rises and falls with age, linear between the points.
    columns : mapping of str to str
        Standard identifier to the provider's own column, in the order of the file.
    payload : mapping of str to Payload
        Every other column.
    record_id : str or None
        The column that names a record; None where only the row does.
    number : {"plain", "spaced", "integer"}
        How NHS Numbers are written: 9434765919, 943 476 5919, or as a number.
    dates : str or None
        How dates are written, as for ``strftime``; None for a column of dates.
    gender : mapping of int to str
        How 1 male, 2 female, 9 indeterminate and 0 not known are written.
    title_case : bool
        Whether names are written Like This; else LIKE THIS.
    accents : bool
        Whether the system can write them.
    trust : str, optional
        The patient index that local patient identifiers come from; providers of one trust share it.
    unlisted : float
        How much people use it who are not on the GP list, against those who are.
    ethnic_group, deprivation, practice : str, optional
        The columns with these.
    events : mapping of str to str
        Payload that tells what happened, by :data:`linkcore.sources.source.EVENTS`.
    withheld : tuple of str
        Payload that the example recipient does not get.
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
