"""Agreements: what one recipient may have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeVar, get_args

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived
from linkcore.governance.releases.formats import Format
from linkcore.governance.releases.rows import can_be_hashed
from linkcore.governance.releases.terms import Terms
from linkcore.schema import IDENTIFIERS
from linkcore.sources.source import Source

__all__ = ["ADDED_COLUMNS", "Agreement"]

ADDED_COLUMNS = ("pseudonym", "link_method", "match_probability")
"""The columns that every released table begins with."""

# Names that are used inside a release.
_RESERVED: Final = "linkcore:"
_T = TypeVar("_T")


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
        For each source that is released, the payload columns of it, by the source's own names; there may be none.
    purpose : str
        What for.
    pseudonymised : mapping of str to sequence of str
        For a source, columns that go out as pseudonyms of their values under the recipient's key, each under its own
        name: the id of a spell or a referral, by which updates are matched. The same value in a column of the same name
        has the same pseudonym in every source.
    derived : mapping of str to mapping of str to Derived
        For a source, columns made of its identifiers: name to what it is.
    quasi_identifiers : mapping of str to sequence of str
        For a source, released columns by which somebody may know a person from elsewhere, for the k-anonymity figure;
        those derived always count.
    not_identifying : mapping of str to sequence of str
        For a source, columns that hold names or postcodes which are no patient's (wards, sites): somebody has looked.
    cohort : Cohort or str, optional
        Whose records; of everybody with none given. A text is the filter of a cohort on the spine.
    terms : Terms, optional
        What the agreement rests on. Without them only synthetic data is released.
    format : {"parquet", "csv", "duckdb"}
        In what the recipient gets its data.
    minimum_k : int, optional
        The least k of k-anonymity; a release that does not reach it is refused.

    Raises
    ------
    ProgrammeError
        If it names no source, one column twice, or something of a source of which it names no columns.

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
    pseudonymised: Mapping[str, Sequence[str]] = field(default_factory=dict)
    derived: Mapping[str, Mapping[str, Derived]] = field(default_factory=dict)
    quasi_identifiers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_identifying: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cohort: Cohort | str | None = None
    terms: Terms | None = None
    format: Format = "parquet"
    minimum_k: int | None = None

    def __post_init__(self) -> None:
        for name in ("columns", "pseudonymised", "quasi_identifiers", "not_identifying"):
            stated = getattr(self, name)
            for source, columns in stated.items():
                if isinstance(columns, str):
                    raise self._error(f"the columns of {source!r} in {name} must be a list")
            object.__setattr__(self, name, _frozen({source: tuple(columns) for source, columns in stated.items()}))
        object.__setattr__(
            self, "derived", _frozen({source: _frozen(dict(columns)) for source, columns in self.derived.items()})
        )
        if isinstance(self.cohort, str):
            object.__setattr__(self, "cohort", Cohort(self.cohort))
        self._check_settings()

    def _check_settings(self) -> None:
        if not self.columns:
            raise self._error("it names no source, so nothing could be released")
        for name in ("pseudonymised", "derived", "quasi_identifiers", "not_identifying"):
            others = sorted(set(getattr(self, name)) - set(self.columns))
            if others:
                raise self._error(f"{name} is of {others}, which columns does not name; name them there, if with []")
        for source in self.columns:
            released = self.released(source)
            if len(set(released)) < len(released):
                raise self._error(f"a column of {source!r} is named twice")
            for name in ("quasi_identifiers", "not_identifying"):
                others = sorted(set(getattr(self, name).get(source, ())) - set(released))
                if others:
                    raise self._error(f"{name} of {source!r} names {others}, which are not released")
        if self.format not in get_args(Format):
            raise self._error(f"format is {self.format!r}; it is one of {', '.join(get_args(Format))}")
        names = [self.columns, *((*ADDED_COLUMNS, *self.released(source)) for source in self.columns)]
        if self.format == "duckdb" and any(len({name.lower() for name in each}) < len(each) for each in names):
            raise self._error("two sources, or two columns, differ in capitals only, which DuckDB takes for one name")
        if self.minimum_k is not None and (type(self.minimum_k) is not int or self.minimum_k < 1):
            raise self._error("minimum_k is a whole number from 1 on")

    def _error(self, what: str) -> ProgrammeError:
        return ProgrammeError(f"agreement with {self.recipient!r}: {what}")

    def released(self, source: str) -> tuple[str, ...]:
        """Name the columns of a source that go out, after those that every release adds.

        Parameters
        ----------
        source : str
            One that ``columns`` names.

        Returns
        -------
        tuple of str
            Payload as it is, then pseudonymised, then derived.
        """
        return (*self.columns[source], *self.pseudonymised.get(source, ()), *self.derived.get(source, ()))

    def known_by(self, source: str) -> tuple[str, ...]:
        """Name the quasi-identifiers among them.

        Parameters
        ----------
        source : str
            One that ``columns`` names.

        Returns
        -------
        tuple of str
        """
        return tuple(dict.fromkeys((*self.quasi_identifiers.get(source, ()), *self.derived.get(source, ()))))

    def check(self, sources: Sequence[Source]) -> None:
        """Hold the agreement against the sources before anything is read.

        Parameters
        ----------
        sources : sequence of Source
            What was, or will be, linked.

        Raises
        ------
        ProgrammeError
            If a source or column that it names is not there, takes the name of one that every release adds, or cannot
            go out in the format.
        RefusedError
            If a column that it names is an identifier.
        """
        by_name = {source.name: source for source in sources}
        for name in self.columns:
            where = f"agreement with {self.recipient!r}, source {name!r}"
            if name not in by_name:
                raise ProgrammeError(f"{where}: there is no such source; there are {', '.join(by_name)}")
            self._check_columns(by_name[name], where)
            self._check_dtypes(by_name[name], where)
            self._check_derived(by_name[name], where)
        if isinstance(self.cohort, Cohort):
            self.cohort.check(sources)

    def _check_columns(self, source: Source, where: str) -> None:
        columns, coded = self.columns[source.name], self.pseudonymised.get(source.name, ())
        # A column that has an identifier's standard name is one, whether or not it was mapped.
        private = [column for column in columns if column in source.private_columns or column in IDENTIFIERS]
        if private:
            raise RefusedError(f"{where}: {private} identify people, and no release carries them; take them out")
        # What names a record or a place, and no person by itself, may go out under a pseudonym.
        local = {source.record_id_column, source.practice, source.identifier_columns.get("local_patient_id")}
        private = [
            column
            for column in coded
            if (column in source.private_columns or column in IDENTIFIERS) and column not in local
        ]
        if private:
            raise RefusedError(
                f"{where}: {private} identify people, and no release carries them, not even pseudonymised; take them "
                "out, or derive a column"
            )
        missing = [column for column in (*columns, *coded) if column not in source.column_names]
        if missing:
            raise ProgrammeError(f"{where}: the source has no columns {missing}; correct or take them out")
        released = self.released(source.name)
        taken = [column for column in released if column in ADDED_COLUMNS]
        if taken:
            raise ProgrammeError(f"{where}: every release adds {taken} itself; rename the source's own")
        reserved = [column for column in released if column.startswith(_RESERVED)]
        if reserved:
            raise ProgrammeError(f"{where}: {reserved} begin with {_RESERVED!r}; rename them")
        unclear = [column for column in coded if ":" in column]
        if unclear:
            raise ProgrammeError(f"{where}: {unclear} cannot be pseudonymised, since their names hold ':'; rename them")

    def _check_dtypes(self, source: Source, where: str) -> None:
        columns, coded = self.columns[source.name], self.pseudonymised.get(source.name, ())
        if not (columns or coded):
            return
        dtypes = source.scan([*columns, *coded]).collect_schema()
        odd = [column for column in columns if not can_be_hashed(dtypes[column])]
        if odd:
            raise ProgrammeError(f"{where}: {odd} hold bytes in lists, or objects, which no release can carry")
        odd = [column for column in coded if not _has_text(dtypes[column])]
        if odd:
            raise ProgrammeError(f"{where}: {odd} are neither text nor whole numbers, and have no pseudonyms")
        odd = [column for column in columns if dtypes[column].is_nested() or dtypes[column] == pl.Binary]
        if odd and self.format == "csv":
            raise ProgrammeError(f"{where}: {odd} hold lists, structs or bytes, which CSV cannot; use another format")

    def _check_derived(self, source: Source, where: str) -> None:
        for name, derived in self.derived.get(source.name, {}).items():
            if name in source.column_names or name in IDENTIFIERS:
                raise ProgrammeError(f"{where}: derived column {name!r} has the name of one of its own; rename it")
            if derived.of not in source.identifier_columns:
                raise ProgrammeError(
                    f"{where}: derived column {name!r} is made of {derived.of}, which it does not have"
                )
            derived.check()


def _frozen(mapping: dict[str, _T]) -> Mapping[str, _T]:
    return MappingProxyType(mapping)


def _has_text(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)
