"""Agreements: what one recipient may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.rows import can_be_hashed
from linkcore.linkage.sources import Source
from linkcore.schema import IDENTIFIERS

__all__ = ["ADDED_COLUMNS", "Agreement"]

ADDED_COLUMNS = ("pseudonym", "link_method", "match_probability")
"""The columns that every released table begins with."""


@dataclass(frozen=True)
class Agreement:
    """What one recipient may have, and under which key: nothing that is not named here is released.

    Parameters
    ----------
    recipient : str
        Who receives the data.
    key : str
        The id of the recipient's own key.
    columns : mapping of str to sequence of str
        For each source that is released, the payload columns of it, by the source's own names.
    purpose : str
        What for.

    Raises
    ------
    ProgrammeError
        If it names no source, or one column twice.

    Examples
    --------
    >>> agreement = Agreement("partner", "partner-2026", {"outpatient": ["ATTENDED", "SPECIALTY"]})
    >>> agreement.columns["outpatient"]
    ('ATTENDED', 'SPECIALTY')
    """

    recipient: str
    key: str
    columns: Mapping[str, Sequence[str]]
    purpose: str = ""

    def __post_init__(self) -> None:
        for source, names in self.columns.items():
            if isinstance(names, str):
                raise ProgrammeError(f"agreement with {self.recipient!r}: the columns of {source!r} must be a list")
        columns = {source: tuple(names) for source, names in self.columns.items()}
        if not columns:
            raise ProgrammeError(f"agreement with {self.recipient!r}: it names no source, so nothing could be released")
        for source, names in columns.items():
            if len(set(names)) < len(names):
                raise ProgrammeError(f"agreement with {self.recipient!r}: a column of {source!r} is named twice")
        object.__setattr__(self, "columns", MappingProxyType(columns))

    def check(self, sources: Sequence[Source]) -> None:
        """Hold the agreement against the sources before anything is read.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Raises
        ------
        ProgrammeError
            If a source or column that it names is not there, or takes the name of one that every release adds.
        RefusedError
            If a column that it names is an identifier.
        """
        by_name = {source.name: source for source in sources}
        for name, columns in self.columns.items():
            where = f"agreement with {self.recipient!r}, source {name!r}"
            if name not in by_name:
                raise ProgrammeError(f"{where}: there is no such source; there are {', '.join(by_name)}")
            source = by_name[name]
            # A column that has an identifier's standard name is one, whether or not it was mapped.
            private = [column for column in columns if column in source.private_columns or column in IDENTIFIERS]
            if private:
                raise RefusedError(f"{where}: {private} identify people, and no release carries them; take them out")
            missing = [column for column in columns if column not in source.column_names]
            if missing:
                raise ProgrammeError(f"{where}: the source has no columns {missing}; correct or take them out")
            dtypes = source.scan(list(columns)).collect_schema() if columns else {}
            odd = [column for column, dtype in dtypes.items() if not can_be_hashed(dtype)]
            if odd:
                raise ProgrammeError(f"{where}: {odd} hold bytes in lists, or objects, which no release can carry")
            taken = [column for column in columns if column in ADDED_COLUMNS]
            if taken:
                raise ProgrammeError(f"{where}: every release adds {taken} itself; rename the source's own")
