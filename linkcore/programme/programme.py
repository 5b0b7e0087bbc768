"""The programme file: all that is linked and released for one ICS, checked before anything runs."""

import datetime as dt
import glob
import os
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field, ValidationError, field_validator

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.destruction.certificates import checked_provider
from linkcore.governance.destruction.mark import refuse_if_destroyed
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.withholding.opt_outs import OptOuts
from linkcore.governance.withholding.sensitive import SensitiveRule
from linkcore.governance.withholding.type_one import without_type_one
from linkcore.governance.withholding.withholding import Withholding, withhold
from linkcore.link import Linkage, link
from linkcore.linkage.settings import Exact, Fallback
from linkcore.programme.lists import read_opt_outs, read_rule
from linkcore.programme.plan import plan
from linkcore.programme.tables import (
    AboutTable,
    AuditTable,
    DestructionTable,
    LinkageTable,
    NumbersTable,
    OptOutsTable,
    RecipientTable,
    SensitiveTable,
    SourceTable,
    Table,
    TwoStageTable,
)
from linkcore.progress import Progress, silent
from linkcore.sources.checks import check_sources
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.source import Source

if TYPE_CHECKING:
    from linkcore.governance.audit.audit import Audit

__all__ = ["Programme"]


class Programme(Table):
    r"""One programme, as its file states it.

    Examples
    --------
    >>> import tempfile
    >>> stated = '[programme]\nname = "Example"\n[[source]]\nname = "gp"\ndata = "gp.csv"\nspin = true'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "programme.toml"
    ...     _ = file.write_text(stated)
    ...     Programme.load(file)
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: ...programme.toml, source[1].spin: no such key
    """

    programme: AboutTable
    numbers: NumbersTable = NumbersTable()
    linkage: LinkageTable = LinkageTable()
    source: tuple[SourceTable, ...]
    two_stage: TwoStageTable | None = None
    opt_outs: OptOutsTable | None = None
    sensitive: tuple[SensitiveTable, ...] = ()
    recipient: tuple[RecipientTable, ...] = ()
    audit: AuditTable | None = None
    destruction: DestructionTable = DestructionTable()
    folder: Path = Field(default=Path(), exclude=True)

    @field_validator("source")
    @classmethod
    def _is_there(cls, source: tuple[SourceTable, ...]) -> tuple[SourceTable, ...]:
        if not source:
            raise ValueError("there is none; state at least one [[source]]")
        return source

    @field_validator("recipient")
    @classmethod
    def _are_apart(cls, recipient: tuple[RecipientTable, ...]) -> tuple[RecipientTable, ...]:
        """Refuse recipients who share a name, or a key: they could put together what each of them has."""
        for what in ("name", "key"):
            first: dict[str, int] = {}
            for number, each in enumerate(recipient, start=1):
                value = getattr(each, what)
                before = first.setdefault(value, number)
                if before != number:
                    raise ValueError(f"[{before}].{what} and [{number}].{what} are both {value!r}; each has its own")
        return recipient

    @classmethod
    def load(cls, file: str | Path) -> "Programme":
        """Read and check a programme file.

        Parameters
        ----------
        file : path
            The TOML file; paths in it are relative to its folder.

        Returns
        -------
        Programme

        Raises
        ------
        ProgrammeError
            Naming the key, its place, and what is allowed there.
        """
        file = Path(file)
        try:
            stated = tomllib.loads(file.read_text("utf-8"))
        except OSError:
            raise ProgrammeError(f"{file}: no such programme file, or it may not be read; check the path") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ProgrammeError(f"{file}: not a TOML file: {error}") from None
        if "folder" in stated:
            raise ProgrammeError(f"{file}, folder: no such key")
        try:
            return cls.model_validate(stated | {"folder": file.parent})
        except ValidationError as error:
            wrong = "; ".join(f"{_place(each['loc'])}: {_reason(each)}" for each in error.errors())
            raise ProgrammeError(f"{file}, {wrong}") from None

    # --- Linkage -----------------------------------------------------------------------------------------------------

    def sources(self) -> list[Source]:
        """Open the sources; only the names of their columns are read.

        Returns
        -------
        list of Source

        Raises
        ------
        ProgrammeError, SourceError
            If a source's settings make no sense, or its files or columns are not there.
        """
        return [self._source(table) for table in self.source]

    def _source(self, table: SourceTable) -> Source:
        stated = dict(table) | {"data": self._pattern(table.data), "stage_one": None}
        source = Source(**stated)
        stage = table.stage_one or self.two_stage
        if stage is None or (table.stage_one is None and "nhs_number" not in source.identifier_columns):
            return source
        return replace(source, stage_one=stage.stage_one())

    def _pattern(self, data: str) -> str:
        # Brackets in the name of the programme's own folder, unlike those that its file states, are no pattern.
        place = self.folder / data
        literal = place.is_file() or Path(data).is_absolute()
        return str(place) if literal else str(Path(glob.escape(str(self.folder))) / data)

    def sources_without_type_one(self, on: dt.date) -> tuple[list[Source], pl.DataFrame]:
        """Open the sources, and leave out of those of GP data the rows that should never have been sent.

        Parameters
        ----------
        on : datetime.date
            The day on which Type 1 opt-outs must stand.

        Returns
        -------
        tuple of list of Source, polars.DataFrame
            The sources; and how many rows were left out, to be reported back: ``source``, ``practice``, ``rows``.

        Raises
        ------
        ProgrammeError, SourceError
            If something is not there, or cannot be read.
        """
        sources = self.sources()
        counts = [pl.DataFrame(schema={"source": pl.String, "practice": pl.String, "rows": pl.UInt32})]
        type_one = self.opt_out_lists()["type_one"]
        if type_one is None or self.opt_outs is None:
            return sources, counts[0]
        of_gp_data = self.opt_outs.policy().sources_of_gp_data(sources)
        superseded = self.exact().superseded
        assert superseded is None or isinstance(superseded, pl.DataFrame)
        for at, source in enumerate(sources):
            if source.name in of_gp_data:
                sources[at], dropped = without_type_one(
                    source, type_one, on=on, superseded=superseded, reference_date=self.programme.reference_date
                )
                counts.append(dropped.select(pl.lit(source.name).alias("source"), "practice", "rows"))
        return sources, pl.concat(counts)

    def exact(self) -> Exact:
        """Give the settings of the exact linkage; the table of superseded numbers is read.

        Returns
        -------
        Exact

        Raises
        ------
        ProgrammeError, SourceError
            If there is no such table, it cannot be read, or it makes no sense.
        """
        superseded = None
        if self.numbers.superseded is not None:
            file = self.folder / self.numbers.superseded
            if not file.is_file():
                raise ProgrammeError(
                    f"numbers.superseded: there is no file {file}; it is a CSV file with the columns old and new"
                )
            table = CsvFile("numbers.superseded", file)
            superseded = pl.concat(table.batches(table.header()))
        return Exact(usable=self.numbers.usable, superseded=superseded, conflicts=self.linkage.conflicts)

    def fallback(self) -> Fallback | None:
        """Give the settings of the probabilistic linkage, or None where the programme leaves it out.

        Returns
        -------
        Fallback or None
        """
        if not self.linkage.probabilistic:
            return None
        stated = {name: getattr(self.linkage, name) for name in ("accept", "max_false_link_rate", "memory")}
        model = None if self.linkage.model is None else self.folder / self.linkage.model
        return Fallback(model=model, **{name: value for name, value in stated.items() if value is not None})

    def work(self) -> Path | None:
        """Give the folder in which records are kept that do not fit in memory, or None where the programme has none.

        Returns
        -------
        pathlib.Path or None
        """
        return None if self.linkage.work is None else self.folder / self.linkage.work

    def link(
        self, *, on: dt.date | None = None, sources: Sequence[Source] | None = None, progress: Progress = silent
    ) -> Linkage:
        """Link the programme's sources.

        Parameters
        ----------
        on : datetime.date, optional
            The day on which Type 1 opt-outs must stand: rows of GP data that they hold for are dropped when read. With
            none given they are linked, and withheld from each release.
        sources : sequence of Source, optional
            Those of :meth:`sources_without_type_one`, where they are open already.
        progress : Progress
            Told of each step.

        Returns
        -------
        Linkage

        Raises
        ------
        RefusedError
            If the programme was destroyed, or had ended on that day.
        """
        self.refuse_if_over(on)
        if sources is None:
            sources = self.sources() if on is None else self.sources_without_type_one(on)[0]
        return link(
            sources,
            exact=self.exact(),
            fallback=self.fallback(),
            reference_date=self.programme.reference_date,
            seed=self.programme.seed,
            work=self.work(),
            synthetic=self.programme.synthetic,
            progress=progress,
        )

    # --- Governance --------------------------------------------------------------------------------------------------

    def refuse_if_over(self, on: dt.date | None = None) -> None:
        """Refuse to run a programme that was destroyed, or that had ended.

        Parameters
        ----------
        on : datetime.date, optional
            The day; with none given, only destruction counts.

        Raises
        ------
        RefusedError
            If it is over.
        """
        refuse_if_destroyed(self.folder)
        if on is not None and self.programme.ends is not None and on > self.programme.ends:
            raise RefusedError(
                f"programme {self.programme.name!r} ended on {self.programme.ends}; destroy its data and keys"
            )

    def agreements(self) -> list[Agreement]:
        """Give what each recipient may have.

        Returns
        -------
        list of Agreement
        """
        return [each.agreement(self._place) for each in self.recipient]

    def withhold(self, linkage: Linkage, *, on: dt.date, purpose: str) -> Withholding | None:
        """Find the records that must not leave on a day for a purpose.

        Parameters
        ----------
        linkage : Linkage
            Of the programme's sources.
        on : datetime.date
            The day of release.
        purpose : str
            As the agreement words it.

        Returns
        -------
        Withholding or None
            None where the programme states neither opt-outs nor sensitive records: then only synthetic data is
            released.

        Raises
        ------
        RefusedError
            If a list is too old, or cannot be relied on.
        ProgrammeError, SourceError
            If something is not there, or cannot be read.
        """
        rules = self.sensitive_rules()
        if self.opt_outs is None and not rules:
            return None
        policy = (self.opt_outs or OptOutsTable()).policy()
        return withhold(linkage, policy, on=on, purpose=purpose, sensitive=rules, **self.opt_out_lists())

    def opt_out_lists(self) -> dict[str, OptOuts | None]:
        """Read the opt-outs.

        Returns
        -------
        dict of str to OptOuts
            ``national``, ``type_one``, ``objections`` and ``excluded``, None where the file states none.

        Raises
        ------
        ProgrammeError, SourceError
            If a file is not there, or cannot be read.
        """
        stage_one = None if self.two_stage is None else self.two_stage.stage_one()
        return read_opt_outs(self.opt_outs or OptOutsTable(), self.folder, stage_one)

    def sensitive_rules(self) -> list[SensitiveRule]:
        """Give the rules on sensitive records; their code lists are read.

        Returns
        -------
        list of SensitiveRule

        Raises
        ------
        ProgrammeError, SourceError
            If a rule makes no sense, or a code list is not there or cannot be read.
        """
        return [read_rule(each, number, self.folder) for number, each in enumerate(self.sensitive, start=1)]

    def audit_log(self) -> "Audit | None":
        """Give the audit log, where the programme states one.

        Returns
        -------
        Audit or None
        """
        from linkcore.governance.audit.audit import Audit

        return None if self.audit is None else Audit(self.folder / self.audit.file)

    def to_destroy(self) -> dict[str, Any]:
        """Say what goes when the programme is destroyed.

        Returns
        -------
        dict
            Arguments of :func:`linkcore.governance.destruction.destroy.destroy`: ``programme``, ``data`` by provider,
            ``work`` (with the lists of opt-outs and superseded numbers, which hold NHS Numbers), ``key_files``,
            ``recipients`` and ``known_copies``.
        """
        data: dict[str, list[str]] = {}
        for source in self.source:
            if source.name in self.destruction.one_file_a_provider:
                for file in sorted(glob.glob(self._pattern(source.data), recursive=True)):
                    data.setdefault(Path(file).stem, []).append(os.path.relpath(file, self.folder))
            else:
                data.setdefault(self.destruction.providers.get(source.name, source.name), []).append(source.data)
        lists = () if self.opt_outs is None else self.opt_outs.files()
        superseded = () if self.numbers.superseded is None else (self.numbers.superseded,)
        return {
            "programme": self.programme.name,
            "data": data,
            "work": (*self.destruction.work, *lists, *superseded),
            "key_files": self.destruction.key_files,
            "recipients": tuple(each.name for each in self.recipient),
            "known_copies": self.destruction.known_copies,
        }

    def _place(self, path: str) -> Path:
        return self.folder / path

    def check(self, on: dt.date | None = None) -> list[Source]:
        """Check all that can be checked before the sources are read: no linkage or release is refused later for it.

        Parameters
        ----------
        on : datetime.date, optional
            The day of release, to check the dates of the opt-outs for it, too.

        Returns
        -------
        list of Source
            Those of :meth:`sources`.

        Raises
        ------
        ProgrammeError, SourceError, RefusedError
            If a setting makes no sense, a file or a column is not there, the sources cannot be linked together, a
            recipient is to have what no release carries, or the programme was destroyed.
        """
        self.refuse_if_over(on)
        sources = self.sources()
        check_sources(sources)
        self.exact()
        self.fallback()
        for agreement in self.agreements():
            agreement.check(sources)
        for rule in self.sensitive_rules():
            rule.check(sources)
        if self.opt_outs is not None:
            self.opt_outs.policy().sources_of_gp_data(sources)
        for key in ("providers", "one_file_a_provider"):
            strangers = sorted(set(getattr(self.destruction, key)) - {source.name for source in sources})
            if strangers:
                raise ProgrammeError(f"destruction.{key}: {', '.join(strangers)} is no source; name sources there")
        for provider in self.to_destroy()["data"]:
            checked_provider(provider)
        for kind, listed in self.opt_out_lists().items():
            if listed is not None and on is not None and self.opt_outs is not None:
                listed.check(
                    f"opt_outs.{kind}",
                    on=on,
                    max_age_days=self.opt_outs.max_age_days,
                    accept_unreadable=self.opt_outs.accept_unreadable,
                )
        return sources

    def plan(self, on: dt.date | None = None) -> str:
        """Say what would happen: sources, opt-outs and their basis, recipients, columns out and dates.

        Parameters
        ----------
        on : datetime.date, optional
            The day of release, to say what would be refused on it.

        Returns
        -------
        str
            Lines of text, without the value of any identifier.

        Raises
        ------
        ProgrammeError, SourceError, RefusedError
            Whatever :meth:`check` finds wrong.
        """
        return plan(self, self.check(), on)


def _place(location: tuple[str | int, ...]) -> str:
    # As a person counts: the first [[source]] is source[1].
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _reason(error: object) -> str:
    assert isinstance(error, dict)
    if error["type"] == "extra_forbidden":
        return "no such key"
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "value_error":
        # One of ours, without what pydantic says before it.
        return str(error["ctx"]["error"])
    return str(error["msg"])
