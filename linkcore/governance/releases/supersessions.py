"""The supersession table of a release: which pseudonym took the place of which, under the recipient's own key."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.governance.manifest import SUPERSEDED_TABLE
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.encryption import ReleaseFiles
from linkcore.governance.releases.formats import write_rows
from linkcore.governance.releases.identifying.check import PERSON
from linkcore.governance.releases.leaving import LEAVES, LeavingRecords
from linkcore.keys.key import Key
from linkcore.linkage.stable_persons.names_before import told_of
from linkcore.pseudonyms.integer_ids import integer_id
from linkcore.pseudonyms.persons import person_name
from linkcore.pseudonyms.pseudonymise import pseudonymise

__all__ = ["describe_supersessions", "write_supersessions"]

_MEANS: Final = (
    "the pseudonym old of earlier releases under this key gave way to new; after a split, some records of old have the "
    "pseudonym new now, and old is in use still, unless another row says what took its place. Only people of this "
    "release are in it"
)


def write_supersessions(
    leaving: LeavingRecords, agreement: Agreement, key: Key, files: ReleaseFiles
) -> Mapping[str, Any] | None:
    """Write which pseudonyms of the people who leave took the place of others; None without an earlier linkage.

    Returns the name of the ``file`` and its ``columns``. Who is outside the cohort, or has no record that leaves in the
    agreement's sources, is in no row.
    """
    linkage = leaving.linkage
    if not linkage.history.counts:
        return None
    clash = [name for name in agreement.columns if name.lower() == SUPERSEDED_TABLE]
    if clash:
        raise ProgrammeError(
            f"agreement with {agreement.recipient!r}: a release has a table {SUPERSEDED_TABLE!r} of its own, and "
            f"a source has that name; rename source {clash[0]!r}"
        )
    present = pl.repeat(False, linkage.persons.height, eager=True)
    for source in linkage.sources:
        if source.name in agreement.columns:
            links = leaving.links_of(source, ())
            present = present.scatter(links.filter(LEAVES)[PERSON].unique(), True)
    names = linkage.persons.filter(present).select(person_name()).to_series()
    both, column = ("old", "new"), agreement.integer_id
    rows = told_of(linkage.superseded, names).select(
        *(pseudonymise(name, key) for name in both),
        *(integer_id(name, key).alias(f"{name}_{column}") for name in both if column),
        pl.col("reason").cast(pl.String),
        "date",
    )
    # In order of pseudonyms, so that the order of names is lost.
    file = write_rows(rows.sort(pl.all()).lazy(), files, SUPERSEDED_TABLE, agreement.format)
    return {"file": file.name, "columns": {name: str(dtype) for name, dtype in rows.schema.items()}}


def describe_supersessions(written: Mapping[str, Any] | None, files: ReleaseFiles) -> Mapping[str, Any]:
    """Describe the table for the manifest."""
    if written is None:
        return {}
    return {SUPERSEDED_TABLE: {**written, **files.described(written["file"]), "means": _MEANS}}
