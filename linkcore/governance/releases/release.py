"""Release: one recipient's payload under its own pseudonyms; the only way by which de-identified data leaves."""

import datetime as dt
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from linkcore.disclosure.suppression import SMALLEST_COUNT, rounded
from linkcore.errors import ProgrammeError, RefusedError
from linkcore.files import new_folder
from linkcore.governance.manifest import MANIFEST, digest_of, is_of_a_release, write_manifest
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.anonymity import QuasiIdentifiers
from linkcore.governance.releases.checks import (
    check_day,
    check_key,
    check_people,
    key_fingerprint,
    refuse_unless_signed_and_audited,
)
from linkcore.governance.releases.cohorts import Cohort, persons_of
from linkcore.governance.releases.formats import NOTES
from linkcore.governance.releases.rows import RANK
from linkcore.governance.releases.tables import Table, Tables
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.parallel import side_by_side
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise

if TYPE_CHECKING:
    from linkcore.governance.audit.occasion import Occasion
    from linkcore.governance.withholding.withholding import Withholding
    from linkcore.keys.signing import SigningKey

__all__ = ["Release", "person_pseudonyms", "release"]


@dataclass(frozen=True, repr=False)
class Release:
    """What was written for one recipient.

    Parameters
    ----------
    folder : pathlib.Path
        Where it lies.
    manifest : mapping
        The content of its ``manifest.json``.
    counts : polars.DataFrame
        For the trusted team: of each ``source`` its ``records``, and how many of them were ``withheld``, are of persons
        ``outside`` the cohort, and were ``released``.
    """

    folder: Path
    manifest: MappingProxyType[str, Any]
    counts: pl.DataFrame = field(default_factory=pl.DataFrame, compare=False)

    def __repr__(self) -> str:
        """Say what went to whom; never how much, which a notebook would keep."""
        about, sources = self.manifest, ", ".join(self.rows)
        return f"Release({sources} to {about['recipient']!r} for {about['purpose']!r}, under key {about['key']!r})"

    @property
    def rows(self) -> dict[str, int]:
        """Rows released, by source."""
        return {file["source"]: file["rows"] for file in self.manifest["files"]}


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
    """Write a recipient's payload, with pseudonyms in place of everything that identifies.

    Each source becomes one table: ``pseudonym``, ``link_method``, ``match_probability``, then the agreement's columns
    of it, in the order of pseudonyms and then of a keyed hash of the row, so that nothing of the source's order is
    left. Payload is streamed: memory does not grow with it.

    Data of real people are released only with a withholding, that is, once opt-outs were applied for this day and this
    purpose, and only under an agreement with terms. Without one, of the NHS Numbers in each source at least 99 in 100
    must lie in the range that is set aside for testing, and most records must have one.

    Data of real people are also released only signed and audited, unless :func:`linkcore.link` was told that they are
    synthetic.

    Parameters
    ----------
    linkage : Linkage
        Of the sources.
    agreement : Agreement
        What the recipient may have.
    key : Key
        The recipient's own key.
    out : path
        The folder to write; what was there is replaced when the new release is complete.
    on : datetime.date, optional
        The day of release, by which the agreement's terms are judged; it may be left out where there are none.
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
        If the agreement is not in force, opt-outs were not applied, data of real people would be neither signed nor
        audited, the key is not the agreement's, a column identifies people, or too few persons are alike.
    ProgrammeError
        If the agreement names a source or column that is not there, or the day or the actor is missing.
    SourceError
        If a source has changed since it was linked.
    """
    agreement.check(linkage.sources)
    check_key(agreement, key)
    check_day(agreement, withholding, on)
    synthetic = check_people(linkage, agreement, withholding)
    audit = None if occasion is None else occasion.audit
    refuse_unless_signed_and_audited(synthetic=synthetic or linkage.synthetic, signing_key=signing_key, audit=audit)
    if occasion is not None and not occasion.actor:
        raise ProgrammeError("a release that is audited needs to know who releases: give the occasion an actor")
    persons = person_pseudonyms(linkage.persons, key)
    kept = None if withholding is None else withholding.kept
    cohort = agreement.cohort if isinstance(agreement.cohort, Cohort) else None
    inside = None if cohort is None else persons_of(cohort, linkage, persons["pseudonym"], kept)
    tables = Tables(linkage, agreement, key, persons, kept, inside)
    out = Path(out)
    with new_folder(out, ours=is_of_a_release) as folder:
        sources = [source for source in linkage.sources if source.name in agreement.columns]
        # All tables of a database are in one file.
        at_once = 1 if agreement.format == "duckdb" else 2
        written = list(side_by_side(lambda source: tables.write(source, folder), sources, at_once=at_once))
        _refuse_too_few_alike(agreement, tables.known)
        # A database is whole only now.
        files = [_described(table) for table in written]
        manifest = _manifest(linkage, agreement, key, files) | {
            "on": None if on is None else str(on),
            "synthetic": synthetic,
            "withheld": _withheld(withholding, list(agreement.columns)),
            "anonymity": _anonymity(agreement, tables.known),
        }
        write_manifest(folder, manifest, signing_key)
        if occasion is not None:
            replace(occasion, reason=agreement.purpose).record(
                "release",
                key,
                recipient=agreement.recipient,
                sources=", ".join(agreement.columns),
                format=agreement.format,
                manifest=digest_of(folder / MANIFEST),
                records=sum(table.released for table in written),
                withheld=sum(table.withheld for table in written),
                left_out=sum(table.outside for table in written),
            )
    columns = ("source", "records", "withheld", "outside", "released")
    counts = pl.DataFrame([{name: getattr(table, name) for name in columns} for table in written])
    return Release(out, MappingProxyType(manifest), counts)


def person_pseudonyms(persons: pl.DataFrame, key: Key) -> pl.DataFrame:
    """Give each person's pseudonym under a key, and its place in the order of pseudonyms.

    Returns ``pseudonym`` (String, 32 hex characters) and ``RANK`` (UInt32), a row a person in the order of person ids.
    """
    # The order of 64 of their bits is that of the pseudonyms: that two share these is as good as impossible.
    first = pl.col("pseudonym").str.head(16).str.decode("hex").bin.reinterpret(dtype=pl.UInt64, endianness="big")
    return persons.select(pseudonymise(person_name(), key).alias("pseudonym")).with_columns(
        (first.rank("ordinal") - 1).cast(pl.UInt32).alias(RANK)
    )


def _refuse_too_few_alike(agreement: Agreement, known: QuasiIdentifiers) -> None:
    least = agreement.minimum_k or 1
    k = known.anonymity().k
    if k is not None and k < least:
        raise RefusedError(
            f"agreement with {agreement.recipient!r}: k-anonymity is {k}, and at least {least} is wanted; derive "
            "coarser columns, take out a quasi-identifier, or choose another cohort"
        )


def _described(table: Table) -> dict[str, Any]:
    return {
        "file": table.file.name,
        "source": table.source,
        "rows": table.released,
        "columns": dict(table.columns),
        "bytes": table.file.stat().st_size,
        "sha256": digest_of(table.file),
    }


def _withheld(withholding: "Withholding | None", sources: Sequence[str]) -> dict[str, Any] | None:
    """Say what was kept back and on what basis; small counts could tell of somebody, and the recipient reads them."""
    if withholding is None:
        return None
    counts = withholding.counts.filter(pl.col("source").is_in(list(sources)))
    shown = [
        {**row, "records": "*" if 0 < row["records"] < SMALLEST_COUNT else rounded(row["records"])}
        for row in counts.select("source", "reason", "records").rows(named=True)
    ]
    return {
        "basis": dict(withholding.basis),
        "records": shown,
        "counts": f"1 to {SMALLEST_COUNT - 1} as *, others to 5",
    }


def _anonymity(agreement: Agreement, known: QuasiIdentifiers) -> dict[str, Any]:
    quasi = {source: list(agreement.known_by(source)) for source in agreement.columns}
    return {
        "quasi_identifiers": {source: names for source, names in quasi.items() if names},
        "release": known.anonymity().as_dict(),
        "sources": {source: known.anonymity(source).as_dict() for source, names in quasi.items() if names},
    }


def _manifest(linkage: Linkage, agreement: Agreement, key: Key, files: list[dict[str, Any]]) -> dict[str, Any]:
    from importlib.metadata import version

    cohort, terms = agreement.cohort, agreement.terms
    return {
        "format": 2,
        "recipient": agreement.recipient,
        "purpose": agreement.purpose,
        "terms": None if terms is None else {name: str(value) for name, value in vars(terms).items()},
        "cohort": cohort.described() if isinstance(cohort, Cohort) else None,
        "key": key.id,
        "key_version": key.version,
        "key_fingerprint": key_fingerprint(key),
        "pseudonym": "HMAC-SHA-256 under the recipient's key, leftmost 128 bits, lower-case hex",
        "pseudonymised_columns": {source: list(names) for source, names in agreement.pseudonymised.items()},
        "derived_columns": {
            source: {name: derived.described() for name, derived in columns.items()}
            for source, columns in agreement.derived.items()
        },
        "not_identifying": {source: list(names) for source, names in agreement.not_identifying.items()},
        "records_linked": rounded(linkage.links.height),
        "files_are": NOTES[agreement.format],
        "files": files,
        "versions": {
            "linkcore": version("linkcore"),
            "polars": pl.__version__,
            "python": platform.python_version(),
        },
    }
