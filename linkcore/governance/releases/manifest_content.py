"""What the manifest of a release says."""

import platform
from collections.abc import Sequence
from typing import Any

import polars as pl

from linkcore.disclosure.suppression import ROUND_TO, SMALLEST_COUNT
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.anonymity import QuasiIdentifiers
from linkcore.governance.releases.cohorts import Cohort
from linkcore.governance.releases.encryption import ReleaseFiles
from linkcore.governance.releases.formats import FORMATS
from linkcore.governance.releases.link_columns import LINK_COLUMNS, MATCH_PROBABILITY
from linkcore.governance.releases.shown_counts import ShownCounts, written
from linkcore.governance.releases.tables import Table
from linkcore.keys.key import Key
from linkcore.report.file_schema import SUPPRESSED

__all__ = ["describe_anonymity", "describe_release", "describe_withheld"]


def describe_release(
    agreement: Agreement, key: Key, tables: Sequence[Table], files: ReleaseFiles, counts: ShownCounts
) -> dict[str, Any]:
    """Describe the agreement, the key and the files."""
    from importlib.metadata import version

    cohort, terms = agreement.cohort, agreement.terms
    return {
        "format": 3,
        "recipient": agreement.recipient,
        "purpose": agreement.purpose,
        "terms": None if terms is None else {name: str(value) for name, value in vars(terms).items()},
        "cohort": cohort.described() if isinstance(cohort, Cohort) else None,
        "key": key.id,
        "key_version": key.version,
        "key_fingerprint": key.fingerprint,
        "pseudonym": "HMAC-SHA-256 under the recipient's key, leftmost 128 bits, lower-case hex",
        **_describe_integer_id(agreement),
        "pseudonymised_columns": {source: list(names) for source, names in agreement.pseudonymised.items()},
        "derived_columns": {
            source: {name: derived.described() for name, derived in columns.items()}
            for source, columns in agreement.derived.items()
        },
        "link_columns": _describe_link_columns(agreement),
        "not_identifying": {source: list(names) for source, names in agreement.not_identifying.items()},
        "records_linked": written(counts.records()),
        "files_are": FORMATS[agreement.format].note,
        "files": [_describe_file(table, agreement, files, counts) for table in tables],
        **files.encryption(),
        "versions": {
            "linkcore": version("linkcore"),
            "polars": pl.__version__,
            "python": platform.python_version(),
        },
    }


def _describe_integer_id(agreement: Agreement) -> dict[str, Any]:
    if not agreement.integer_id:
        return {}
    means = "2^62 + the leftmost 62 bits of HMAC-SHA-256 under the recipient's key: 64-bit integer of 19 digits"
    return {"integer_id": {"column": agreement.integer_id, "means": means}}


def _describe_link_columns(agreement: Agreement) -> dict[str, str]:
    stated = {name: LINK_COLUMNS[name].says for name in agreement.told_of_links}
    if agreement.match_probability:
        stated[MATCH_PROBABILITY] += f"; released because: {agreement.match_probability}"
    return stated


def describe_withheld(agreement: Agreement, counts: ShownCounts) -> dict[str, Any]:
    """Describe what was withheld, and on what basis."""
    return {
        "basis": counts.basis(agreement.purpose),
        "records": counts.describe_withheld(agreement.purpose, list(agreement.columns)),
        "counts": f"1 to {SMALLEST_COUNT - 1}, and what would tell them, as {SUPPRESSED}; others to {ROUND_TO}",
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


def _describe_file(table: Table, agreement: Agreement, files: ReleaseFiles, counts: ShownCounts) -> dict[str, Any]:
    # Not the bytes: of a file without payload, they tell the rows. The digest shows that it is whole.
    rows = counts.released(agreement.purpose, table.source, released=table.released, outside=table.outside)
    return {
        "file": table.file,
        "source": table.source,
        "rows": written(rows),
        "columns": dict(table.columns),
        **files.described(table.file),
    }
