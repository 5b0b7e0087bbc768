"""The tables of a programme file: which keys there are, and what each may be.

Paths in them are as the file states them; :mod:`~linkcore.programme.programme` knows the folder that they
are in.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from linkcore.errors import LinkcoreError
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.derived import Derived, DerivedKind
from linkcore.governance.releases.formats import Format
from linkcore.governance.releases.terms import Terms
from linkcore.governance.withholding.opt_out_policy import Basis, Exemption, OptOutPolicy
from linkcore.pseudonyms.stage_one import StageOne
from linkcore.schema import USABLE_STATUSES
from linkcore.sources.source import FurtherKind

__all__ = ["AboutTable", "DestructionTable", "LinkageTable", "NumbersTable", "OptOutsTable", "RecipientTable"]
__all__ += ["AuditTable", "SensitiveTable", "SourceTable", "Table", "TwoStageTable"]


class Table(BaseModel):
    """Any table: an unknown key is a spelling mistake, and could release or withhold what it should not."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _sound(make: Callable[[], object]) -> None:
    """Have whatever the table states made once, so that what is wrong is said with its place in the file."""
    try:
        make()
    except LinkcoreError as error:
        raise ValueError(str(error)) from None


class AboutTable(Table):
    """``[programme]``."""

    name: str
    synthetic: bool = False
    reference_date: dt.date | None = None
    seed: int = 0
    ends: dt.date | None = None


class NumbersTable(Table):
    """``[numbers]``."""

    usable: tuple[Literal["valid", "scotland", "northern_ireland", "test"], ...] = USABLE_STATUSES
    superseded: str | None = None


class LinkageTable(Table):
    """``[linkage]``."""

    conflicts: Literal["fallback", "keep"] = "fallback"
    probabilistic: bool = True
    accept: float | None = None
    max_false_link_rate: float | None = None
    model: str | None = None
    memory: str | None = None
    work: str | None = None


class TwoStageTable(Table):
    """``[two_stage]``: how the supplier's codes are made and written, that stand in place of all NHS Numbers."""

    encoding: Literal["hex", "base64"] = "hex"
    bits: int = 128
    text: Literal["digits", "spaced"] = "digits"

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _sound(self.stage_one)
        return self

    def stage_one(self) -> StageOne:
        """Make it."""
        return StageOne(**dict(self))


class SourceTable(Table):
    """``[[source]]``."""

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
    stage_one: TwoStageTable | None = None


class ExemptionTable(Table):
    """``[[opt_outs.exemption]]``."""

    purpose: str
    basis: Basis
    statement: str

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _sound(self.exemption)
        return self

    def exemption(self) -> Exemption:
        """Make it."""
        return Exemption(self.basis, self.statement)


class NationalTable(Table):
    """``[opt_outs.national]``: a list of those who opted out, or what was asked and the answer."""

    as_of: dt.date
    list: str | None = None
    asked: str | None = None
    answer: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        stated = {name for name in ("list", "asked", "answer") if getattr(self, name) is not None}
        if stated not in ({"list"}, {"asked", "answer"}):
            raise ValueError("it is either list, or asked and answer")
        return self


class TypeOneTable(Table):
    """``[opt_outs.type_one]``: a list of those who opted out, or dated codes."""

    as_of: dt.date
    list: str | None = None
    codes: str | None = None
    dissents: tuple[str, ...] | None = None
    withdrawals: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.list is None) == (self.codes is None):
            raise ValueError("it is either list or codes")
        if self.codes is None and (self.dissents is not None or self.withdrawals is not None):
            raise ValueError("dissents and withdrawals are for codes")
        return self


class ObjectionsTable(Table):
    """``[opt_outs.objections]``: a list, or a register of dated objections and withdrawals."""

    as_of: dt.date
    list: str | None = None
    statements: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.list is None) == (self.statements is None):
            raise ValueError("it is either list or statements")
        return self


class ExcludedTable(Table):
    """``[opt_outs.excluded]``: people of whom nothing may leave."""

    as_of: dt.date
    list: str


class OptOutsTable(Table):
    """``[opt_outs]``."""

    gp_sources: tuple[str, ...] | None = None
    type_one_applied: str = ""
    unlinked: Literal["withhold", "release"] = "withhold"
    max_age_days: int = Field(default=7, ge=0)
    accept_unreadable: bool = False
    exemption: tuple[ExemptionTable, ...] = ()
    national: NationalTable | None = None
    type_one: TypeOneTable | None = None
    objections: ObjectionsTable | None = None
    excluded: ExcludedTable | None = None

    @field_validator("exemption")
    @classmethod
    def _are_of_purposes(cls, exemption: tuple[ExemptionTable, ...]) -> tuple[ExemptionTable, ...]:
        purposes = [each.purpose for each in exemption]
        if len(set(purposes)) < len(purposes):
            raise ValueError("two are for one purpose; state each purpose's basis once")
        return exemption

    def policy(self) -> OptOutPolicy:
        """Make the policy."""
        return OptOutPolicy(
            exemptions={each.purpose: each.exemption() for each in self.exemption},
            gp_sources=self.gp_sources,
            type_one_applied=self.type_one_applied,
            unlinked=self.unlinked,
            max_age_days=self.max_age_days,
            accept_unreadable=self.accept_unreadable,
        )

    def files(self) -> tuple[str, ...]:
        """Name the files that hold opt-outs, as they are stated."""
        tables = (self.national, self.type_one, self.objections, self.excluded)
        keys = ("list", "asked", "answer", "codes", "statements")
        found = (getattr(table, key, None) for table in tables for key in keys)
        return tuple(file for file in found if file is not None)


class SensitiveTable(Table):
    """``[[sensitive]]``."""

    source: str
    columns: tuple[str, ...]
    system: str
    codes: str
    reference_sets: tuple[str, ...] | None = None
    parent: str | None = None
    carries: dict[str, str] = {}


class DerivedTable(Table):
    """A derived column: ``"birth_year"`` is short for ``{kind = "birth_year"}``."""

    kind: DerivedKind
    at: dt.date | None = None
    look_up: str | None = None
    postcode: str = "postcode"
    area: str = "area"

    @model_validator(mode="before")
    @classmethod
    def _may_be_short(cls, stated: Any) -> Any:
        return {"kind": stated} if isinstance(stated, str) else stated

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _sound(self.derived)
        return self

    def derived(self, place: Callable[[str], Any] = str) -> Derived:
        """Make it, its look-up where ``place`` says."""
        look_up = None if self.look_up is None else place(self.look_up)
        return Derived(self.kind, self.at, look_up, self.postcode, self.area)


class CohortTable(Table):
    """``[recipient.cohort]``: a text is short for ``{where = "..."}``."""

    where: str | None = None
    source: str | None = None
    derived: dict[str, DerivedTable] = {}
    pseudonyms: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _may_be_short(cls, stated: Any) -> Any:
        return {"where": stated} if isinstance(stated, str) else stated

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _sound(self.cohort)
        return self

    def cohort(self, place: Callable[[str], Any] = str) -> Cohort:
        """Make it, its files where ``place`` says."""
        return Cohort(
            self.where,
            self.source,
            {name: each.derived(place) for name, each in self.derived.items()},
            None if self.pseudonyms is None else place(self.pseudonyms),
        )


class TermsTable(Table):
    """``[recipient.terms]``: all of it is stated."""

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

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _sound(self.terms)
        return self

    def terms(self) -> Terms:
        """Make them."""
        return Terms(**dict(self))


class RecipientTable(Table):
    """``[[recipient]]``."""

    name: str
    key: str
    purpose: str = ""
    columns: dict[str, tuple[str, ...]]
    pseudonymised: dict[str, tuple[str, ...]] = {}
    derived: dict[str, dict[str, DerivedTable]] = {}
    quasi_identifiers: dict[str, tuple[str, ...]] = {}
    not_identifying: dict[str, tuple[str, ...]] = {}
    cohort: CohortTable | None = None
    terms: TermsTable | None = None
    format: Format = "parquet"
    minimum_k: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _sound(self.agreement)
        return self

    def agreement(self, place: Callable[[str], Any] = str) -> Agreement:
        """Make it, its files where ``place`` says."""
        return Agreement(
            self.name,
            self.key,
            self.columns,
            self.purpose,
            pseudonymised=self.pseudonymised,
            derived={
                source: {name: each.derived(place) for name, each in columns.items()}
                for source, columns in self.derived.items()
            },
            quasi_identifiers=self.quasi_identifiers,
            not_identifying=self.not_identifying,
            cohort=None if self.cohort is None else self.cohort.cohort(place),
            terms=None if self.terms is None else self.terms.terms(),
            format=self.format,
            minimum_k=self.minimum_k,
        )


class AuditTable(Table):
    """``[audit]``."""

    file: str


class DestructionTable(Table):
    """``[destruction]``: what goes beside the sources and the opt-outs, and what is known to exist elsewhere.

    Each provider gets a certificate: by default a source is one's, of its own name; ``providers`` names it otherwise,
    and of a source in ``one_file_a_provider`` each file is one's, such as a practice's, and is named after it.
    """

    providers: dict[str, str] = {}
    one_file_a_provider: tuple[str, ...] = ()
    work: tuple[str, ...] = ()
    key_files: tuple[str, ...] = ()
    known_copies: tuple[str, ...] = ()
