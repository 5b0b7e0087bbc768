"""The tables of a release: the rows of each source that leave, in an order that reveals nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from linkcore.governance.releases.anonymity import QuasiIdentifiers
from linkcore.governance.releases.encryption import ReleaseFiles
from linkcore.governance.releases.formats import write_rows
from linkcore.governance.releases.identifying.check import IdentifierCheck
from linkcore.governance.releases.leaving import LEAVES, LeavingRecords
from linkcore.governance.releases.plan import ReleasePlan
from linkcore.governance.releases.rows import RANK, ROW_HASH, Buckets, keyed_row_hash
from linkcore.identifiers.text import as_text
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.sources.payload import rows_beside_links

__all__ = ["COLUMN_PREFIX", "Table", "write_table"]

COLUMN_PREFIX: Final = "linkcore:column:"
"""Before a column's name, ``:`` and a value, so that no pseudonym of a value can equal one of a person."""


@dataclass(frozen=True)
class Table:
    """One table of a release, as it was written.

    Parameters
    ----------
    file : str
        Name of the file that holds it; where it is encrypted, its name once it is opened.
    columns : mapping of str to str
        Name to dtype.
    source : str
        Name of the source.
    records, withheld, outside, released : int
        How many records the source has, and how many of them were withheld, are of persons outside the cohort, and
        were released.
    """

    file: str
    columns: Mapping[str, str]
    source: str
    records: int
    withheld: int
    outside: int
    released: int


def write_table(
    plan: ReleasePlan, leaving: LeavingRecords, key: Key, quasi_identifiers: QuasiIdentifiers, files: ReleaseFiles
) -> Table:
    """Stream the rows of one source that leave, check what they hold, and write them in order.

    ``quasi_identifiers`` collects what the table tells about persons.
    """
    name = plan.source.name
    links = leaving.links_of(plan.source, plan.link_columns, plan.integer_id)
    released = int(links[LEAVES].sum())
    reference_date = leaving.linkage.reference_date
    references = () if reference_date is None else (reference_date,)
    check = IdentifierCheck([*plan.payload, *plan.derived], leaving.people, rows=released, references=references)
    # Rows of one person that hold nothing but a pseudonym are all the same.
    beside = list(plan.schema)[1:]
    hashed_columns = [name for name in beside if name != plan.integer_id] or [RANK]
    with Buckets(files.folder / f"{name}.work", released, leaving.persons.height) as buckets:
        for rows in _leaving_rows(plan, leaving, links, key):
            check.add(rows)
            quasi_identifiers.add(name, rows, plan.quasi_identifiers)
            buckets.add(rows.select(RANK, *beside).with_columns(keyed_row_hash(rows, hashed_columns, key)))
        check.refuse(plan.where, plan.not_identifying)
        ordered = buckets.sorted(RANK, ROW_HASH).select(_pseudonym(leaving.pseudonyms), *beside)
        file = write_rows(ordered, files, name, plan.format)
    # The categories of an Enum are ours, and the same in every release.
    dtypes = {column: "Enum" if dtype == pl.Enum else str(dtype) for column, dtype in plan.schema.items()}
    withheld = leaving.withheld(plan.source)
    return Table(file.name, dtypes, name, links.height, withheld, links.height - withheld - released, released)


def _pseudonym(by_rank: pl.Series) -> pl.Expr:
    """Return the pseudonym of each row's person; rows in order find it in order, without jumps in memory."""
    found = pl.col(RANK).map_batches(by_rank.gather, pl.String(), is_elementwise=True)
    return found.alias("pseudonym")


def _leaving_rows(plan: ReleasePlan, leaving: LeavingRecords, links: pl.DataFrame, key: Key) -> Iterator[pl.DataFrame]:
    """Yield the rows that leave, batch by batch; the first batch has no rows."""
    scan = plan.scan(leaving.linkage.reference_date, leaving.people_by_postcode)
    for batch in rows_beside_links(plan.source, scan, links, leaving.linkage.digests.get(plan.source.name)):
        rows = batch.filter(LEAVES).cast({name: plan.schema[name] for name in plan.payload})
        yield rows.with_columns(_pseudonymised(name, rows.schema[name], key) for name in plan.pseudonymised)


def _pseudonymised(column: str, dtype: pl.DataType, key: Key) -> pl.Expr:
    """Return the pseudonyms of a column's values; an empty or blank value has none."""
    text = as_text(pl.col(column), dtype).str.strip_chars()
    given = pl.when(text != "").then(pl.lit(f"{COLUMN_PREFIX}{column}:") + text)
    return pseudonymise(given, key).alias(column)
