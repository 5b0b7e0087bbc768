"""The tables of a release: each source's rows, those that leave, in an order that tells nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl

from linkcore.governance.releases.agreements import ADDED_COLUMNS, Agreement
from linkcore.governance.releases.anonymity import QuasiIdentifiers
from linkcore.governance.releases.derived import rows_with_derived
from linkcore.governance.releases.formats import write_rows
from linkcore.governance.releases.identifying_columns import PERSON, RECORD, SAMPLE_ROWS, names_of, refuse_identifying
from linkcore.governance.releases.rows import RANK, ROW_HASH, Buckets, keyed_row_hash
from linkcore.identifiers.text import as_text
from linkcore.keys.key import Key
from linkcore.link import Linkage
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.sources.payload import rows_beside_links
from linkcore.sources.source import Source

__all__ = ["COLUMN_PREFIX", "Table", "Tables"]

COLUMN_PREFIX: Final = "linkcore:column:"
"""Before a column's name, ``:`` and a value, so that no pseudonym of a value can be one of a person."""

_LEAVES: Final = "linkcore:leaves"


@dataclass(frozen=True)
class Table:
    """One source's rows, as they were written.

    Parameters
    ----------
    file : pathlib.Path
        Which they are in.
    columns : mapping of str to str
        Name to dtype.
    source : str
        Whose they are.
    records, withheld, outside, released : int
        How many there were; of these, how many were withheld, are of persons outside the cohort, and are in the file.
    """

    file: Path
    columns: Mapping[str, str]
    source: str
    records: int
    withheld: int
    outside: int
    released: int


@dataclass(frozen=True)
class Tables:
    """What the tables of one release have in common.

    Parameters
    ----------
    linkage : Linkage
        Of the sources.
    agreement : Agreement
        What the recipient may have.
    key : Key
        The recipient's own.
    persons : polars.DataFrame
        ``pseudonym`` and ``RANK`` of each person.
    kept : mapping of str to polars.Series, optional
        For each source, whether a record may leave; all may with none given.
    inside : polars.Series, optional
        Whether a person is in the cohort; all are with none given.
    known : QuasiIdentifiers
        What the tables tell of persons, which grows as they are written.
    """

    linkage: Linkage
    agreement: Agreement
    key: Key
    persons: pl.DataFrame
    kept: Mapping[str, pl.Series] | None
    inside: pl.Series | None
    known: QuasiIdentifiers = field(default_factory=QuasiIdentifiers)

    @cached_property
    def names(self) -> pl.Series:
        """The names that persons have, none of which may leave; they are gathered once for all columns."""
        return names_of(self.linkage.persons)

    def write(self, source: Source, folder: Path) -> Table:
        """Write one source's rows."""
        agreement, links = self.agreement, self._links(source)
        columns, coded = agreement.columns[source.name], agreement.pseudonymised.get(source.name, ())
        released = [*ADDED_COLUMNS, *agreement.released(source.name)]
        leaving = int(links[_LEAVES].sum())
        stride = max(1, leaving // SAMPLE_ROWS)
        sample, done = [], 0
        with Buckets(folder / f"{source.name}.work", leaving, self.persons.height) as buckets:
            derived = agreement.derived.get(source.name, {})
            read = rows_with_derived(source, (*columns, *coded), derived, self.linkage.reference_date)
            for batch in rows_beside_links(source, read, links):
                rows = batch.filter(_LEAVES)
                sample.append(rows.select(PERSON, RECORD, *columns).gather_every(stride, -done % stride))
                done += rows.height
                rows = rows.with_columns(_coded(name, rows.schema[name], self.key) for name in coded)
                self.known.add(source.name, rows, agreement.known_by(source.name))
                hashed = keyed_row_hash(rows, released[1:], self.key)
                buckets.add(rows.drop(PERSON, RECORD, _LEAVES).with_columns(hashed))
            refuse_identifying(
                pl.concat(sample),
                columns,
                self.linkage.persons,
                self.names,
                where=f"agreement with {agreement.recipient!r}, source {source.name!r}",
                looked_at=agreement.not_identifying.get(source.name, ()),
            )
            rows_in_order = buckets.sorted(RANK, ROW_HASH).select(released)
            file = write_rows(rows_in_order, folder, source.name, agreement.format)
            schema = rows_in_order.collect_schema()
        # The categories of an Enum are ours, and the same in every release.
        dtypes = {name: "Enum" if dtype == pl.Enum else str(dtype) for name, dtype in schema.items()}
        kept = links.height if self.kept is None else int(self.kept[source.name].sum())
        return Table(file, dtypes, source.name, links.height, links.height - kept, kept - leaving, leaving)

    def _links(self, source: Source) -> pl.DataFrame:
        """Give, for each row of the source, all that is known of it but its payload."""
        links = self.linkage.links_of(source.name)
        person = links["person_id"]
        leaves = pl.repeat(True, links.height, eager=True) if self.kept is None else self.kept[source.name]
        if self.inside is not None:
            leaves = leaves & self.inside[person]
        record_id = pl.lit(None, pl.String) if source.record_id_column is None else pl.col("record_id")
        return links.select(
            "raw_row_hash",
            self.persons[RANK][person],
            self.persons["pseudonym"][person],
            pl.col("method").alias("link_method"),
            "match_probability",
            person.alias(PERSON),
            record_id.alias(RECORD),
            leaves.alias(_LEAVES),
        )


def _coded(name: str, dtype: pl.DataType, key: Key) -> pl.Expr:
    """Give a column's values as pseudonyms; where there is nothing but space, there is no value."""
    text = as_text(pl.col(name), dtype).str.strip_chars()
    given = pl.when(text != "").then(pl.lit(f"{COLUMN_PREFIX}{name}:") + text)
    return pseudonymise(given, key).alias(name)
