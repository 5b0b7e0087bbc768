"""The programme file: everything that is linked and released for one ICS, checked before anything runs."""

import datetime as dt
import glob
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.audit.audit import Audit, keys_of_log, refuse_unfit
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.destruction.certificates import checked_provider
from linkcore.governance.destruction.inventory import Inventory
from linkcore.governance.destruction.mark import refuse_if_destroyed
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.earlier_cohorts import FOLDER_SUFFIX
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.sensitive import SensitiveRule
from linkcore.governance.withholding.type_one import without_type_one
from linkcore.governance.withholding.withholding import Withholding, withhold
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.link import Linkage, link
from linkcore.linkage.settings import Exact, Fallback
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.programme.lists import read_opt_outs, read_rule
from linkcore.programme.same_linkage import refuse_other_settings
from linkcore.programme.tables import (
    AboutTable,
    AuditTable,
    DestructionTable,
    LinkageTable,
    NumbersTable,
    OptOutsTable,
    RecipientTable,
    RequesterTable,
    SensitiveTable,
    SourceTable,
    Table,
    TwoStage,
    stated_rightly,
)
from linkcore.progress import Progress, silent
from linkcore.quality.withheld import with_not_read
from linkcore.review.decisions import check_decisions, read_decisions
from linkcore.sources.checks import check_sources
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.source import Source
from linkcore.store.folder import key_of_store, refuse_unencrypted

__all__ = ["Programme"]

# Keys of [linkage] that are settings of the fallback, as they are.
_OF_FALLBACK: Final = ("accept", "max_false_link_rate", "engine", "check", "memory", "relearn")


class Programme(Table):
    r"""A programme, as its file states it.

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
    two_stage: TwoStage | None = None
    opt_outs: OptOutsTable | None = None
    sensitive: tuple[SensitiveTable, ...] = ()
    recipient: tuple[RecipientTable, ...] = ()
    audit: AuditTable | None = None
    destruction: DestructionTable = DestructionTable()
    requesters: Mapping[str, RequesterTable] = Field(default_factory=dict)
    folder: Path = Field(default=Path(), exclude=True)

    @field_validator("source")
    @classmethod
    def _is_not_empty(cls, source: tuple[SourceTable, ...]) -> tuple[SourceTable, ...]:
        if not source:
            raise ValueError("there is none; state at least one [[source]]")
        return source

    @field_validator("recipient")
    @classmethod
    def _have_own_names_and_keys(cls, recipient: tuple[RecipientTable, ...]) -> tuple[RecipientTable, ...]:
        """Refuse recipients with the same name or key: with one key they could join their releases."""
        for what in ("name", "key"):
            first: dict[str, int] = {}
            for number, table in enumerate(recipient, start=1):
                value = getattr(table, what)
                before = first.setdefault(value, number)
                if before != number:
                    raise ValueError(f"[{before}].{what} and [{number}].{what} are both {value!r}; each needs its own")
        return recipient

    @field_validator("requesters", mode="before")
    @classmethod
    def _have_their_codes(cls, requesters: Any) -> Any:
        """Give each requester the code that is the name of its table."""
        if not isinstance(requesters, dict):
            return requesters
        for code, table in requesters.items():
            if isinstance(table, dict) and "code" in table:
                raise ValueError(f"{code} states a code: the name of its table is the code")
        return {
            code: table | {"code": code} if isinstance(table, dict) else table for code, table in requesters.items()
        }

    @field_validator("requesters")
    @classmethod
    def _have_own_patients(
        cls, requesters: Mapping[str, RequesterTable], others: ValidationInfo
    ) -> Mapping[str, RequesterTable]:
        """Refuse requesters whose patients nobody can tell from those of others, or whose requests nobody counts."""
        of_several = _of_several_providers(others.data.get("destruction"), others.data.get("opt_outs"))
        if requesters and "audit" in others.data and others.data["audit"] is None:
            raise ValueError("their limits count from the audit log; state [audit] too")
        for code, requester in requesters.items():
            if code != requester.code:
                raise ValueError(f"write {code} as {requester.code}")
            if "source" in others.data:
                stated_rightly(others.data["source"], partial(requester.check, of_several=of_several))
        return requesters

    @classmethod
    def load(cls, file: str | Path) -> "Programme":
        """Read and check a programme file.

        Parameters
        ----------
        file : path
            The TOML file. Paths in it are relative to its folder.

        Returns
        -------
        Programme

        Raises
        ------
        ProgrammeError
            If the file cannot be read, or a key is unknown, missing or has a wrong value. The error names the key.
        """
        file = Path(file)
        try:
            stated = tomllib.loads(file.read_text("utf-8-sig"))
        except OSError:
            raise ProgrammeError(f"{file}: no such programme file, or it cannot be read; check the path") from None
        except RecursionError:
            raise ProgrammeError(f"{file}: not a TOML file: its tables or lists are nested too deeply") from None
        except ValueError as error:  # also of a number with thousands of digits
            raise ProgrammeError(f"{file}: not a TOML file: {error}") from None
        if any("\0" in text for text in _texts(stated)):
            raise ProgrammeError(
                f"{file}: a text with the character U+0000, which no path and no name has; take it out"
            )
        if "folder" in stated:
            raise ProgrammeError(f"{file}, folder: no such key")
        try:
            return cls.model_validate(stated | {"folder": file.parent})
        except ValidationError as error:
            wrong = "; ".join(f"{_key(fault['loc'])}: {_reason(fault)}" for fault in error.errors())
            raise ProgrammeError(f"{file}, {wrong}") from None

    # --- Linkage -----------------------------------------------------------------------------------------------------

    def sources(self) -> list[Source]:
        """Open the sources: only the names of their columns are read.

        Returns
        -------
        list of Source

        Raises
        ------
        ProgrammeError, SourceError
            If a setting of a source is wrong, or its files or columns do not exist.
        """
        return [self._source(table) for table in self.source]

    def _source(self, table: SourceTable) -> Source:
        stated = dict(table) | {"data": self._pattern(table.data), "stage_one": None}
        source = Source(**stated)
        stage = table.stage_one or self.two_stage
        if stage is None or (table.stage_one is None and "nhs_number" not in source.identifier_columns):
            return source
        return replace(source, stage_one=stage)

    def _pattern(self, data: str) -> str:
        # Brackets that the file states are a pattern; brackets in the name of the programme's folder are not.
        path = self.folder / data
        is_literal = path.is_file() or Path(data).is_absolute()
        return str(path) if is_literal else str(Path(glob.escape(str(self.folder))) / data)

    def sources_without_type_one(self, on: dt.date) -> tuple[list[Source], pl.DataFrame]:
        """Open the sources, and remove the rows of GP data to which a Type 1 opt-out applies.

        Such rows should never have been sent.

        Parameters
        ----------
        on : datetime.date
            The day on which the Type 1 opt-outs must be in force.

        Returns
        -------
        tuple of list of Source, polars.DataFrame
            The sources; and the number of rows removed, to be reported back to the practices: ``source``, ``practice``,
            ``rows``.

        Raises
        ------
        ProgrammeError, SourceError
            If a file does not exist or cannot be read.
        """
        sources = self.sources()
        counts = [pl.DataFrame(schema={"source": pl.String, "practice": pl.String, "rows": pl.UInt32})]
        type_one = self.opt_out_lists().type_one
        if type_one is None or self.opt_outs is None:
            return sources, counts[0]
        gp_sources = self.opt_outs.policy().sources_of_gp_data(sources)
        superseded = self.exact().superseded
        assert superseded is None or isinstance(superseded, pl.DataFrame)
        for number, source in enumerate(sources):
            if source.name in gp_sources:
                sources[number], removed = without_type_one(
                    source, type_one, on=on, superseded=superseded, reference_date=self.programme.reference_date
                )
                counts.append(removed.select(pl.lit(source.name).alias("source"), "practice", "rows"))
        return sources, pl.concat(counts)

    @property
    def of_several_providers(self) -> frozenset[str]:
        """The sources that hold the records of several providers, such as practices."""
        return _of_several_providers(self.destruction, self.opt_outs)

    def exact(self) -> Exact:
        """Return the settings of the exact linkage, and read the table of superseded numbers.

        Returns
        -------
        Exact

        Raises
        ------
        ProgrammeError, SourceError
            If the table does not exist, cannot be read, or is wrong.
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
        """Return the settings of the probabilistic linkage, or None if the programme has none.

        Returns
        -------
        Fallback or None
        """
        if not self.linkage.probabilistic:
            return None
        stated = {name: getattr(self.linkage, name) for name in _OF_FALLBACK}
        model = None if self.linkage.model is None else self.folder / self.linkage.model
        return Fallback(model=model, **{name: value for name, value in stated.items() if value is not None})

    def decisions(self) -> pl.DataFrame | None:
        """Read what clerks have decided about pairs of records, or return None if the programme states no decisions.

        Returns
        -------
        polars.DataFrame or None

        Raises
        ------
        ProgrammeError, SourceError, RefusedError
            If the file does not exist, is wrong, or can be changed by other users of the machine.
        """
        if self.linkage.decisions is None:
            return None
        try:
            return read_decisions(self.folder / self.linkage.decisions)
        except ProgrammeError as error:
            raise ProgrammeError(f"linkage.decisions: {error}") from None

    def work(self) -> Path | None:
        """Return the folder for records that do not fit in memory, or None if the programme has none.

        Returns
        -------
        pathlib.Path or None
        """
        return None if self.linkage.work is None else self.folder / self.linkage.work

    def link(
        self,
        *,
        on: dt.date | None = None,
        previous: Linkage | KnownPersons | None = None,
        progress: Progress = silent,
    ) -> Linkage:
        """Link the programme's sources.

        Parameters
        ----------
        on : datetime.date, optional
            The day on which Type 1 opt-outs must be in force. GP rows to which one applies are removed when they are
            read, and counted in ``linkage.quality.not_read``. Without a day, these rows are linked, and withheld from
            each release.
        previous : Linkage or KnownPersons, optional
            The linkage before this one, from which people keep their pseudonyms. By default, the one that the programme
            states, if it is not encrypted; else give what :meth:`previous_linkage` returns.
        progress : Progress
            Called at each step.

        Returns
        -------
        Linkage

        Raises
        ------
        RefusedError
            If the programme was destroyed, or has ended on this day, or the key of the linkage before is missing.
        ProgrammeError, SourceError
            If a setting is wrong, or data cannot be read.
        """
        self.refuse_if_over(on)
        if previous is None:
            previous = self.previous_linkage()
        else:
            self._refuse_undated()
        sources, not_read = (self.sources(), None) if on is None else self.sources_without_type_one(on)
        linkage = link(
            sources,
            exact=self.exact(),
            fallback=self.fallback(),
            decisions=self.decisions(),
            reference_date=self.programme.reference_date,
            seed=self.programme.seed,
            previous=previous,
            work=self.work(),
            synthetic=self.programme.synthetic,
            progress=progress,
        )
        if not_read is None or not_read.is_empty():
            return linkage
        return replace(linkage, quality=with_not_read(linkage.quality, not_read))

    def store(self) -> Path | None:
        """Return the folder in which the linkage is kept, or None if the programme states none.

        Returns
        -------
        pathlib.Path or None
        """
        return None if self.linkage.store is None else self.folder / self.linkage.store

    def previous(self) -> Path | None:
        """Return the folder of the linkage before this one, or None if the programme states none.

        Returns
        -------
        pathlib.Path or None
        """
        return None if self.linkage.previous is None else self.folder / self.linkage.previous

    def previous_linkage(self, folder: str | Path | None = None, *, key: Key | Keyring | None = None) -> Linkage | None:
        """Open the linkage before this one, from which people keep their pseudonyms, without its sources.

        Parameters
        ----------
        folder : path, optional
            The folder of that linkage. By default, the one that the programme states.
        key : Key or Keyring, optional
            The key under which that linkage is encrypted, or a keyring that holds it.

        Returns
        -------
        Linkage or None
            None if neither names a linkage.

        Raises
        ------
        RefusedError
            If the key is missing or wrong, or the linkage was altered.
        ProgrammeError, SourceError
            If there is no linkage, it is damaged or of another version, or the programme states no reference date.
        """
        place = self.previous() if folder is None else Path(folder)
        if place is None:
            return None
        self._check_previous(place)
        return Linkage.load(place, None, key=key)

    def anew(self) -> "Programme":
        """Return the programme without a linkage before, to link its sources anew.

        Returns
        -------
        Programme
        """
        return self.model_copy(update={"linkage": self.linkage.model_copy(update={"previous": None})})

    def _check_previous(self, place: Path) -> None:
        """Refuse what cannot be the linkage before this one, by what is known without a key."""
        self._refuse_plain(place)
        refuse_unencrypted(synthetic=self.programme.synthetic, key=key_of_store(place))
        self._refuse_undated()

    def _refuse_undated(self) -> None:
        if self.programme.reference_date is None:
            raise ProgrammeError(
                "programme.reference_date: a linkage that follows another one needs it, since it dates what became of "
                "each person; state the day of these extracts"
            )

    def _refuse_plain(self, place: Path) -> None:
        if self.linkage.store_key is not None and key_of_store(place) is None:
            raise RefusedError(
                f"{place} is not encrypted, though linkage.store_key states a key, so it is not what this programme "
                "keeps; link again"
            )

    def open_linkage(
        self, folder: str | Path | None = None, *, key: Key | Keyring | None = None, on: dt.date | None = None
    ) -> Linkage:
        """Open the linkage that was kept of the programme's sources; nothing is linked.

        GP rows that were left out because of a Type 1 opt-out stay left out. Those whose opt-out came later are
        withheld from each release.

        Parameters
        ----------
        folder : path, optional
            The folder that ``linkcore link`` or :meth:`Linkage.save` wrote. By default, the one that the programme
            states.
        key : Key or Keyring, optional
            The key under which the linkage is encrypted, or a keyring that holds it.
        on : datetime.date, optional
            The day on which the programme must not have ended.

        Returns
        -------
        Linkage

        Raises
        ------
        RefusedError
            If the programme was destroyed or has ended, the key is missing or wrong, or the linkage was altered.
        ProgrammeError
            If there is no linkage, or the programme states other sources or settings than it was made with.
        SourceError
            If the data of a source are not those that were linked, or the folder is damaged.
        """
        self.refuse_if_over(on)
        place = self.store() if folder is None else Path(folder)
        if place is None:
            raise ProgrammeError("linkage.store: the programme file states none; state it, or give the folder")
        self._refuse_plain(place)
        linkage = Linkage.load(place, self.sources(), key=key)
        refuse_other_settings(
            linkage,
            exact=self.exact(),
            fallback=self.fallback(),
            reference_date=self.programme.reference_date,
            seed=self.programme.seed,
            synthetic=self.programme.synthetic,
            decisions=self.decisions(),
        )
        return linkage

    # --- Governance --------------------------------------------------------------------------------------------------

    def refuse_if_over(self, on: dt.date | None = None) -> None:
        """Refuse a programme that was destroyed, or that has ended.

        Parameters
        ----------
        on : datetime.date, optional
            The day. Without it, only destruction counts.

        Raises
        ------
        RefusedError
            If the programme was destroyed, or has ended on this day.
        """
        log = None if self.audit is None else Audit(self.folder / self.audit.file)
        refuse_if_destroyed(self.folder, programme=self.programme.name, audit=log)
        if on is not None and self.programme.ends is not None and on > self.programme.ends:
            raise RefusedError(
                f"programme {self.programme.name!r} ended on {self.programme.ends}; destroy its data and keys"
            )

    def agreements(self) -> list[Agreement]:
        """Return the agreement with each recipient.

        Returns
        -------
        list of Agreement
        """
        return [table.build(self._path) for table in self.recipient]

    def withhold(self, linkage: Linkage, *, on: dt.date, purpose: str) -> Withholding | None:
        """Find the records that must not leave on a day for a purpose.

        Parameters
        ----------
        linkage : Linkage
            The linkage of the programme's sources.
        on : datetime.date
            The day of release.
        purpose : str
            The purpose of the release, exactly as in the agreement.

        Returns
        -------
        Withholding or None
            None if the programme states neither opt-outs nor sensitive records. Then only synthetic data are released.

        Raises
        ------
        RefusedError
            If a list is missing, is too old, or cannot be relied on.
        ProgrammeError, SourceError
            If a file or column does not exist, or cannot be read.
        """
        rules = self.sensitive_rules()
        if self.opt_outs is None and not rules:
            return None
        policy = (self.opt_outs or OptOutsTable()).policy()
        return withhold(linkage, policy, self.opt_out_lists(), on=on, purpose=purpose, sensitive=rules)

    def opt_out_lists(self) -> OptOutLists:
        """Read the opt-outs that the programme states.

        Returns
        -------
        OptOutLists

        Raises
        ------
        ProgrammeError, SourceError
            If a file does not exist or cannot be read.
        """
        return read_opt_outs(self.opt_outs or OptOutsTable(), self.folder, self.two_stage)

    def sensitive_rules(self) -> list[SensitiveRule]:
        """Return the rules on sensitive records, and read their code lists.

        Returns
        -------
        list of SensitiveRule

        Raises
        ------
        ProgrammeError, SourceError
            If a rule is wrong, or a code list does not exist or cannot be read.
        """
        return [read_rule(table, number, self.folder) for number, table in enumerate(self.sensitive, start=1)]

    def audit_log(self, keyring: Keyring | None = None) -> Audit | None:
        """Return the audit log, or None if the programme states none.

        Parameters
        ----------
        keyring : Keyring, optional
            The keyring with the key of the log, if the programme states that it has one.

        Returns
        -------
        Audit or None

        Raises
        ------
        RefusedError
            If the log has a key, and the keyring is not given or does not hold it.
        """
        if self.audit is None:
            return None
        return Audit(self.folder / self.audit.file, chain_key=keys_of_log(keyring, self.audit.key, "audit.key"))

    def occasion(
        self, actor: str, at: dt.datetime, reason: str = "", *, keyring: Keyring | None = None
    ) -> Occasion | None:
        """Return the occasion of an action, or None if the programme states no audit log.

        Parameters
        ----------
        actor : str
            Who does it: a team or a role, not a patient.
        at : datetime.datetime
            The time, with its time zone.
        reason : str
            Why it is done, with nothing in it that identifies a patient.
        keyring : Keyring, optional
            The keyring with the key of the audit log, if the programme states that it has one.

        Returns
        -------
        Occasion or None

        Raises
        ------
        RefusedError
            If the log has a key, and the keyring is not given or does not hold it.
        """
        audit = self.audit_log(keyring)
        return None if audit is None else Occasion(actor, at, audit, reason)

    def to_destroy(self) -> Inventory:
        """Return what is destroyed at the end of the programme, and who has copies.

        Returns
        -------
        Inventory
            For :func:`linkcore.destroy`. Its ``work`` includes the lists of opt-outs and of superseded numbers, since
            they hold NHS Numbers, the decisions, since they hold record ids, and the cohorts beside the audit log,
            since their lists hold pseudonyms. Its ``key_files`` include the files with passphrases of releases.
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
        decisions = () if self.linkage.decisions is None else (self.linkage.decisions,)
        return Inventory(
            self.programme.name,
            data,
            work=(*self.destruction.work, *self._stores(), *lists, *superseded, *decisions, *self._cohorts()),
            key_files=(*self.destruction.key_files, *self._passphrase_files()),
            recipients=tuple(recipient.name for recipient in self.recipient),
            known_copies=self.destruction.known_copies,
            keys=(*(recipient.key for recipient in self.recipient), *filter(None, [self.linkage.store_key])),
        )

    def _stores(self) -> tuple[str, ...]:
        """Return the folders of kept linkages that are there; outside the programme's folder, their key ends them."""
        stated = filter(None, [self.linkage.store, self.linkage.previous])
        folders = {name: self.folder / name for name in stated}
        own = self.folder.resolve()
        return tuple(name for name, at in folders.items() if at.is_dir() and at.resolve().is_relative_to(own))

    def _passphrase_files(self) -> tuple[str, ...]:
        """Return the files with the passphrases of releases that lie inside the programme's folder."""
        files = [table.encryption.passphrase_file for table in self.recipient if table.encryption is not None]
        inside = self.folder.resolve()
        return tuple(file for file in files if file and (self.folder / file).resolve().is_relative_to(inside))

    def _cohorts(self) -> tuple[str, ...]:
        """Return the folder with the cohorts of earlier releases, if it lies inside the programme's own."""
        if self.audit is None:
            return ()
        folder = (self.folder / (self.audit.file + FOLDER_SUFFIX)).resolve()
        inside = folder.is_dir() and folder.is_relative_to(self.folder.resolve())
        return (self.audit.file + FOLDER_SUFFIX,) if inside else ()

    def _path(self, path: str) -> Path:
        return self.folder / path

    def check(self, on: dt.date | None = None) -> list[Source]:
        """Check everything that can be checked before the sources are read.

        Parameters
        ----------
        on : datetime.date, optional
            The day of release: the age of the opt-outs is then checked too.

        Returns
        -------
        list of Source
            The opened sources, as from :meth:`sources`.

        Raises
        ------
        ProgrammeError, SourceError, RefusedError
            If a setting is wrong, a file or a column does not exist, the sources cannot be linked together, an
            agreement names something that is never released, or the programme was destroyed.
        """
        self.refuse_if_over(on)
        sources = self.sources()
        check_sources(sources)
        self.exact()
        self.fallback()
        decisions = self.decisions()
        if decisions is not None:
            check_decisions(decisions, sources)
        if (work := self.work()) is not None and not work.is_dir():
            raise ProgrammeError(
                f"linkage.work: there is no folder {work}; make it, on a disk with room for all records"
            )
        refuse_unfit("programme", self.programme.name, named="programme.name")
        for agreement in self.agreements():
            agreement.check(sources)
        for rule in self.sensitive_rules():
            rule.check(sources)
        if self.opt_outs is not None:
            self.opt_outs.policy().sources_of_gp_data(sources)
        if self.audit is not None and self.audit.key in {agreement.key for agreement in self.agreements()}:
            raise ProgrammeError(
                f"audit.key: {self.audit.key!r} is a recipient's key, which is destroyed with the programme; give the "
                "audit log a key of its own"
            )
        self._check_store_key()
        if (previous := self.previous()) is not None:
            self._check_previous(previous)
        for key in ("providers", "one_file_a_provider"):
            strangers = sorted(set(getattr(self.destruction, key)) - {source.name for source in sources})
            if strangers:
                raise ProgrammeError(f"destruction.{key}: {', '.join(strangers)} is not a source; name sources there")
        for provider in self.to_destroy().data:
            checked_provider(provider)
        for kind, opt_outs in self.opt_out_lists().given().items():
            if on is not None and self.opt_outs is not None:
                opt_outs.check(
                    f"opt_outs.{kind}",
                    on=on,
                    max_age_days=self.opt_outs.max_age_days,
                    accept_unreadable=self.opt_outs.accept_unreadable,
                )
        return sources

    def _check_store_key(self) -> None:
        """Refuse a linkage store without a key, or with a key that has another use."""
        key = self.linkage.store_key
        if key is None and self.linkage.store is not None and not self.programme.synthetic:
            raise ProgrammeError("linkage.store_key: a linkage of real people's data is kept encrypted; state its key")
        others = {agreement.key for agreement in self.agreements()} | {None if self.audit is None else self.audit.key}
        if key is not None and key in others:
            raise ProgrammeError(
                f"linkage.store_key: {key!r} is a recipient's key or the audit log's; give the store a key of its own"
            )


def _of_several_providers(destruction: DestructionTable | None, opt_outs: OptOutsTable | None) -> frozenset[str]:
    of_several = destruction.one_file_a_provider if destruction else ()
    return frozenset(of_several) | frozenset((opt_outs and opt_outs.gp_sources) or ())


def _texts(stated: object) -> Iterator[str]:
    """Yield each text of a TOML file, and each key."""
    if isinstance(stated, str):
        yield stated
    elif isinstance(stated, list | dict):
        for each in stated:
            yield from _texts(each)
        if isinstance(stated, dict):
            yield from _texts(list(stated.values()))


def _key(location: tuple[str | int, ...]) -> str:
    """Return a key with its place; the first [[source]] is source[1]."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return "no such key"
    if fault["type"] == "missing":
        return "is required"
    if fault["type"] in ("model_type", "dataclass_type"):
        return "must be a table of keys"
    if fault["type"] == "value_error":
        # One of our errors, without the words that pydantic puts before it.
        return str(fault["ctx"]["error"])
    return fault["msg"]
