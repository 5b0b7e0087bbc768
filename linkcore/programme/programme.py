"""The programme file: everything that is linked and released for one ICS, checked before anything runs.

A programme is built in layers: what its file states (:mod:`~linkcore.programme.stated`), what that names, opened
(:mod:`~linkcore.programme.opened`), and its linkage (:mod:`~linkcore.programme.linked`). Here are the check of all of
it, and what is destroyed at its end.
"""

import datetime as dt
import glob
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from linkcore.errors import Faults, ProgrammeError
from linkcore.governance.audit.audit import refuse_unfit
from linkcore.governance.destruction.certificates import checked_provider
from linkcore.governance.destruction.inventory import Inventory
from linkcore.governance.releases.earlier_cohorts import FOLDER_SUFFIX
from linkcore.programme.linked import LinkedProgramme
from linkcore.programme.lists import read_rule
from linkcore.review.decisions import check_decisions
from linkcore.sources.checks import check_sources
from linkcore.sources.formats.source_data import is_database
from linkcore.sources.source import Source

__all__ = ["Checked", "Programme"]


@dataclass(frozen=True)
class Checked:
    """What a check of a programme found wrong, by what it forbids.

    Parameters
    ----------
    sources : list of Source
        The opened sources; empty if one could not be opened.
    linking : Faults
        What forbids to link, and so also to release.
    releasing : Faults
        What forbids every release, such as a list of opt-outs that is too old.
    recipients : mapping of str to Faults
        What forbids the release to each recipient.
    """

    sources: list[Source]
    linking: Faults
    releasing: Faults
    recipients: Mapping[str, Faults]

    def raise_all(self) -> None:
        """Raise one error with everything that is wrong, if anything is."""
        faults = Faults()
        for each in (self.linking, self.releasing, *self.recipients.values()):
            faults.found += each.found
        faults.raise_all()


class Programme(LinkedProgramme):
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
    linkcore.errors.ProgrammeError: ...programme.toml, line 6, source[1].spin: no such key; did you mean spine?
    """

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
            agreement names something that is never released, or the programme was destroyed. It has a message for
            each fault.
        """
        checked = self.checked(on)
        checked.raise_all()
        return checked.sources

    def checked(self, on: dt.date | None = None) -> Checked:
        """Find everything that :meth:`check` raises, by what it forbids.

        Parameters
        ----------
        on : datetime.date, optional
            The day of release.

        Returns
        -------
        Checked

        Raises
        ------
        RefusedError
            If the programme was destroyed or has ended.
        """
        self.refuse_if_over(on)
        linking, releasing = Faults(), Faults()
        sources: list[Source] = []
        with linking.collected():  # these say themselves where they are
            sources = self.sources()
        of_all: list[Callable[[], object]] = [self.exact, self.fallback, self._check_work, self._check_name]
        of_all += [self._check_audit_key, self._check_store_key, self._check_previous_linkage]
        of_all += [partial(self._check_names_of_sources, key) for key in ("providers", "one_file_a_provider")]
        of_all += [partial(check_sources, sources), partial(self._check_decisions, sources)] if sources else []
        for each in of_all:
            with linking.collected(self.placed):
                each()
        if not linking.found:
            with linking.collected(partial(self.placed, key="destruction")):
                for provider in self.to_destroy().data:
                    checked_provider(provider)
        rules = [partial(self._check_rule, sources, number) for number in range(len(self.sensitive))]
        for each in (partial(self._check_gp_sources, sources), *rules, partial(self._check_opt_outs, on)):
            with releasing.collected(self.placed):
                each()
        recipients = {}
        for number, agreement in enumerate(self.agreements(), start=1):
            recipients[agreement.recipient] = faults = Faults()
            if sources:
                with faults.collected(partial(self.placed, key=f"recipient[{number}]")):
                    agreement.check(sources)
        return Checked(sources, linking, releasing, recipients)

    def _check_work(self) -> None:
        if (work := self.work()) is not None and not work.is_dir():
            raise ProgrammeError(
                f"linkage.work: there is no folder {work}; make it, on a disk with room for all records"
            )

    def _check_name(self) -> None:
        refuse_unfit("programme", self.programme.name, named="programme.name")

    def _check_decisions(self, sources: list[Source]) -> None:
        decisions = self.decisions()
        if decisions is not None:
            check_decisions(decisions, sources)

    def _check_rule(self, sources: list[Source], number: int) -> None:
        rule = read_rule(self.sensitive[number], number + 1, self.folder)
        if sources:
            rule.check(sources)

    def _check_gp_sources(self, sources: list[Source]) -> None:
        if self.opt_outs is not None and sources:
            self.opt_outs.policy().sources_of_gp_data(sources)

    def _check_audit_key(self) -> None:
        if self.audit is not None and self.audit.key in {agreement.key for agreement in self.agreements()}:
            raise ProgrammeError(
                f"audit.key: {self.audit.key!r} is a recipient's key, which is destroyed with the programme; give the "
                "audit log a key of its own"
            )

    def _check_previous_linkage(self) -> None:
        if (previous := self.previous()) is not None:
            self._check_previous(previous)

    def _check_names_of_sources(self, key: str) -> None:
        strangers = sorted(set(getattr(self.destruction, key)) - {source.name for source in self.source})
        if strangers:
            raise ProgrammeError(f"destruction.{key}: {', '.join(strangers)} is not a source; name sources there")

    def _check_opt_outs(self, on: dt.date | None) -> None:
        faults = Faults()
        for kind, opt_outs in self.opt_out_lists().given().items():
            if on is not None and self.opt_outs is not None:
                with faults.collected():
                    opt_outs.check(
                        f"opt_outs.{kind}",
                        on=on,
                        max_age_days=self.opt_outs.max_age_days,
                        accept_unreadable=self.opt_outs.accept_unreadable,
                    )
        faults.raise_all()

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
            if is_database(source.data):
                continue
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
            known_copies=(*self.destruction.known_copies, *self._databases()),
            keys=(*(recipient.key for recipient in self.recipient), *filter(None, [self.linkage.store_key])),
        )

    def _databases(self) -> tuple[str, ...]:
        """Name the databases of sources: their rows stay where they are."""
        return tuple(f"source {source.name}: {source.data}" for source in self.source if is_database(source.data))

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
