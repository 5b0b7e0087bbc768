"""What a programme file names, opened: its sources, opt-outs, code lists, agreements, decisions and audit log."""

import datetime as dt
import glob
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.errors import Faults, ProgrammeError
from linkcore.governance.audit.audit import Audit, keys_of_log
from linkcore.governance.audit.occasion import Occasion
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.withholding.opt_out_lists import OptOutLists
from linkcore.governance.withholding.sensitive import SensitiveRule
from linkcore.governance.withholding.type_one import without_type_one
from linkcore.keys.keyring import Keyring
from linkcore.linkage.settings import Exact, Fallback
from linkcore.programme.lists import read_opt_outs, read_rule
from linkcore.programme.stated import StatedProgramme
from linkcore.programme.tables import OptOutsTable, SourceTable
from linkcore.review.decisions import read_decisions
from linkcore.sources.formats.csv_files import CsvFile
from linkcore.sources.formats.source_data import is_database
from linkcore.sources.source import Source

__all__ = ["OpenedProgramme"]

# Keys of [linkage] that are settings of the fallback, as they are.
_OF_FALLBACK: Final = ("accept", "max_false_link_rate", "engine", "check", "memory", "relearn")


class OpenedProgramme(StatedProgramme):
    """A programme that opens what its file names; paths are relative to the folder of the file."""

    def sources(self) -> list[Source]:
        """Open the sources: only the names of their columns are read.

        Returns
        -------
        list of Source

        Raises
        ------
        ProgrammeError, SourceError
            If a setting of a source is wrong, or its files or columns do not exist. It has a message for each.
        """
        opened, faults = [], Faults()
        for number, table in enumerate(self.source, start=1):
            with faults.collected(partial(self.placed, key=f"source[{number}]")):
                opened.append(self._source(table))
        faults.raise_all()
        return opened

    def _source(self, table: SourceTable) -> Source:
        stated = dict(table) | {"data": self._pattern(table.data), "stage_one": None}
        source = Source(**stated)
        stage = table.stage_one or self.two_stage
        if stage is None or (table.stage_one is None and "nhs_number" not in source.identifier_columns):
            return source
        return replace(source, stage_one=stage)

    def _pattern(self, data: str) -> str:
        if is_database(data):
            return data
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

    def agreements(self) -> list[Agreement]:
        """Return the agreement with each recipient.

        Returns
        -------
        list of Agreement
        """
        return [table.build(self._path) for table in self.recipient]

    def _path(self, path: str) -> Path:
        return self.folder / path

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
