"""Release: one recipient's payload under its own pseudonyms, the only way in which de-identified data leave."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from linkcore.errors import RefusedError
from linkcore.files import new_folder
from linkcore.governance.manifest import MANIFEST, digest_of, is_of_a_release, write_manifest
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.anonymity import QuasiIdentifiers
from linkcore.governance.releases.checks import (
    check_day,
    check_key,
    check_occasion,
    check_people,
    refuse_shared_keys,
)
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.earlier_cohorts import EarlierCohorts
from linkcore.governance.releases.encryption import ReleaseFiles
from linkcore.governance.releases.formats import FORMATS
from linkcore.governance.releases.leaving import leaving_records
from linkcore.governance.releases.manifest_content import describe_anonymity, describe_release, describe_withheld
from linkcore.governance.releases.shown_counts import ShownCounts
from linkcore.governance.releases.singling_out import refuse_singling_out
from linkcore.governance.releases.supersessions import describe_supersessions, write_supersessions
from linkcore.governance.releases.tables import Table, write_table
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.linkage.run import PREVIOUS_LINKAGE
from linkcore.parallel import side_by_side

if TYPE_CHECKING:
    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.withholding.withholding import Withholding
    from linkcore.keys.signing import SigningKey

__all__ = ["Release", "release"]

_AT_ONCE = 2
"""How many tables are written at the same time, where each has a file of its own."""


@dataclass(frozen=True, repr=False)
class Release:
    """What was written for one recipient.

    Parameters
    ----------
    folder : pathlib.Path
        The folder with the files.
    manifest : mapping
        The content of its ``manifest.json``.
    counts : polars.DataFrame
        For the trusted team: for each ``source`` its ``records``, and how many of them were ``withheld``, are of
        persons ``outside`` the cohort, and were ``released``.
    """

    folder: Path
    manifest: MappingProxyType[str, Any]
    counts: pl.DataFrame = field(default_factory=pl.DataFrame, compare=False)

    def __repr__(self) -> str:
        """Show what went to whom, but never how much, because a notebook stores it."""
        about, sources = self.manifest, ", ".join(self.rows)
        return f"Release({sources} to {about['recipient']!r} for {about['purpose']!r}, under key {about['key']!r})"

    @property
    def rows(self) -> dict[str, int]:
        """Rows released, by source: true counts, for the trusted team."""
        return dict(self.counts.select("source", "released").iter_rows())


def release(
    linkage: Linkage,
    agreement: Agreement,
    key: Key,
    out: str | Path,
    *,
    on: dt.date | None = None,
    withholding: "Withholding | None" = None,
    signing_key: "SigningKey | None" = None,
    occasion: "Occasion | None" = None,
) -> Release:
    """Write a recipient's payload, with pseudonyms in place of everything that identifies people.

    Each source becomes one table. It has the column ``pseudonym``, what the agreement tells about links (usually
    ``link_method`` and ``link_band``), then the columns that it names. Rows are sorted by pseudonym and then by a keyed
    hash of the row, so nothing of the source's order is left. If the linkage knew an earlier one, the table
    ``superseded`` says which pseudonym took the place of which (``old``, ``new``, ``reason``, ``date``). Payload is
    streamed: memory does not grow with it. Where the agreement states an encryption, each file is encrypted for its
    recipient while it is written.

    Data of real people are released only

    - with a withholding: opt-outs were applied for this day and this purpose;
    - under an agreement with terms;
    - signed and audited, unless :func:`linkcore.link` was told that the data are synthetic.

    Data count as synthetic without being declared so where most records have an NHS Number in the range that is set
    aside for testing, none has one in a range that is issued to patients, and a source without numbers lies beside a
    spine that has them. A declaration does not replace a withholding or terms, and is refused where a number
    contradicts it.

    Parameters
    ----------
    linkage : Linkage
        The linkage of the sources. The manifest states counts under disclosure control, as a report on this release
        would; if the quality of the linkage is that of a report already, as that report does.
    agreement : Agreement
        What the recipient may have.
    key : Key
        The recipient's own key.
    out : path
        The folder to write. An earlier release in it is replaced once the new one is complete.
    on : datetime.date, optional
        The day of release, on which the agreement's terms must be in force. It may be left out where the agreement has
        no terms and there is no withholding.
    withholding : Withholding, optional
        Which records may leave on that day.
    signing_key : SigningKey, optional
        The key that signs the manifest.
    occasion : Occasion, optional
        Who releases, when, and the audit log that records it before the release appears. The reason recorded is the
        agreement's purpose.

    Returns
    -------
    Release

    Raises
    ------
    RefusedError
        If the agreement is not in force, opt-outs were not applied, data of real people would leave unsigned or
        unaudited, the key is not the agreement's or is another recipient's by the audit log, a column identifies
        people, too few persons are alike, or the cohort has too few persons, or too few by which it differs from one
        that the recipient had before under this key.
    ProgrammeError
        If the agreement names a source or column that does not exist, or the day or the actor is missing.
    SourceError
        If a source has changed since it was linked.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from linkcore.link import link
    >>> from linkcore.linkage.exact.link_exactly import Exact
    >>> from linkcore.sources.source import Source
    >>> gp = Source("gp", pl.DataFrame({"nhs_number": ["9990000018", "9990000026"], "seen": [3, 5]}))
    >>> linkage = link([gp], exact=Exact(usable=["test"]), fallback=None, synthetic=True)
    >>> key = Key.generate("partner-2026")
    >>> agreement = Agreement("partner", key.id, {"gp": ["seen"]}, purpose="winter planning")
    >>> with TemporaryDirectory() as folder:
    ...     release(linkage, agreement, key, Path(folder, "release")).rows
    {'gp': 2}
    """
    plans = agreement.plans(linkage.sources)
    check_key(agreement, key)
    check_day(agreement, withholding, on)
    synthetic = check_people(linkage, agreement, withholding)
    check_occasion(occasion, signing_key, synthetic=synthetic or linkage.synthetic, on=on)
    _refuse_key_of_another(agreement, key, occasion)
    passphrase = None if agreement.encryption is None else agreement.encryption.passphrase()
    leaving, quasi_identifiers = leaving_records(linkage, agreement, key, withholding), QuasiIdentifiers()
    # Only a release without an audit log, so of synthetic data, is not compared with earlier ones.
    kept = None if occasion is None else EarlierCohorts(occasion.audit, key)
    earlier = {} if kept is None else kept.read()
    sizes = refuse_singling_out(leaving, agreement, earlier)
    cohort = agreement.cohort if isinstance(agreement.cohort, Cohort) else None
    out = Path(out)
    with new_folder(out, ours=is_of_a_release) as folder:
        files = ReleaseFiles.of(folder, agreement.encryption, passphrase)
        at_once = 1 if FORMATS[agreement.format].one_file else _AT_ONCE
        tables = list(
            side_by_side(lambda plan: write_table(plan, leaving, key, quasi_identifiers, files), plans, at_once=at_once)
        )
        _refuse_too_few_alike(agreement, quasi_identifiers)
        superseded = write_supersessions(leaving, agreement, key, files)
        files.finish()
        # Only now is a file that holds several tables complete, and can be described.
        counts = ShownCounts.of(linkage, withholding)
        manifest = describe_release(agreement, key, tables, files, counts) | {
            "on": None if on is None else str(on),
            # The time of the occasion, never of the clock: the same inputs give the same bytes.
            "written": None if occasion is None else occasion.at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "synthetic": synthetic,
            "withheld": None if withholding is None else describe_withheld(agreement, counts),
            "anonymity": describe_anonymity(agreement, quasi_identifiers),
            **describe_supersessions(superseded, files),
            **_linkage_before(linkage),
        }
        write_manifest(folder, manifest, signing_key)
        if occasion is not None and kept is not None:
            stated = {"manifest": digest_of(folder / MANIFEST), "cohort": kept.keep(cohort, known=earlier)}
            stated |= {} if on is None else {"on": str(on)}
            stated |= _linkage_before(linkage)
            _record(occasion, agreement, key, tables, **stated, **sizes.for_the_audit_log())
            # Again: of two releases that began at the same time, the one that is recorded later finds the other.
            _refuse_key_of_another(agreement, key, occasion)
    columns = ("source", "records", "withheld", "outside", "released")
    true_counts = pl.DataFrame([{name: getattr(table, name) for name in columns} for table in tables])
    return Release(out, MappingProxyType(manifest), true_counts)


def _linkage_before(linkage: "Linkage") -> dict[str, str]:
    """State which linkage was the one before, by the digest of its store."""
    before = linkage.run.settings.get(PREVIOUS_LINKAGE)
    return {} if before is None else {PREVIOUS_LINKAGE: before}


def _refuse_key_of_another(agreement: Agreement, key: Key, occasion: "Occasion | None") -> None:
    if occasion is not None:
        refuse_shared_keys({agreement.recipient: key}, audit=occasion.audit)


def _refuse_too_few_alike(agreement: Agreement, quasi_identifiers: QuasiIdentifiers) -> None:
    k, least = quasi_identifiers.anonymity().k, agreement.minimum_k or 1
    if k is not None and k < least:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: k-anonymity is {k}, and at least {least} is wanted; derive "
            "coarser columns, take out a quasi-identifier, or choose another cohort"
        )


def _record(occasion: "Occasion", agreement: Agreement, key: Key, tables: list[Table], **stated: int | str) -> None:
    """Record a release in the audit log, with what is stated of it: the digest of its manifest, its cohort, its day."""
    occasion.record(
        "release",
        key,
        purpose=agreement.purpose,
        recipient=agreement.recipient,
        key_fingerprint=key.fingerprint,
        sources=", ".join(agreement.columns),
        format=agreement.format,
        **stated,
        records=sum(table.released for table in tables),
        withheld=sum(table.withheld for table in tables),
        left_out=sum(table.outside for table in tables),
    )
