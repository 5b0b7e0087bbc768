"""What the manifest of a release says."""

import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from linkcore.disclosure.suppression import SMALLEST_COUNT, rounded
from linkcore.governance.manifest import digest_of
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.anonymity import QuasiIdentifiers
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.formats import FORMATS
from linkcore.governance.releases.tables import Table
from linkcore.keys.key import Key
from linkcore.link import Linkage

if TYPE_CHECKING:
    from linkcore.governance.withholding.withholding import Withholding

__all__ = ["describe_anonymity", "describe_release", "describe_withheld"]


def describe_release(linkage: Linkage, agreement: Agreement, key: Key, tables: Sequence[Table]) -> dict[str, Any]:
    """Describe the agreement, the key and the files."""
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
        "key_fingerprint": key.fingerprint,
        "pseudonym": "HMAC-SHA-256 under the recipient's key, leftmost 128 bits, lower-case hex",
        "pseudonymised_columns": {source: list(names) for source, names in agreement.pseudonymised.items()},
        "derived_columns": {
            source: {name: derived.described() for name, derived in columns.items()}
            for source, columns in agreement.derived.items()
        },
        "not_identifying": {source: list(names) for source, names in agreement.not_identifying.items()},
        "records_linked": rounded(linkage.links.height),
        "files_are": FORMATS[agreement.format].note,
        "files": [_describe_file(table) for table in tables],
        "versions": {
            "linkcore": version("linkcore"),
            "polars": pl.__version__,
            "python": platform.python_version(),
        },
    }


def describe_withheld(withholding: "Withholding | None", sources: Sequence[str]) -> dict[str, Any] | None:
    """Describe what was withheld, and on what basis; small counts are hidden, because the recipient reads them."""
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


def describe_anonymity(agreement: Agreement, quasi_identifiers: QuasiIdentifiers) -> dict[str, Any]:
    """Describe the k-anonymity of the release, and of each source that has quasi-identifiers."""
    by_source = {source: list(agreement.known_by(source)) for source in agreement.columns}
    by_source = {source: names for source, names in by_source.items() if names}
    return {
        "quasi_identifiers": by_source,
        "release": quasi_identifiers.anonymity().as_dict(),
        "sources": {source: quasi_identifiers.anonymity(source).as_dict() for source in by_source},
    }


def _describe_file(table: Table) -> dict[str, Any]:
    return {
        "file": table.file.name,
        "source": table.source,
        "rows": table.released,
        "columns": dict(table.columns),
        "bytes": table.file.stat().st_size,
        "sha256": digest_of(table.file),
    }
