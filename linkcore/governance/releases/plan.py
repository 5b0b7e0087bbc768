"""The plan of a release: what leaves of one source under one agreement, worked out once before anything is read."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import polars as pl

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.releases.derived import Derived, rows_with_derived
from linkcore.governance.releases.formats import FORMATS, Format
from linkcore.governance.releases.link_columns import LINK_COLUMNS, USUAL_LINK_COLUMNS
from linkcore.governance.releases.rows import can_be_hashed
from linkcore.schema import IDENTIFIERS
from linkcore.sources.source import Source

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["RESERVED_COLUMNS", "ReleasePlan", "without_categories"]

RESERVED_COLUMNS: Final = ("pseudonym", *LINK_COLUMNS)
"""The columns with which a released table can begin. No other column of it has one of these names."""

_RESERVED: Final = "linkcore:"
"""How the names of columns begin that exist only inside a release."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReleasePlan:
    """What leaves of one source, and how. A plan that exists has passed every check that needs no data.

    Parameters
    ----------
    source : Source
        The source.
    recipient : str
        Who receives the table.
    payload : tuple of str
        Columns released as they are, but categories as text.
    pseudonymised : tuple of str
        Columns released as pseudonyms of their values.
    derived : mapping of str to Derived
        Columns made of identifiers.
    quasi_identifiers : tuple of str
        Released columns that count for k-anonymity.
    not_identifying : tuple of str
        Payload whose names and postcodes are no patient's.
    format : {"parquet", "csv", "duckdb"}
        Format of the table.
    link_columns : tuple of str
        Columns about links, after the pseudonym.
    integer_id : str
        Name of the column with the person's integer id, right after the pseudonym; empty if there is none.
    schema : polars.Schema
        Columns of the released table, in order.
    """

    source: Source
    recipient: str
    payload: tuple[str, ...]
    pseudonymised: tuple[str, ...] = ()
    derived: Mapping[str, Derived] = field(default_factory=dict)
    quasi_identifiers: tuple[str, ...] = ()
    not_identifying: tuple[str, ...] = ()
    format: Format = "parquet"
    link_columns: tuple[str, ...] = USUAL_LINK_COLUMNS
    integer_id: str = ""
    schema: pl.Schema = field(init=False)

    def __post_init__(self) -> None:
        self._check_names()
        read = self.source.scan(self.columns_read).collect_schema() if self.columns_read else pl.Schema()
        self._check_dtypes(read)
        self._check_derived()
        released: dict[str, PolarsDataType] = {"pseudonym": pl.String()}
        released |= {self.integer_id: pl.Int64()} if self.integer_id else {}
        released |= {name: LINK_COLUMNS[name].dtype for name in self.link_columns}
        released |= {name: without_categories(read[name]) for name in self.payload}
        released |= dict.fromkeys(self.pseudonymised, pl.String())
        released |= {name: derived.dtype for name, derived in self.derived.items()}
        object.__setattr__(self, "schema", pl.Schema(released))

    @property
    def where(self) -> str:
        """How an error begins: whose agreement, and which source."""
        return f"agreement with {self.recipient!r}, source {self.source.name!r}"

    @property
    def columns_read(self) -> list[str]:
        """The source's own columns that the table needs; identifiers for derived columns are read with them."""
        return [*self.payload, *self.pseudonymised]

    def scan(self, reference_date: dt.date | None, people: pl.DataFrame) -> pl.LazyFrame:
        """Scan the columns read and the derived ones, with what each row is recognised by.

        ``people``: those of the spine by postcode, of whom enough must live in each small area.
        """
        return rows_with_derived(self.source, self.columns_read, self.derived, reference_date, people)

    def _check_names(self) -> None:
        private = [name for name in self.payload if self._identifies(name)]
        if private:
            raise RefusedError(f"{self.where}: {private} identify people, and no release carries them; take them out")
        # An id of a record or a place identifies no person by itself, so it may leave as a pseudonym.
        local = (
            self.source.record_id_column,
            self.source.practice,
            self.source.identifier_columns.get("local_patient_id"),
        )
        private = [name for name in self.pseudonymised if self._identifies(name) and name not in local]
        if private:
            raise RefusedError(
                f"{self.where}: {private} identify people, and no release carries them, not even pseudonymised; take "
                "them out, or derive a column"
            )
        missing = [name for name in self.columns_read if name not in self.source.column_names]
        if missing:
            raise ProgrammeError(f"{self.where}: the source has no columns {missing}; correct or take them out")
        released = [*self.columns_read, *self.derived]
        added = [name for name in released if name in {*RESERVED_COLUMNS, self.integer_id}]
        if added:
            raise ProgrammeError(f"{self.where}: a release adds {added} itself; rename the source's own")
        reserved = [name for name in released if name.startswith(_RESERVED)]
        if reserved:
            raise ProgrammeError(f"{self.where}: {reserved} begin with {_RESERVED!r}; rename them")
        unclear = [name for name in self.pseudonymised if ":" in name]
        if unclear:
            raise ProgrammeError(
                f"{self.where}: {unclear} cannot be pseudonymised, because their names contain ':'; rename them"
            )

    def _identifies(self, column: str) -> bool:
        # A column with the standard name of an identifier is one, whether or not it was mapped.
        return column in self.source.private_columns or column in IDENTIFIERS

    def _check_dtypes(self, dtypes: pl.Schema) -> None:
        odd = [name for name in self.payload if not can_be_hashed(dtypes[name])]
        if odd:
            raise ProgrammeError(f"{self.where}: {odd} hold bytes in lists, or objects, which no release can carry")
        odd = [name for name in self.pseudonymised if not _has_text(dtypes[name])]
        if odd:
            raise ProgrammeError(
                f"{self.where}: {odd} are neither text nor whole numbers, and cannot be pseudonymised; take them out"
            )
        odd = [name for name in self.payload if dtypes[name].is_nested() or dtypes[name] == pl.Binary]
        if odd and not FORMATS[self.format].holds_nested:
            raise ProgrammeError(
                f"{self.where}: {odd} hold lists, structs or bytes, which {FORMATS[self.format].title} cannot; use "
                "another format"
            )

    def _check_derived(self) -> None:
        for name, derived in self.derived.items():
            if name in self.source.column_names or name in IDENTIFIERS:
                raise ProgrammeError(
                    f"{self.where}: derived column {name!r} has the name of one of its own columns; rename it"
                )
            if derived.identifier not in self.source.identifier_columns:
                raise ProgrammeError(
                    f"{self.where}: derived column {name!r} is made of {derived.identifier}, which the source does not "
                    "have; map that identifier, or take the column out"
                )
            derived.check()


def without_categories(dtype: "PolarsDataType") -> "PolarsDataType":
    """Return the dtype with text in place of categories.

    A file lists all categories of a column, also those of records that do not leave.
    """
    if dtype in (pl.Categorical, pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(without_categories(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(without_categories(dtype.inner), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: without_categories(field.dtype) for field in dtype.fields})
    return dtype


def _has_text(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)
