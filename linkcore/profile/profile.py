"""The profile of sources: what each mapped column holds, by counts and shapes, never by values."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import polars as pl

from linkcore.identifiers.text import as_text
from linkcore.profile.agreement import agreement, reference_of
from linkcore.profile.faults import Fault, find_faults
from linkcore.profile.shapes import shape, shapes
from linkcore.schema import USABLE_STATUSES
from linkcore.sources.records import Records, standardise
from linkcore.sources.source import Source

__all__ = ["FORMAT", "ColumnProfile", "Profile", "SourceProfile", "profile_sources"]

FORMAT: Final = "linkcore profile 1"
"""First entry of the JSON form."""

# Too few numbers of a source are on the spine for both to be of the same area.
_FEW_ON_SPINE: Final = 0.05
_ENOUGH_NUMBERS: Final = 100


@dataclass(frozen=True)
class ColumnProfile:
    """What a mapped column holds.

    Parameters
    ----------
    identifier, column : str
        The standard identifier, and the source's own column.
    records, present, valid : int
        The records; those with a value; those whose value has the status ``valid`` or another that can be used.
    set_aside : mapping of str to int
        Records by every other status but ``missing``.
    shapes : tuple of (str, int)
        The commonest shapes, each with the number of values that have it; rare ones are folded.
    """

    identifier: str
    column: str
    records: int
    present: int
    valid: int
    set_aside: Mapping[str, int]
    shapes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class SourceProfile:
    """What a source holds.

    Parameters
    ----------
    source : str
        Its name.
    records, numbers : int
        Its records, and its different NHS Numbers.
    on_reference : int or None
        How many of these numbers the reference has; None for the reference itself.
    columns : tuple of ColumnProfile
        Each mapped column.
    """

    source: str
    records: int
    numbers: int
    on_reference: int | None
    columns: tuple[ColumnProfile, ...]


@dataclass(frozen=True)
class Profile:
    """What the sources hold, and what cannot be right.

    It holds counts and shapes, and no values. Counts are true: it stays with the trusted team.

    Parameters
    ----------
    reference : str or None
        The source with which the others are compared: the spine, or else the one with most numbers.
    sources : tuple of SourceProfile
        Each source.
    agreement : polars.DataFrame
        AGREEMENT of :mod:`linkcore.profile.agreement`.
    faults : tuple of Fault
        What is wrong, or probably is.
    """

    reference: str | None
    sources: tuple[SourceProfile, ...]
    agreement: pl.DataFrame
    faults: tuple[Fault, ...]

    @property
    def linkable(self) -> bool:
        """Whether nothing is certainly wrong."""
        return not any(fault.certain for fault in self.faults)

    def as_dict(self) -> dict[str, object]:
        """Return the profile as plain values, for JSON."""
        return {
            "format": FORMAT,
            "linkable": self.linkable,
            "reference": self.reference,
            "sources": [asdict(source) for source in self.sources],
            "agreement": self.agreement.to_dicts(),
            "faults": [asdict(fault) for fault in self.faults],
        }


def profile_sources(
    sources: Sequence[Source],
    *,
    usable: Sequence[str] = USABLE_STATUSES,
    reference_date: dt.date | None = None,
) -> Profile:
    """Read the mapped columns of all sources, and say what they hold and what cannot be right; nothing is linked.

    Parameters
    ----------
    sources : sequence of Source
        The sources, as they would be linked.
    usable : sequence of str
        Statuses of NHS Numbers that count as usable.
    reference_date : datetime.date, optional
        The date at which ages are calculated and by which two-digit years are read.

    Returns
    -------
    Profile

    Raises
    ------
    SourceError
        If a source cannot be read.

    Examples
    --------
    >>> extract = pl.DataFrame({"NHS_NO": ["401 023 2137"] * 12, "DOB": ["03/04/1980"] * 11 + ["soon"]})
    >>> profile = profile_sources([Source("gp", extract, {"nhs_number": "NHS_NO", "birth_date": "DOB"})])
    >>> dates = profile.sources[0].columns[1]
    >>> dates.present, dates.valid, dict(dates.set_aside), dates.shapes
    (12, 11, {'unreadable': 1}, (('99/99/9999', 11), ('other shapes', 1)))
    """
    records = [standardise(source, usable=usable, reference_date=reference_date) for source in sources]
    reference = reference_of(records)
    profiles = tuple(_profile(each, reference, usable) for each in records)
    return Profile(
        reference=None if reference is None else reference.source.name,
        sources=profiles,
        agreement=agreement(records),
        faults=(*find_faults(records), *(fault for each in profiles for fault in _doubts(each, reference))),
    )


def _profile(records: Records, reference: Records | None, usable: Sequence[str]) -> SourceProfile:
    numbers = records.frame["nhs_number"].drop_nulls().unique()
    on_reference = None
    if reference is not None and reference is not records:
        on_reference = int(numbers.is_in(reference.frame["nhs_number"].drop_nulls().unique().implode()).sum())
    by_column = _shapes(records.source)
    columns = tuple(
        _column(records, identifier, column, usable, by_column[column])
        for identifier, column in records.source.identifier_columns.items()
    )
    return SourceProfile(records.source.name, records.frame.height, len(numbers), on_reference, columns)


def _shapes(source: Source) -> Mapping[str, tuple[tuple[str, int], ...]]:
    """Read the shapes of the mapped columns of a source; coded numbers have none."""
    columns = list(dict.fromkeys(source.identifier_columns.values()))
    with source.reading():
        raw = source.scan(columns)
        dtypes = raw.collect_schema()
        found = raw.select(shape(as_text(pl.col(name), dtypes[name])).alias(name) for name in columns).collect()
    return {name: tuple(shapes(found[name])) for name in columns}


def _column(
    records: Records, identifier: str, column: str, usable: Sequence[str], found: tuple[tuple[str, int], ...]
) -> ColumnProfile:
    counts = dict(records.set_aside.filter(identifier=identifier).select("status", "records").iter_rows())
    in_use = set(usable) if identifier == "nhs_number" else {"valid", "unclear"}
    height = records.frame.height
    return ColumnProfile(
        identifier=identifier,
        column=column,
        records=height,
        present=height - counts.get("missing", 0),
        valid=sum(number for status, number in counts.items() if status in in_use),
        set_aside={status: number for status, number in counts.items() if status not in in_use | {"missing"}},
        shapes=found,
    )


def _doubts(profile: SourceProfile, reference: Records | None) -> list[Fault]:
    """Say what is odd about a source, though it may be right."""
    doubts = []
    for column in profile.columns:
        digits = sum(number for shape_, number in column.shapes if "9" in shape_)
        if column.identifier.endswith("_name") and digits > column.present / 2 >= _ENOUGH_NUMBERS / 2:
            doubts.append(
                Fault(
                    profile.source,
                    column.identifier,
                    f"column {column.column!r}: most of its values have digits, as no name has; map the right column",
                    certain=False,
                )
            )
    few = profile.on_reference is not None and profile.on_reference < _FEW_ON_SPINE * profile.numbers
    if few and profile.numbers >= _ENOUGH_NUMBERS and reference is not None:
        doubts.append(
            Fault(
                profile.source,
                "nhs_number",
                f"{profile.on_reference:,} of its {profile.numbers:,} numbers are in {reference.source.name}; are both "
                "of the same area, and is the right column mapped?",
                certain=False,
            )
        )
    return doubts
