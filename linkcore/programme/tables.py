"""The tables of a programme file: which keys they have, and which values are allowed.

Paths stay as the file states them. :mod:`~linkcore.programme.programme` knows the folder to which they are relative.
"""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, WrapValidator, field_validator, model_validator

from linkcore.errors import LinkcoreError
from linkcore.governance.exits.requesters import Requester
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived, DerivedKind
from linkcore.governance.releases.encryption import Encryption
from linkcore.governance.releases.formats import Format
from linkcore.governance.releases.link_columns import USUAL_LINK_COLUMNS
from linkcore.governance.releases.terms import Terms
from linkcore.governance.withholding.opt_out_policy import Basis, Exemption, OptOutPolicy
from linkcore.linkage.settings import Check, EngineName, Relearn
from linkcore.plain_text import ends_a_line
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.schema import USABLE_STATUSES
from linkcore.sources.source import MAX_BYTES, MAX_ROWS, FurtherKind

__all__ = ["AboutTable", "DestructionTable", "LinkageTable", "NumbersTable", "OptOutsTable", "RecipientTable"]
__all__ += ["AuditTable", "RequesterTable", "SensitiveTable", "SourceTable", "Table", "TwoStage", "stated_rightly"]


_NOT_TRUE: Final = "give a number, not true or false"


class Table(BaseModel):
    """A table of the programme file. An unknown key is refused: a spelling mistake could change what is released."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, about: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(about.field_name)].annotation is not bool:
            raise ValueError(_NOT_TRUE)
        return value


def _as_dataclass(value: Any, build: Callable[[Any], Any]) -> Any:
    """Read a table as a dataclass, of which none has a key that is true or false."""
    odd = [name for name, each in value.items() if isinstance(each, bool)] if isinstance(value, dict) else []
    if odd:
        raise ValueError(f"{odd[0]}: {_NOT_TRUE}")
    return stated_rightly(value, build)


def stated_rightly(value: Any, build: Callable[[Any], Any]) -> Any:
    """Build, and raise our errors as ``ValueError``: pydantic then reports their place in the file."""
    try:
        return build(value)
    except LinkcoreError as error:
        raise ValueError(str(error)) from None


# A table that has the same keys as a dataclass needs no model of its own: pydantic reads it as the dataclass.
_AS_STATED: Final = WrapValidator(_as_dataclass)
TwoStage = Annotated[StageOne, _AS_STATED]
"""``[two_stage]``: how the supplier's codes, which replace all NHS Numbers, are made and written."""

RequesterTable = Annotated[Requester, _AS_STATED]
"""``[requesters.ODS]``: a GP practice or a provider that may ask about its own patients, and how often."""

_Terms = Annotated[Terms, _AS_STATED]


class _BuiltTable(Table):
    """A table from which an object is built.

    The object is also built when the file is read, so that an error names its place in the file.
    """

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        stated_rightly(str, self.build)  # str leaves paths as they are
        return self

    def build(self, place: Callable[[str], Any] = str) -> object:
        """Build the object. ``place`` turns each path that the programme file states into the actual path."""
        raise NotImplementedError


class AboutTable(Table):
    """``[programme]``: its name, its dates, and the seed of everything random."""

    name: str
    synthetic: bool = False
    reference_date: dt.date | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)
    ends: dt.date | None = None

    @field_validator("name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        if ends_a_line(name):
            raise ValueError("it has a line end; write it on one line")
        if not name.strip():
            raise ValueError("it is empty; name the programme")
        return name


class NumbersTable(Table):
    """``[numbers]``: which statuses make an NHS Number usable, and the file of superseded numbers."""

    usable: tuple[Literal["valid", "scotland", "northern_ireland", "test"], ...] = USABLE_STATUSES
    superseded: str | None = None


class LinkageTable(Table):
    """``[linkage]``: conflicts, the probabilistic linkage, clerks' decisions, where it is kept, and the one before."""

    conflicts: Literal["fallback", "keep"] = "fallback"
    probabilistic: bool = True
    accept: float | None = None
    max_false_link_rate: float | None = None
    model: str | None = None
    engine: EngineName | None = None
    check: Check | None = None
    memory: str | None = None
    relearn: Relearn | None = None
    work: str | None = None
    store: str | None = None
    store_key: str | None = None
    previous: str | None = None
    decisions: str | None = None


class SourceTable(Table):
    """``[[source]]``: one provider's files, and what their columns mean."""

    name: str
    data: str
    spine: bool = False
    record_id: str | None = None
    encoding: str = "utf-8"
    separator: str = ","
    day_first: bool = True
    practice: str | None = None
    one_record_per_person: bool = False
    not_compared: tuple[str, ...] = ()
    columns: dict[str, str] | None = None
    further: dict[str, FurtherKind] | None = None
    attributes: dict[str, str] | None = None
    events: dict[str, str] | None = None
    stage_one: TwoStage | None = None
    max_rows: int = MAX_ROWS
    max_bytes: int = MAX_BYTES


class ExemptionTable(Table):
    """``[[opt_outs.exemption]]``: a purpose to which the National Data Opt-out does not apply, and why."""

    purpose: str
    basis: Basis
    statement: str

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        stated_rightly(self, ExemptionTable.exemption)
        return self

    def exemption(self) -> Exemption:
        """Build the exemption."""
        return Exemption(self.basis, self.statement)


class OptOutTable(Table):
    """What every kind of opt-out states: the day of its files, and how many people they must hold."""

    as_of: dt.date
    expected: int | tuple[int, int] | None = None


class NationalTable(OptOutTable):
    """``[opt_outs.national]``: a list of people who opted out, or both files of the national check."""

    list: str | None = None
    asked: str | None = None
    answer: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        stated = {name for name in ("list", "asked", "answer") if getattr(self, name) is not None}
        if stated not in ({"list"}, {"asked", "answer"}):
            raise ValueError("state either list, or both asked and answer")
        return self


class TypeOneTable(OptOutTable):
    """``[opt_outs.type_one]``: a list of people who opted out, or dated codes."""

    list: str | None = None
    codes: str | None = None
    dissents: tuple[str, ...] | None = None
    withdrawals: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.list is None) == (self.codes is None):
            raise ValueError("state either list or codes")
        if self.codes is None and (self.dissents is not None or self.withdrawals is not None):
            raise ValueError("dissents and withdrawals can only be stated together with codes")
        return self


class ObjectionsTable(OptOutTable):
    """``[opt_outs.objections]``: a list of people who objected, or a register of dated objections and withdrawals."""

    list: str | None = None
    statements: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.list is None) == (self.statements is None):
            raise ValueError("state either list or statements")
        return self


class ExcludedTable(OptOutTable):
    """``[opt_outs.excluded]``: people whose records are all withheld."""

    list: str


class OptOutsTable(Table):
    """``[opt_outs]``: the opt-outs that are known, and the policy that applies them."""

    gp_sources: tuple[str, ...] | None = None
    type_one_applied: str = ""
    unlinked: Literal["withhold", "release"] = "withhold"
    max_age_days: int = Field(default=7, ge=0)
    accept_unreadable: bool = False
    plausible: tuple[float, float] | None = None
    exemption: tuple[ExemptionTable, ...] = ()
    national: NationalTable | None = None
    type_one: TypeOneTable | None = None
    objections: ObjectionsTable | None = None
    excluded: ExcludedTable | None = None

    @field_validator("exemption")
    @classmethod
    def _have_different_purposes(cls, exemption: tuple[ExemptionTable, ...]) -> tuple[ExemptionTable, ...]:
        purposes = [table.purpose for table in exemption]
        if len(set(purposes)) < len(purposes):
            raise ValueError("two exemptions have the same purpose; state each purpose once")
        return exemption

    def policy(self) -> OptOutPolicy:
        """Build the policy."""
        return OptOutPolicy(
            exemptions={table.purpose: table.exemption() for table in self.exemption},
            gp_sources=self.gp_sources,
            type_one_applied=self.type_one_applied,
            unlinked=self.unlinked,
            max_age_days=self.max_age_days,
            accept_unreadable=self.accept_unreadable,
            **({} if self.plausible is None else {"plausible": self.plausible}),
        )

    def files(self) -> tuple[str, ...]:
        """Return the files that hold opt-outs, as the programme file states them."""
        tables = (self.national, self.type_one, self.objections, self.excluded)
        keys = ("list", "asked", "answer", "codes", "statements")
        found = (getattr(table, key, None) for table in tables for key in keys)
        return tuple(file for file in found if file is not None)


class SensitiveTable(Table):
    """``[[sensitive]]``: codes that withhold a record, and which other records they withhold with it."""

    source: str
    columns: tuple[str, ...]
    system: str
    codes: str
    reference_sets: tuple[str, ...] | None = None
    parent: str | None = None
    carries: dict[str, str] = {}


class DerivedTable(_BuiltTable):
    """A derived column; ``"birth_year"`` is short for ``{kind = "birth_year"}``."""

    kind: DerivedKind
    at: dt.date | None = None
    look_up: str | None = None
    postcode: str = "postcode"
    area: str = "area"
    least_people: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_short(cls, stated: Any) -> Any:
        return {"kind": stated} if isinstance(stated, str) else stated

    def build(self, place: Callable[[str], Any] = str) -> Derived:
        """Build the derived column."""
        look_up = None if self.look_up is None else place(self.look_up)
        return Derived(self.kind, self.at, look_up, self.postcode, self.area, self.least_people)


class CohortTable(_BuiltTable):
    """``[recipient.cohort]``; a text is short for ``{where = "..."}``."""

    where: str | None = None
    source: str | None = None
    derived: dict[str, DerivedTable] = {}
    pseudonyms: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_short(cls, stated: Any) -> Any:
        return {"where": stated} if isinstance(stated, str) else stated

    def build(self, place: Callable[[str], Any] = str) -> Cohort:
        """Build the cohort."""
        return Cohort(
            self.where,
            self.source,
            {name: column.build(place) for name, column in self.derived.items()},
            None if self.pseudonyms is None else place(self.pseudonyms),
        )


class EncryptionTable(_BuiltTable):
    """``[recipient.encryption]``: for whom the files are encrypted; a list is short for ``{keys = [...]}``."""

    keys: tuple[str, ...] = ()
    passphrase_variable: str = ""
    passphrase_file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_short(cls, stated: Any) -> Any:
        return {"keys": stated} if isinstance(stated, list) else stated

    def build(self, place: Callable[[str], Any] = str) -> Encryption:
        """Build the encryption."""
        file = None if self.passphrase_file is None else place(self.passphrase_file)
        return Encryption(self.keys, self.passphrase_variable, file)


class RecipientTable(_BuiltTable):
    """``[[recipient]]``: one agreement."""

    name: str
    key: str
    purpose: str = ""
    columns: dict[str, tuple[str, ...]]
    pseudonymised: dict[str, tuple[str, ...]] = {}
    derived: dict[str, dict[str, DerivedTable]] = {}
    quasi_identifiers: dict[str, tuple[str, ...]] = {}
    not_identifying: dict[str, tuple[str, ...]] = {}
    cohort: CohortTable | None = None
    terms: _Terms | None = None
    format: Format = "parquet"
    minimum_k: int | None = Field(default=None, ge=1)
    link_columns: tuple[str, ...] = USUAL_LINK_COLUMNS
    match_probability: str = ""
    integer_id: str = ""
    encryption: EncryptionTable | None = None

    @field_validator("integer_id", mode="before")
    @classmethod
    def _names_a_column(cls, integer_id: Any) -> Any:
        if isinstance(integer_id, bool):
            raise ValueError('name the column: integer_id = "person_id"')
        return integer_id

    @field_validator("encryption", mode="before")
    @classmethod
    def _says_for_whom(cls, encryption: Any) -> Any:
        if isinstance(encryption, bool):
            raise ValueError('say for whom: encryption = ["age1..."], or where the passphrase is')
        return encryption

    def build(self, place: Callable[[str], Any] = str) -> Agreement:
        """Build the agreement."""
        return Agreement(
            self.name,
            self.key,
            self.columns,
            self.purpose,
            pseudonymised=self.pseudonymised,
            derived={
                source: {name: column.build(place) for name, column in columns.items()}
                for source, columns in self.derived.items()
            },
            quasi_identifiers=self.quasi_identifiers,
            not_identifying=self.not_identifying,
            cohort=None if self.cohort is None else self.cohort.build(place),
            terms=self.terms,
            format=self.format,
            minimum_k=self.minimum_k,
            link_columns=self.link_columns,
            match_probability=self.match_probability,
            integer_id=self.integer_id,
            encryption=None if self.encryption is None else self.encryption.build(place),
        )


class AuditTable(Table):
    """``[audit]``: the audit log, and the id of the key under which it is kept, if it has one."""

    file: str
    key: str | None = None


class DestructionTable(Table):
    """``[destruction]``: what is destroyed besides sources and opt-outs, and which other copies are known.

    Each provider gets a certificate. By default, the provider of a source has the name of the source; ``providers``
    gives it another name. If a source is in ``one_file_a_provider``, each of its files comes from a provider of its
    own, such as a practice. That provider has the name of the file.
    """

    providers: dict[str, str] = {}
    one_file_a_provider: tuple[str, ...] = ()
    work: tuple[str, ...] = ()
    key_files: tuple[str, ...] = ()
    known_copies: tuple[str, ...] = ()
