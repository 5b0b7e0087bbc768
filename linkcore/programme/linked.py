"""The linkage of a programme: made, opened again, and following the one before; and what is withheld from it."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Self

from linkcore.errors import ProgrammeError, RefusedError
from linkcore.governance.audit.audit import Audit
from linkcore.governance.destruction.mark import refuse_if_destroyed
from linkcore.governance.withholding.withholding import Withholding, withhold
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.link import Linkage, link
from linkcore.linkage.stable_persons.known_persons import KnownPersons
from linkcore.programme.opened import OpenedProgramme
from linkcore.programme.same_linkage import refuse_other_settings
from linkcore.programme.tables import OptOutsTable
from linkcore.progress import Progress, silent
from linkcore.quality.withheld import with_not_read
from linkcore.store.folder import key_of_store, refuse_unencrypted

__all__ = ["LinkedProgramme"]


class LinkedProgramme(OpenedProgramme):
    """A programme that links its sources, or opens the linkage that was kept of them."""

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

    def anew(self) -> Self:
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
